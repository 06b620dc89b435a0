//! What a ledger counts, and what it asks for at a price.

use farthing_core::{
    port::method::{Charge as _, PrepareError, Wanted},
    value::{Amount, PriceError},
};
use farthing_ledger::{Currencies, CurrencyError, KeyType, Ledger};

use crate::fixture::{dollar, key};

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

#[test]
fn a_price_is_asked_for_exactly_or_stops_the_start() {
    let currencies = Currencies::default().with("points", 0, "PTS").unwrap();
    let ledger = Ledger::with_currencies(key(KeyType::Ed25519, 1).account().clone(), currencies);
    let ask = |price: &str| {
        let requests = ledger.prepare(&Wanted::price(&price.parse().unwrap()))?;
        assert_eq!(requests.len(), 1);
        Ok::<_, PrepareError>(requests[0].clone())
    };
    let why = |price: &str| match ask(price) {
        Err(PrepareError::Price(error)) => error,
        other => unreachable!("{price} cannot be asked: {other:?}"),
    };

    let request = ask("$0.002").unwrap();
    assert_eq!(
        (request.amount, request.currency.as_str()),
        (Amount::new(2000), "usd6")
    );
    assert_eq!(
        request.recipient,
        Some(key(KeyType::Ed25519, 1).account().recipient())
    );
    assert!(request.method_details.is_empty());
    assert_eq!(ask("3 PTS").unwrap().currency.as_str(), "points");

    assert!(matches!(why("$0"), PriceError::Zero { .. }));
    assert!(matches!(why("$0.0000001"), PriceError::Inexact { .. }));
    assert!(matches!(why("0.5 PTS"), PriceError::Inexact { .. }));
    assert!(matches!(why("1 EUR"), PriceError::Unit { .. }));
    let most = format!("{} PTS", i128::MAX);
    assert!(ask(&most).is_ok());
    let over = format!("{} PTS", i128::MAX.unsigned_abs() + 1);
    assert!(matches!(why(&over), PriceError::Overflow { .. }));
}

#[test]
fn terms_that_nobody_understands_are_not_ignored() {
    let ledger = Ledger::new(key(KeyType::Ed25519, 1).account().clone());
    let price = "$0.002".parse().unwrap();
    let wanted = Wanted {
        price: &price,
        terms: Some(&serde_json::Map::new()),
    };
    assert_eq!(ledger.prepare(&wanted), Err(PrepareError::NoTerms));
}
