//! Secret keys of accounts.

use std::fmt;

use ring::signature::{Ed25519KeyPair, KeyPair};
use secp256k1::SecretKey;
use zeroize::Zeroizing;

use crate::account::{Account, PublicKey, hash};

/// The kind of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// Ed25519, as RFC 8032 has it: the quicker one to verify, and what to take without a reason.
    Ed25519,
    /// secp256k1 with ECDSA: the curve of chain wallets.
    Secp256k1,
}

/// Why bytes are no secret key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Zero, or not below the order of the curve. Random bytes never are.
    #[error("these bytes are no secret key of this curve")]
    OutOfRange,
}

/// The secret key of an account: whoever has it can spend what the account holds.
///
/// It is wiped when dropped. While it signs, the cryptographic libraries have copies of their own
/// on the stack; those of `ring` are not wiped.
pub struct AccountKey {
    seed: Zeroizing<[u8; 32]>,
    key_type: KeyType,
    account: Account,
}

impl AccountKey {
    /// The key of a seed: 32 bytes of the system's randomness for a new one, or those of an
    /// earlier one.
    ///
    /// # Errors
    /// When the seed is none of the scalars that are keys on secp256k1. Every seed is an Ed25519
    /// key.
    pub fn from_seed(key_type: KeyType, seed: [u8; 32]) -> Result<Self, KeyError> {
        let seed = Zeroizing::new(seed);
        let public = match key_type {
            KeyType::Ed25519 => PublicKey::Ed25519(
                ed25519(&seed)?
                    .public_key()
                    .as_ref()
                    .try_into()
                    .map_err(|_| KeyError::OutOfRange)?,
            ),
            KeyType::Secp256k1 => with_scalar(&seed, |key| {
                PublicKey::Secp256k1(secp256k1::PublicKey::from_secret_key(key))
            })?,
        };
        Ok(Self {
            seed,
            key_type,
            account: Account::of(public),
        })
    }

    /// The account this key spends from.
    #[must_use]
    pub const fn account(&self) -> &Account {
        &self.account
    }

    /// Signs a message. The same message gives the same signature.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let signed = match self.key_type {
            KeyType::Ed25519 => ed25519(&self.seed).and_then(|pair| {
                let signature = pair.sign(message);
                signature
                    .as_ref()
                    .try_into()
                    .map_err(|_| KeyError::OutOfRange)
            }),
            KeyType::Secp256k1 => with_scalar(&self.seed, |key| {
                secp256k1::ecdsa::sign(hash(message), key).serialize_compact()
            }),
        };
        signed.expect("the seed was a key when this was made")
    }
}

fn ed25519(seed: &[u8; 32]) -> Result<Ed25519KeyPair, KeyError> {
    Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyError::OutOfRange)
}

/// Lends the scalar of a seed and wipes it afterwards.
fn with_scalar<T>(seed: &[u8; 32], work: impl FnOnce(&SecretKey) -> T) -> Result<T, KeyError> {
    let mut key = SecretKey::from_secret_bytes(*seed).map_err(|_| KeyError::OutOfRange)?;
    let done = work(&key);
    key.non_secure_erase();
    Ok(done)
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountKey(… of {})", self.account)
    }
}
