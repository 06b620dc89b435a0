//! `Accept-Payment`: what parses is written as something that parses to the same, and a rank names
//! every offer at most once.
#![no_main]

use farthing_core::{
    header::accept_payment::AcceptPayment,
    value::{IntentId, MethodId},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let lines = data.split(|byte| *byte == b'\n');
    let Ok(accept) = AcceptPayment::parse(lines) else {
        return;
    };
    let written = accept.to_string();
    assert_eq!(
        AcceptPayment::parse([&written]),
        Ok(accept.clone()),
        "{written}"
    );

    let names = ["tempo", "ledger", "a"];
    let offers = names.map(|name| {
        let method = MethodId::new(name).expect("a method");
        (method, IntentId::new("charge").expect("an intent"))
    });
    let mut places = accept.rank(offers.iter().map(|(method, intent)| (method, intent)));
    assert!(!places.is_empty());
    places.sort_unstable();
    assert!(
        places.windows(2).all(|pair| pair[0] < pair[1]),
        "{written}: {places:?}"
    );
    assert!(places.iter().all(|place| *place < offers.len()));
});
