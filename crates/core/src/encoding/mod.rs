//! Encodings of the wire: base64url without padding, bounded JSON, canonical JSON.

pub mod base64url;
pub mod jcs;
pub mod json;
