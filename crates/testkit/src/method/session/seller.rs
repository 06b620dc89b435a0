//! The seller's side of fake channels.

use std::{sync::Arc, time::Duration};

use farthing_core::{
    domain::claims::Debit,
    intent::session::{ChannelId, Protocol, Seen, SessionRequest, Terms, TooWide, Voucher},
    noun::problem::ProblemKind,
    port::{
        BoxFuture,
        method::{Fault, Outcome, PrepareError, Refusal, Verified},
        session::{
            Action, Checked, Cost, FundOrder, Funding, Handing, News, Said, Session, SettleJob,
            Settled, Shown, Verifier, WantedSession,
        },
    },
    value::{Amount, ClaimKey, Currency, CurrencyCode, Did, MethodId, Recipient, Secret},
};
use serde_json::{Map, Value, json};

use super::{
    chain::ReserveTruth,
    descriptor::{FakeDescriptor, FakeLock, checks_voucher},
    payload::{FakeSessionPayload, signature},
    reserve::{FakeReserve, Fate, reference},
    work::{FakeItem, FakeWork},
};

/// Fake channels as a seller has them.
#[derive(Debug)]
pub struct FakeSession {
    method: MethodId,
    currency: Currency,
    payee: Recipient,
    protocol: Protocol,
    reserve: Arc<FakeReserve>,
    limits: Vec<(Box<str>, Amount, bool)>,
    settlement_limit: usize,
    settlement_fee: Option<Cost>,
}

impl FakeSession {
    /// Channels of one protocol that pay an account.
    #[must_use]
    pub fn new(reserve: Arc<FakeReserve>, payee: &Did, protocol: Protocol) -> Self {
        Self {
            method: crate::method::method(),
            currency: crate::method::currency(),
            payee: Recipient::new(payee.as_str()).expect("a DID is a recipient"),
            protocol,
            reserve,
            limits: Vec::new(),
            settlement_limit: 16,
            settlement_fee: None,
        }
    }

    /// Reserves every funding on a counter. What was done stays on it where `keep` says so.
    #[must_use]
    pub fn limited(mut self, counter: &str, limit: u128, keep: bool) -> Self {
        self.limits.push((counter.into(), Amount::new(limit), keep));
        self
    }

    /// Settles so many channels at once, at the most.
    #[must_use]
    pub fn settling_at_most(self, settlement_limit: usize) -> Self {
        Self {
            settlement_limit,
            ..self
        }
    }

    /// Takes a fee for each settlement, in a currency, from an account that the truth does not have.
    #[must_use]
    pub fn settling_for(self, fee: u128, currency: CurrencyCode) -> Self {
        let amount = Amount::new(fee);
        Self {
            settlement_fee: Some(Cost { currency, amount }),
            ..self
        }
    }

    /// The rail.
    #[must_use]
    pub fn on(&self) -> &Arc<FakeReserve> {
        &self.reserve
    }

    /// The descriptor, where the payload has one: of this channel, and of what is asked for.
    fn fits(&self, payload: &FakeSessionPayload, request: &SessionRequest) -> Result<(), Refusal> {
        let opens = &*payload.action == "open";
        let Some(channel) = &payload.descriptor else {
            return match self.protocol {
                Protocol::V1 if !opens => Ok(()),
                _ => Err(malformed("the payload describes no channel")),
            };
        };
        if channel.id() != payload.channel_id {
            return Err(invalid("the channel is another one than is described"));
        }
        let fits = channel.protocol == self.protocol
            && channel.payee == request.recipient
            && channel.currency == request.currency;
        match fits {
            true => Ok(()),
            false => Err(invalid("the channel is for something else")),
        }
    }

    fn lock_of(&self, payload: &FakeSessionPayload) -> Result<FakeLock, Refusal> {
        let text = payload.transaction.as_deref();
        let text = text.ok_or_else(|| malformed("the payload has no transaction"))?;
        let bytes = farthing_core::encoding::base64url::decode(text)
            .map_err(|error| malformed("the transaction is not base64url").caused_by(error))?;
        FakeLock::open(&Secret::new(bytes))
            .ok_or_else(|| malformed("the transaction cannot be read"))
    }

    async fn checked(
        &self,
        shown: Shown<'_>,
        funding: &Funding,
        terms: Option<&Terms>,
    ) -> Result<Checked, Refusal> {
        let payload = read_payload(shown.payload)?;
        let lock = self.lock_of(&payload)?;
        let channel = match terms {
            None => payload.descriptor.clone(),
            Some(terms) => FakeDescriptor::read(&terms.details.to_map()),
        };
        let channel = channel.ok_or_else(|| invalid("the channel is not described"))?;
        let opens = &*payload.action == "open";
        if channel.id() != funding.channel || lock.descriptor != channel || lock.opens != opens {
            return Err(invalid("the transaction does something else"));
        }
        if !opens && payload.additional_deposit != Some(lock.amount) {
            return Err(invalid("the transaction locks another amount"));
        }
        if !lock.is_signed() {
            return Err(invalid("the transaction is not signed by the payer"));
        }
        if lock.valid_until <= shown.now {
            return Err(Refusal::new(Fault::Expired, "the transaction is over"));
        }
        let is_short = |truth: &ReserveTruth| {
            let is_new = !truth.sent.contains_key(&lock.name());
            is_new && truth.balance(channel.payer.as_str()) < lock.amount.units()
        };
        if self.reserve.ask(is_short).await? {
            let short = Refusal::new(Fault::Insufficient, "the payer has too little to lock");
            return Err(short);
        }
        let key = ClaimKey::proof(&self.method, &lock.name());
        let debits = self.limits.iter().map(|(counter, limit, keep)| Debit {
            counter: counter.clone(),
            amount: lock.amount,
            limit: *limit,
            keep: *keep,
        });
        Ok(Checked {
            verified: Verified {
                payer: Some(channel.payer.clone()),
                keys: vec![key.expect("the name of a transaction is a key")],
                debits: debits.collect(),
                reference: Some(reference(&lock.name())),
                send_before: Some(lock.valid_until),
                effect: Some(lock.seal()),
                ..Verified::new(lock.valid_until)
            },
            terms: terms.map_or_else(|| channel.terms(shown.realm), Terms::clone),
            amount: lock.amount,
        })
    }

    async fn send(&self, order: FundOrder<'_>) -> Outcome {
        let Some(lock) = FakeLock::open(order.effect) else {
            return Outcome::Refused(Refusal::new(Fault::Internal, "the effect cannot be read"));
        };
        self.reserve
            .send(lock.name(), FakeWork::Lock(lock))
            .await
            .into()
    }

    fn item(&self, item: &farthing_core::port::session::SettleItem) -> FakeItem {
        let (voucher, capture) = match &item.how {
            Handing::Settle(voucher) => (Some(voucher), None),
            Handing::Close { capture, voucher } => (voucher.as_ref(), Some(*capture)),
        };
        FakeItem {
            channel: item.channel.clone(),
            by: item.terms.payee.as_str().into(),
            voucher: voucher.map(|voucher| {
                let signature = voucher.signature();
                (voucher.cumulative(), signature.r, signature.s)
            }),
            capture,
        }
    }
}

fn read_payload(raw: &serde_json::value::RawValue) -> Result<FakeSessionPayload, Refusal> {
    serde_json::from_str(raw.get())
        .map_err(|error| malformed("the payload is none of a session").caused_by(error))
}

fn said(payload: &FakeSessionPayload) -> Result<Said, Refusal> {
    let cumulative = payload.cumulative_amount;
    let signature = payload.signature.as_deref().and_then(signature);
    match (cumulative, signature) {
        (Some(cumulative), Some(signature)) => Ok(Said {
            channel: payload.channel_id.clone(),
            cumulative,
            signature,
        }),
        _ => Err(malformed("the payload has no voucher")),
    }
}

fn malformed(why: &'static str) -> Refusal {
    Refusal::new(Fault::Malformed, why)
}

fn invalid(why: &'static str) -> Refusal {
    Refusal::new(Fault::Invalid, why)
}

impl Session for FakeSession {
    fn method(&self) -> &MethodId {
        &self.method
    }

    fn prepare(&self, wanted: &WantedSession<'_>) -> Result<Vec<SessionRequest>, PrepareError> {
        if wanted.terms.is_some() {
            return Err(PrepareError::NoTerms);
        }
        let of = |price: &farthing_core::value::Price| price.in_currency(&self.currency);
        let amount = of(wanted.price)?;
        let mut request =
            SessionRequest::new(amount, self.currency.code.clone(), self.payee.clone());
        request.unit_type = wanted.unit.map(Into::into);
        request.suggested_deposit = wanted.deposit.map(of).transpose()?;
        let details = &mut request.method_details;
        details.insert("sessionProtocol".to_owned(), json!(self.protocol));
        if let Some(least) = wanted.min_delta {
            details.insert("minVoucherDelta".to_owned(), json!(of(least)?));
        }
        Ok(vec![request])
    }

    fn currency(&self, code: &CurrencyCode) -> Option<&Currency> {
        Some(&self.currency).filter(|currency| currency.code == *code)
    }

    fn grace(&self) -> Duration {
        FakeReserve::grace()
    }

    fn read(&self, shown: &Shown<'_>) -> Result<Action, Refusal> {
        let payload = read_payload(shown.payload)?;
        self.fits(&payload, shown.request)?;
        match &*payload.action {
            "open" => {
                self.lock_of(&payload)?;
                Ok(Action::Open(Funding {
                    channel: payload.channel_id.clone(),
                    voucher: Some(said(&payload)?),
                }))
            }
            "topUp" => {
                self.lock_of(&payload)?;
                Ok(Action::TopUp(Funding {
                    channel: payload.channel_id,
                    voucher: None,
                }))
            }
            "voucher" => said(&payload).map(Action::Voucher),
            "close" => said(&payload).map(Action::Close),
            _ => Err(malformed("the payload asks for nothing we know")),
        }
    }

    fn verifier(&self, id: &ChannelId, terms: &Terms) -> Result<Arc<dyn Verifier>, Refusal> {
        let channel = FakeDescriptor::read(&terms.details.to_map())
            .filter(|channel| channel.id() == *id)
            .ok_or_else(|| Refusal::new(Fault::Internal, "the terms are of no fake channel"))?;
        Ok(Arc::new(FakeVerifier {
            id: id.clone(),
            channel,
        }))
    }

    fn told(&self, terms: &Terms) -> Option<Map<String, Value>> {
        // Snapshots came with the second protocol.
        (self.protocol == Protocol::V2).then(|| terms.details.to_map())
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
        Box::pin(self.send(order))
    }

    fn look<'a>(
        &'a self,
        channels: &'a [(ChannelId, Terms)],
    ) -> BoxFuture<'a, Result<Vec<Option<Seen>>, Refusal>> {
        let tells = self.reserve.tells_the_end();
        Box::pin(self.reserve.ask(move |truth| {
            let of = |(id, _): &(ChannelId, Terms)| {
                let state = truth.channel(id)?.seen(tells);
                let block = truth.block;
                Some(Seen { block, state })
            };
            channels.iter().map(of).collect()
        }))
    }

    fn news(&self, since: Option<u64>) -> BoxFuture<'_, Result<News, Refusal>> {
        Box::pin(self.reserve.ask(move |truth| {
            let since = since.unwrap_or(truth.block);
            News {
                block: truth.block,
                at: truth.at,
                channels: truth.touched_since(since).into_iter().collect(),
            }
        }))
    }

    fn wait_for_news(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.reserve.next_block())
    }

    fn settlement_limit(&self) -> usize {
        self.settlement_limit
    }

    fn settle<'a>(&'a self, job: &'a SettleJob) -> BoxFuture<'a, Settled> {
        Box::pin(async move {
            let items = job.items.iter().map(|item| self.item(item)).collect();
            let name = super::payer::job_name(job.id);
            match self.reserve.send(name, FakeWork::Settle(items)).await {
                Fate::Done { reference, at } => Settled::Done {
                    reference,
                    at,
                    fee: self.settlement_fee.clone(),
                    details: Map::from_iter([(
                        "channels".to_owned(),
                        Value::from(job.items.len()),
                    )]),
                },
                Fate::Refused { why, culprits } => Settled::Refused {
                    culprits,
                    refusal: Refusal::new(Fault::Invalid, String::from(why)),
                    fee: None,
                },
                Fate::Pending(ask_after) => Settled::Pending { ask_after },
                Fate::Unknown(why) => Settled::Unknown {
                    refusal: Some(Refusal::new(Fault::Unavailable, why)),
                },
            }
        })
    }
}

/// Checks the vouchers of one channel.
#[derive(Debug)]
struct FakeVerifier {
    id: ChannelId,
    channel: FakeDescriptor,
}

impl Verifier for FakeVerifier {
    fn check(&self, said: &Said) -> Result<Voucher, Refusal> {
        let Said {
            channel,
            cumulative,
            signature,
        } = said;
        if *channel != self.id {
            return Err(invalid("the voucher is another channel's"));
        }
        if !checks_voucher(channel, &self.channel.signer, *cumulative, signature) {
            let refusal = invalid("the voucher is not signed by the channel's signer");
            return Err(refusal.as_problem(ProblemKind::SessionInvalidSignature));
        }
        let too_wide = |error: TooWide| invalid("the amount is too wide").as_problem(error.kind());
        Voucher::new(self.channel.protocol, *cumulative, *signature).map_err(too_wide)
    }
}
