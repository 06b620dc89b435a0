//! Fees: priced in attodollars (10⁻¹⁸) for a unit of gas, and paid in base units of a token (10⁻⁶).

use farthing_core::value::Amount;
use farthing_evm::{Receipt, U256};

/// How many attodollars a base unit of a fee token is.
const ATTODOLLARS: u64 = 1_000_000_000_000;

/// What an amount of gas costs at a price in attodollars, in base units, rounded up as the chain does.
///
/// ```
/// use farthing_tempo::tip20::fee;
///
/// // 50,000 of gas at 20 billion attodollars is a tenth of a cent.
/// assert_eq!(fee(50_000, 20_000_000_000).units(), 1_000);
/// assert_eq!(fee(1, 1).units(), 1);
/// ```
#[must_use]
pub fn fee(gas: u64, price: u128) -> Amount {
    let attodollars = U256::from(gas).saturating_mul(U256::from(price));
    let units = attodollars.div_ceil(U256::from(ATTODOLLARS));
    Amount::new(u128::try_from(units).unwrap_or(u128::MAX))
}

/// What a transaction's fee was, whoever paid it, in base units of the token it was paid in.
#[must_use]
pub fn fee_of(receipt: &Receipt) -> Amount {
    let price = u128::try_from(receipt.effective_gas_price).unwrap_or(u128::MAX);
    fee(receipt.gas_used(), price)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fees_are_rounded_up_and_never_wrap() {
        let cases = [
            (0, 1_000_000_000, 0),
            (21_000, 0, 0),
            (1, 1_000_000_000_000, 1),
            (1, 1_000_000_000_001, 2),
            (21_000, 1_000_000_000, 21),
            (50_000, 12_000_000_000, 600),
        ];
        for (gas, price, units) in cases {
            assert_eq!(fee(gas, price).units(), units, "{gas} at {price}");
        }
        assert_eq!(fee(u64::MAX, u128::MAX).units(), u128::MAX);
    }
}
