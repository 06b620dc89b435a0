//! `WWW-Authenticate`: what parses is written as something that parses to the same, and every
//! text of it may enter the HMAC.
#![no_main]

use farthing_core::header::www_authenticate::{format, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for challenge in parse(data.split(|byte| *byte == b'\n'))
        .into_iter()
        .flatten()
    {
        let written = format(&challenge);
        let again = parse([&written]);
        assert_eq!(again.len(), 1, "{written:?}");
        assert!(
            again[0].as_ref().is_ok_and(|again| *again == challenge),
            "{written:?}"
        );
        assert!(challenge.slots().is_ok(), "{written:?}");
    }
});
