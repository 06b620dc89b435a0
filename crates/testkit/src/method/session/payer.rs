//! The buyer's side of fake channels.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use farthing_core::{
    intent::session::{ChannelId, SESSION, Seen},
    port::{
        BoxFuture,
        method::{Fault, Outcome, Refusal},
        payer::Fee,
        session_payer::{
            Keeping, Locking, Opening, SessionOffer, SessionPayer, SessionQuote, Told,
        },
    },
    value::{Amount, Did, MethodId, Secret, Timestamp},
};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{
    chain::FakeStanding,
    descriptor::{FakeDescriptor, FakeLock},
    payload::FakeSessionPayload,
    reserve::FakeReserve,
    work::FakeWork,
};

/// Keeps channels on the fake reserve, from one account.
#[derive(Debug)]
pub struct FakeSessionPayer {
    method: MethodId,
    account: Did,
    signer: Did,
    reserve: Arc<FakeReserve>,
    made: AtomicU64,
    run: Box<str>,
    fee: Option<Amount>,
    valid_for: Duration,
}

impl FakeSessionPayer {
    /// Pays from an account, and signs the vouchers with its key.
    #[must_use]
    pub fn new(reserve: Arc<FakeReserve>, account: &Did) -> Self {
        Self {
            method: crate::method::method(),
            account: account.clone(),
            signer: account.clone(),
            reserve,
            made: AtomicU64::new(0),
            run: "".into(),
            fee: None,
            valid_for: Duration::from_secs(25),
        }
    }

    /// The same in another process, whose channels are not those of the first.
    #[must_use]
    pub fn in_run(self, run: &str) -> Self {
        Self {
            run: run.into(),
            ..self
        }
    }

    /// The rail takes this for an opening or a top-up, it says. It does not.
    #[must_use]
    pub fn with_fee(self, fee: u128) -> Self {
        Self {
            fee: Some(Amount::new(fee)),
            ..self
        }
    }

    /// The account it pays from.
    #[must_use]
    pub const fn account(&self) -> &Did {
        &self.account
    }

    /// How many openings and top-ups it signed.
    #[must_use]
    pub fn signed(&self) -> u64 {
        self.made.load(Ordering::SeqCst)
    }

    fn name_of_next(&self) -> String {
        let number = self.made.fetch_add(1, Ordering::SeqCst);
        format!("{} {number}", self.run)
    }

    fn fee(&self) -> Option<Fee> {
        self.fee.map(|most| Fee {
            currency: crate::method::currency(),
            most,
        })
    }

    fn locking(&self, lock: &FakeLock, payload: Option<Box<RawValue>>) -> Locking {
        Locking {
            transaction: lock.seal(),
            payload,
            valid_until: lock.valid_until,
            fee: self.fee(),
        }
    }

    async fn job(&self, job: [u8; 16], work: FakeWork) -> Outcome {
        self.reserve.send(job_name(job), work).await.into()
    }
}

/// What the rail calls a job.
pub(super) fn job_name(job: [u8; 16]) -> String {
    let mut name = "fake-job-".to_owned();
    for byte in job {
        write!(name, "{byte:02x}").expect("a string takes every text");
    }
    name
}

fn described(channel: &Keeping) -> Result<FakeDescriptor, Refusal> {
    FakeDescriptor::read(&channel.details)
        .ok_or_else(|| Refusal::new(Fault::Internal, "this is no fake channel"))
}

fn unsupported(why: &'static str) -> Refusal {
    Refusal::new(Fault::Unsupported, why)
}

impl SessionPayer for FakeSessionPayer {
    fn method(&self) -> &MethodId {
        &self.method
    }

    fn quote(&self, offer: &SessionOffer) -> Result<SessionQuote, Refusal> {
        let (challenge, currency) = (&offer.challenge, crate::method::currency());
        if challenge.method != self.method
            || challenge.intent.as_str() != SESSION
            || offer.request.currency != currency.code
        {
            return Err(unsupported("this payer keeps channels in the fake dollar"));
        }
        let (payee, code) = (&offer.request.recipient, &currency.code);
        let scope = format!(
            "{:?} {} {} {payee} {code}",
            offer.protocol, self.account, self.signer
        );
        Ok(SessionQuote {
            currency: currency.clone(),
            payer: self.account.clone(),
            network: None,
            scope: scope.into(),
            fee: self.fee(),
        })
    }

    fn open<'a>(
        &'a self,
        offer: &'a SessionOffer,
        deposit: Amount,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Opening, Refusal>> {
        Box::pin(async move {
            self.quote(offer)?;
            let channel = FakeDescriptor {
                payer: self.account.clone(),
                payee: offer.request.recipient.clone(),
                currency: offer.request.currency.clone(),
                salt: self.name_of_next().into(),
                signer: self.signer.clone(),
                protocol: offer.protocol,
            };
            let lock = channel.opening(deposit, now.saturating_add(self.valid_for));
            Ok(Opening {
                channel: channel.keeping(),
                locking: self.locking(&lock, None),
            })
        })
    }

    fn top_up<'a>(
        &'a self,
        _offer: &'a SessionOffer,
        channel: &'a Keeping,
        additional: Amount,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Locking, Refusal>> {
        Box::pin(async move {
            let channel = described(channel)?;
            let until = now.saturating_add(self.valid_for);
            let lock = channel.top_up(additional, &self.name_of_next(), until);
            let payload = FakeSessionPayload::top_up(&channel, &lock).raw();
            Ok(self.locking(&lock, Some(payload)))
        })
    }

    fn present_opening(
        &self,
        channel: &Keeping,
        transaction: &Secret,
        cumulative: Amount,
    ) -> Result<Box<RawValue>, Refusal> {
        let lock = FakeLock::open(transaction)
            .ok_or_else(|| Refusal::new(Fault::Internal, "this is no transaction"))?;
        Ok(FakeSessionPayload::open(&described(channel)?, &lock, cumulative).raw())
    }

    fn voucher(
        &self,
        channel: &Keeping,
        cumulative: Amount,
        closes: bool,
    ) -> Result<Box<RawValue>, Refusal> {
        let channel = described(channel)?;
        if cumulative > channel.protocol.most() {
            return Err(unsupported("the protocol has no room for the amount"));
        }
        Ok(match closes {
            true => FakeSessionPayload::close(&channel, cumulative).raw(),
            false => FakeSessionPayload::voucher(&channel, cumulative).raw(),
        })
    }

    fn look<'a>(&'a self, channel: &'a Keeping) -> BoxFuture<'a, Result<Option<Seen>, Refusal>> {
        let tells = self.reserve.tells_the_end();
        Box::pin(self.reserve.ask(move |truth| {
            let state = truth.channel(&channel.id)?.seen(tells);
            let block = truth.block;
            Some(Seen { block, state })
        }))
    }

    fn may_come<'a>(
        &'a self,
        transaction: &'a Secret,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<bool, Refusal>> {
        Box::pin(async move {
            let Some(lock) = FakeLock::open(transaction) else {
                return Ok(false);
            };
            let stands = self.reserve.ask(|truth| {
                let sent = truth.sent.get(&lock.name()).map(|sent| &sent.standing);
                match sent {
                    Some(FakeStanding::Done(..)) => true,
                    Some(FakeStanding::Refused { .. }) => false,
                    // The rail's time, and not ours, says that it is over.
                    _ => truth.at < lock.valid_until,
                }
            });
            stands.await
        })
    }

    fn request_close<'a>(&'a self, channel: &'a Keeping, job: [u8; 16]) -> BoxFuture<'a, Outcome> {
        Box::pin(self.job(job, FakeWork::RequestClose(channel.id.clone())))
    }

    fn withdraw<'a>(&'a self, channel: &'a Keeping, job: [u8; 16]) -> BoxFuture<'a, Outcome> {
        Box::pin(self.job(job, FakeWork::Withdraw(channel.id.clone())))
    }

    fn grace(&self) -> Duration {
        FakeReserve::grace()
    }

    fn read_snapshot(
        &self,
        offer: &SessionOffer,
        snapshot: &Value,
    ) -> Result<Option<Told>, Refusal> {
        let told = Snapshot::deserialize(snapshot).map_err(|error| {
            Refusal::new(Fault::Malformed, "the snapshot cannot be read").caused_by(error)
        })?;
        let channel = told.descriptor;
        if channel.id() != told.channel_id {
            let contradicts = "the snapshot describes another channel than it names";
            return Err(Refusal::new(Fault::Invalid, contradicts));
        }
        let is_ours = channel.payer == self.account
            && channel.signer == self.signer
            && channel.payee == offer.request.recipient
            && channel.currency == offer.request.currency
            && channel.protocol == offer.protocol;
        Ok(is_ours.then(|| Told {
            channel: channel.keeping(),
            accepted: told.accepted_cumulative,
            spent: told.spent,
            deposit: told.deposit,
        }))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Snapshot {
    channel_id: ChannelId,
    descriptor: FakeDescriptor,
    accepted_cumulative: Amount,
    spent: Amount,
    deposit: Amount,
}
