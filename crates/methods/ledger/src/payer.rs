//! The buyer's side of the method.

use farthing_core::{
    intent::charge,
    noun::Expires,
    port::{
        BoxFuture,
        method::{Fault, Refusal},
        payer::{Offer, Payer, Proof, Quote, Resolved},
    },
    value::{MethodId, Timestamp},
};

use crate::{
    account::Account,
    authorization::{self, Authorization},
    currency::{self, Currencies},
    key::AccountKey,
};

/// Pays from one account of a ledger, by signing.
///
/// The account is the seller's to keep: this side sees no balance and asks nobody.
#[derive(Debug)]
pub struct LedgerPayer {
    method: MethodId,
    key: AccountKey,
    currencies: Currencies,
}

impl LedgerPayer {
    /// Pays in the ledger's dollar.
    #[must_use]
    pub fn new(key: AccountKey) -> Self {
        Self::with_currencies(key, Currencies::default())
    }

    /// Pays in any of these currencies. What a code is worth is this configuration's to say; a
    /// seller's word for it is never taken.
    #[must_use]
    pub fn with_currencies(key: AccountKey, currencies: Currencies) -> Self {
        Self {
            method: currency::method(),
            key,
            currencies,
        }
    }

    /// The account it pays from.
    #[must_use]
    pub const fn account(&self) -> &Account {
        self.key.account()
    }

    fn authorize(&self, offer: &Offer, now: Timestamp) -> Result<Proof, Refusal> {
        self.quote(offer)?;
        let challenge = &offer.challenge;
        let valid_until = expiry(offer)?;
        if challenge.is_expired(now) {
            return Err(Refusal::new(Fault::Expired, "the challenge expired"));
        }
        let text = Authorization::new(&challenge.id, &offer.request, &challenge.realm)
            .ok_or_else(no_account)?
            .text();
        let payload = authorization::payload(&self.key.sign(text.as_bytes()))?;
        let source = self.account().did().clone();
        Ok(Proof::new(payload, Some(source), valid_until))
    }
}

impl Payer for LedgerPayer {
    fn method(&self) -> &MethodId {
        &self.method
    }

    fn quote(&self, offer: &Offer) -> Result<Quote, Refusal> {
        let (challenge, request) = (&offer.challenge, &offer.request);
        if challenge.method != self.method || challenge.intent.as_str() != charge::CHARGE {
            return Err(unsupported("this payer pays charges on a ledger"));
        }
        if !request.method_details.is_empty() {
            return Err(unsupported(
                "the offer has details this payer does not know",
            ));
        }
        let currency = self
            .currencies
            .find(&request.currency)
            .ok_or_else(|| unsupported("this payer does not know the currency"))?;
        if request.amount.is_zero() {
            return Err(unsupported("there is nothing to pay"));
        }
        let payee = request.recipient.as_ref().ok_or_else(no_account)?;
        let payee =
            Account::parse(payee.as_str()).map_err(|error| no_account().caused_by(error))?;
        if payee == *self.account() {
            return Err(unsupported("an account cannot pay itself"));
        }
        expiry(offer)?;
        Ok(Quote::new(currency.clone(), self.account().did().clone()))
    }

    fn sign<'a>(
        &'a self,
        offer: &'a Offer,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Proof, Refusal>> {
        Box::pin(std::future::ready(self.authorize(offer, now)))
    }

    /// Unknown, always: that the challenge expired means that nothing new can be claimed with the
    /// proof, not that nothing was. The seller may have claimed it in time and settled it since,
    /// and only the seller's answer, a receipt or a refusal, tells. Age is no evidence.
    fn resolve<'a>(&'a self, _proof: &'a Proof, _now: Timestamp) -> BoxFuture<'a, Resolved> {
        Box::pin(std::future::ready(Resolved::Unknown))
    }
}

/// When the authorization ends. One without an end could be used years later.
fn expiry(offer: &Offer) -> Result<Timestamp, Refusal> {
    let expires = offer.challenge.expires.as_ref().map(Expires::at);
    expires.ok_or_else(|| unsupported("the offer never expires"))
}

fn no_account() -> Refusal {
    unsupported("the offer names no account to be paid")
}

fn unsupported(why: &'static str) -> Refusal {
    Refusal::new(Fault::Unsupported, why)
}
