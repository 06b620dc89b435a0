//! Everything there is: the store, the rails, the shop that is open at the moment, its buyers.

use std::{future::Future, pin::pin, sync::Arc, task::Poll, time::Duration};

use farthing_core::{
    domain::{
        claims::Held,
        payments::Payments,
        receipts::{Kept, Receipts},
    },
    header::{authorization, www_authenticate},
    intent::charge::ChargeRequest,
    memory::MemoryBackend,
    noun::{Challenge, Credential, Source},
    payment::Payment,
    port::{
        backend::Backend,
        clock::Clock,
        payer::{Offer, Payer},
    },
    value::{Amount, ChallengeId, ClaimKey, CurrencyCode, PaymentId, Timestamp},
};
use farthing_ledger::{
    AccountKey, Accounts, Currencies, Funding, KeyType, LedgerPayer, TransferId,
};
use http::header::WWW_AUTHENTICATE;
use http_body_util::Full;
use tokio::{sync::watch, task::JoinHandle};

use super::{
    action::{Action, CommitFault, RailAnswer, Reading},
    client::{Clients, Complaints, request},
    handler::Handler,
    paced::{Pace, Paced},
    purchase::{Purchase, SOLD},
    shop::{Parts, Shop},
};
use crate::{
    clock::FakeClock,
    faulty::{self, Failure, Faults, Faulty, When},
    method::{Answer, FakeCharge, FakePayer, FakeProof, FakeRail, account, currency, method},
};

/// What the buyer has on each rail at the start. Not enough for everything it will want.
pub(super) const FUNDS: u128 = 16 * PRICE;
/// What everything costs.
pub(super) const PRICE: u128 = 2_000;
/// What may be in flight on the fake rail, and what may be spent there.
pub(super) const IN_FLIGHT: u128 = 4 * PRICE;
/// The counters of these two limits.
pub(super) const FLIGHT_COUNTER: &str = "sim.flight";
pub(super) const SPENT_COUNTER: &str = "sim.spent";

/// How long after its proof was checked the fake rail takes a payment.
const SENDING: Duration = Duration::from_secs(120);

/// When it begins.
const START: Timestamp = Timestamp::from_secs(1_800_000_000);

fn key(seed: u8) -> AccountKey {
    AccountKey::from_seed(KeyType::Ed25519, [seed; 32]).expect("a small number is a key")
}

pub(super) fn buyer() -> AccountKey {
    key(1)
}

pub(super) fn seller() -> AccountKey {
    key(2)
}

pub(super) fn dollar() -> CurrencyCode {
    CurrencyCode::new("usd6").expect("the ledger's dollar is well named")
}

/// Everything there is.
pub(super) struct World {
    pub(super) books: Books,
    pub(super) parts: Parts,
    pub(super) shop: Shop,
    pub(super) purchases: Vec<Arc<Purchase>>,
    pub(super) crashes: usize,
    clients: Clients,
    faults: Faults,
    held: Vec<faulty::Held>,
    pace: Pace,
    tasks: Vec<JoinHandle<()>>,
    payers: (FakePayer, LedgerPayer),
    went_back: u64,
}

/// The truth: what the store holds, without its faults, and what the rails say.
#[derive(Clone)]
pub(super) struct Books {
    pub(super) store: Arc<dyn Backend>,
    pub(super) payments: Payments,
    pub(super) accounts: Accounts,
    pub(super) rail: Arc<FakeRail>,
}

/// That value moved for a purchase.
pub(super) struct MovedFor {
    pub(super) reference: String,
    pub(super) payment: Option<PaymentId>,
}

/// The answer of something that does not wait: memory.
pub(super) fn now<T>(work: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match pin!(work).poll(&mut context) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("memory answers at once"),
    }
}

impl Books {
    /// The payment that claimed a purchase's challenge.
    pub(super) fn payment(&self, purchase: &Purchase) -> Option<Held<Payment>> {
        let key = ClaimKey::challenge(&purchase.challenge);
        now(self.payments.claims().find(&key)).expect("memory is whole")
    }

    /// Whether value moved for a purchase, and what the rail calls it.
    pub(super) fn moved(&self, purchase: &Purchase) -> Option<MovedFor> {
        let held = self.payment(purchase);
        let payment = held.as_ref().map(|held| held.record.id);
        let reference = match &purchase.nonce {
            Some(nonce) => {
                let transfer = self.rail.moved(nonce)?;
                (transfer.memo == purchase.challenge.as_str()).then_some(transfer.reference)?
            }
            None => {
                // A payment may be forgotten; its receipt is not.
                let receipts = self.receipts();
                let mut receipts = receipts.iter();
                let of = |kept: &&Kept| is_for(kept, &purchase.challenge);
                receipts.find(of)?.receipt.reference().as_str().to_owned()
            }
        };
        Some(MovedFor { reference, payment })
    }

    /// Whether value moved by a purchase's proof, be it for another challenge.
    pub(super) fn moved_by_proof(&self, purchase: &Purchase) -> bool {
        let nonce = purchase.nonce.as_ref();
        nonce.is_some_and(|nonce| self.rail.moved(nonce).is_some())
            || self.moved(purchase).is_some()
    }

    /// Every receipt there is.
    pub(super) fn receipts(&self) -> Vec<Kept> {
        let receipts = Receipts::new(Arc::clone(&self.store));
        now(receipts.list(None, 1000)).expect("memory is whole")
    }

    /// Every payment there is.
    pub(super) fn all(&self) -> Vec<Held<Payment>> {
        let mut all = now(self.payments.due(Timestamp::FAR, 1000)).expect("memory is whole");
        all.extend(now(self.payments.owed(1000)).expect("memory is whole"));
        all.extend(now(self.payments.defaulted(None, 1000)).expect("memory is whole"));
        all
    }
}

/// Whether a receipt is for a challenge.
pub(super) fn is_for(kept: &Kept, challenge: &ChallengeId) -> bool {
    let named = kept.receipt.extra().get("challengeId");
    named.and_then(serde_json::Value::as_str) == Some(challenge.as_str())
}

impl World {
    pub(super) fn new() -> Result<Self, String> {
        let clock = FakeClock::at(START);
        let memory: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        let (faulty, faults) = Faulty::over(Arc::clone(&memory));
        let pace = Pace::default();
        let store: Arc<dyn Backend> = Arc::new(Paced {
            inner: faulty,
            pace: pace.clone(),
        });
        let rail = Arc::new(FakeRail::new(Arc::new(clock.clone())));
        rail.deposit(&account("buyer"), FUNDS);
        let charge = FakeCharge::new(Arc::clone(&rail), &account("seller"))
            .limited(FLIGHT_COUNTER, IN_FLIGHT, false)
            .limited(SPENT_COUNTER, u128::from(u64::MAX), true)
            .sending_within(SENDING);
        let parts = Parts {
            store,
            clock,
            charge: Arc::new(charge),
            handler: Handler::default(),
        };
        let accounts = Accounts::new(Arc::clone(&memory), Currencies::default());
        let opening = Funding {
            id: TransferId::new("opening").map_err(|error| error.to_string())?,
            account: buyer().account().clone(),
            currency: dollar(),
            amount: Amount::new(FUNDS),
            at: START,
        };
        now(accounts.deposit(&opening)).map_err(|error| error.to_string())?;
        let books = Books {
            payments: Payments::new(Arc::clone(&memory)),
            store: memory,
            accounts,
            rail: Arc::clone(&rail),
        };
        let payer = FakePayer::new(rail, account("buyer"));
        Ok(Self {
            shop: Shop::open(&parts)?,
            clients: Clients {
                books: books.clone(),
                complaints: Complaints::default(),
                read: watch::Sender::new(0),
            },
            books,
            parts,
            purchases: Vec::new(),
            crashes: 0,
            faults,
            held: Vec::new(),
            pace,
            tasks: Vec::new(),
            payers: (payer, LedgerPayer::new(buyer())),
            went_back: 0,
        })
    }

    /// Lets something happen, and says what an answer to a buyer did that must not be.
    pub(super) fn act(&mut self, action: &Action) -> Result<(), String> {
        self.parts.clock.advance(Duration::from_millis(1));
        match *action {
            Action::Pay {
                route,
                offer,
                reading,
                turns,
            } => {
                if let Some(purchase) = self.sign(route, offer)? {
                    self.present(&purchase, reading);
                }
                self.turn(turns);
            }
            Action::Retry {
                which,
                reading,
                turns,
            } => {
                if let Some(purchase) = self.purchase(which) {
                    self.present(&purchase, reading);
                }
                self.turn(turns);
            }
            Action::Duplicate {
                which,
                times,
                turns,
            } => {
                if let Some(purchase) = self.purchase(which) {
                    (0..times).for_each(|_| self.present(&purchase, Reading::Whole));
                }
                self.turn(turns);
            }
            Action::Swap { which } => self.swap(which)?,
            Action::Turns(turns) => self.turn(turns),
            Action::Drop(which) => self.drop_one(which),
            Action::Read => self.clients.read.send_modify(|round| *round += 1),
            Action::Crash => self.crash()?,
            Action::Reconcile { turns } => self.reconcile(turns),
            Action::Wait(secs) => self.wait(u64::from(secs)),
            Action::Jump { secs, back } => self.jump(u64::from(secs), back),
            Action::Handler(behaviour) => self.parts.handler.script(behaviour),
            Action::Rail(answer) => self.books.rail.script([scripted(answer)]),
            Action::Commit { nth, fault } => self.fault(u64::from(nth) + 1, fault),
            Action::Store { reads, writes } => {
                self.faults
                    .fail_reads(reads.then_some(Failure::Unavailable));
                self.faults.fail_commits(writes.then_some(Failure::Full));
            }
            Action::Heal => self.heal(),
            Action::Pace(turns) => {
                self.pace.set(u32::from(turns));
                self.books.rail.set_pace(u32::from(turns));
            }
        }
        self.clients.complaints.take()
    }

    /// Says what an answer to a buyer did that must not be.
    pub(super) fn complaints(&self) -> Result<(), String> {
        self.clients.complaints.take()
    }

    pub(super) fn turn(&self, turns: u8) {
        self.shop.turn(u32::from(turns));
    }

    pub(super) fn reconcile(&mut self, turns: u8) {
        let gate = self.shop.gate.clone();
        // A store that cannot be read is read in the next round.
        let round = self.shop.spawn(async move { drop(gate.reconcile().await) });
        self.tasks.push(round);
        self.turn(turns);
    }

    pub(super) fn crash(&mut self) -> Result<(), String> {
        self.crashes += 1;
        self.tasks.clear();
        self.shop = Shop::open(&self.parts)?;
        Ok(())
    }

    /// Ends what was scripted: store, rail and handler are as good as can be.
    pub(super) fn heal(&mut self) {
        self.faults.fail_commits(None);
        self.faults.fail_reads(None);
        self.held.drain(..).for_each(|held| held.release());
    }

    pub(super) fn forget_scripts(&self) {
        self.books.rail.forget_script();
        self.parts.handler.forget_script();
        self.faults.forget();
        self.pace.set(0);
        self.books.rail.set_pace(0);
    }

    pub(super) fn present(&mut self, purchase: &Arc<Purchase>, reading: Reading) {
        if let Some(client) = self.clients.present(&self.shop, purchase, reading) {
            let client = self.shop.spawn(client);
            self.tasks.push(client);
        }
    }

    fn purchase(&self, which: u8) -> Option<Arc<Purchase>> {
        let at = usize::from(which) % self.purchases.len().max(1);
        self.purchases.iter().rev().nth(at).cloned()
    }

    fn drop_one(&mut self, which: u8) {
        self.tasks.retain(|task| !task.is_finished());
        let count = self.tasks.len().max(1);
        if let Some(task) = self.tasks.get(usize::from(which) % count) {
            task.abort();
        }
    }

    /// A write that is held for longer than payments are remembered is beyond what is promised, as
    /// a process is that sleeps that long between two of its steps.
    fn wait(&mut self, secs: u64) {
        if secs > 300 {
            self.held.drain(..).for_each(|held| held.release());
            self.turn(40);
        }
        self.shop.wait(&self.parts.clock, secs);
    }

    /// Back never so far that a payment which was forgotten could be made again: a clock that is
    /// wrong by hours is beyond what is promised.
    fn jump(&mut self, secs: u64, back: bool) {
        let by = Duration::from_secs(secs);
        if !back {
            self.parts.clock.advance(by);
        } else if self.went_back + secs < 1800 {
            self.went_back += secs;
            self.parts.clock.go_back(by);
        }
    }

    /// The clock that went back is put right.
    pub(super) fn correct_the_clock(&mut self) {
        let by = std::mem::take(&mut self.went_back);
        self.parts.clock.advance(Duration::from_secs(by));
    }

    fn fault(&mut self, nth: u64, fault: CommitFault) {
        match fault {
            CommitFault::Full => self.faults.fail_commit(nth, Failure::Full),
            CommitFault::Busy => self.faults.fail_commit(nth, Failure::Busy),
            CommitFault::DoubtLost => self.faults.fail_commit(nth, Failure::InDoubt),
            CommitFault::DoubtWritten => self.faults.doubt_commit(nth),
            CommitFault::HoldBefore => self.held.push(self.faults.hold_commit(nth, When::Before)),
            CommitFault::HoldAfter => self.held.push(self.faults.hold_commit(nth, When::After)),
        }
    }

    /// Asks without paying.
    fn offers(&self, route: u8) -> Result<(usize, Vec<Challenge>), String> {
        let at = usize::from(route) % SOLD.len();
        let request = request(SOLD[at]).body(Full::default());
        let request = request.map_err(|error| error.to_string())?;
        let response = self.shop.run(self.shop.request(request));
        let response = response.ok_or("an unpaid request had no answer")?;
        if response.status() != http::StatusCode::PAYMENT_REQUIRED {
            return Err(format!("an unpaid request got {}", response.status()));
        }
        let lines = response.headers().get_all(WWW_AUTHENTICATE).iter();
        let challenges: Result<Vec<_>, _> = www_authenticate::parse(lines).into_iter().collect();
        Ok((at, challenges.map_err(|error| error.to_string())?))
    }

    fn sign(&mut self, route: u8, which: u8) -> Result<Option<Arc<Purchase>>, String> {
        let (at, challenges) = self.offers(route)?;
        let challenge = challenges
            .into_iter()
            .nth(usize::from(which) % 2)
            .ok_or("a 402 has too few offers")?;
        let payer: &dyn Payer = if challenge.method == method() {
            &self.payers.0
        } else {
            &self.payers.1
        };
        let offer = offer(challenge)?;
        let clock = self.parts.clock.now();
        let proof = now(payer.sign(&offer, clock)).map_err(|error| error.to_string())?;
        let nonce = FakeProof::read(&proof.payload).map(|proof| proof.nonce);
        let source = proof.source.map(Source::from);
        Ok(Some(self.bought(
            at,
            offer,
            source,
            &proof.payload,
            nonce,
        )?))
    }

    /// Makes another proof with a nonce that was used: one proof buys once, whatever challenge it
    /// is presented with.
    fn swap(&mut self, which: u8) -> Result<(), String> {
        let Some(nonce) = self.purchase(which).and_then(|p| p.nonce.clone()) else {
            return Ok(());
        };
        let (at, mut challenges) = self.offers(which)?;
        challenges.retain(|challenge| challenge.method == method());
        let offer = offer(
            challenges
                .pop()
                .ok_or("a 402 has no offer on the fake rail")?,
        )?;
        let proof = self.payers.0.prove(&offer, nonce.clone());
        let source = Some(Source::from(self.payers.0.account().clone()));
        let purchase = self.bought(at, offer, source, &proof, Some(nonce))?;
        self.present(&purchase, Reading::Whole);
        Ok(())
    }

    fn bought(
        &mut self,
        at: usize,
        offer: Offer,
        source: Option<Source>,
        payload: &impl serde::Serialize,
        nonce: Option<String>,
    ) -> Result<Arc<Purchase>, String> {
        let id = offer.challenge.id.clone();
        let credential =
            Credential::new(offer.challenge, source, payload).map_err(|error| error.to_string())?;
        let header = authorization::to_header(&credential);
        let amount = offer.request.amount;
        let purchase = Arc::new(Purchase::new(SOLD[at], id, amount, header, nonce));
        self.purchases.push(Arc::clone(&purchase));
        Ok(purchase)
    }
}

fn offer(challenge: Challenge) -> Result<Offer, String> {
    let request: ChargeRequest = challenge.request.decode().map_err(|e| e.to_string())?;
    if request.amount.units() != PRICE {
        return Err(format!("{} is asked for", request.amount));
    }
    Ok(Offer { challenge, request })
}

fn scripted(answer: RailAnswer) -> Answer {
    match answer {
        RailAnswer::Refuse => Answer::Refuse,
        RailAnswer::Pending(secs) => Answer::Pending(Duration::from_secs(secs.into())),
        RailAnswer::Block => Answer::Block,
        RailAnswer::MovedButLost => Answer::MovedButLost,
        RailAnswer::Lost => Answer::Lost,
        RailAnswer::Never(moved) => Answer::Never { moved },
    }
}

/// The code of the fake rail's dollar.
pub(super) fn fake_dollar() -> CurrencyCode {
    currency().code
}
