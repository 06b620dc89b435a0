//! What a ledger counts.

use farthing_ledger::{Currencies, CurrencyError};

use crate::fixture::dollar;

#[test]
fn a_ledger_has_its_own_dollar() {
    let currencies = Currencies::default();
    let found = currencies.find(&dollar()).unwrap();
    assert_eq!(
        (found.decimals, &*found.symbol, found.rail.as_str()),
        (6, "USD", "ledger")
    );
    assert_eq!(currencies.iter().count(), 1);
}

#[test]
fn a_currency_has_a_code_and_a_unit_of_its_own() {
    let add =
        |code: &str, decimals, symbol: &str| Currencies::default().with(code, decimals, symbol);
    assert_eq!(add("points", 0, "PTS").unwrap().iter().count(), 2);
    assert!(add(&"x".repeat(64), 38, "XX").is_ok());
    assert_eq!(add("usd6", 6, "EUR"), Err(CurrencyError::Taken));
    assert_eq!(add("usd", 2, "USD"), Err(CurrencyError::Taken));
    assert_eq!(add(&"x".repeat(65), 0, "XX"), Err(CurrencyError::Long));
    assert_eq!(add("x", 39, "XX"), Err(CurrencyError::Decimals));
    assert!(matches!(add("a b", 0, "XX"), Err(CurrencyError::Code(_))));
    for symbol in ["", "X", "$", "6X", "X Y", &"X".repeat(17)] {
        assert_eq!(
            add("x", 0, symbol),
            Err(CurrencyError::Symbol),
            "{symbol:?}"
        );
    }
}
