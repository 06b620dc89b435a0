//! Rows of the store: what reads is written as something that reads the same.
#![no_main]

use farthing_core::{
    domain::claims::Held,
    encoding::packed::{Packer, Unpacker},
    payment::Payment,
    port::backend::Row,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let row = Row {
        key: "key".into(),
        value: data.to_vec(),
        version: 1,
        fence: 1,
        place: None,
    };
    if let Ok(held) = Held::<Payment>::read(row) {
        check(&held.record);
    }
    if let Ok(mut from) = Unpacker::new(data, 2)
        && let Ok(payment) = Payment::unpack(&mut from)
    {
        let bytes = check(&payment);
        // JSON has more than one text for one value, and packed bytes have one. What is of an earlier form is
        // written in the present one.
        let present = data.first() == bytes.first();
        if present && payment.details.is_empty() && from.end().is_ok() {
            assert_eq!(bytes, data, "{payment:?}");
        }
    }
});

fn check(payment: &Payment) -> Vec<u8> {
    let mut out = Packer::new(2, 0);
    payment.pack(&mut out).expect("details are JSON");
    let bytes = out.finish();
    let mut from = Unpacker::new(&bytes, 2).expect("the form is known");
    let again = Payment::unpack(&mut from).expect("what was packed reads");
    assert_eq!(&again, payment);
    from.end().expect("nothing is left");
    bytes
}
