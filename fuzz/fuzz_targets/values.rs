//! Values: whatever parses is formatted to something that parses to the same.
#![no_main]

use farthing_core::value::{Amount, Price, Timestamp};
use farthing_fuzz::{round_trip, text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(text) = text(data) else { return };
    round_trip::<Amount>(text);
    round_trip::<Price>(text);
    round_trip::<Timestamp>(text);
});
