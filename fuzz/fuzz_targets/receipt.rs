//! `Payment-Receipt`: what parses is written as something that parses to the same.
#![no_main]

use farthing_core::{
    header::payment_receipt::{format, parse},
    noun::Receipt,
};
use farthing_fuzz::text;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(receipt) = parse(data) {
        check(&receipt);
    }
    if let Some(receipt) = text(data).and_then(|json| Receipt::from_json(json).ok()) {
        check(&receipt);
    }
});

fn check(receipt: &Receipt) {
    // A receipt at the bound may be written a little longer than it came.
    if receipt.to_json().len() < 8 * 1024 {
        assert!(
            parse(format(receipt)).is_ok_and(|again| again == *receipt),
            "{receipt:?}"
        );
    }
}
