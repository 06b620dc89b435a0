//! The seller's side of the method.

use farthing_core::{
    intent::charge::ChargeRequest,
    payment::SettlePolicy,
    port::method::{Charge, Fault, PrepareError, Presented, Rail, Refusal, Step, Verified, Wanted},
    value::{MethodId, PriceError, Recipient},
};

use crate::{
    account::Account,
    authorization::{self, Authorization},
    currency::{self, Currencies},
};

/// The ledger as a payment method: charges are paid to one account, and settled by rows in the
/// seller's own store.
///
/// What it does not do: it opens no accounts and takes no money in. That is the operator's, with
/// [`Accounts`](crate::Accounts).
#[derive(Clone, Debug)]
pub struct Ledger {
    method: MethodId,
    payee: Account,
    recipient: Recipient,
    currencies: Currencies,
}

impl Ledger {
    /// A ledger that is paid in its dollar.
    #[must_use]
    pub fn new(payee: Account) -> Self {
        Self::with_currencies(payee, Currencies::default())
    }

    /// A ledger that is paid in any of these currencies: a price in a unit is asked for in the
    /// currency of that unit.
    #[must_use]
    pub fn with_currencies(payee: Account, currencies: Currencies) -> Self {
        let recipient = payee.recipient();
        Self {
            method: currency::method(),
            payee,
            recipient,
            currencies,
        }
    }

    pub(crate) const fn payee(&self) -> &Account {
        &self.payee
    }

    pub(crate) const fn currencies(&self) -> &Currencies {
        &self.currencies
    }

    fn check(&self, presented: &Presented<'_>) -> Result<Verified, Refusal> {
        let Presented {
            challenge,
            realm,
            request,
            ..
        } = *presented;
        if self.currencies.find(&request.currency).is_none() {
            return Err(Refusal::new(
                Fault::Invalid,
                "this ledger does not take this currency any more",
            ));
        }
        if request.recipient.as_ref() != Some(&self.recipient) {
            return Err(Refusal::new(
                Fault::Invalid,
                "this ledger is not paid at this account any more",
            ));
        }
        let payer = payer(presented)?;
        if payer == self.payee {
            return Err(Refusal::new(Fault::Invalid, "an account cannot pay itself"));
        }
        let signature = authorization::signature(presented.payload)?;
        let signed = Authorization::new(challenge, request, realm)
            .is_some_and(|text| payer.verifies(text.text().as_bytes(), &signature));
        if !signed {
            return Err(Refusal::new(
                Fault::Invalid,
                "the signature is not the payer's for this challenge",
            ));
        }
        // The signature is over the challenge's id, so the claim of the challenge is the claim of the
        // proof.
        Ok(Verified {
            payer: Some(payer.did().clone()),
            ..Verified::new(presented.expires)
        })
    }
}

impl Charge for Ledger {
    fn method(&self) -> &MethodId {
        &self.method
    }

    fn prepare(&self, wanted: &Wanted<'_>) -> Result<Vec<ChargeRequest>, PrepareError> {
        let price = wanted.plain()?;
        let currency = self.currencies.of_unit(price.unit().as_str());
        let amount = price.in_currency(currency)?;
        if amount.is_zero() {
            let price = price.to_string().into();
            return Err(PriceError::Zero { price }.into());
        }
        if amount.to_delta().is_none() {
            let text = price.to_string().into();
            return Err(PriceError::Overflow { text }.into());
        }
        let (code, payee) = (currency.code.clone(), self.recipient.clone());
        Ok(vec![ChargeRequest::new(amount, code, Some(payee))])
    }

    fn verify<'a>(&'a self, presented: Presented<'a>) -> Step<'a, Result<Verified, Refusal>> {
        Step::Now(self.check(&presented))
    }

    fn rail(&self) -> Rail<'_> {
        Rail::Books(self)
    }

    /// After the handler: what is held can be given back without a trace, so nobody pays for an
    /// answer that was not served.
    fn settle_policy(&self) -> SettlePolicy {
        SettlePolicy::After
    }
}

fn payer(presented: &Presented<'_>) -> Result<Account, Refusal> {
    let source = presented.source.ok_or_else(|| {
        Refusal::new(
            Fault::Malformed,
            "the credential has no source: it is the account that pays",
        )
    })?;
    Account::parse(source).map_err(|error| {
        Refusal::new(Fault::Malformed, "the credential's source is no account").caused_by(error)
    })
}
