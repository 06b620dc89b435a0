//! What is written reads the same, whatever it is.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use farthing_core::{
    binding::{Opaque, SlotTexts, Slots, raw},
    encoding::{base64url, jcs, json},
    header::{
        accept_payment::{AcceptPayment, Range, Weight},
        authorization, digest, payment_receipt, www_authenticate,
    },
    noun::{
        Challenge, Credential, Receipt, Request,
        problem::{Offer, Problem, ProblemKind},
    },
    payment::Moved,
    value::{Amount, Currency, Entropy, Price, Timestamp},
};
use proptest::{collection::vec, option, prelude::*};
use serde_json::{Map, Value};

/// Any JSON, with integers that canonical JSON can say.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-9_007_199_254_740_991i64..9_007_199_254_740_991).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        // As integers and doubles have two texts for one whole number, only others are tried.
        (-1e6..1e6)
            .prop_filter("not whole", |n: &f64| n.fract() != 0.0)
            .prop_map(Value::from),
        (-1.0..1.0)
            .prop_filter("not zero", |n: &f64| n.fract() != 0.0)
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..4).prop_map(object),
        ]
    })
}

fn object(fields: BTreeMap<String, Value>) -> Value {
    Value::Object(fields.into_iter().collect())
}

fn any_object() -> impl Strategy<Value = Map<String, Value>> {
    proptest::collection::btree_map(any::<String>(), any_json(), 0..5)
        .prop_map(|fields| fields.into_iter().collect())
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    (0..=Timestamp::FAR.as_millis()).prop_map(Timestamp::from_millis)
}

prop_compose! {
    fn any_challenge()(
        id in "[ -~]{1,64}|\\PC{1,30}",
        realm in "[a-zA-Z0-9. ,=;/:-]{1,40}",
        method in "[a-z]{1,20}",
        intent in "[a-zA-Z0-9-]{1,20}",
        request in any_object(),
        expires in option::of(any_time()),
        description in option::of("\\PC{1,60}"),
        digest in option::of("[ !#-\\[\\]-{}~]{1,40}"),
        opaque in option::of("[!#-\\[\\]-{}~]{1,40}"),
        header in option::of("[a-zA-Z-]{1,30}"),
    ) -> Challenge {
        let mut challenge = Challenge::new(
            id.parse().unwrap(),
            realm.parse().unwrap(),
            method.parse().unwrap(),
            intent.parse().unwrap(),
            Request::new(&request).unwrap(),
        );
        challenge.expires = expires.map(farthing_core::noun::Expires::new);
        challenge.description = description.map(|text| text.parse().unwrap());
        challenge.digest = digest.map(|text| text.parse().unwrap());
        challenge.opaque = opaque.map(|text| text.parse().unwrap());
        challenge.header = header.map(|text| text.parse().unwrap());
        challenge
    }
}

fn any_range() -> impl Strategy<Value = Range> {
    let weight = (0..=1000u16).prop_map(Weight::from_thousandths);
    (
        option::of("[a-z]{1,8}"),
        option::of("[a-z0-9-]{1,8}"),
        weight,
    )
        .prop_map(|(method, intent, weight)| Range {
            method: method.map(|text| text.parse().unwrap()),
            intent: intent.map(|text| text.parse().unwrap()),
            weight,
        })
}

proptest! {
    /// What tells where the parts of a line stand sees the challenges that are read, and no others.
    #[test]
    fn outlines(line in r#"[ -~]{0,40}((Payment|Basic|, |id="|="|\\"|",|=|[a-z]{1,3}|[ -~]){0,30})"#) {
        let outlined = www_authenticate::outline(line.as_bytes());
        let payments = outlined.iter().filter(|one| one.scheme.eq_ignore_ascii_case(b"payment"));
        prop_assert_eq!(payments.count(), www_authenticate::parse([&line]).len(), "{}", line);
        for parameter in outlined.iter().flat_map(|one| &one.parameters) {
            let end = parameter.at + parameter.name.len();
            prop_assert_eq!(&line.as_bytes()[parameter.at..end], parameter.name);
            prop_assert!(parameter.value_at <= line.len());
        }
    }

    /// Every text that is no base64url has a fault, and no other has one.
    #[test]
    fn faults(text in "[A-Za-z0-9_+/= -]{0,12}") {
        prop_assert_eq!(base64url::fault(&text).is_none(), base64url::decode(&text).is_ok());
    }

    #[test]
    fn challenges(challenges in vec(any_challenge(), 1..4), split in any::<bool>()) {
        let lines: Vec<String> = challenges.iter().map(www_authenticate::format).collect();
        let between = r#"Basic realm="Payment id=", Negotiate abc=="#;
        let lines = if split { lines } else { vec![lines.join(&format!(", {between}, "))] };
        for line in &lines {
            prop_assert!(http::HeaderValue::try_from(line).is_ok(), "{line:?}");
        }
        let read: Vec<_> = www_authenticate::parse(&lines).into_iter().map(Result::unwrap).collect();
        prop_assert_eq!(read, challenges);
    }

    #[test]
    fn a_line_of_anything_is_read_to_its_end(line in "\\PC{0,200}", bytes in vec(any::<u8>(), 0..200)) {
        let good = r#"Payment id="i", realm="r", method="m", intent="c", request="e30""#;
        // What stands before may swallow a challenge in a quoted text, what stands behind cannot.
        let found = www_authenticate::parse([format!("{good}, x=y {line}").into_bytes(), bytes]);
        prop_assert!(found.iter().any(|read| read.is_err() || read.as_ref().unwrap().id.as_str() == "i"));
    }

    #[test]
    fn credentials(challenge in any_challenge(), payload in any_object(), source in option::of("\\PC{1,40}")) {
        let source = source.map(|text| text.parse().unwrap());
        let credential = Credential::new(challenge, source, &payload).unwrap();
        let text = authorization::format(&credential);
        let read = authorization::parse(&text).unwrap();
        prop_assert_eq!(&read, &credential);
        prop_assert_eq!(authorization::format(&read), text);
    }

    #[test]
    fn what_a_client_echoes_has_the_same_id(challenge in any_challenge(), secret in any::<[u8; 32]>()) {
        let id = raw::challenge_id(&secret, &challenge.slots().unwrap());
        let credential = Credential::new(challenge, None, &Map::new()).unwrap();
        let mut buffer = Vec::new();
        let read = authorization::decode(authorization::format(&credential), &mut buffer).unwrap();
        prop_assert!(raw::verify(&secret, &read.slots().unwrap(), id.as_str()).is_ok());
    }

    #[test]
    fn different_slots_have_different_ids(one in any_challenge(), two in any_challenge()) {
        let (one, two) = (one.slots().unwrap(), two.slots().unwrap());
        let same = raw::challenge_id(b"secret", &one) == raw::challenge_id(b"secret", &two);
        prop_assert_eq!(same, one == two);
    }

    #[test]
    fn no_slot_takes_a_delimiter(before in "[a-z]{0,5}", after in "[a-z]{0,5}", place in 0..8usize) {
        let bad = format!("{before}|{after}");
        let pick = |at: usize, good| if at == place { bad.as_str() } else { good };
        let texts = SlotTexts {
            realm: pick(0, "r"),
            method: pick(1, "m"),
            intent: pick(2, "i"),
            request: pick(3, "e30"),
            expires: Some(pick(4, "2026-01-29T12:00:00Z")),
            digest: Some(pick(5, "d")),
            header: Some(pick(6, "h")),
            opaque: Some(pick(7, "o")),
        };
        prop_assert!(Slots::check(texts).is_err());
    }

    #[test]
    fn receipts_keep_unknown_fields(
        method in "[a-z]{1,20}",
        at in any_time(),
        reference in "[!-~]{1,60}",
        extra in any_object(),
    ) {
        let receipt = Receipt::new(method.parse().unwrap(), at, reference.parse().unwrap());
        let receipt = receipt.with_extra(extra);
        let read = payment_receipt::parse(payment_receipt::format(&receipt)).unwrap();
        prop_assert_eq!(&read, &receipt);
        prop_assert_eq!(serde_json::from_str::<Receipt>(&receipt.to_json()).unwrap(), receipt);
    }

    #[test]
    fn problems_keep_unknown_members(
        kind in proptest::sample::select(ProblemKind::ALL),
        detail in option::of("\\PC{0,40}"),
        moved in option::of(proptest::sample::select(vec![Moved::No, Moved::Yes, Moved::Unknown])),
        owed_until in option::of(any_time()),
        retry_after in option::of(0..100_000u64),
        amounts in vec(any::<u128>(), 0..3),
        extra in proptest::collection::btree_map("x-[a-z]{1,8}", any_json(), 0..4),
    ) {
        let mut problem = Problem::new(kind);
        problem.detail = detail.map(Into::into);
        problem.moved = moved;
        problem.owed_until = owed_until;
        problem.retry_after = retry_after.map(std::time::Duration::from_secs);
        problem.offers = amounts.into_iter().map(|units| Offer {
            method: "ledger".parse().unwrap(),
            intent: "charge".parse().unwrap(),
            amount: Some(Amount::new(units)),
            currency: Some("usd6".parse().unwrap()),
            recipient: None,
            decimals: Some(6),
            extra: Map::new(),
        }).collect();
        problem.extra = extra.into_iter().collect();
        let read = Problem::parse(problem.to_json().as_bytes(), problem.status()).unwrap();
        prop_assert_eq!(read, problem);
    }

    #[test]
    fn preferences(ranges in vec(any_range(), 0..8)) {
        let accept = AcceptPayment::new(ranges);
        prop_assert_eq!(AcceptPayment::parse([accept.to_string()]).unwrap(), accept);
    }

    #[test]
    fn a_rank_names_every_offer_at_most_once(
        ranges in vec(any_range(), 0..8),
        offers in vec(("[a-c]", "[a-c]"), 0..6),
    ) {
        let offers: Vec<_> =
            offers.into_iter().map(|(m, i)| (m.parse().unwrap(), i.parse().unwrap())).collect();
        let mut places = AcceptPayment::new(ranges).rank(offers.iter().map(|(m, i)| (m, i)));
        prop_assert_eq!(places.is_empty(), offers.is_empty());
        places.sort_unstable();
        let before = places.len();
        places.dedup();
        prop_assert_eq!(places.len(), before);
        prop_assert!(places.iter().all(|place| *place < offers.len()));
    }

    #[test]
    fn digests(body in vec(any::<u8>(), 0..100), other in vec(any::<u8>(), 0..100)) {
        let text = digest::sha256(&body);
        prop_assert!(digest::matches(text.as_str(), &body));
        prop_assert!(digest::matches(&text.as_str().replace([':'], ""), &body));
        prop_assert_eq!(digest::matches(text.as_str(), &other), body == other);
    }

    #[test]
    fn base64url_has_one_text_for_one_value(bytes in vec(any::<u8>(), 0..100), text in "[A-Za-z0-9_=-]{0,20}") {
        prop_assert_eq!(base64url::decode(base64url::encode(&bytes)).unwrap(), bytes);
        if let Ok(bytes) = base64url::decode(&text) {
            prop_assert_eq!(base64url::encode(bytes), text);
        }
    }

    #[test]
    fn canonical_json_is_stable_and_says_the_same(value in any_json()) {
        let text = jcs::to_string(&value).unwrap();
        let read = json::parse(&text).unwrap();
        prop_assert_eq!(&jcs::to_string(&read).unwrap(), &text);
        prop_assert_eq!(read, value);
    }

    #[test]
    fn opaques(binding in any::<[u8; 16]>(), entropy in any::<[u8; 16]>()) {
        let opaque = Opaque::new(binding, Entropy(entropy));
        prop_assert_eq!(Opaque::parse(opaque.encode().as_str()), Some(opaque));
    }

    #[test]
    fn times(at in any_time()) {
        prop_assert_eq!(at.to_string().parse(), Ok(at));
    }

    #[test]
    fn amounts(units in any::<u128>(), decimals in 0..30u8) {
        let amount = Amount::new(units);
        prop_assert_eq!(amount.to_string().parse(), Ok(amount));
        let json = serde_json::to_string(&amount).unwrap();
        prop_assert_eq!(serde_json::from_str::<Amount>(&json).unwrap(), amount);
        // What a person reads is the price of that many base units.
        let currency = Currency {
            code: "usd".parse().unwrap(),
            decimals,
            rail: "ledger".parse().unwrap(),
            symbol: "USD".into(),
        };
        let price: Price = currency.display(amount).parse().unwrap();
        prop_assert_eq!(price.in_currency(&currency), Ok(amount));
        prop_assert_eq!(price.to_string().parse(), Ok(price));
    }

    #[test]
    fn a_price_is_exact_or_refused(whole in 0..1_000_000u64, fraction in "[0-9]{1,9}", decimals in 0..12u8) {
        let price: Price = format!("${whole}.{fraction}").parse().unwrap();
        let currency = Currency {
            code: "usd".parse().unwrap(),
            decimals,
            rail: "ledger".parse().unwrap(),
            symbol: "USD".into(),
        };
        let fits = fraction.trim_end_matches('0').len() <= usize::from(decimals);
        let amount = price.in_currency(&currency);
        prop_assert_eq!(amount.is_ok(), fits);
        if let Ok(amount) = amount {
            prop_assert_eq!(currency.display(amount).parse(), Ok(price));
        }
    }
}
