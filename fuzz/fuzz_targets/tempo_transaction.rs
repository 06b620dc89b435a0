//! Tempo transactions, key authorizations and signatures: what is read has one form, and is read from it
//! as the same.
#![no_main]

use farthing_tempo::{AccountSignature, Received, SignedKeyAuthorization};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(received) = Received::decode(data) {
        let written = received.encode();
        if let Received::Whole(whole) = &received {
            // All but the parity at the end of a signature is as it was.
            assert_eq!(written, *whole.raw().bytes());
            assert_eq!(written[..written.len() - 1], data[..data.len() - 1]);
        }
        assert_eq!(Received::decode(&written).as_ref(), Ok(&received));
    }
    if let Ok(authorization) = SignedKeyAuthorization::decode(data) {
        assert_eq!(authorization.encode(), data);
    }
    if let Ok(signature) = AccountSignature::parse(data) {
        let written = signature.to_bytes();
        assert_eq!(AccountSignature::parse(&written), Ok(signature));
        assert_eq!(written[..written.len() - 1], data[..data.len() - 1]);
    }
});
