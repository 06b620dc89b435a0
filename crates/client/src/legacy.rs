//! What older versions wrote otherwise.

use farthing_core::value::{Currency, CurrencyCode, MethodId};

/// The rail, the code and the decimals of the one currency that programs of ours paid in while each
/// had a budget for itself.
const FIRST: (&str, &str, u8) = ("ledger", "usd6", 6);

/// The currencies that may have been counted by themselves in the unit of one.
pub(crate) fn formerly_counted(currency: &Currency) -> Vec<Currency> {
    let (rail, code, decimals) = FIRST;
    let first = Currency {
        code: CurrencyCode::new(code).expect("it was a currency"),
        decimals,
        rail: MethodId::new(rail).expect("it was a method"),
        symbol: "USD".into(),
    };
    let mut all = vec![currency.clone()];
    if first.symbol == currency.symbol && first != *currency {
        all.push(first);
    }
    all
}
