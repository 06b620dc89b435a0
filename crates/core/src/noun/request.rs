//! The `request` of a challenge: what is asked for, in the words of its method and intent.

use std::fmt;

use serde::{Serialize, Serializer, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    bounds,
    encoding::{
        base64url::{self, Base64UrlError},
        jcs::{self, JcsError},
        json::{self, JsonError},
    },
};

/// A request: a JSON object, and the base64url text that carries it.
///
/// The text is kept as it stood on the wire, for it is what the challenge's id binds; a client
/// echoes it unchanged.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    encoded: Box<str>,
    json: Box<str>,
}

/// Why a request is none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// It is larger than [`bounds::REQUEST`].
    #[error("the request is larger than {} bytes", bounds::REQUEST)]
    TooLarge,
    /// It is not base64url.
    #[error("the request is {0}")]
    Encoding(#[from] Base64UrlError),
    /// It is not UTF-8.
    #[error("the request is not UTF-8")]
    Utf8(#[from] std::str::Utf8Error),
    /// It is no JSON object.
    #[error("the request is {0}")]
    Json(#[from] JsonError),
    /// The value has no canonical text.
    #[error("the request cannot be written: {0}")]
    Canonical(#[from] JcsError),
}

impl Request {
    /// Reads the text of the wire.
    ///
    /// # Errors
    /// When it is too large, not base64url, or not a JSON object without repeated keys.
    pub fn parse(encoded: &str) -> Result<Self, RequestError> {
        if encoded.len() > bounds::REQUEST {
            return Err(RequestError::TooLarge);
        }
        let bytes = base64url::decode(encoded)?;
        let json = std::str::from_utf8(&bytes)?;
        json::parse_object(json)?;
        Ok(Self {
            encoded: encoded.into(),
            json: json.into(),
        })
    }

    /// Writes a value canonically.
    ///
    /// # Errors
    /// When the value is no JSON object, has no canonical text, or is too large.
    pub fn new(value: &impl Serialize) -> Result<Self, RequestError> {
        Self::parse(&base64url::encode(jcs::to_string(value)?))
    }

    /// The base64url text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.encoded
    }

    /// The JSON text inside.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }

    /// The request as a type of its method or intent.
    ///
    /// # Errors
    /// When it lacks what that type needs.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.json)
    }

    /// The request as any JSON value.
    #[must_use]
    pub fn value(&self) -> Value {
        json::parse(&self.json).expect("the JSON of a request was checked when it was made")
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({})", self.json)
    }
}

impl Serialize for Request {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.encoded)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_text_of_the_wire_is_kept() {
        // Not canonical: a space after the colon.
        let encoded = base64url::encode(r#"{"b": 1,"a":2}"#);
        let request = Request::parse(&encoded).unwrap();
        assert_eq!(request.as_str(), encoded);
        assert_eq!(request.value(), json!({"a": 2, "b": 1}));
        assert_eq!(
            Request::new(&request.value()).unwrap().json(),
            r#"{"a":2,"b":1}"#
        );
    }

    #[test]
    fn only_an_object_without_repeated_keys_is_a_request() {
        for bad in ["[]", "1", "null", "", r#"{"amount":"1","amount":"2"}"#] {
            assert!(Request::parse(&base64url::encode(bad)).is_err(), "{bad}");
        }
        assert!(matches!(
            Request::parse(&base64url::encode([b'{', 0xff, b'}'])),
            Err(RequestError::Utf8(_))
        ));
        assert!(matches!(
            Request::parse(&"A".repeat(bounds::REQUEST + 1)),
            Err(RequestError::TooLarge)
        ));
    }
}
