//! Prices as people write them: `$0.002`, `0.01 USD`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Amount, Currency, text};

/// A price: a decimal number and the unit it is in. It becomes base units exactly or not at all.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Price {
    mantissa: u128,
    scale: u8,
    unit: Unit,
}

/// What a price is counted in: `USD`, `EUR`, or a token's symbol such as `pathUSD`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Unit(Box<str>);

/// Why a price is none, or cannot be asked in a currency.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PriceError {
    /// It is not written as a price.
    #[error("{text:?} is not a price: write it like '$0.002' or '0.01 USD'")]
    Grammar {
        /// What was given.
        text: Box<str>,
    },
    /// It has more digits than an amount holds.
    #[error("the price {text:?} is too large or too fine")]
    Overflow {
        /// What was given.
        text: Box<str>,
    },
    /// The currency has another unit.
    #[error("the price {price} is not in {symbol}")]
    Unit {
        /// The price.
        price: Box<str>,
        /// What the currency is called.
        symbol: Box<str>,
    },
    /// It is nothing, and the method has no way to move nothing.
    #[error("the price {price} is nothing, and this method moves no less than one base unit")]
    Zero {
        /// The price.
        price: Box<str>,
    },
    /// It is no whole number of the currency's base units.
    #[error("{code} has {decimals} decimals and cannot say {price} exactly")]
    Inexact {
        /// The price.
        price: Box<str>,
        /// The currency's code.
        code: Box<str>,
        /// The currency's decimals.
        decimals: u8,
    },
}

impl Price {
    /// The unit it is in.
    #[must_use]
    pub const fn unit(&self) -> &Unit {
        &self.unit
    }

    /// Whether it is nothing.
    #[must_use]
    pub const fn is_zero(&self) -> bool {
        self.mantissa == 0
    }

    /// Its digits as a whole number, and how many of them stand behind the point.
    pub(super) const fn parts(&self) -> (u128, u8) {
        (self.mantissa, self.scale)
    }

    /// The price in base units of a currency, exactly.
    ///
    /// # Errors
    /// When the currency has another unit, or its base unit is too coarse for this price, or the
    /// amount does not fit.
    pub fn in_currency(&self, currency: &Currency) -> Result<Amount, PriceError> {
        if *self.unit.0 != *currency.symbol {
            return Err(PriceError::Unit {
                price: self.to_string().into(),
                symbol: currency.symbol.clone(),
            });
        }
        let Some(missing) = currency.decimals.checked_sub(self.scale) else {
            return Err(PriceError::Inexact {
                price: self.to_string().into(),
                code: currency.code.as_str().into(),
                decimals: currency.decimals,
            });
        };
        10u128
            .checked_pow(u32::from(missing))
            .and_then(|factor| self.mantissa.checked_mul(factor))
            .map(Amount::new)
            .ok_or_else(|| PriceError::Overflow {
                text: self.to_string().into(),
            })
    }
}

impl Unit {
    /// The unit as it is written behind a number.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = Amount::new(self.mantissa).to_decimal(self.scale);
        match &*self.unit.0 {
            "USD" => write!(f, "${number}"),
            unit => write!(f, "{number} {unit}"),
        }
    }
}

impl fmt::Debug for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Price({self})")
    }
}

impl FromStr for Price {
    type Err = PriceError;

    fn from_str(text: &str) -> Result<Self, PriceError> {
        let grammar = || PriceError::Grammar { text: text.into() };
        let trimmed = text.trim();
        let (number, unit) = match trimmed.strip_prefix('$') {
            Some(number) => (number, "USD"),
            None => trimmed.rsplit_once(' ').ok_or_else(grammar)?,
        };
        let unit_ok = (2..=16).contains(&unit.len())
            && unit.starts_with(|c: char| c.is_ascii_alphabetic())
            && unit.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
        if !unit_ok {
            return Err(grammar());
        }
        let (mantissa, scale) = decimal(number.trim_end()).map_err(|broken| match broken {
            Broken::Grammar => grammar(),
            Broken::Overflow => PriceError::Overflow { text: text.into() },
        })?;
        Ok(Self {
            mantissa,
            scale,
            unit: Unit(unit.into()),
        })
    }
}

enum Broken {
    Grammar,
    Overflow,
}

/// Reads `digits[.digits]` into a whole number and how many of its digits stand behind the point,
/// without trailing zeros there.
fn decimal(text: &str) -> Result<(u128, u8), Broken> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let leading_zero = whole.len() > 1 && whole.starts_with('0');
    if !digits(whole) || !digits(fraction) || leading_zero {
        return Err(Broken::Grammar);
    }
    let fraction = fraction.trim_end_matches('0');
    let scale = u8::try_from(fraction.len()).map_err(|_| Broken::Overflow)?;
    let mantissa = format!("{whole}{fraction}")
        .parse()
        .map_err(|_| Broken::Overflow)?;
    Ok((mantissa, scale))
}

impl Serialize for Price {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{CurrencyCode, MethodId};

    fn dollar(decimals: u8) -> Currency {
        Currency {
            code: CurrencyCode::new("usd").unwrap(),
            decimals,
            rail: MethodId::new("card").unwrap(),
            symbol: "USD".into(),
        }
    }

    fn check(price: &str, decimals: u8, expect: Option<u128>) {
        let amount = price
            .parse::<Price>()
            .unwrap()
            .in_currency(&dollar(decimals));
        assert_eq!(
            amount.ok().map(Amount::units),
            expect,
            "{price} with {decimals} decimals"
        );
    }

    #[test]
    fn becomes_base_units_exactly_or_not_at_all() {
        check("$0.002", 6, Some(2000));
        check("0.01 USD", 2, Some(1));
        check("$5", 2, Some(500));
        check("$1.50", 2, Some(150));
        check("$0", 6, Some(0));
        // ISO's dollar means cents: it cannot say a fifth of one.
        check("$0.002", 2, None);
        check("$0.0000001", 6, None);
        check("1 EUR", 6, None);
        check("$340282366920938463463374607431768211455", 6, None);
    }

    #[test]
    fn refuses_what_people_do_not_write() {
        for bad in [
            "", "$", "0.01", "$-1", "$+1", "$1,000", "$.5", "$1.", "$01", "1e3 USD", "$1 USD",
            "0.01 U$D",
        ] {
            assert!(bad.parse::<Price>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn is_written_as_it_is_read() {
        for text in ["$0.002", "0.01 EUR", "3 pathUSD", "$0"] {
            assert_eq!(text.parse::<Price>().unwrap().to_string(), text);
        }
    }
}
