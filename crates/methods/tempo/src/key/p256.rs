//! ECDSA over P-256: the curve of passkeys, and of keys that a browser or a secure element keeps.

use std::fmt;

use alloy_primitives::{Address, B256, keccak256};
use farthing_core::value::Secret;
use farthing_evm::{KeyError, SignatureError};
use p256::ecdsa::{
    Signature, SigningKey, VerifyingKey,
    signature::hazmat::{PrehashSigner, PrehashVerifier},
};
use ring::{
    digest::{SHA256, digest as hash},
    hmac,
};

use super::AccountSignatureError;

/// A secret key on P-256. It is wiped when dropped.
pub struct P256Key {
    secret: SigningKey,
    point: [u8; 64],
}

/// A signature with the key that made it: nothing recovers one from the other on this curve.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct P256Signature {
    pub(super) proof: P256Proof,
    hashed: bool,
}

/// r and s, x and y.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct P256Proof {
    halves: [u8; 64],
    point: [u8; 64],
}

impl P256Key {
    /// The key of these bytes. The caller wipes its own copy.
    ///
    /// # Errors
    /// When they are none of the scalars that are keys.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, KeyError> {
        let secret = SigningKey::from_bytes(&bytes.into()).map_err(|_| KeyError::OutOfRange)?;
        let encoded = secret.verifying_key().to_encoded_point(false);
        let mut point = [0; 64];
        point.copy_from_slice(&encoded.as_bytes()[1..]);
        Ok(Self { secret, point })
    }

    /// Its address: that of the account it is the root of, and its name as an access key.
    #[must_use]
    pub fn address(&self) -> Address {
        address(&self.point)
    }

    /// Bytes that nobody else can make, the same ones each time for the same purpose. They tell nothing of
    /// the key.
    pub(crate) fn derive(&self, purpose: &[u8]) -> Secret {
        let secret = Secret::new(self.secret.to_bytes().to_vec());
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.expose()), purpose);
        Secret::new(tag.as_ref())
    }

    /// Signs a digest. The same digest gives the same signature (RFC 6979), with a low s.
    #[must_use]
    pub fn sign(&self, digest: B256) -> P256Signature {
        let signed: Signature = self
            .secret
            .sign_prehash(digest.as_slice())
            .expect("a digest is as long as the curve's order");
        let signed = signed.normalize_s().unwrap_or(signed);
        let proof = P256Proof {
            halves: signed.to_bytes().into(),
            point: self.point,
        };
        P256Signature {
            proof,
            hashed: false,
        }
    }
}

impl P256Signature {
    pub(super) fn parse(bytes: &[u8; 129]) -> Result<Self, AccountSignatureError> {
        let (proof, flag) = bytes
            .split_first_chunk::<128>()
            .ok_or(AccountSignatureError::Kind(bytes.len()))?;
        let hashed = match flag {
            [0] => false,
            [1] => true,
            _ => return Err(AccountSignatureError::Flag),
        };
        let proof = P256Proof::parse(proof)?;
        Ok(Self { proof, hashed })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        self.proof.write(out);
        out.push(u8::from(self.hashed));
    }

    /// The address of its key, where it is of this digest.
    ///
    /// # Errors
    /// When it is of something else.
    pub fn signer(&self, digest: B256) -> Result<Address, SignatureError> {
        // Some signers, browsers above all, sign nothing that they have not hashed themselves.
        if self.hashed {
            let hashed = hash(&SHA256, digest.as_slice());
            return self.proof.signer(B256::from_slice(hashed.as_ref()));
        }
        self.proof.signer(digest)
    }
}

impl P256Proof {
    pub(super) fn parse(bytes: &[u8; 128]) -> Result<Self, SignatureError> {
        let (mut halves, mut point) = ([0; 64], [0; 64]);
        halves.copy_from_slice(&bytes[..64]);
        point.copy_from_slice(&bytes[64..]);
        let parsed = Self { halves, point };
        let signature = parsed.signature()?;
        if signature.normalize_s().is_some() {
            return Err(SignatureError::HighS);
        }
        Ok(parsed)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.halves);
        out.extend_from_slice(&self.point);
    }

    pub(super) fn signer(&self, digest: B256) -> Result<Address, SignatureError> {
        let mut encoded = [0x04; 65];
        encoded[1..].copy_from_slice(&self.point);
        let key = VerifyingKey::from_sec1_bytes(&encoded);
        let key = key.map_err(|_| SignatureError::OutOfRange)?;
        key.verify_prehash(digest.as_slice(), &self.signature()?)
            .map_err(|_| SignatureError::Mismatch)?;
        Ok(address(&self.point))
    }

    fn signature(&self) -> Result<Signature, SignatureError> {
        Signature::from_slice(&self.halves).map_err(|_| SignatureError::OutOfRange)
    }
}

fn address(point: &[u8; 64]) -> Address {
    Address::from_slice(&keccak256(point)[12..])
}

impl fmt::Debug for P256Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "P256Key({})", self.address())
    }
}

/// Whoever holds a signature may be able to use it, so only its key is shown.
impl fmt::Debug for P256Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "P256Signature({}, …)", address(&self.proof.point))
    }
}
