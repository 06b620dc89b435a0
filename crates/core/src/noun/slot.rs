//! The texts of a challenge that are echoed and bound as they stand on the wire.
//!
//! What enters the HMAC is the text, not what it means, so each of these keeps its text. Their
//! grammars are what keeps one slot from reaching into the next: none can hold a `|`, a quote or
//! a control character.

use std::{fmt, str::FromStr, sync::Arc};

use http::HeaderName;
use serde::{Serialize, Serializer};

use crate::{
    bounds, header,
    value::{TextError, Timestamp, TimestampError, text},
};

/// When a challenge ends: the moment, and the text that says it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Expires {
    text: Box<str>,
    at: Timestamp,
}

impl Expires {
    /// A moment in our own writing.
    #[must_use]
    pub fn new(at: Timestamp) -> Self {
        Self {
            text: at.to_text().as_str().into(),
            at,
        }
    }

    /// The text, as it stood on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The moment.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.at
    }
}

impl FromStr for Expires {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        Ok(Self {
            at: expires(text)?,
            text: text.into(),
        })
    }
}

impl fmt::Debug for Expires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expires({})", self.text)
    }
}

impl Serialize for Expires {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// The `digest` parameter: which body the challenge is for.
///
/// To compare it with a body, see [`crate::header::digest`].
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DigestText(Arc<str>);
text::newtype!(DigestText, "a digest", digest);

/// The `opaque` parameter: what the server wants to see again.
///
/// The draft wants base64url; peers also send plain words, which cost nothing to accept.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct OpaqueText(Arc<str>);
text::newtype!(OpaqueText, "an opaque parameter", opaque);

/// The `description` parameter: for people. Nothing is decided by it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Description(Arc<str>);
text::newtype!(Description, "a description", description);

/// The `header` parameter: which request header the credential belongs in.
#[derive(Clone)]
pub struct CredentialHeader(Arc<str>);
text::newtype!(CredentialHeader, "a header name", header_token);

impl CredentialHeader {
    /// `Payment-Authorization`, for services that use `Authorization` for something else.
    #[must_use]
    pub fn payment_authorization() -> Self {
        Self("Payment-Authorization".into())
    }

    /// Whether it names `Authorization`, which is what an absent parameter means.
    #[must_use]
    pub fn is_default(&self) -> bool {
        is_default_header(&self.0)
    }

    /// The header, or `None` where it is neither of the two that carry credentials. A challenge
    /// must not make a client put a credential into a header of the challenger's choice.
    #[must_use]
    pub fn name(&self) -> Option<HeaderName> {
        [http::header::AUTHORIZATION, header::PAYMENT_AUTHORIZATION]
            .into_iter()
            .find(|name| name.as_str().eq_ignore_ascii_case(&self.0))
    }
}

impl PartialEq for CredentialHeader {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for CredentialHeader {}

pub(crate) fn is_default_header(text: &str) -> bool {
    text.eq_ignore_ascii_case("authorization")
}

pub(crate) fn expires(text: &str) -> Result<Timestamp, TimestampError> {
    if text.len() > bounds::TIME {
        return Err(TimestampError);
    }
    text.parse()
}

pub(crate) fn digest(text: &str) -> Result<(), &'static str> {
    text::bounded(text, bounds::DIGEST)?;
    inert(text, b' ')
}

pub(crate) fn opaque(text: &str) -> Result<(), &'static str> {
    text::bounded(text, bounds::OPAQUE)?;
    inert(text, b'!')
}

pub(crate) fn header_token(text: &str) -> Result<(), &'static str> {
    text::bounded(text, bounds::IDENTIFIER)?;
    if text
        .bytes()
        .all(|b| header::syntax::is_token(b) && b != b'|')
    {
        Ok(())
    } else {
        Err("only the characters of a header name are allowed")
    }
}

fn description(text: &str) -> Result<(), &'static str> {
    text::bounded(text, bounds::DESCRIPTION)?;
    if text.chars().any(|c| c.is_control() && c != '\t') {
        Err("control characters are not allowed")
    } else {
        Ok(())
    }
}

/// Allows printable ASCII from `first` on that neither ends a slot nor a quoted text.
fn inert(text: &str, first: u8) -> Result<(), &'static str> {
    // Without an early end the compiler looks at many bytes at once.
    let ok = |b: u8| (b >= first) & (b <= b'~') & (b != b'|') & (b != b'"') & (b != b'\\');
    if text.bytes().fold(true, |all, b| all & ok(b)) {
        Ok(())
    } else {
        Err("only printable ASCII without | \" and \\ is allowed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_slot_holds_a_delimiter() {
        for bad in ["a|b", "a\"b", "a\\b", "a\nb", "é", ""] {
            assert!(DigestText::new(bad).is_err(), "{bad:?}");
            assert!(OpaqueText::new(bad).is_err(), "{bad:?}");
            assert!(CredentialHeader::new(bad).is_err(), "{bad:?}");
            assert!(bad.parse::<Expires>().is_err(), "{bad:?}");
        }
        assert!(OpaqueText::new("trace-123").is_ok());
        assert!(DigestText::new("sha-256=:X48E=:, sha-512=:YQ==:").is_ok());
    }

    #[test]
    fn only_two_headers_carry_credentials() {
        let name = |text: &str| CredentialHeader::new(text).unwrap().name();
        assert_eq!(
            name("payment-AUTHORIZATION"),
            Some(header::PAYMENT_AUTHORIZATION)
        );
        assert_eq!(name("Authorization"), Some(http::header::AUTHORIZATION));
        assert_eq!(name("Cookie"), None);
    }

    #[test]
    fn a_time_keeps_its_text() {
        let expires: Expires = "2026-01-29T13:00:30.000+01:00".parse().unwrap();
        assert_eq!(expires.as_str(), "2026-01-29T13:00:30.000+01:00");
        assert_eq!(expires.at(), "2026-01-29T12:00:30Z".parse().unwrap());
        let padded = format!("2026-01-29T13:00:30.{}Z", "0".repeat(bounds::TIME));
        assert!(padded.parse::<Expires>().is_err());
    }

    #[test]
    fn a_description_is_one_line() {
        assert!(Description::new("Payment for \"Premium\" — 50% off!").is_ok());
        assert!(Description::new("Line one\r\nLine two").is_err());
        assert!(Description::new("x".repeat(bounds::DESCRIPTION + 1)).is_err());
    }
}
