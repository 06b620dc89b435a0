//! Passkeys: an authenticator signs what it says of itself, and what the browser says it was asked.

use std::fmt;

use alloy_primitives::{Address, B256, Bytes};
use farthing_core::encoding::base64url;
use ring::digest::{Context, SHA256};
use serde::Deserialize;

use super::{AccountSignatureError, p256::P256Proof};

/// What the authenticator says of itself: the hash of the site, flags, a counter.
const AUTHENTICATOR: usize = 37;

/// The least that the browser says. The chain refuses less.
const CLIENT: usize = 32;

/// The most bytes of a signature, without its kind.
const MOST: usize = 2048;

/// Somebody was there, or was recognized.
const PRESENT: u8 = 0x01 | 0x04;

/// A new key, or extensions, follow. Neither belongs to a signature of a transaction.
const MORE: u8 = 0x40 | 0x80;

/// A signature by a passkey.
#[derive(Clone, PartialEq, Eq)]
pub struct WebAuthnSignature {
    /// What the authenticator says and what the browser says, one behind the other.
    said: Bytes,
    proof: P256Proof,
}

/// Why a passkey's signature is not of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebAuthnError {
    /// What was said is too short.
    #[error("the authenticator's data is cut off")]
    Short,
    /// Nobody was there, or there is more than a signature.
    #[error("the authenticator's flags are not those of a signature with somebody there")]
    Flags,
    /// What the browser says is not JSON with a type and a challenge.
    #[error("the client's data is no JSON with a type and a challenge")]
    ClientData,
    /// It was asked for something else than a signature.
    #[error("the client's data is not of a signature")]
    Type,
    /// It was asked to sign another message.
    #[error("the client's challenge is another message")]
    Challenge,
}

#[derive(Deserialize)]
struct ClientData<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    challenge: &'a str,
}

impl WebAuthnSignature {
    /// Reads one; `None` where the length is wrong.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<Self>, AccountSignatureError> {
        if bytes.len() > MOST {
            return Ok(None);
        }
        let Some((said, proof)) = bytes.split_last_chunk::<128>() else {
            return Ok(None);
        };
        let said = Bytes::copy_from_slice(said);
        let proof = P256Proof::parse(proof)?;
        Ok(Some(Self { said, proof }))
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.said);
        self.proof.write(out);
    }

    /// The address of the passkey, where it signed this digest. For which site it did is not looked at,
    /// as the chain does not either.
    ///
    /// # Errors
    /// When it is of something else.
    pub fn signer(&self, digest: B256) -> Result<Address, AccountSignatureError> {
        let (authenticator, client) = self.checked(digest)?;
        let mut signed = Context::new(&SHA256);
        signed.update(authenticator);
        signed.update(ring::digest::digest(&SHA256, client).as_ref());
        let signed = B256::from_slice(signed.finish().as_ref());
        Ok(self.proof.signer(signed)?)
    }

    /// What was said, once it is about this digest.
    fn checked(&self, digest: B256) -> Result<(&[u8], &[u8]), WebAuthnError> {
        if self.said.len() < AUTHENTICATOR + CLIENT {
            return Err(WebAuthnError::Short);
        }
        let (authenticator, client) = self.said.split_at(AUTHENTICATOR);
        let flags = authenticator[32];
        if flags & PRESENT == 0 || flags & MORE != 0 {
            return Err(WebAuthnError::Flags);
        }
        let data: ClientData<'_> =
            serde_json::from_slice(client).map_err(|_| WebAuthnError::ClientData)?;
        if data.kind != "webauthn.get" {
            return Err(WebAuthnError::Type);
        }
        if data.challenge != base64url::encode(digest) {
            return Err(WebAuthnError::Challenge);
        }
        Ok((authenticator, client))
    }
}

/// Whoever holds a signature may be able to use it, so it is not shown.
impl fmt::Debug for WebAuthnSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebAuthnSignature(…)")
    }
}
