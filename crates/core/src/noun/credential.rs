//! The credential: a payment for a challenge.

use std::{fmt, sync::Arc};

use serde::Serialize;
use serde_json::value::RawValue;

use super::Challenge;
use crate::{
    bounds,
    value::{Did, TextError, text},
};

/// A credential: the challenge it answers, who pays, and the method's proof.
#[derive(Clone, Serialize)]
pub struct Credential {
    /// The challenge, echoed.
    pub challenge: Challenge,
    /// The method's proof: a JSON object, kept as it was written.
    pub payload: Box<RawValue>,
    /// Who says to pay. It proves nothing by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
}

impl Credential {
    /// A credential for a challenge.
    ///
    /// # Errors
    /// When the payload is not representable as a JSON object.
    pub fn new(
        challenge: Challenge,
        source: Option<Source>,
        payload: &impl Serialize,
    ) -> Result<Self, serde_json::Error> {
        let payload = serde_json::value::to_raw_value(payload)?;
        if !is_object(&payload) {
            return Err(serde::ser::Error::custom("a payload is a JSON object"));
        }
        Ok(Self {
            challenge,
            payload,
            source,
        })
    }
}

pub(super) fn is_object(json: &RawValue) -> bool {
    json.get().starts_with('{')
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("challenge", &self.challenge.id)
            .field("method", &self.challenge.method)
            .field("intent", &self.challenge.intent)
            .finish_non_exhaustive()
    }
}

impl PartialEq for Credential {
    fn eq(&self, other: &Self) -> bool {
        self.challenge == other.challenge
            && self.source == other.source
            && self.payload.get() == other.payload.get()
    }
}

/// Who a credential says to be from. The draft recommends a DID; any one-line text is tolerated.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Source(Arc<str>);
text::newtype!(Source, "a source", source);

impl Source {
    /// The source as a DID, where it is one.
    #[must_use]
    pub fn did(&self) -> Option<Did> {
        Did::new(self.as_str()).ok()
    }
}

impl From<Did> for Source {
    fn from(did: Did) -> Self {
        Self(did.as_str().into())
    }
}

fn source(text: &str) -> Result<(), &'static str> {
    text::bounded(text, bounds::NAME)?;
    if text.chars().any(char::is_control) {
        Err("control characters are not allowed")
    } else {
        Ok(())
    }
}
