//! The seller's side of the fake method.

use std::{
    borrow::Cow,
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use farthing_core::{
    domain::claims::Debit,
    intent::charge::ChargeRequest,
    payment::SettlePolicy,
    port::method::{Charge, Fault, PrepareError, Presented, Rail, Refusal, Step, Verified, Wanted},
    value::{
        Amount, ClaimKey, Currency, CurrencyCode, Did, MethodId, Recipient, Reference, Timestamp,
    },
};

use super::{
    payer::FakeProof,
    rail::{Effect, FakeRail, Latch, name},
    signature,
    truth::lock,
};

/// How the method takes one check of a proof.
#[derive(Clone, Debug)]
pub enum Judgement {
    /// It checks at once. The default.
    Now,
    /// It checks after the latch was opened, as one does that asks a rail.
    Later(Latch),
    /// It says that the rail is down.
    Down,
}

/// The fake method as a seller has it.
#[derive(Debug)]
pub struct FakeCharge {
    method: MethodId,
    currency: Currency,
    payee: Recipient,
    policy: SettlePolicy,
    limits: Vec<(Box<str>, Amount, bool)>,
    rail: Arc<FakeRail>,
    script: Mutex<VecDeque<Judgement>>,
    send_within: Option<Duration>,
    others: Vec<Currency>,
    anonymous: bool,
}

impl FakeCharge {
    /// A method that is paid on a rail, to an account, and settles first.
    #[must_use]
    pub fn new(rail: Arc<FakeRail>, payee: &Did) -> Self {
        Self {
            method: super::method(),
            currency: super::currency(),
            payee: Recipient::new(payee.as_str()).expect("a DID is a recipient"),
            policy: SettlePolicy::First,
            limits: Vec::new(),
            rail,
            script: Mutex::default(),
            send_within: None,
            others: Vec::new(),
            anonymous: false,
        }
    }

    /// The same with another policy where a route does not say.
    #[must_use]
    pub fn settling(self, policy: SettlePolicy) -> Self {
        Self { policy, ..self }
    }

    /// Reserves every payment on a counter. What settled stays on it where `keep` says so.
    #[must_use]
    pub fn limited(mut self, counter: &str, limit: u128, keep: bool) -> Self {
        self.limits.push((counter.into(), Amount::new(limit), keep));
        self
    }

    /// Has to send what it checked within this time.
    #[must_use]
    pub fn sending_within(self, time: Duration) -> Self {
        Self {
            send_within: Some(time),
            ..self
        }
    }

    /// Asks for another currency of the rail as well. The rail does not tell the two apart.
    #[must_use]
    pub fn also_in(mut self, code: &str) -> Self {
        self.others.push(Currency {
            code: CurrencyCode::new(code).expect("a test names its currencies well"),
            ..self.currency.clone()
        });
        self
    }

    fn currencies(&self) -> impl Iterator<Item = &Currency> {
        std::iter::once(&self.currency).chain(&self.others)
    }

    /// Does not say who pays.
    #[must_use]
    pub fn anonymous(self) -> Self {
        Self {
            anonymous: true,
            ..self
        }
    }

    /// How the next checks go.
    pub fn script(&self, judgements: impl IntoIterator<Item = Judgement>) {
        lock(&self.script).extend(judgements);
    }

    /// The rail.
    #[must_use]
    pub fn on(&self) -> &Arc<FakeRail> {
        &self.rail
    }

    fn check(&self, presented: &Presented<'_>) -> Result<Verified, Refusal> {
        let request = presented.request;
        let is_ours = Charge::currency(self, &request.currency).is_some();
        if !is_ours || request.recipient.as_ref() != Some(&self.payee) {
            return Err(invalid("this method is not paid like that"));
        }
        let proof = FakeProof::read(presented.payload)
            .ok_or_else(|| Refusal::new(Fault::Malformed, "the payload is no proof"))?;
        let payer = presented
            .source
            .and_then(|source| Did::new(source).ok())
            .ok_or_else(|| Refusal::new(Fault::Malformed, "the source is no account"))?;
        let signed = signature(
            &payer,
            &proof.nonce,
            presented.challenge,
            presented.realm,
            request,
        );
        if signed != proof.signature {
            return Err(invalid("the signature is not the payer's"));
        }
        let send_before = self
            .send_within
            .map(|time| presented.now.saturating_add(time));
        let effect = Effect {
            nonce: proof.nonce.clone(),
            memo: presented.challenge.as_str().to_owned(),
            from: payer.as_str().to_owned(),
            to: self.payee.as_str().to_owned(),
            amount: request.amount.units(),
            send_before: send_before.map(Timestamp::as_millis),
        };
        let debits = self.limits.iter().map(|(counter, limit, keep)| Debit {
            counter: counter.clone(),
            amount: request.amount,
            limit: *limit,
            keep: *keep,
        });
        Ok(Verified {
            payer: (!self.anonymous).then_some(payer),
            keys: vec![self.key(&proof)],
            debits: debits.collect(),
            reference: Reference::new(name(&proof.nonce)).ok(),
            send_before,
            effect: Some(effect.seal()),
            ..Verified::new(presented.expires)
        })
    }

    fn key(&self, proof: &FakeProof) -> ClaimKey {
        ClaimKey::proof(&self.method, &proof.nonce).expect("a bounded nonce makes a bounded key")
    }
}

fn invalid(why: &'static str) -> Refusal {
    Refusal::new(Fault::Invalid, why)
}

impl Charge for FakeCharge {
    fn method(&self) -> &MethodId {
        &self.method
    }

    fn prepare(&self, wanted: &Wanted<'_>) -> Result<Vec<ChargeRequest>, PrepareError> {
        let price = wanted.plain()?;
        let ask = |currency: &Currency| {
            let amount = price.in_currency(currency)?;
            let (code, payee) = (currency.code.clone(), self.payee.clone());
            Ok(ChargeRequest::new(amount, code, Some(payee)))
        };
        self.currencies().map(ask).collect()
    }

    fn verify<'a>(&'a self, presented: Presented<'a>) -> Step<'a, Result<Verified, Refusal>> {
        match lock(&self.script).pop_front().unwrap_or(Judgement::Now) {
            Judgement::Now => Step::Now(self.check(&presented)),
            Judgement::Later(latch) => Step::Later(Box::pin(async move {
                latch.opened().await;
                self.check(&presented)
            })),
            Judgement::Down => Step::Now(Err(Refusal::new(
                Fault::Unavailable,
                "the rail does not answer",
            ))),
        }
    }

    fn rail(&self) -> Rail<'_> {
        Rail::Outside(&*self.rail)
    }

    fn currency(&self, code: &CurrencyCode) -> Option<&Currency> {
        self.currencies().find(|currency| currency.code == *code)
    }

    fn exceeded(&self, debit: &Debit) -> Option<Cow<'static, str>> {
        Some(format!("as much as may be is {}", debit.counter).into())
    }

    fn settle_policy(&self) -> SettlePolicy {
        self.policy
    }
}
