//! What is written about prices beforehand reads the same, and nothing that is read breaks anything.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use farthing_core::{
    noun::discovery::{Docs, Document, Offer, PaymentInfo, ServiceInfo},
    value::Amount,
};
use proptest::{collection::vec, option, prelude::*};
use serde_json::{Map, Value, json};

fn any_extra() -> impl Strategy<Value = Map<String, Value>> {
    // No name that the draft gives a meaning.
    proptest::collection::btree_map("x-[a-z]{1,8}", any::<i32>().prop_map(Value::from), 0..3)
        .prop_map(|members| members.into_iter().collect())
}

prop_compose! {
    fn any_offer()(
        intent in "[a-zA-Z0-9-]{1,12}",
        method in "[a-z]{1,12}",
        amount in option::of(any::<u128>().prop_map(Amount::new)),
        currency in option::of("[!-~]{1,42}"),
        description in option::of(any::<String>()),
        extra in any_extra(),
    ) -> Offer {
        Offer {
            intent: intent.parse().unwrap(),
            method: method.parse().unwrap(),
            amount,
            currency: currency.map(|code| code.parse().unwrap()),
            description: description.map(Into::into),
            extra,
        }
    }
}

prop_compose! {
    fn any_service()(
        categories in vec("[^\\p{Cc}]{1,16}", 0..6),
        links in vec(option::of("https://[a-z]{1,8}\\.example/[a-z0-9._~%]{0}[a-z/?=&]{0,16}"), 3),
        extra in any_extra(),
    ) -> ServiceInfo {
        let mut links = links.into_iter().map(|link| link.map(|link| link.parse().unwrap()));
        let docs = Docs {
            api_reference: links.next().flatten(),
            homepage: links.next().flatten(),
            llms: links.next().flatten(),
            extra: extra.clone(),
        };
        ServiceInfo { categories: categories.iter().map(|c| c.parse().unwrap()).collect(), docs, extra }
    }
}

/// Any JSON with the words of a discovery document in it, at any place.
fn almost_a_document() -> impl Strategy<Value = Value> {
    const WORDS: &[&str] = &[
        "openapi",
        "info",
        "title",
        "version",
        "paths",
        "/a",
        "/a/{b}",
        "get",
        "post",
        "servers",
        "url",
        "responses",
        "402",
        "x-payment-info",
        "x-service-info",
        "offers",
        "amount",
        "method",
        "intent",
        "currency",
        "categories",
        "docs",
        "$ref",
        "components",
        "pathItems",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        proptest::sample::select(WORDS).prop_map(Value::from),
        "#/components/pathItems/[a-z~/]{0,4}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let any = leaf.prop_recursive(6, 48, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(proptest::sample::select(WORDS), inner, 0..6).prop_map(
                |members| members
                    .into_iter()
                    .map(|(k, v)| (k.to_owned(), v))
                    .collect()
            ),
        ]
    });
    (any.clone(), any.clone(), any).prop_map(|(paths, servers, components)| {
        json!({
            "openapi": "3.1.0", "info": {"title": "T", "version": "1"},
            "paths": {"/a": paths}, "servers": servers, "components": components,
        })
    })
}

proptest! {
    #[test]
    fn payment_information_reads_as_it_was_written(offers in vec(any_offer(), 1..5), extra in any_extra()) {
        let mut info = PaymentInfo::new(offers).unwrap();
        info.extra = extra;
        let text = serde_json::to_string(&info).unwrap();
        let value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(PaymentInfo::from_json(&value).unwrap(), info);
    }

    #[test]
    fn one_offer_may_stand_without_its_list(offer in any_offer()) {
        let single = serde_json::to_value(&offer).unwrap();
        let info = PaymentInfo::from_json(&single).unwrap();
        prop_assert_eq!(info.offers(), std::slice::from_ref(&offer));
    }

    #[test]
    fn service_information_reads_as_it_was_written(info in any_service()) {
        let value = serde_json::to_value(&info).unwrap();
        prop_assert_eq!(ServiceInfo::from_json(&value).unwrap(), info);
    }

    #[test]
    fn an_amount_is_digits_without_a_leading_zero(text in "[0-9 .+-]{0,6}") {
        let value = json!({"intent": "charge", "method": "abacus", "amount": text});
        let plain = text == "0"
            || (!text.is_empty() && !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()));
        prop_assert_eq!(PaymentInfo::from_json(&value).is_ok(), plain);
    }

    #[test]
    fn nothing_that_is_read_panics(document in almost_a_document()) {
        let _ = Document::parse(document.to_string().as_bytes());
        let _ = PaymentInfo::from_json(&document);
        let _ = ServiceInfo::from_json(&document);
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..256)) {
        let _ = Document::parse(&bytes);
    }
}
