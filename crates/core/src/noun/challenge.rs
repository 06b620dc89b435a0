//! The challenge: an offer to serve for a payment.

use http::HeaderName;
use serde::Serialize;

use super::{CredentialHeader, Description, DigestText, Expires, OpaqueText, Request};
use crate::{
    binding::{SlotError, SlotTexts, Slots},
    value::{ChallengeId, IntentId, MethodId, Realm, Timestamp},
};

/// A challenge of the `Payment` scheme, as `WWW-Authenticate` carries it and a credential echoes
/// it.
///
/// Serialized, it is the echo: the texts as they stood on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Challenge {
    /// Its id, which binds the other parameters for the server that issued it.
    pub id: ChallengeId,
    /// The protection space.
    pub realm: Realm,
    /// The payment method.
    pub method: MethodId,
    /// The kind of payment.
    pub intent: IntentId,
    /// What is asked for.
    pub request: Request,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Expires>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
    /// The body it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<DigestText>,
    /// What the server wants to see again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opaque: Option<OpaqueText>,
    /// The header for the credential, where it is not `Authorization`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<CredentialHeader>,
}

impl Challenge {
    /// A challenge with what every challenge has, and no options.
    #[must_use]
    pub const fn new(
        id: ChallengeId,
        realm: Realm,
        method: MethodId,
        intent: IntentId,
        request: Request,
    ) -> Self {
        Self {
            id,
            realm,
            method,
            intent,
            request,
            expires: None,
            description: None,
            digest: None,
            opaque: None,
            header: None,
        }
    }

    /// Whether it ended. One without an end never does.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.as_ref().is_some_and(|end| end.at() <= now)
    }

    /// The header the credential belongs in, or `None` where the challenge names one that carries
    /// no credentials: then it cannot be paid.
    #[must_use]
    pub fn credential_header(&self) -> Option<HeaderName> {
        match &self.header {
            None => Some(http::header::AUTHORIZATION),
            Some(header) => header.name(),
        }
    }

    /// What its id binds.
    ///
    /// # Errors
    /// Never for what came through the types of the fields; the check is the one every echo
    /// passes, so it stands in one place.
    pub fn slots(&self) -> Result<Slots<'_>, SlotError> {
        Slots::check(SlotTexts {
            realm: self.realm.as_str(),
            method: self.method.as_str(),
            intent: self.intent.as_str(),
            request: self.request.as_str(),
            expires: self.expires.as_ref().map(Expires::as_str),
            digest: self.digest.as_ref().map(DigestText::as_str),
            header: self.header.as_ref().map(CredentialHeader::as_str),
            opaque: self.opaque.as_ref().map(OpaqueText::as_str),
        })
    }
}
