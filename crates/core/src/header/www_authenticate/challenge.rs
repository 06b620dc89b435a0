//! From the parameters of a challenge to the challenge.

use super::scan::Parameters;
use crate::{
    noun::{Challenge, Request, RequestError},
    value::{TextError, TimestampError},
};

/// Why a `Payment` challenge cannot be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChallengeError {
    /// A required parameter is missing.
    #[error("the challenge has no {0}")]
    Missing(&'static str),
    /// A parameter stands twice, so that two readers may see two challenges.
    #[error("the challenge repeats a parameter")]
    Repeated,
    /// A parameter's value is not closed, is cut by other characters, or is not UTF-8.
    #[error("the value of the challenge's {0} is malformed")]
    Malformed(&'static str),
    /// Something is larger than it may be.
    #[error("the {0} is too large")]
    TooLarge(&'static str),
    /// There are more of something than are read.
    #[error("too many {0}")]
    TooMany(&'static str),
    /// A name breaks its grammar.
    #[error("the challenge has {0}")]
    Name(#[from] TextError),
    /// The end is no time.
    #[error("the challenge's expires is {0}")]
    Expires(#[from] TimestampError),
    /// The request is none.
    #[error(transparent)]
    Request(#[from] RequestError),
}

/// The parameters that are known, in the order of the array that carries them.
pub(super) const KNOWN: [&str; 10] = [
    "id",
    "realm",
    "method",
    "intent",
    "request",
    "description",
    "digest",
    "expires",
    "opaque",
    "header",
];

/// Where the description stands among them.
const DESCRIPTION: usize = 5;

pub(super) fn build(mut values: Parameters) -> Result<Challenge, ChallengeError> {
    let description = values[DESCRIPTION].take().and_then(readable);
    let mut index = 0;
    let mut next = || {
        let name = KNOWN[index];
        let value = values[index].take().map(String::from_utf8).transpose();
        index += 1;
        value.map_err(|_| ChallengeError::Malformed(name))
    };
    let (id, realm, method) = (next()?, next()?, next()?);
    let (intent, request, _) = (next()?, next()?, next()?);
    let (digest, expires, opaque, header) = (next()?, next()?, next()?, next()?);
    let required = |value: Option<String>, name| value.ok_or(ChallengeError::Missing(name));
    Ok(Challenge {
        id: required(id, "id")?.parse()?,
        realm: required(realm, "realm")?.parse()?,
        method: required(method, "method")?.parse()?,
        intent: required(intent, "intent")?.parse()?,
        request: Request::parse(&required(request, "request")?)?,
        expires: expires.as_deref().map(str::parse).transpose()?,
        description: description.as_deref().map(str::parse).transpose()?,
        digest: digest.as_deref().map(str::parse).transpose()?,
        opaque: opaque.as_deref().map(str::parse).transpose()?,
        header: header.as_deref().map(str::parse).transpose()?,
    })
}

/// The text of a description. Nothing is decided by it, so what peers do otherwise costs nothing: an
/// empty one is none, and what is not UTF-8 is Latin-1, which JavaScript writes into headers.
fn readable(bytes: Vec<u8>) -> Option<String> {
    let text = String::from_utf8(bytes)
        .unwrap_or_else(|error| error.as_bytes().iter().copied().map(char::from).collect());
    (!text.is_empty()).then_some(text)
}
