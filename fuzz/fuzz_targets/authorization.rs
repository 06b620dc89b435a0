//! `Authorization`: the borrowed and the owned credential agree, and what parses is written as
//! something that parses to the same.
#![no_main]

use farthing_core::{
    encoding::base64url,
    header::authorization::{decode, format, parse},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    check(data);
    // The JSON inside is where most of the parser is, and a fuzzer seldom writes base64.
    check(format!("Payment {}", base64url::encode(data)).as_bytes());
});

fn check(value: &[u8]) {
    let mut buffer = Vec::new();
    let Ok(borrowed) = decode(value, &mut buffer) else {
        assert!(parse(value).is_err());
        return;
    };
    let slots = borrowed.slots();
    let Ok(credential) = borrowed.to_owned() else {
        return;
    };
    assert_eq!(slots, credential.challenge.slots(), "{credential:?}");
    let written = format(&credential);
    assert!(
        parse(&written).is_ok_and(|again| again == credential),
        "{written}"
    );
}
