//! What a payer signs, and how the signature travels.

use std::fmt::{self, Write as _};

use farthing_core::{
    encoding::base64url,
    intent::charge::ChargeRequest,
    port::method::{Fault, Refusal},
    value::{ChallengeId, Realm, Recipient},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The first line of what is signed. It keeps these signatures apart from whatever else a key
/// signs, and the version keeps them apart from those of a later form.
const DOMAIN: &str = "farthing-ledger-charge-v1";

/// Room for a text of usual length, so that it is allocated once.
const TEXT: usize = 256;

/// The authorization of one transfer: what is paid, to whom, for which challenge.
///
/// It is signed as lines of plain text, so that it can be read by a person, and so that checking
/// one parses nothing. No line can pose as two, because none of the types can hold a line break.
#[derive(Clone, Copy, Debug)]
pub struct Authorization<'a> {
    challenge: &'a ChallengeId,
    request: &'a ChargeRequest,
    payee: &'a Recipient,
    realm: &'a Realm,
}

/// The payload of a credential.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload<'a> {
    signature: &'a str,
}

impl<'a> Authorization<'a> {
    /// The authorization that answers a challenge, or `None` where its request names no payee.
    #[must_use]
    pub fn new(
        challenge: &'a ChallengeId,
        request: &'a ChargeRequest,
        realm: &'a Realm,
    ) -> Option<Self> {
        Some(Self {
            challenge,
            request,
            payee: request.recipient.as_ref()?,
            realm,
        })
    }

    /// The text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(TEXT);
        write!(text, "{self}").expect("a string takes every text");
        text
    }
}

impl fmt::Display for Authorization<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (challenge, payee, realm) = (self.challenge, self.payee, self.realm);
        let (amount, currency) = (self.request.amount, &self.request.currency);
        write!(
            f,
            "{DOMAIN}\n{challenge}\n{amount}\n{currency}\n{payee}\n{realm}"
        )
    }
}

/// Writes a signature as a payload.
pub(crate) fn payload(signature: &[u8; 64]) -> Result<Box<RawValue>, Refusal> {
    let signature = &base64url::encode(signature);
    serde_json::value::to_raw_value(&Payload { signature }).map_err(|error| {
        Refusal::new(Fault::Internal, "the payload could not be written").caused_by(error)
    })
}

/// Reads the signature of a payload.
pub(crate) fn signature(payload: &RawValue) -> Result<Vec<u8>, Refusal> {
    let Payload { signature } = serde_json::from_str(payload.get()).map_err(|error| {
        Refusal::new(
            Fault::Malformed,
            "the payload is not an object with a signature and nothing else",
        )
        .caused_by(error)
    })?;
    base64url::decode(signature).map_err(|error| {
        Refusal::new(Fault::Malformed, "the signature is not base64url").caused_by(error)
    })
}
