//! Money: an integer of base units, and the currency that says what a base unit is.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{MethodId, TextError, text};

/// An amount in base units, without its currency. Arithmetic is checked; there are no floats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Amount(u128);

/// Why a text is not an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AmountError {
    /// Not decimal digits without a leading zero.
    #[error("an amount is written in decimal digits, without sign, point or leading zero")]
    Grammar,
    /// More than 2¹²⁸ − 1.
    #[error("the amount is too large")]
    Overflow,
}

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// An amount of base units.
    #[must_use]
    pub const fn new(units: u128) -> Self {
        Self(units)
    }

    /// The base units.
    #[must_use]
    pub const fn units(self) -> u128 {
        self.0
    }

    /// Whether it is nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum, or `None` when it does not fit.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The difference, or `None` when it would be negative.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }

    /// The product, or `None` when it does not fit.
    #[must_use]
    pub const fn checked_mul(self, times: u128) -> Option<Self> {
        match self.0.checked_mul(times) {
            Some(product) => Some(Self(product)),
            None => None,
        }
    }

    /// As the delta of a counter, or `None` when it does not fit.
    #[must_use]
    pub fn to_delta(self) -> Option<i128> {
        i128::try_from(self.0).ok()
    }

    /// Writes it with a decimal point, as a person reads it: 1500 with 6 decimals is `0.0015`.
    #[must_use]
    pub fn to_decimal(self, decimals: u8) -> String {
        let digits = format!("{:0>width$}", self.0, width = usize::from(decimals) + 1);
        let (whole, fraction) = digits.split_at(digits.len() - usize::from(decimals));
        match fraction.trim_end_matches('0') {
            "" => whole.to_owned(),
            fraction => format!("{whole}.{fraction}"),
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !plain || (text.len() > 1 && text.starts_with('0')) {
            return Err(AmountError::Grammar);
        }
        text.parse().map(Self).map_err(|_| AmountError::Overflow)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Most amounts are small, and their digits come without the formatting machinery: they stand
        // in every record of a payment.
        let mut digits = [0; 20];
        match u64::try_from(self.0) {
            Ok(small) => serializer.serialize_str(write_digits(small, &mut digits)),
            Err(_) => serializer.collect_str(self),
        }
    }
}

fn write_digits(mut number: u64, place: &mut [u8; 20]) -> &str {
    let mut start = place.len();
    for digit in place.iter_mut().rev() {
        *digit = b"0123456789"[(number % 10) as usize];
        number /= 10;
        start -= 1;
        if number == 0 {
            break;
        }
    }
    str::from_utf8(&place[start..]).expect("digits are ASCII")
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::deserialize(deserializer)
    }
}

/// A currency as a method writes it on the wire: `usd`, a token address, a name of its own.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CurrencyCode(Arc<str>);

text::newtype!(CurrencyCode, "a currency", text::visible);

/// What a base unit is: a code on a rail, and how many decimals it has there.
///
/// The same code may mean different things on two rails, so two currencies are equal only when
/// all three parts are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Currency {
    /// The code on the wire.
    pub code: CurrencyCode,
    /// How many decimals one whole unit has.
    pub decimals: u8,
    /// The method whose currency it is.
    pub rail: MethodId,
    /// What people call it, for example `USD`; the unit of prices that convert to it.
    pub symbol: Box<str>,
}

impl Currency {
    /// Writes an amount as a person reads it, for example `0.002 USD`.
    #[must_use]
    pub fn display(&self, amount: Amount) -> String {
        format!("{} {}", amount.to_decimal(self.decimals), self.symbol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_the_digits_of_any_amount() {
        let small = [0, 7, 10, 2_000, u128::from(u64::MAX)];
        for units in small
            .into_iter()
            .chain([u128::from(u64::MAX) + 1, u128::MAX])
        {
            let json = serde_json::to_string(&Amount::new(units)).unwrap();
            assert_eq!(json, format!("\"{units}\""));
        }
    }

    #[test]
    fn only_plain_digits_are_amounts() {
        for good in ["0", "1", "10", "340282366920938463463374607431768211455"] {
            assert_eq!(
                good.parse::<Amount>().map(|a| a.to_string()).as_deref(),
                Ok(good)
            );
        }
        for bad in ["", "01", "00", "+1", "-1", "1.0", "1e3", " 1", "0x1", "१"] {
            assert_eq!(bad.parse::<Amount>(), Err(AmountError::Grammar), "{bad:?}");
        }
        let over = "340282366920938463463374607431768211456";
        assert_eq!(over.parse::<Amount>(), Err(AmountError::Overflow));
    }

    #[test]
    fn arithmetic_is_checked() {
        let max = Amount::new(u128::MAX);
        assert_eq!(max.checked_add(Amount::new(1)), None);
        assert_eq!(Amount::ZERO.checked_sub(Amount::new(1)), None);
        assert_eq!(max.checked_mul(2), None);
        assert_eq!(max.to_delta(), None);
        assert_eq!(Amount::new(7).to_delta(), Some(7));
    }

    #[test]
    fn decimals_are_written_without_loss() {
        let cases = [
            (1500, 6, "0.0015"),
            (0, 6, "0"),
            (2_000_000, 6, "2"),
            (7, 0, "7"),
            (1, 2, "0.01"),
        ];
        for (units, decimals, text) in cases {
            assert_eq!(Amount::new(units).to_decimal(decimals), text);
        }
    }
}
