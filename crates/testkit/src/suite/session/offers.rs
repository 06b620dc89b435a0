//! What is asked for, and whether it can be paid.

use farthing_core::{
    port::{
        method::{Fault, PrepareError},
        session::WantedSession,
    },
    value::{Amount, CurrencyCode, MethodId, Price, Recipient},
};

use super::{SessionRail, UNIT, asked, offer, offer_of};

/// What a seller asks for says its protocol and its price, in currencies that it knows, and the buyers of the
/// rail can pay it.
pub async fn what_is_asked_for_can_be_quoted(rail: &dyn SessionRail) {
    let (price, unit) = (rail.price(), rail.price().unit().as_str().to_owned());
    let several: Price = format!("1 {unit}").parse().expect("a price is parsed");
    let requests = rail.session().prepare(&WantedSession {
        price: &price,
        unit: Some("word"),
        deposit: Some(&several),
        min_delta: Some(&price),
        terms: None,
    });
    let requests = requests.expect("the price is good");
    assert!(!requests.is_empty());
    for request in &requests {
        let currency = rail.session().currency(&request.currency);
        let currency = currency.expect("what is offered is known");
        let base = |price: &Price| price.in_currency(currency).expect("it is exact");
        assert_eq!(request.amount, base(&price));
        assert_eq!(request.suggested_deposit, Some(base(&several)));
        assert_eq!(
            request.min_voucher_delta().expect("it is one"),
            base(&price)
        );
        assert_eq!(request.unit_type.as_deref(), Some("word"));
        assert!(request.protocol().is_ok());
    }
    assert_eq!(requests[0].amount, Amount::new(UNIT));

    let quote = rail.payer().quote(&offer(rail)).expect("the buyer can pay");
    let other = rail
        .other()
        .quote(&offer(rail))
        .expect("the other can, too");
    assert_eq!(quote.currency.code, requests[0].currency);
    assert_ne!(quote.payer, other.payer);
    assert_ne!(
        quote.scope, other.scope,
        "their channels are not each other's"
    );
}

/// A price in a unit that the rail does not have, and terms that the method does not, stop the start.
pub async fn a_price_that_cannot_be_said_is_refused(rail: &dyn SessionRail) {
    let prepare = |price: &Price, terms| {
        rail.session().prepare(&WantedSession {
            price,
            unit: None,
            deposit: None,
            min_delta: None,
            terms,
        })
    };
    let foreign: Price = "1 QQQ".parse().expect("a price is parsed");
    assert!(matches!(
        prepare(&foreign, None),
        Err(PrepareError::Price(_))
    ));
    let terms = serde_json::Map::from_iter([("nobody".to_owned(), "knows".into())]);
    assert!(prepare(&rail.price(), Some(&terms)).is_err());
}

/// A buyer refuses an offer of another method, intent or currency, and one that pays nobody it knows.
pub async fn a_buyer_pays_only_what_it_understands(rail: &dyn SessionRail) {
    let refused = |offer| {
        let refusal = rail.payer().quote(&offer).expect_err("it cannot be paid");
        assert_eq!(refusal.fault, Fault::Unsupported, "{refusal:?}");
    };
    let mut other = offer(rail);
    other.challenge.method = MethodId::new("nobodys").expect("a method's name");
    refused(other);
    let mut other = offer(rail);
    other.challenge.intent = farthing_core::intent::charge::id();
    refused(other);
    let mut request = asked(rail);
    request.currency = CurrencyCode::new("qqq9").expect("a currency's code");
    refused(offer_of(rail, request));

    // Who is paid is part of which channels can pay it.
    let mut request = asked(rail);
    request.recipient = Recipient::new("nobody-that-is-known").expect("a recipient");
    let scope = rail.payer().quote(&offer(rail)).expect("it can").scope;
    let other = rail.payer().quote(&offer_of(rail, request));
    assert!(other.is_err() || other.is_ok_and(|quote| quote.scope != scope));
}
