//! Keys: those we sign with, and those we know.

use std::fmt;

use alloy_primitives::{Address, B256};
use secp256k1::{Message, PublicKey, SecretKey, ecdsa::RecoverableSignature};

use crate::signature::{self, Signature, SignatureError};

/// A secret key of an account. It is wiped when dropped; while it signs, libsecp256k1 has copies of
/// its own on the stack.
pub struct SigningKey {
    secret: SecretKey,
    address: Address,
}

/// Why bytes are no secret key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Zero, or not below the order of the curve. Random bytes never are.
    #[error("these bytes are no secret key of this curve")]
    OutOfRange,
    /// No point of the curve, or not written as one.
    #[error("these bytes are no public key of this curve")]
    NoPoint,
}

impl SigningKey {
    /// The key of these bytes. The caller wipes its own copy.
    ///
    /// # Errors
    /// When they are none of the scalars that are keys.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, KeyError> {
        let secret = SecretKey::from_secret_bytes(bytes).map_err(|_| KeyError::OutOfRange)?;
        let address = signature::address(&PublicKey::from_secret_key(&secret));
        Ok(Self { secret, address })
    }

    /// The account it signs for.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Signs a digest. The same digest gives the same signature (RFC 6979), with a low s.
    #[must_use]
    pub fn sign(&self, digest: B256) -> Signature {
        let message = Message::from_digest(digest.0);
        Signature::made(&RecoverableSignature::sign_ecdsa_recoverable(
            message,
            &self.secret,
        ))
    }
}

impl Drop for SigningKey {
    fn drop(&mut self) {
        self.secret.non_secure_erase();
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.address)
    }
}

/// A public key that was recovered once: checking against it is quicker than recovering again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownKey {
    key: PublicKey,
    address: Address,
}

impl KnownKey {
    /// The key that is written in its compressed form, as a `did:key` holds it.
    ///
    /// # Errors
    /// When the bytes are no point of the curve.
    pub fn from_compressed(bytes: [u8; 33]) -> Result<Self, KeyError> {
        let key = PublicKey::from_byte_array_compressed(bytes).map_err(|_| KeyError::NoPoint)?;
        let address = signature::address(&key);
        Ok(Self { key, address })
    }

    /// The key that made a signature.
    ///
    /// # Errors
    /// When no key fits.
    pub fn recover(signature: &Signature, digest: B256) -> Result<Self, SignatureError> {
        let key = signature.recover_key(digest)?;
        let address = signature::address(&key);
        Ok(Self { key, address })
    }

    /// Its account.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Checks that a signature is this key's. The parity is not looked at: what goes to a contract later
    /// has to be [made sure of](Self::sendable) once.
    ///
    /// # Errors
    /// When it is another's, or of something else.
    pub fn verify(&self, signature: &Signature, digest: B256) -> Result<(), SignatureError> {
        let message = Message::from_digest(digest.0);
        secp256k1::ecdsa::verify(&signature.standard()?, message, &self.key)
            .map_err(|_| SignatureError::Mismatch)
    }

    /// The one form of a signature of this key that a contract recovers this key from.
    ///
    /// # Errors
    /// When it is another's, or of something else.
    pub fn sendable(
        &self,
        signature: Signature,
        digest: B256,
    ) -> Result<Signature, SignatureError> {
        let ours = |signature: &Signature| {
            signature
                .recover_key(digest)
                .is_ok_and(|key| key == self.key)
        };
        [signature, signature.flipped()]
            .into_iter()
            .find(ours)
            .ok_or(SignatureError::Mismatch)
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::keccak256;

    use super::*;

    #[test]
    fn a_known_key_takes_a_flipped_parity_and_mends_it() {
        let key = SigningKey::from_bytes([9; 32]).unwrap();
        let digest = keccak256("a");
        let signature = key.sign(digest);
        let known = KnownKey::recover(&signature, digest).unwrap();
        assert_eq!(known.address(), key.address());
        assert_eq!(known.verify(&signature.flipped(), digest), Ok(()));
        assert_eq!(known.sendable(signature.flipped(), digest), Ok(signature));
        assert_eq!(known.sendable(signature, digest), Ok(signature));

        let other = keccak256("b");
        let mismatch = Err(SignatureError::Mismatch);
        assert_eq!(known.verify(&signature, other), mismatch);
        assert_eq!(
            known.sendable(signature, other),
            Err(SignatureError::Mismatch)
        );
    }

    #[test]
    fn a_public_key_says_its_account() {
        let key = SigningKey::from_bytes([9; 32]).unwrap();
        let public = PublicKey::from_secret_key(&key.secret).serialize();
        let known = KnownKey::from_compressed(public).unwrap();
        assert_eq!(known.address(), key.address());
        let nowhere = KnownKey::from_compressed([5; 33]);
        assert_eq!(nowhere.err(), Some(KeyError::NoPoint));
    }

    #[test]
    fn a_secret_is_not_shown() {
        let key = SigningKey::from_bytes([9; 32]).unwrap();
        assert_eq!(format!("{key:?}"), format!("SigningKey({})", key.address()));
        assert_eq!(
            SigningKey::from_bytes([0; 32]).err(),
            Some(KeyError::OutOfRange)
        );
        assert_eq!(
            SigningKey::from_bytes([0xff; 32]).err(),
            Some(KeyError::OutOfRange)
        );
    }
}
