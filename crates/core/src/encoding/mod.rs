//! Encodings: base64url without padding, bounded JSON, canonical JSON, percent-encoding and streams of
//! events for the wire, packed bytes for the store.

pub mod base64url;
pub mod jcs;
pub mod json;
pub mod packed;
pub mod percent;
pub mod sse;
