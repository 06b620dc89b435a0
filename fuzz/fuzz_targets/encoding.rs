//! The encodings: base64url has one text for one value, canonical JSON is stable, and what is
//! checked without parsing agrees with what is parsed.
#![no_main]

use farthing_core::{
    binding::Opaque,
    encoding::{base64url, jcs, json},
    header::digest,
};
use farthing_fuzz::text;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    assert_eq!(
        base64url::decode(base64url::encode(data)).as_deref(),
        Ok(data)
    );
    let Some(text) = text(data) else { return };
    if let Ok(bytes) = base64url::decode(text) {
        assert_eq!(base64url::encode(bytes), text);
        assert!(base64url::is_alphabetic(text));
    }
    if let Some(opaque) = Opaque::parse(text) {
        assert_eq!(opaque.encode().as_str(), text);
    }
    if let Ok(value) = json::parse(text) {
        assert!(json::check_depth(text).is_ok());
        if let Ok(canonical) = jcs::to_string(&value) {
            let again = json::parse(&canonical).expect("canonical JSON is JSON");
            assert_eq!(jcs::to_string(&again).ok(), Some(canonical));
        }
    }
    assert!(!digest::matches(text, data) || text.contains('='));
    assert!(digest::matches(digest::sha256(data).as_str(), data));
});
