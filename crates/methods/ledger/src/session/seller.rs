//! The seller's side of channels.

use std::{sync::Arc, time::Duration};

use farthing_core::{
    intent::session::{ChannelId, Seen, SessionRequest, Terms, TooWide, Voucher},
    noun::problem::ProblemKind,
    port::{
        BoxFuture,
        backend::{Backend, StoreError},
        clock::Clock,
        method::{Fault, Outcome, PrepareError, Refusal, Verified},
        session::{
            Action, Bygone, Checked, FundOrder, Funding, News, Said, Session, SettleJob, Settled,
            Shown, Verifier, WantedSession,
        },
    },
    value::{Amount, ClaimKey, Currency, CurrencyCode, MethodId, Price, PriceError, Realm},
};
use serde_json::{Map, json};

use super::{
    descriptor::{ChannelDescriptor, LONGEST, PROTOCOL},
    escrow::{Escrow, EscrowError},
    payload::{Payload, malformed},
    row::{Done, Why},
    settle,
    signed::{ChannelLock, checks_voucher},
};
use crate::{account::Account, ledger::Ledger};

/// When to ask again where others got ahead.
const AGAIN: Duration = Duration::from_millis(200);

/// Channels on a ledger, paid to the ledger's account.
///
/// The value is rows of the seller's own store. The backend has to be the one that the accounts are
/// in.
///
/// ```
/// use std::sync::Arc;
/// use farthing_core::{
///     memory::MemoryBackend,
///     port::{clock::Clock, session::{Session, WantedSession}},
///     value::Timestamp,
/// };
/// use farthing_ledger::{AccountKey, KeyType, Ledger, LedgerSessions};
///
/// struct Noon;
/// impl Clock for Noon {
///     fn now(&self) -> Timestamp {
///         Timestamp::from_secs(1_800_000_000)
///     }
/// }
///
/// let shop = AccountKey::from_seed(KeyType::Ed25519, [1; 32])?;
/// let ledger = Ledger::new(shop.account().clone());
/// let sessions = LedgerSessions::new(ledger, Arc::new(MemoryBackend::new()), Arc::new(Noon));
///
/// let requests = sessions.prepare(&WantedSession {
///     price: &"$0.0001".parse()?,
///     unit: Some("word"),
///     deposit: Some(&"$1".parse()?),
///     min_delta: None,
///     terms: None,
/// })?;
/// assert_eq!(requests[0].amount.units(), 100);
/// assert_eq!(requests[0].suggested_deposit.map(|it| it.units()), Some(1_000_000));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct LedgerSessions {
    ledger: Ledger,
    escrow: Escrow,
}

impl LedgerSessions {
    /// Channels that pay a ledger, kept in its store, by the seller's clock.
    #[must_use]
    pub fn new(ledger: Ledger, backend: Arc<dyn Backend>, clock: Arc<dyn Clock>) -> Self {
        Self {
            ledger,
            escrow: Escrow::new(backend, clock),
        }
    }

    fn amount(&self, currency: &Currency, price: &Price) -> Result<Amount, PriceError> {
        let amount = price.in_currency(currency)?;
        if amount > PROTOCOL.most() {
            let text = price.to_string().into();
            return Err(PriceError::Overflow { text });
        }
        Ok(amount)
    }

    /// Whether a channel is one of this ledger's, for what is asked for.
    fn fits(
        &self,
        channel: &ChannelDescriptor,
        request: &SessionRequest,
        realm: &Realm,
    ) -> Result<(), Refusal> {
        if channel.payee != *self.ledger.payee() || channel.payee.recipient() != request.recipient {
            return Err(invalid("the channel pays another account"));
        }
        if channel.currency != request.currency || self.currency(&channel.currency).is_none() {
            return Err(invalid("the channel is in another currency"));
        }
        if channel.realm != *realm {
            return Err(invalid("the channel pays in another realm"));
        }
        if channel.payer == channel.payee {
            return Err(invalid("an account cannot pay itself"));
        }
        Ok(())
    }

    async fn checked(
        &self,
        shown: Shown<'_>,
        funding: &Funding,
        terms: Option<&Terms>,
    ) -> Result<Checked, Refusal> {
        let opens = terms.is_none();
        let payload = Payload::read(shown.payload)?;
        let (lock, signature) = payload.lock(opens)?;
        let channel = &lock.channel;
        self.fits(channel, shown.request, shown.realm)?;
        let is_known = terms.is_none_or(|terms| channel.terms() == *terms);
        if !is_known || payload.channel_id != funding.channel {
            return Err(invalid("the channel is another one than is kept"));
        }
        if let Some(source) = shown.source
            && source != channel.payer.did().as_str()
        {
            return Err(invalid(
                "the credential's source is not the channel's payer",
            ));
        }
        if lock.amount.is_zero() || lock.amount > PROTOCOL.most() {
            return Err(invalid("this amount cannot be locked"));
        }
        if lock.valid_until <= shown.now {
            return Err(Refusal::new(Fault::Expired, "the authorization is over"));
        }
        if lock.valid_until.since(shown.now) > LONGEST {
            return Err(invalid("the authorization is good for longer than a day"));
        }
        if opens && !channel.salt.fits(lock.valid_until) {
            return Err(invalid(
                "the channel's salt does not begin with a time within a day before the authorization's end",
            ));
        }
        if !lock.is_signed_with(&signature) {
            let refusal = invalid("the authorization is not signed by the payer");
            return Err(refusal.as_problem(ProblemKind::SessionInvalidSignature));
        }
        self.can_be(&lock).await?;
        let name = lock.name().reference();
        let key = ClaimKey::proof(self.method(), name.as_str());
        Ok(Checked {
            verified: Verified {
                payer: Some(channel.payer.did().clone()),
                keys: vec![key.expect("the name of a lock is short enough for a key")],
                reference: Some(name),
                send_before: Some(lock.valid_until),
                effect: Some(lock.seal().map_err(|error| {
                    Refusal::new(Fault::Internal, "the lock cannot be written").caused_by(error)
                })?),
                ..Verified::new(lock.valid_until)
            },
            terms: channel.terms(),
            amount: lock.amount,
        })
    }

    /// Refuses early what would be refused for good, while nothing is written yet.
    async fn can_be(&self, lock: &ChannelLock) -> Result<(), Refusal> {
        let name = lock.name().reference();
        if self.escrow.done(&name).await.map_err(down)?.is_some() {
            // What became of it is answered when it is sent again.
            return Ok(());
        }
        let kept = self.escrow.kept(&lock.channel.id()).await.map_err(down)?;
        match kept {
            Some(_) if lock.opens => return Err(refusal(Why::There)),
            Some((kept, _)) if kept.is_closed => return Err(refusal(Why::Gone)),
            None if !lock.opens => {
                let unknown = ProblemKind::SessionChannelNotFound;
                return Err(refusal(Why::Gone).as_problem(unknown));
            }
            _ => {}
        }
        let (payer, currency) = (&lock.channel.payer, &lock.channel.currency);
        let available = self.escrow.available(payer, currency).await.map_err(down)?;
        if lock
            .amount
            .to_delta()
            .is_none_or(|amount| amount > available)
        {
            return Err(refusal(Why::Short));
        }
        Ok(())
    }

    async fn funded(&self, order: FundOrder<'_>) -> Outcome {
        let lock = match ChannelLock::unseal(order.effect) {
            Ok(lock) if lock.channel.id() == *order.channel => lock,
            Ok(_) => return never("the effect is another channel's"),
            Err(_) => return never("the effect cannot be read"),
        };
        match self.escrow.lock(&lock).await {
            Ok(Done::At(at)) => Outcome::Settled {
                reference: lock.name().reference(),
                at,
                details: Map::new(),
            },
            Ok(Done::Refused(why, _)) => Outcome::Refused(refusal(why)),
            Err(EscrowError::Contended) => Outcome::Pending { ask_after: AGAIN },
            Err(EscrowError::Store(error)) => Outcome::Unknown {
                source: Some(error.into()),
            },
        }
    }

    async fn seen(&self, channels: &[(ChannelId, Terms)]) -> Result<Vec<Option<Seen>>, Refusal> {
        let ids: Vec<&ChannelId> = channels.iter().map(|(id, _)| id).collect();
        let found = self.escrow.look(&ids).await.map_err(|error| match error {
            EscrowError::Store(error) => down(error),
            error @ EscrowError::Contended => busy().caused_by(error),
        })?;
        let of = |((_, terms), found): (&(_, Terms), Option<_>)| {
            let (kept, seen): (super::row::Kept, Seen) = found?;
            kept.is_of(terms).then_some(seen)
        };
        Ok(channels.iter().zip(found).map(of).collect())
    }

    async fn settled(&self, job: &SettleJob) -> Settled {
        match self.escrow.settle(job).await {
            Ok(Done::At(at)) => Settled::Done {
                reference: settle::name(job),
                at,
                fee: None,
                details: Map::new(),
            },
            Ok(Done::Refused(why, culprits)) => Settled::Refused {
                culprits,
                refusal: refusal(why),
                fee: None,
            },
            Err(EscrowError::Contended) => Settled::Pending { ask_after: AGAIN },
            Err(EscrowError::Store(error)) => Settled::Unknown {
                refusal: Some(down(error)),
            },
        }
    }
}

impl Session for LedgerSessions {
    fn method(&self) -> &MethodId {
        farthing_core::port::method::Charge::method(&self.ledger)
    }

    fn prepare(&self, wanted: &WantedSession<'_>) -> Result<Vec<SessionRequest>, PrepareError> {
        if wanted.terms.is_some() {
            return Err(PrepareError::NoTerms);
        }
        let currency = self
            .ledger
            .currencies()
            .of_unit(wanted.price.unit().as_str());
        let amount = self.amount(currency, wanted.price)?;
        if amount.is_zero() {
            let price = wanted.price.to_string().into();
            return Err(PriceError::Zero { price }.into());
        }
        let payee = self.ledger.payee().recipient();
        let mut request = SessionRequest::new(amount, currency.code.clone(), payee);
        request.unit_type = wanted.unit.map(Into::into);
        let of = |price: Option<&Price>| {
            let amount = price.map(|price| self.amount(currency, price));
            amount.transpose()
        };
        request.suggested_deposit = of(wanted.deposit)?;
        let mut details = Map::from_iter([("sessionProtocol".to_owned(), json!(PROTOCOL))]);
        if let Some(least) = of(wanted.min_delta)? {
            details.insert("minVoucherDelta".to_owned(), json!(least));
        }
        request.method_details = details;
        Ok(vec![request])
    }

    fn currency(&self, code: &CurrencyCode) -> Option<&Currency> {
        self.ledger.currencies().find(code)
    }

    /// A day. No payer can leave without its seller, so this is only how long the store may be silent
    /// before the service stops: three times that.
    fn grace(&self) -> Duration {
        Duration::from_secs(24 * 60 * 60)
    }

    fn read(&self, shown: &Shown<'_>) -> Result<Action, Refusal> {
        let payload = Payload::read(shown.payload)?;
        if let Some(channel) = payload.descriptor()? {
            self.fits(channel, shown.request, shown.realm)?;
        }
        let funding = |voucher| Funding {
            channel: payload.channel_id.clone(),
            voucher,
        };
        match &*payload.action {
            "open" => {
                payload.lock(true)?;
                Ok(Action::Open(funding(Some(payload.voucher()?))))
            }
            "topUp" => {
                payload.lock(false)?;
                Ok(Action::TopUp(funding(None)))
            }
            "voucher" => payload.voucher().map(Action::Voucher),
            "close" => payload.voucher().map(Action::Close),
            _ => Err(malformed("the payload asks for nothing that a session has")),
        }
    }

    fn verifier(&self, id: &ChannelId, terms: &Terms) -> Result<Arc<dyn Verifier>, Refusal> {
        let channel = ChannelDescriptor::read(id, &terms.details.to_map());
        let channel = channel.filter(|channel| channel.terms() == *terms);
        let channel = channel.ok_or_else(|| {
            Refusal::new(
                Fault::Internal,
                "the terms are of no channel on this ledger",
            )
        })?;
        Ok(Arc::new(LedgerVerifier {
            id: id.clone(),
            signer: channel.signer,
            realm: channel.realm,
        }))
    }

    fn check<'a>(
        &'a self,
        shown: Shown<'a>,
        funding: &'a Funding,
        terms: Option<&'a Terms>,
    ) -> BoxFuture<'a, Result<Checked, Refusal>> {
        Box::pin(self.checked(shown, funding, terms))
    }

    fn fund<'a>(&'a self, order: FundOrder<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(self.funded(order))
    }

    fn look<'a>(
        &'a self,
        channels: &'a [(ChannelId, Terms)],
    ) -> BoxFuture<'a, Result<Vec<Option<Seen>>, Refusal>> {
        Box::pin(self.seen(channels))
    }

    fn news(&self, since: Option<u64>) -> BoxFuture<'_, Result<News, Refusal>> {
        Box::pin(async move { self.escrow.news(since).await.map_err(down) })
    }

    fn wait_for_news(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.escrow.wait_for_news())
    }

    fn settlement_limit(&self) -> usize {
        settle::LIMIT
    }

    fn settle<'a>(&'a self, job: &'a SettleJob) -> BoxFuture<'a, Settled> {
        Box::pin(self.settled(job))
    }

    fn forget<'a>(&'a self, over: Bygone<'a>) -> BoxFuture<'a, Result<bool, Refusal>> {
        Box::pin(async move { self.escrow.forget(over).await.map_err(down) })
    }
}

/// Checks the vouchers of one channel.
#[derive(Debug)]
struct LedgerVerifier {
    id: ChannelId,
    signer: Account,
    realm: Realm,
}

impl Verifier for LedgerVerifier {
    fn check(&self, said: &Said) -> Result<Voucher, Refusal> {
        let Said {
            channel,
            cumulative,
            signature,
        } = said;
        if *channel != self.id {
            return Err(invalid("the voucher is another channel's"));
        }
        if !checks_voucher(&self.signer, &self.id, *cumulative, &self.realm, signature) {
            let refusal = invalid("the voucher is not signed by the channel's signer");
            return Err(refusal.as_problem(ProblemKind::SessionInvalidSignature));
        }
        Voucher::new(PROTOCOL, *cumulative, *signature)
            .map_err(|error: TooWide| invalid("the voucher says too much").as_problem(error.kind()))
    }
}

fn refusal(why: Why) -> Refusal {
    match why {
        Why::Late => Refusal::new(Fault::Expired, "the authorization was over"),
        Why::Short => Refusal::new(Fault::Insufficient, "the account has too little to lock"),
        Why::There => invalid("the channel was opened before"),
        Why::Gone => {
            invalid("the channel is closed").as_problem(ProblemKind::SessionChannelFinalized)
        }
        Why::Deposit => invalid("a channel cannot hold so much"),
        Why::Settlement => invalid("the channels cannot be paid out like that"),
    }
}

fn never(why: &'static str) -> Outcome {
    Outcome::Refused(Refusal::new(Fault::Internal, why))
}

fn invalid(why: &'static str) -> Refusal {
    Refusal::new(Fault::Invalid, why)
}

fn down(error: StoreError) -> Refusal {
    Refusal::new(Fault::Unavailable, "the ledger's store does not answer").caused_by(error)
}

fn busy() -> Refusal {
    Refusal::new(
        Fault::Unavailable,
        "the ledger is written all the time; ask again",
    )
}
