//! What an amount is worth in the unit that people count in.

use super::{Amount, Currency, Price};

/// How many decimals a unit is counted with. No currency we know has more.
const SCALE: u8 = 18;

/// A sum of money in a unit such as `USD`, whatever the currencies it was made of: a whole number
/// of 10⁻¹⁸ of the unit.
///
/// Amounts of two currencies cannot be added, for their base units differ. What they are worth can:
/// a cent of a bank's dollar and ten thousand units of a token with six decimals are the same.
/// That each of them is worth what it says is the assumption of whoever sets a budget in the unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Worth(u128);

impl Worth {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// More than anybody has, and what a counter still holds.
    pub const UNLIMITED: Self = Self(1 << 126);

    /// What a counter says.
    #[must_use]
    pub const fn counted(count: u128) -> Self {
        Self(count)
    }

    /// As counters hold it.
    #[must_use]
    pub const fn count(self) -> Amount {
        Amount::new(self.0)
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

    /// In base units of a currency: the part of one that is left over counts as a whole one, so
    /// that what is spent is never told too low.
    #[must_use]
    pub fn rounded_up(self, currency: &Currency) -> Amount {
        Amount::new(self.0.div_ceil(base_unit(currency)))
    }

    /// In base units of a currency, without the part of one that is left over: what may be spent is
    /// never told too high.
    #[must_use]
    pub const fn rounded_down(self, currency: &Currency) -> Amount {
        Amount::new(self.0 / base_unit(currency))
    }
}

impl Currency {
    /// What an amount is worth in this currency's unit, exactly; `None` where the currency is finer
    /// than is counted, or the sum does not fit a counter.
    #[must_use]
    pub fn worth(&self, amount: Amount) -> Option<Worth> {
        scaled(amount.units(), self.decimals)
    }
}

impl Price {
    /// What it is worth in its unit, exactly; `None` where it is finer than is counted, or does not
    /// fit a counter.
    #[must_use]
    pub fn worth(&self) -> Option<Worth> {
        let (mantissa, scale) = self.parts();
        scaled(mantissa, scale)
    }
}

/// What a base unit is worth; one of a currency that is finer than is counted, the least there is.
const fn base_unit(currency: &Currency) -> u128 {
    10_u128.pow(SCALE.saturating_sub(currency.decimals) as u32)
}

fn scaled(number: u128, scale: u8) -> Option<Worth> {
    let factor = 10_u128.checked_pow(u32::from(SCALE.checked_sub(scale)?))?;
    let worth = Worth(number.checked_mul(factor)?);
    worth.count().to_delta().map(|_| worth)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::value::{CurrencyCode, MethodId};

    fn currency(decimals: u8) -> Currency {
        Currency {
            code: CurrencyCode::new("x").unwrap(),
            decimals,
            rail: MethodId::new("rail").unwrap(),
            symbol: "USD".into(),
        }
    }

    #[test]
    fn a_cent_is_a_cent_in_every_currency() {
        let price: Price = "$0.01".parse().unwrap();
        let cent = price.worth().unwrap();
        for decimals in 2..=18 {
            let currency = currency(decimals);
            let amount = price.in_currency(&currency).unwrap();
            assert_eq!(currency.worth(amount), Some(cent), "{decimals}");
            assert_eq!(cent.rounded_up(&currency), amount, "{decimals}");
        }
        assert_eq!(cent.rounded_up(&currency(0)), Amount::new(1));
        assert_eq!(currency(19).worth(Amount::new(1)), None);
        assert_eq!(currency(6).worth(Amount::new(u128::MAX)), None);
        assert_eq!(currency(18).worth(Amount::new(1 << 127)), None);
    }

    proptest! {
        /// Adding what amounts are worth loses nothing, whatever their decimals are.
        #[test]
        fn sums_over_currencies_are_exact(
            parts in prop::collection::vec((0_u8..=18, 0_u64..=u64::from(u32::MAX)), 0..20),
        ) {
            // The whole units and the rest, each by themselves, as a second way to count.
            let (mut whole, mut rest) = (0_u128, 0_u128);
            let mut sum = Worth::ZERO;
            for (decimals, units) in parts {
                let unit = 10_u128.pow(u32::from(decimals));
                whole += u128::from(units) / unit;
                rest += u128::from(units) % unit * 10_u128.pow(u32::from(SCALE - decimals));
                let worth = currency(decimals).worth(Amount::new(units.into())).unwrap();
                sum = sum.checked_add(worth).unwrap();
            }
            prop_assert_eq!(sum.count().units(), whole * 10_u128.pow(18) + rest);
            prop_assert!(sum.rounded_up(&currency(6)).units() * 10_u128.pow(12) >= sum.0);
        }
    }
}
