//! Channels in the books: to the unit, whoever dies when and however many write at once.

mod books;
mod crash;
mod forgetting;
mod model;
mod races;
mod signed;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use farthing_core::{
    intent::session::{ChannelId, OnChain, RawSignature, Seen, SessionRequest, Terms, Voucher},
    memory::MemoryBackend,
    noun::{Challenge, Expires, Request},
    port::{
        backend::Backend,
        clock::Clock,
        method::{Outcome, Refusal},
        session::{
            Action, FundOrder, Handing, Said, Session as _, SettleItem, SettleJob, Settled, Shown,
            WantedSession,
        },
        session_payer::{Keeping, SessionOffer, SessionPayer as _},
    },
    value::{Amount, ChallengeId, Realm, Secret, Timestamp},
};
use farthing_ledger::{
    Account, Accounts, Currencies, Funding, KeyType, Ledger, LedgerSessionPayer, LedgerSessions,
    TransferId, method,
};
use serde_json::value::RawValue;

use crate::fixture::{LATER, NOW, dollar, key};

/// A clock that tests move.
#[derive(Clone, Debug)]
struct Hand(Arc<AtomicU64>);

impl Hand {
    fn advance(&self, secs: u64) {
        self.0.fetch_add(secs * 1000, Ordering::SeqCst);
    }

    fn go_back(&self, secs: u64) {
        self.0.fetch_sub(secs * 1000, Ordering::SeqCst);
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// A seller's store with a buyer and the seller itself.
struct Shop {
    backend: Arc<dyn Backend>,
    clock: Hand,
    accounts: Accounts,
    sessions: LedgerSessions,
    payer: LedgerSessionPayer,
    buyer: Account,
    seller: Account,
    realm: Realm,
    challenge: ChallengeId,
    request: SessionRequest,
}

/// Something signed that locks value, checked and ready to be sent.
#[derive(Clone)]
struct Ready {
    id: ChannelId,
    terms: Terms,
    effect: Secret,
}

/// A channel with what both sides keep of it.
#[derive(Clone)]
struct Open {
    keeping: Keeping,
    terms: Terms,
}

impl Shop {
    async fn new(deposit: u128) -> Self {
        Self::on(Arc::new(MemoryBackend::new()), deposit).await
    }

    async fn on(backend: Arc<dyn Backend>, deposit: u128) -> Self {
        let (buyer, seller) = (key(KeyType::Ed25519, 7), key(KeyType::Secp256k1, 7));
        let clock = Hand(Arc::new(AtomicU64::new(NOW.as_millis())));
        let seller = seller.account().clone();
        let sessions = sessions(&backend, &clock);
        let price = "$0.0001".parse().unwrap();
        let mut requests = sessions.prepare(&WantedSession {
            price: &price,
            unit: None,
            deposit: None,
            min_delta: None,
            terms: None,
        });
        let shop = Self {
            accounts: Accounts::new(backend.clone(), Currencies::default()),
            backend,
            sessions,
            clock,
            buyer: buyer.account().clone(),
            seller,
            payer: LedgerSessionPayer::new(buyer),
            realm: Realm::new("api.example.com").unwrap(),
            challenge: ChallengeId::new("kM9xPqWvT2nJrHsY4aDfEb").unwrap(),
            request: requests.as_mut().unwrap().remove(0),
        };
        shop.pay_in("first", deposit).await;
        shop
    }

    async fn pay_in(&self, id: &str, amount: u128) {
        if amount == 0 {
            return;
        }
        let deposit = Funding {
            id: TransferId::new(id).unwrap(),
            account: self.buyer.clone(),
            currency: dollar(),
            amount: Amount::new(amount),
            at: NOW,
        };
        self.accounts.deposit(&deposit).await.unwrap();
    }

    /// The same store as another process has it.
    fn restarted(&self) -> LedgerSessions {
        sessions(&self.backend, &self.clock)
    }

    fn offer(&self) -> SessionOffer {
        let mut challenge = Challenge::new(
            self.challenge.clone(),
            self.realm.clone(),
            method(),
            farthing_core::intent::session::id(),
            Request::new(&self.request).unwrap(),
        );
        challenge.expires = Some(Expires::new(LATER));
        SessionOffer {
            challenge,
            request: self.request.clone(),
            protocol: self.request.protocol().unwrap(),
        }
    }

    fn shown<'a>(&'a self, payload: &'a RawValue) -> Shown<'a> {
        Shown {
            challenge: &self.challenge,
            realm: &self.realm,
            request: &self.request,
            expires: LATER,
            source: None,
            payload,
            now: self.clock.now(),
        }
    }

    async fn check(&self, payload: &RawValue, terms: Option<&Terms>) -> Result<Ready, Refusal> {
        let shown = self.shown(payload);
        let (Action::Open(funding) | Action::TopUp(funding)) = self.sessions.read(&shown)? else {
            panic!("it funds nothing")
        };
        let checked = self.sessions.check(shown, &funding, terms).await?;
        Ok(Ready {
            id: funding.channel,
            terms: checked.terms,
            effect: checked.verified.effect.unwrap(),
        })
    }

    /// Signs an opening, and presents it.
    async fn opening(&self, amount: u128) -> (Keeping, Box<RawValue>) {
        let (offer, amount) = (self.offer(), Amount::new(amount));
        let opening = self
            .payer
            .open(&offer, amount, self.clock.now())
            .await
            .unwrap();
        let transaction = opening.locking.transaction;
        let payload = self
            .payer
            .present_opening(&opening.channel, &transaction, Amount::ZERO);
        (opening.channel, payload.unwrap())
    }

    async fn top_up(&self, channel: &Open, amount: u128) -> Box<RawValue> {
        let (offer, amount) = (self.offer(), Amount::new(amount));
        let now = self.clock.now();
        let locking = self
            .payer
            .top_up(&offer, &channel.keeping, amount, now)
            .await;
        locking.unwrap().payload.unwrap()
    }

    async fn open(&self, amount: u128) -> Open {
        let (keeping, payload) = self.opening(amount).await;
        let ready = self.check(&payload, None).await.unwrap();
        assert!(done(&fund(&self.sessions, &ready).await));
        let terms = ready.terms;
        Open { keeping, terms }
    }

    fn said(&self, channel: &Open, cumulative: u128) -> Said {
        let cumulative = Amount::new(cumulative);
        let payload = self
            .payer
            .voucher(&channel.keeping, cumulative, false)
            .unwrap();
        match self.sessions.read(&self.shown(&payload)).unwrap() {
            Action::Voucher(said) => said,
            action => panic!("{action:?}"),
        }
    }

    fn voucher(&self, channel: &Open, cumulative: u128) -> Voucher {
        let said = self.said(channel, cumulative);
        let verifier = self.sessions.verifier(&channel.keeping.id, &channel.terms);
        verifier.unwrap().check(&said).unwrap()
    }

    fn pay(&self, channel: &Open, cumulative: u128) -> SettleItem {
        channel.item(Handing::Settle(self.voucher(channel, cumulative)))
    }

    fn close(&self, channel: &Open, capture: u128, says: Option<u128>) -> SettleItem {
        channel.item(Handing::Close {
            capture: Amount::new(capture),
            voucher: says.map(|says| self.voucher(channel, says)),
        })
    }

    async fn seen(&self, channel: &Open) -> Option<Seen> {
        let of = [(channel.keeping.id.clone(), channel.terms.clone())];
        self.sessions.look(&of).await.unwrap().remove(0)
    }

    /// What is locked and paid out of a channel.
    async fn numbers(&self, channel: &Open) -> (u128, u128) {
        match self.seen(channel).await.unwrap().state {
            OnChain::Open {
                deposit, settled, ..
            } => (deposit.units(), settled.units()),
            state => panic!("{state:?}"),
        }
    }

    /// What the buyer may spend, what is held of it, and what the seller has. The books are right.
    async fn has(&self) -> (u128, u128, u128) {
        let people = [self.buyer.clone(), self.seller.clone()];
        let total = self.accounts.total(&dollar(), &people).await.unwrap();
        assert_eq!(total, 0, "money was made or lost");
        let buyer = self.accounts.balance(&self.buyer, &dollar()).await.unwrap();
        let seller = self
            .accounts
            .balance(&self.seller, &dollar())
            .await
            .unwrap();
        assert_eq!(seller.held, Amount::ZERO);
        (
            buyer.available.units(),
            buyer.held.units(),
            seller.available.units(),
        )
    }
}

impl Open {
    fn item(&self, how: Handing) -> SettleItem {
        SettleItem {
            channel: self.keeping.id.clone(),
            terms: self.terms.clone(),
            how,
        }
    }
}

fn sessions(backend: &Arc<dyn Backend>, clock: &Hand) -> LedgerSessions {
    let seller = key(KeyType::Secp256k1, 7).account().clone();
    LedgerSessions::new(
        Ledger::new(seller),
        backend.clone(),
        Arc::new(clock.clone()),
    )
}

async fn fund(sessions: &LedgerSessions, ready: &Ready) -> Outcome {
    let order = FundOrder {
        channel: &ready.id,
        terms: &ready.terms,
        effect: &ready.effect,
    };
    sessions.fund(order).await
}

fn done(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Settled { .. } => true,
        Outcome::Refused(_) => false,
        other => panic!("{other:?}"),
    }
}

fn paid(settled: &Settled) -> bool {
    match settled {
        Settled::Done { .. } => true,
        Settled::Refused { .. } => false,
        other => panic!("{other:?}"),
    }
}

fn job(id: u32, items: Vec<SettleItem>) -> SettleJob {
    let mut long = [0; 16];
    long[..4].copy_from_slice(&id.to_be_bytes());
    SettleJob { id: long, items }
}

fn forged(cumulative: u128) -> Voucher {
    let signature = RawSignature {
        r: [1; 32],
        s: [2; 32],
    };
    Voucher::new(
        farthing_core::intent::session::Protocol::V2,
        Amount::new(cumulative),
        signature,
    )
    .unwrap()
}
