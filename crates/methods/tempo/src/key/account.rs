//! What an account signs with.

use alloy_primitives::{Address, B256};
use farthing_evm::SigningKey;

use super::{
    AccessSignature, AccountSignature, KeyKind, KeySignature, KeychainVersion, P256Key,
    SignedKeyAuthorization, signature::for_account,
};

/// A secret key, on either curve.
#[derive(Debug)]
pub enum Key {
    /// On secp256k1.
    Secp256k1(SigningKey),
    /// On P-256.
    P256(P256Key),
}

/// A key that signs for an account that it is not the root of, within what the account allowed it.
#[derive(Debug)]
pub struct AccessKey {
    /// The account, which pays.
    pub account: Address,
    /// The key.
    pub key: Key,
    /// What the account signed to allow it, where the chain does not have it yet: it goes with the first
    /// transaction.
    pub authorization: Option<SignedKeyAuthorization>,
}

/// What signs for an account.
#[derive(Debug)]
pub enum AccountKey {
    /// The key that its address is made from.
    Root(Key),
    /// One that it authorized.
    Access(Box<AccessKey>),
}

impl Key {
    /// Its address: that of the account it is the root of, and its name as an access key.
    #[must_use]
    pub fn address(&self) -> Address {
        match self {
            Self::Secp256k1(key) => key.address(),
            Self::P256(key) => key.address(),
        }
    }

    /// How it signs.
    #[must_use]
    pub const fn kind(&self) -> KeyKind {
        match self {
            Self::Secp256k1(_) => KeyKind::Secp256k1,
            Self::P256(_) => KeyKind::P256,
        }
    }

    /// Signs a digest.
    #[must_use]
    pub fn sign(&self, digest: B256) -> KeySignature {
        match self {
            Self::Secp256k1(key) => KeySignature::Secp256k1(key.sign(digest)),
            Self::P256(key) => KeySignature::P256(key.sign(digest)),
        }
    }
}

impl AccountKey {
    /// The account it signs for, which pays.
    #[must_use]
    pub fn account(&self) -> Address {
        match self {
            Self::Root(key) => key.address(),
            Self::Access(access) => access.account,
        }
    }

    /// The access key's address; `None` where the account signs with its own.
    #[must_use]
    pub fn access_key(&self) -> Option<Address> {
        match self {
            Self::Root(_) => None,
            Self::Access(access) => Some(access.key.address()),
        }
    }

    /// Signs a digest for the account.
    #[must_use]
    pub fn sign_hash(&self, digest: B256) -> AccountSignature {
        match self {
            Self::Root(key) => AccountSignature::Root(key.sign(digest)),
            Self::Access(access) => AccountSignature::Access(AccessSignature {
                account: access.account,
                version: KeychainVersion::V2,
                inner: access.key.sign(for_account(digest, access.account)),
            }),
        }
    }
}

impl From<SigningKey> for Key {
    fn from(key: SigningKey) -> Self {
        Self::Secp256k1(key)
    }
}

impl From<P256Key> for Key {
    fn from(key: P256Key) -> Self {
        Self::P256(key)
    }
}

impl<K: Into<Key>> From<K> for AccountKey {
    fn from(key: K) -> Self {
        Self::Root(key.into())
    }
}

impl From<AccessKey> for AccountKey {
    fn from(key: AccessKey) -> Self {
        Self::Access(Box::new(key))
    }
}
