//! Encodings: base64url without padding, bounded JSON, canonical JSON and percent-encoding for the
//! wire, packed bytes for the store.

pub mod base64url;
pub mod jcs;
pub mod json;
pub mod packed;
pub mod percent;
