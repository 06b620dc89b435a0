//! Credit: what is served before value is known to have moved, within bounds.
//!
//! Two counters bound it, one of the payer's and one of all payers together. A claim reserves its
//! amount on both. It is given back when value moved, or when nothing was served; what was served
//! and never paid stays reserved, so that whoever did not pay gets no more, and the loss of all
//! together has an end, until the operator writes it off.
//!
//! The counters are the store's: whatever routes and methods give credit in a unit share them.
//! They count in that unit at [`DECIMALS`], so amounts of several currencies are added exactly.

use std::sync::Arc;

use ring::digest::{Context, SHA256};

use super::claims::{COUNTERS, Debit};
use crate::{
    encoding::base64url,
    port::backend::{Backend, Key, Partition, StoreError},
    value::{Amount, Currency, CurrencyCode, Did, Price, PriceError},
};

/// The decimals that credit is counted with: as many as any currency has.
pub const DECIMALS: u8 = 18;

/// What the names of the counters begin with. No method may have one that does.
const PREFIX: &str = "credit ";

/// How much is given on credit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    unit: Box<str>,
    per_payer: Amount,
    in_total: Amount,
}

/// Limits that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitsError {
    /// One of them is no price, or too fine or too large to be counted.
    #[error(transparent)]
    Price(#[from] PriceError),
    /// They are in two units.
    #[error("the two limits of credit are in {0} and {1}: they have to be in one unit")]
    Units(Box<str>, Box<str>),
    /// One of them is nothing, or all payers together get less than one of them.
    #[error("credit of {0} for each payer and {1} in total is none")]
    None(Box<str>, Box<str>),
}

impl Limits {
    /// So much for each payer, and so much for all together.
    ///
    /// # Errors
    /// When they cannot be counted exactly, or make no sense together.
    pub fn new(per_payer: &Price, in_total: &Price) -> Result<Self, LimitsError> {
        let told = || (per_payer.to_string().into(), in_total.to_string().into());
        let unit: Box<str> = per_payer.unit().as_str().into();
        if in_total.unit() != per_payer.unit() {
            return Err(LimitsError::Units(unit, in_total.unit().as_str().into()));
        }
        let counted = counted(&unit)?;
        let limits = Self {
            per_payer: per_payer.in_currency(&counted)?,
            in_total: in_total.in_currency(&counted)?,
            unit,
        };
        if limits.per_payer.is_zero() || limits.in_total < limits.per_payer {
            let (one, all) = told();
            return Err(LimitsError::None(one, all));
        }
        // A counter holds less than an amount does.
        if limits.in_total.to_delta().is_none() {
            let text = in_total.to_string().into();
            return Err(PriceError::Overflow { text }.into());
        }
        Ok(limits)
    }

    /// The unit they are in.
    #[must_use]
    pub fn unit(&self) -> &str {
        &self.unit
    }

    /// What a payment of an amount reserves, or `None` where it can never be on credit: another
    /// unit, or more than one payer gets.
    #[must_use]
    pub fn debits(&self, currency: &Currency, amount: Amount, payer: &Did) -> Option<[Debit; 2]> {
        let amount = self.count(currency, amount)?;
        let debit = |counter: String, limit: Amount| Debit {
            counter: counter.into(),
            amount,
            limit,
            keep: false,
        };
        Some([
            debit(counter(&self.unit, Some(payer)), self.per_payer),
            debit(counter(&self.unit, None), self.in_total),
        ])
    }

    /// Whether a payment of an amount can ever be on credit.
    #[must_use]
    pub fn covers(&self, currency: &Currency, amount: Amount) -> bool {
        self.count(currency, amount).is_some()
    }

    fn count(&self, currency: &Currency, amount: Amount) -> Option<Amount> {
        let more = DECIMALS.checked_sub(currency.decimals)?;
        let factor = 10u128.checked_pow(u32::from(more))?;
        let amount = Amount::new(amount.units().checked_mul(factor)?);
        (currency.symbol == self.unit && amount <= self.per_payer).then_some(amount)
    }
}

/// The currency that credit in a unit is counted in.
fn counted(unit: &str) -> Result<Currency, PriceError> {
    let broken = || PriceError::Grammar { text: unit.into() };
    Ok(Currency {
        code: CurrencyCode::new(unit).map_err(|_| broken())?,
        decimals: DECIMALS,
        rail: crate::value::MethodId::new("credit").map_err(|_| broken())?,
        symbol: unit.into(),
    })
}

/// Whether a debit is one of credit.
#[must_use]
pub fn is_of_credit(debit: &Debit) -> bool {
    debit.counter.starts_with(PREFIX)
}

/// The counter of a payer, or of all. A payer's name comes from outside, so it stands hashed.
fn counter(unit: &str, payer: Option<&Did>) -> String {
    let Some(payer) = payer else {
        return format!("{PREFIX}{unit}");
    };
    let mut hash = Context::new(&SHA256);
    hash.update(payer.as_str().as_bytes());
    format!("{PREFIX}{unit} {}", base64url::encode(hash.finish()))
}

/// How much of a unit is on credit in a store at the moment, with what was lost and is not written
/// off, at [`DECIMALS`]; of one payer, or of all.
///
/// # Errors
/// When the store fails.
pub async fn outstanding(
    backend: &Arc<dyn Backend>,
    unit: &str,
    payer: Option<&Did>,
) -> Result<Amount, StoreError> {
    let key = Key::from(counter(unit, payer).as_str());
    let row = backend.get(&Partition::Store, COUNTERS, &key).await?;
    let Some(row) = row else {
        return Ok(Amount::ZERO);
    };
    row.counter()
        .and_then(|count| u128::try_from(count).ok())
        .map(Amount::new)
        .ok_or_else(|| StoreError::Corrupt("a counter of credit is no amount".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(per_payer: &str, in_total: &str) -> Result<Limits, LimitsError> {
        Limits::new(&per_payer.parse()?, &in_total.parse()?)
    }

    fn currency(decimals: u8, symbol: &str) -> Currency {
        Currency {
            decimals,
            ..counted(symbol).unwrap()
        }
    }

    #[test]
    fn limits_are_exact_in_one_unit_or_none() {
        assert_eq!(limits("$1", "$20").unwrap().unit(), "USD");
        assert!(limits("$1", "$1").is_ok());
        for (per_payer, in_total) in [("$0", "$1"), ("$2", "$1")] {
            let refused = limits(per_payer, in_total);
            assert!(matches!(refused, Err(LimitsError::None(..))));
        }
        assert!(matches!(limits("$1", "2 EUR"), Err(LimitsError::Units(..))));
        let too_fine = limits("$0.0000000000000000001", "$1");
        assert!(matches!(
            too_fine,
            Err(LimitsError::Price(PriceError::Inexact { .. }))
        ));
        let too_large = limits("$1", "$170141183460469231732");
        assert!(matches!(too_large, Err(LimitsError::Price(_))));
    }

    #[test]
    fn amounts_of_two_currencies_are_one_count() {
        let limits = limits("$1", "$20").unwrap();
        let payer = Did::new("did:example:alice").unwrap();
        let six = limits.debits(&currency(6, "USD"), Amount::new(2_000), &payer);
        let three = limits.debits(&currency(3, "USD"), Amount::new(2), &payer);
        assert_eq!(six, three);
        let [own, all] = six.unwrap();
        assert_eq!(own.amount, Amount::new(2_000_000_000_000_000));
        assert_eq!(own.limit, Amount::new(10u128.pow(18)));
        assert_eq!(all.limit, Amount::new(20 * 10u128.pow(18)));
        assert_ne!(own.counter, all.counter);
        assert!(is_of_credit(&own) && is_of_credit(&all));
        assert!(!own.keep && !all.keep);
    }

    #[test]
    fn what_one_payer_may_never_owe_is_not_on_credit() {
        let limits = limits("$1", "$20").unwrap();
        assert!(limits.covers(&currency(6, "USD"), Amount::new(1_000_000)));
        assert!(!limits.covers(&currency(6, "USD"), Amount::new(1_000_001)));
        assert!(!limits.covers(&currency(6, "EUR"), Amount::new(1)));
        assert!(!limits.covers(&currency(19, "USD"), Amount::new(1)));
        assert!(!limits.covers(&currency(0, "USD"), Amount::new(u128::MAX)));
    }
}
