use proptest::prelude::*;

use super::*;
use crate::{noun::Request, value::Amount};

fn receipt() -> Receipt {
    Receipt::new(
        "ledger".parse().unwrap(),
        "2026-01-06T12:08:30Z".parse().unwrap(),
        "0x6d0f".parse().unwrap(),
    )
}

fn needs() -> NeedVoucher {
    NeedVoucher {
        accepted: Amount::new(5),
        channel: "0x6d0f".parse().unwrap(),
        deposit: Amount::new(10),
        required: Amount::new(7),
    }
}

fn challenge() -> Challenge {
    let mut challenge = Challenge::new(
        "c1".parse().unwrap(),
        "api.example.com".parse().unwrap(),
        "ledger".parse().unwrap(),
        "session".parse().unwrap(),
        Request::new(&json!({"amount": "25"})).unwrap(),
    );
    challenge.expires = Some("2026-01-06T12:08:30Z".parse().unwrap());
    challenge
}

#[test]
fn a_seller_says_what_both_forms_have() {
    let check = |said: FromSeller, mpp: Value, by_type: Value| {
        for (form, expect) in [(Form::Mpp, mpp), (Form::Type, by_type)] {
            let text = said.to_text(form);
            assert_eq!(
                serde_json::from_str::<Value>(&text).unwrap(),
                expect,
                "{form:?}"
            );
        }
    };
    check(
        FromSeller::Message("a".into()),
        json!({"mpp": "message", "data": "a"}),
        json!({"type": "message", "data": "a"}),
    );
    let needed = json!({
        "acceptedCumulative": "5", "channelId": "0x6d0f", "deposit": "10", "requiredCumulative": "7",
    });
    let mut flat = needed.clone();
    flat["type"] = "needVoucher".into();
    check(
        FromSeller::NeedVoucher(needs()),
        json!({"mpp": "payment-need-voucher", "data": needed}),
        flat,
    );
    let paid = json!(receipt());
    check(
        FromSeller::Receipt(receipt()),
        json!({"mpp": "payment-receipt", "data": paid}),
        json!({"type": "receipt", "receipt": paid}),
    );
    check(
        FromSeller::CloseReady(receipt()),
        json!({"mpp": "payment-close-ready", "data": paid}),
        json!({"type": "receipt", "receipt": paid}),
    );
    let error = FromSeller::Error {
        status: Some(410),
        message: "gone".into(),
    };
    check(
        error,
        json!({"mpp": "payment-error", "status": 410, "message": "gone"}),
        json!({"type": "error", "error": "gone"}),
    );
    let asked = FromSeller::Challenge {
        challenge: Box::new(challenge()),
        error: None,
    };
    check(
        asked,
        json!({"mpp": "payment-error", "status": 402, "message": "A payment is required."}),
        json!({"type": "challenge", "challenge": challenge()}),
    );
}

#[test]
fn what_a_seller_says_is_read_again() {
    let challenge = FromSeller::Challenge {
        challenge: Box::new(challenge()),
        error: Some("no".into()),
    };
    let all = [
        FromSeller::Message("a".into()),
        FromSeller::NeedVoucher(needs()),
        FromSeller::Receipt(receipt()),
    ];
    for said in &all {
        for form in [Form::Mpp, Form::Type] {
            let read = FromSeller::read(&said.to_text(form)).unwrap();
            assert_eq!(read, (form, said.clone()));
        }
    }
    let read = FromSeller::read(&challenge.to_text(Form::Type)).unwrap();
    assert_eq!(read, (Form::Type, challenge));
    let ready = FromSeller::CloseReady(receipt());
    let read = FromSeller::read(&ready.to_text(Form::Mpp)).unwrap();
    assert_eq!(read, (Form::Mpp, ready));
}

#[test]
fn a_buyers_texts_are_told_apart() {
    let check = |text: &str, form: Option<Form>, expect: &str| {
        let (read, said) = FromBuyer::read(text).unwrap();
        let said = match said {
            FromBuyer::Credential(secret) => {
                format!("credential {}", String::from_utf8_lossy(secret.expose()))
            }
            FromBuyer::Close => "close".to_owned(),
            FromBuyer::Own(value) => value.to_string(),
        };
        assert_eq!((read, said.as_str()), (form, expect), "{text}");
    };
    check(
        r#"{"mpp":"authorization","authorization":"Payment e30"}"#,
        Some(Form::Mpp),
        "credential Payment e30",
    );
    check(
        r#"{"mpp":"payment-close-request"}"#,
        Some(Form::Mpp),
        "close",
    );
    check(
        r#"{"type":"credential","credential":"Payment e30"}"#,
        Some(Form::Type),
        "credential Payment e30",
    );
    check(r#"{"type":"message","data":[1]}"#, Some(Form::Type), "[1]");
    check("hello", None, r#""hello""#);
    check(
        r#"{"type":"move","x":1}"#,
        None,
        r#""{\"type\":\"move\",\"x\":1}""#,
    );
    check("[1]", None, r#""[1]""#);
    // A text that two readers would read differently is nobody's credential.
    let twice = r#"{"mpp":"message","mpp":"authorization","authorization":"Payment e30"}"#;
    assert!(matches!(
        FromBuyer::read(twice),
        Ok((None, FromBuyer::Own(_)))
    ));
}

#[test]
fn what_is_broken_is_refused() {
    for text in [
        r#"{"mpp":"authorization"}"#,
        r#"{"mpp":"authorization","authorization":7}"#,
        r#"{"mpp":"payment-receipt","data":{}}"#,
        r#"{"type":"credential"}"#,
        r#"{"type":"message"}"#,
    ] {
        assert!(FromBuyer::read(text).is_err(), "{text}");
    }
    let long = " ".repeat(bounds::SOCKET_MESSAGE + 1);
    assert!(matches!(FromBuyer::read(&long), Err(SocketError::TooLarge)));
    for text in [
        "hello",
        "{}",
        r#"{"mpp":"hello"}"#,
        r#"{"mpp":"message","data":7}"#,
        r#"{"mpp":"payment-error","message":"no"}"#,
        r#"{"mpp":"payment-error","message":"no","status":70000}"#,
        r#"{"mpp":"payment-receipt","data":{"status":"failed"}}"#,
        r#"{"mpp":"payment-need-voucher","data":{"channelId":"c"}}"#,
        r#"{"type":"challenge","challenge":{"id":""}}"#,
        r#"{"type":"receipt"}"#,
    ] {
        assert!(FromSeller::read(text).is_err(), "{text}");
    }
}

#[test]
fn a_credential_is_not_shown() {
    let (_, said) = FromBuyer::read(r#"{"type":"credential","credential":"Payment e30"}"#).unwrap();
    assert!(!format!("{said:?}").contains("e30"));
}

proptest! {
    #[test]
    fn nothing_that_is_paid_for_is_taken_for_a_message(text in prop_oneof![
        any::<String>(),
        Just(r#"{"mpp":"payment-receipt","data":{}}"#.to_owned()),
        Just("\"},{\"mpp\":\"payment-receipt\"".to_owned()),
    ]) {
        let said = FromSeller::Message(text);
        for form in [Form::Mpp, Form::Type] {
            prop_assert_eq!(FromSeller::read(&said.to_text(form)).unwrap(), (form, said.clone()));
        }
    }

    #[test]
    fn no_text_makes_the_reader_fall(text in any::<String>()) {
        let _ = FromBuyer::read(&text);
        let _ = FromSeller::read(&text);
    }
}
