//! `Payment-Session` and `Payment-Session-Snapshot`: which channel a payer can go on with, and what it
//! holds. A client that knows its channel may also name it in a request.

use http::HeaderValue;

use crate::{
    intent::session::ChannelId,
    noun::session::{Snapshot, SnapshotError},
    value::TextError,
};

/// Reads the id of a channel.
///
/// # Errors
/// When it is none.
pub fn parse_channel(value: &HeaderValue) -> Result<ChannelId, TextError> {
    // What is not visible ASCII is no id; an empty text is none either, and says so.
    ChannelId::new(value.to_str().unwrap_or_default().trim())
}

/// Writes the id of a channel.
#[must_use]
pub fn channel_to_header(id: &ChannelId) -> HeaderValue {
    HeaderValue::from_str(id.as_str()).expect("a channel's id is visible ASCII")
}

/// Reads a snapshot.
///
/// # Errors
/// When it is none.
pub fn parse_snapshot(value: impl AsRef<[u8]>) -> Result<Snapshot, SnapshotError> {
    Snapshot::from_header_text(value)
}

/// Writes a snapshot as a header value that is marked sensitive: it tells of its reader's payments.
#[must_use]
pub fn snapshot_to_header(snapshot: &Snapshot) -> HeaderValue {
    let text = snapshot.to_header_text();
    let mut value = HeaderValue::try_from(text).expect("base64url is visible ASCII");
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_named_by_its_id() {
        let id: ChannelId = "0x6d0f".parse().unwrap();
        assert_eq!(parse_channel(&channel_to_header(&id)), Ok(id));
        for bad in ["", "a b", "ä"] {
            let value = HeaderValue::from_bytes(bad.as_bytes()).unwrap();
            assert!(parse_channel(&value).is_err(), "{bad}");
        }
    }
}
