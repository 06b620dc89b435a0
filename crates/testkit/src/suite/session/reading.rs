//! What a payload has to look like.

use farthing_core::{
    port::{method::Fault, session::Action},
    value::Amount,
};
use serde_json::{Value, value::RawValue};

use super::{SessionRail, open, read, with};

/// What is no payload is told so, and that the peer is at fault.
pub async fn what_cannot_be_read_is_malformed(rail: &dyn SessionRail) {
    let channel = open(rail).await;
    let good = rail
        .payer()
        .voucher(&channel.keeping, Amount::new(100), false);
    let good = good.expect("a buyer signs");
    let raw = |text: &str| RawValue::from_string(text.to_owned()).expect("this is JSON");
    let mut bad = vec![
        raw("null"),
        raw("[]"),
        raw("{}"),
        raw("\"voucher\""),
        raw("7"),
    ];
    bad.push(with(&good, "action", None));
    bad.push(with(&good, "action", Some("refund".into())));
    bad.push(with(&good, "action", Some(7.into())));
    bad.push(with(&good, "channelId", None));
    bad.push(with(&good, "channelId", Some("".into())));
    bad.push(with(&good, "cumulativeAmount", None));
    bad.push(with(&good, "signature", None));
    bad.push(with(&good, "signature", Some("".into())));
    bad.push(with(
        &good,
        "signature",
        Some("not hexadecimal, nor base64url".into()),
    ));
    for amount in [
        "",
        "-1",
        "1.5",
        "1e3",
        " 1",
        "0x10",
        "99999999999999999999999999999999999999999",
    ] {
        bad.push(with(&good, "cumulativeAmount", Some(amount.into())));
    }
    bad.push(with(&good, "cumulativeAmount", Some(100.into())));
    bad.push(with(&good, "action", Some("open".into())));
    bad.push(with(&good, "action", Some("topUp".into())));
    for payload in bad {
        match read(rail, &payload) {
            Ok(action) => unreachable!("{} is read as {action:?}", payload.get()),
            Err(refusal) => assert_eq!(refusal.fault, Fault::Malformed, "{}", payload.get()),
        }
    }
    assert!(read(rail, &good).is_ok(), "the changes were at fault");
}

/// A payload may have members that are not known yet.
pub async fn unknown_members_are_passed_over(rail: &dyn SessionRail) {
    let channel = open(rail).await;
    for closes in [false, true] {
        let good = rail
            .payer()
            .voucher(&channel.keeping, Amount::new(100), closes);
        let more = with(
            &good.expect("a buyer signs"),
            "later",
            Some(Value::Bool(true)),
        );
        match read(rail, &more).expect("it is read") {
            Action::Voucher(said) if !closes => assert_eq!(said.cumulative, Amount::new(100)),
            Action::Close(said) if closes => assert_eq!(said.cumulative, Amount::new(100)),
            action => unreachable!("it is read as {action:?}"),
        }
    }
}
