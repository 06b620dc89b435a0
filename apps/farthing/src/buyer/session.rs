//! Paying out of channels with a wallet that is opened only to sign.
//!
//! What a channel can pay and how it stands is told from the public half of the wallet. Vouchers are signed
//! without waiting, so the first of a run waits for the wallet there and then.

use std::{sync::Arc, time::Duration};

use farthing::{
    clock::SystemClock,
    core::{
        intent::session::Seen,
        port::{
            BoxFuture,
            backend::Backend,
            method::{Fault, Outcome, Refusal},
            session_payer::{
                Keeping, Locking, Opening, SessionOffer, SessionPayer, SessionQuote, Told,
            },
        },
        value::{Amount, MethodId, Secret, Timestamp},
    },
    evm::{Address, Outbox},
    ledger::LedgerSessionPayer,
    tempo::{
        Network, PayerOptions,
        session::{Escrow, SessionPayerOptions, TempoSessionPayer},
    },
};
use serde_json::{Value, value::RawValue};
use tokio::{runtime::Handle, sync::OnceCell, task};

use super::{keyring::Keyring, tempo};
use crate::{
    error::Error,
    keystore::{Kind, SecretKey, Unlocked},
    networks::ChainError,
    signer,
};

type Shared = Arc<dyn SessionPayer>;

/// What signs, made of an open wallet.
type Make = Box<dyn Fn(Unlocked) -> Result<Shared, Refusal> + Send + Sync>;

/// A payer of channels in a run.
pub(super) struct OnSession {
    keyring: Arc<Keyring>,
    /// Judges offers and looks after channels. It signs nothing.
    judge: Shared,
    make: Make,
    opened: OnceCell<Shared>,
}

impl OnSession {
    /// Channels on a ledger; none where the wallet has no account there.
    pub(super) fn ledger(keyring: Arc<Keyring>) -> Result<Option<Self>, Error> {
        let account = match &keyring.signer {
            Some(signer) => signer.holder.account.clone(),
            // Somebody's account, whom nobody is. What an offer costs is the same for all.
            None => SecretKey::random(Kind::Ed25519)?
                .holder()
                .ok()
                .and_then(|it| it.account),
        };
        Ok(account.map(|account| Self {
            keyring,
            judge: Arc::new(LedgerSessionPayer::onlooker(account)),
            make: Box::new(|keys| {
                let key = keys.ledger.ok_or_else(no_account)?;
                Ok(Arc::new(LedgerSessionPayer::new(key)))
            }),
            opened: OnceCell::new(),
        }))
    }

    /// Channels on a network; none where the wallet has no account there. What the payer sends itself is kept
    /// in a store.
    pub(super) fn tempo(
        keyring: Arc<Keyring>,
        network: &Network,
        escrows: &[Escrow],
        store: &Arc<dyn Backend>,
    ) -> Result<Option<Self>, Error> {
        let signer = keyring.signer.as_ref();
        let account = match signer {
            Some(signer) => signer.holder.address,
            None => Some(Address::ZERO),
        };
        let grant = signer.and_then(signer::Signer::grant);
        let is_elsewhere = grant.as_ref().is_some_and(|it| it.chain != network.chain());
        let Some(account) = account.filter(|_| !is_elsewhere) else {
            return Ok(None);
        };
        let of_chain = |escrow: &&Escrow| escrow.chain == network.chain();
        let base = SessionPayerOptions::default();
        let options = SessionPayerOptions {
            paying: PayerOptions {
                grant: grant.clone(),
                ..base.paying
            },
            escrows: escrows.iter().filter(of_chain).copied().collect(),
            signer: None,
        };
        let node = tempo::reached(network)?;
        let outbox = Outbox::new(Arc::clone(store));
        let parts = move || (outbox.clone(), Arc::new(SystemClock) as Arc<_>);

        let onlooker = signer::onlooker(account)?;
        let mut looking = options.clone();
        looking.signer = Some(grant.as_ref().map_or(account, |grant| grant.key));
        if let (Some(grant), Some(key)) = (&mut looking.paying.grant, onlooker.access_key()) {
            grant.key = key;
        }
        let judge =
            TempoSessionPayer::new(onlooker, network.clone(), node.clone(), parts(), looking);
        let network = network.clone();
        Ok(Some(Self {
            keyring,
            judge: Arc::new(judge.map_err(ChainError::from)?),
            make: Box::new(move |keys| {
                let key = keys.chain.ok_or_else(no_account)?;
                let (network, node) = (network.clone(), node.clone());
                TempoSessionPayer::new(key, network, node, parts(), options.clone())
                    .map(|payer| Arc::new(payer) as Shared)
                    .map_err(|error| unsupported("the wallet cannot pay here").caused_by(error))
            }),
            opened: OnceCell::new(),
        }))
    }

    /// Opens the wallet, once.
    async fn open(&self) -> Result<&Shared, Refusal> {
        let open = async || (self.make)(self.keyring.open().await?);
        self.opened.get_or_try_init(open).await
    }

    /// The same where nothing can be waited for: the thread waits, and its work goes to another.
    fn open_here(&self) -> Result<&Shared, Refusal> {
        match self.opened.get() {
            Some(opened) => Ok(opened),
            None => task::block_in_place(|| Handle::current().block_on(self.open())),
        }
    }
}

impl SessionPayer for OnSession {
    fn method(&self) -> &MethodId {
        self.judge.method()
    }

    fn keeps(&self, channel: &Keeping) -> bool {
        self.judge.keeps(channel)
    }

    fn quote(&self, offer: &SessionOffer) -> Result<SessionQuote, Refusal> {
        let quote = self.judge.quote(offer)?;
        if self.keyring.signer.is_none() && !self.keyring.is_dry {
            return Err(self.keyring.nobody());
        }
        Ok(quote)
    }

    fn open<'a>(
        &'a self,
        offer: &'a SessionOffer,
        deposit: Amount,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Opening, Refusal>> {
        Box::pin(async move { self.open().await?.open(offer, deposit, now).await })
    }

    fn top_up<'a>(
        &'a self,
        offer: &'a SessionOffer,
        channel: &'a Keeping,
        additional: Amount,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Locking, Refusal>> {
        Box::pin(async move {
            let payer = self.open().await?;
            payer.top_up(offer, channel, additional, now).await
        })
    }

    fn present_opening(
        &self,
        channel: &Keeping,
        transaction: &Secret,
        cumulative: Amount,
    ) -> Result<Box<RawValue>, Refusal> {
        let payer = self.open_here()?;
        payer.present_opening(channel, transaction, cumulative)
    }

    fn voucher(
        &self,
        channel: &Keeping,
        cumulative: Amount,
        closes: bool,
    ) -> Result<Box<RawValue>, Refusal> {
        self.open_here()?.voucher(channel, cumulative, closes)
    }

    fn look<'a>(&'a self, channel: &'a Keeping) -> BoxFuture<'a, Result<Option<Seen>, Refusal>> {
        self.judge.look(channel)
    }

    fn may_come<'a>(
        &'a self,
        transaction: &'a Secret,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<bool, Refusal>> {
        self.judge.may_come(transaction, now)
    }

    fn request_close<'a>(&'a self, channel: &'a Keeping, job: [u8; 16]) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match self.open().await {
                Ok(payer) => payer.request_close(channel, job).await,
                Err(refusal) => Outcome::Refused(refusal),
            }
        })
    }

    fn withdraw<'a>(&'a self, channel: &'a Keeping, job: [u8; 16]) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match self.open().await {
                Ok(payer) => payer.withdraw(channel, job).await,
                Err(refusal) => Outcome::Refused(refusal),
            }
        })
    }

    fn grace(&self) -> Duration {
        self.judge.grace()
    }

    fn read_snapshot(
        &self,
        offer: &SessionOffer,
        snapshot: &Value,
    ) -> Result<Option<Told>, Refusal> {
        // Whose vouchers a channel takes may be known to the key alone.
        self.open_here()?.read_snapshot(offer, snapshot)
    }
}

fn no_account() -> Refusal {
    unsupported("the wallet has no account there: its key is of another kind")
}

fn unsupported(why: &'static str) -> Refusal {
    Refusal::new(Fault::Unsupported, why)
}
