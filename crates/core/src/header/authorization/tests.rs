use http::{HeaderValue, header::AUTHORIZATION};
use serde_json::json;

use super::*;
use crate::encoding::json::JsonError;

fn credential() -> serde_json::Value {
    json!({
        "challenge": {
            "id": "i1",
            "realm": "api",
            "method": "ledger",
            "intent": "charge",
            "request": "e30",
            "expires": "2026-01-29T12:00:00Z",
        },
        "source": "did:key:z6Mk",
        "payload": { "signature": "s3cret" },
        "unknown": [1],
    })
}

fn encode(json: &str) -> String {
    format!("Payment {}", base64url::encode(json))
}

fn refused(json: &str) -> CredentialError {
    let error = decode(encode(json), &mut Vec::new()).err();
    error.unwrap_or_else(|| panic!("{json} was taken"))
}

#[test]
fn a_credential_is_read_without_copies() {
    let mut buffer = Vec::new();
    let read = decode(encode(&credential().to_string()), &mut buffer).unwrap();
    assert_eq!((read.id(), read.source()), ("i1", Some("did:key:z6Mk")));
    assert_eq!(read.did().unwrap().method(), "key");
    assert_eq!(read.payload().get(), r#"{"signature":"s3cret"}"#);
    let slots = read.slots().unwrap();
    assert_eq!(
        (slots.realm(), slots.request(), slots.digest()),
        ("api", "e30", None)
    );
    assert!(slots.is_expired("2026-01-29T12:00:00Z".parse().unwrap()));
    assert!(!slots.is_expired("2026-01-29T11:59:59.999Z".parse().unwrap()));
}

#[test]
fn escaped_and_absent_texts_are_read() {
    let json = credential().to_string();
    let json = json.replace(r#""api""#, r#""\u0061p\u0069""#);
    let json = json.replace(r#""did:key:z6Mk""#, "null");
    let mut buffer = Vec::new();
    let read = decode(encode(&json), &mut buffer).unwrap();
    assert_eq!(read.slots().unwrap().realm(), "api");
    assert_eq!(read.source(), None);
}

#[test]
fn a_credential_shows_no_proof() {
    let text = encode(&credential().to_string());
    let mut buffer = Vec::new();
    assert!(!format!("{:?}", decode(&text, &mut buffer).unwrap()).contains("s3cret"));
    let owned = parse(&text).unwrap();
    assert!(!format!("{owned:?}").contains("s3cret"));
    assert!(to_header(&owned).is_sensitive());
    let error = refused(r#"{"challenge":"s3cret","payload":{}}"#);
    assert!(!format!("{error:?} {error}").contains("s3cret"));
}

#[test]
fn the_scheme_is_compared_without_case() {
    let encoded = base64url::encode(credential().to_string());
    for scheme in ["Payment", "payment", "PAYMENT ", " Payment\t"] {
        assert!(parse(format!("{scheme} {encoded}")).is_ok(), "{scheme:?}");
    }
    for scheme in ["Bearer", "Payments", "", "Paymen"] {
        let read = parse(format!("{scheme} {encoded}"));
        assert!(matches!(read, Err(CredentialError::Scheme)), "{scheme:?}");
    }
}

#[test]
fn base64url_is_strict() {
    let encoded = base64url::encode(r#"{"challenge":{},"payload":{"a":">>>???"}}"#);
    assert!(encoded.contains(['-', '_']), "{encoded}");
    let standard = encoded.replace('-', "+").replace('_', "/");
    for bad in [
        format!("{encoded}="),
        standard,
        format!("{encoded} x"),
        format!("{encoded},"),
    ] {
        let read = parse(format!("Payment {bad}"));
        assert!(matches!(read, Err(CredentialError::Encoding(_))), "{bad}");
    }
}

#[test]
fn every_required_field_is_required() {
    for field in ["challenge", "payload"] {
        let mut json = credential();
        json.as_object_mut().unwrap().remove(field);
        assert!(
            matches!(refused(&json.to_string()), CredentialError::Missing(_)),
            "{field}"
        );
    }
    for field in ["id", "realm", "method", "intent", "request"] {
        let mut json = credential();
        json["challenge"].as_object_mut().unwrap().remove(field);
        assert!(
            matches!(refused(&json.to_string()), CredentialError::Missing(_)),
            "{field}"
        );
        json["challenge"][field] = json!(1);
        assert!(
            matches!(refused(&json.to_string()), CredentialError::Json(_)),
            "{field}"
        );
    }
}

#[test]
fn only_objects_are_objects() {
    let echo = r#"["i1","api","ledger","charge","e30"]"#;
    for bad in [
        "[]",
        "1",
        "null",
        "\"x\"",
        &format!(r#"{{"challenge":{echo},"payload":{{}}}}"#),
    ] {
        let error = refused(bad);
        assert!(matches!(error, CredentialError::Json(_)), "{bad}: {error}");
    }
    let mut json = credential();
    json["payload"] = json!([1]);
    assert!(matches!(
        refused(&json.to_string()),
        CredentialError::Json(JsonError::NotAnObject)
    ));
}

#[test]
fn a_repeated_field_is_an_error() {
    let json = credential().to_string();
    for (field, twice) in [
        (r#""id":"i1""#, r#""id":"i1","id":"i1""#),
        (r#""unknown":[1]"#, r#""payload":{},"unknown":[1]"#),
    ] {
        assert!(
            matches!(
                refused(&json.replace(field, twice)),
                CredentialError::Json(_)
            ),
            "{twice}"
        );
    }
}

#[test]
fn is_bounded() {
    let large = format!("Payment {}", "A".repeat(bounds::CREDENTIAL));
    assert!(matches!(parse(large), Err(CredentialError::TooLarge)));
    let mut deep = credential().to_string();
    let nested = format!("{}{}", "[".repeat(100), "]".repeat(100));
    deep = deep.replace("[1]", &nested);
    assert!(matches!(
        refused(&deep),
        CredentialError::Json(JsonError::TooDeep)
    ));
}

#[test]
fn a_bearer_beside_a_payment_is_left_alone_and_two_payments_are_too_many() {
    let find_in = |lines: &[(http::HeaderName, &'static str)]| {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, HeaderValue::from_static(value));
        }
        match find(&headers) {
            Found::None => "none".to_owned(),
            Found::One(value) => value.to_str().unwrap().to_owned(),
            Found::Many => "many".to_owned(),
        }
    };
    let other = PAYMENT_AUTHORIZATION;
    assert_eq!(find_in(&[]), "none");
    assert_eq!(find_in(&[(AUTHORIZATION, "Bearer x")]), "none");
    assert_eq!(
        find_in(&[(AUTHORIZATION, "Bearer x"), (other.clone(), "Payment y")]),
        "Payment y"
    );
    assert_eq!(
        find_in(&[(AUTHORIZATION, "Bearer x"), (AUTHORIZATION, "payment y")]),
        "payment y"
    );
    assert_eq!(
        find_in(&[(AUTHORIZATION, "Payment x"), (AUTHORIZATION, "Payment x")]),
        "many"
    );
    assert_eq!(
        find_in(&[(AUTHORIZATION, "Payment x"), (other, "Payment y")]),
        "many"
    );
}

#[test]
fn what_is_written_reads_the_same() {
    let read = parse(encode(&credential().to_string())).unwrap();
    assert_eq!(parse(format(&read)).unwrap(), read);
}
