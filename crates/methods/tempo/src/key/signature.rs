//! Signatures of an account: by a key of its own, or by one it authorized.

use alloy_primitives::{Address, B256, Bytes, keccak256};
use farthing_evm::{Signature, SignatureError};

use super::{
    p256::P256Signature,
    webauthn::{WebAuthnError, WebAuthnSignature},
};

const P256: u8 = 0x01;
const WEB_AUTHN: u8 = 0x02;
const KEYCHAIN_V1: u8 = 0x03;
const KEYCHAIN_V2: u8 = 0x04;

/// How an account's key signs. The number is that of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum KeyKind {
    /// ECDSA over secp256k1.
    Secp256k1 = 0,
    /// ECDSA over P-256.
    P256 = 1,
    /// A passkey: ECDSA over P-256, of what an authenticator says.
    WebAuthn = 2,
}

/// The number where it is that of no kind.
impl TryFrom<u8> for KeyKind {
    type Error = u8;

    fn try_from(number: u8) -> Result<Self, u8> {
        match number {
            0 => Ok(Self::Secp256k1),
            1 => Ok(Self::P256),
            2 => Ok(Self::WebAuthn),
            other => Err(other),
        }
    }
}

/// A signature by one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySignature {
    /// Over secp256k1.
    Secp256k1(Signature),
    /// Over P-256.
    P256(P256Signature),
    /// By a passkey.
    WebAuthn(WebAuthnSignature),
}

/// How an access key's signature is bound to the account it signs for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeychainVersion {
    /// It is not: the key signs the plain digest. Chains of today refuse it.
    V1,
    /// The key signs a hash of the digest and the account.
    V2,
}

/// A signature for an account by a key that it authorized, or is to have authorized: whether it did, and
/// what the key may do, only the chain knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessSignature {
    /// The account it signs for.
    pub account: Address,
    /// How it is bound to the account.
    pub version: KeychainVersion,
    /// By the access key.
    pub inner: KeySignature,
}

/// A signature for an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountSignature {
    /// By the key that the account's address is made from.
    Root(KeySignature),
    /// By a key that the account authorized.
    Access(AccessSignature),
}

/// Why bytes are no signature of an account, or not over this message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountSignatureError {
    /// They are too few, too many, or begin with a kind that is not known.
    #[error("these {0} bytes are a signature of no kind")]
    Kind(usize),
    /// The flag that says whether the digest was hashed again is neither 0 nor 1.
    #[error("the flag of a P-256 signature is 0 or 1")]
    Flag,
    /// It is no signature of its curve, or not over this message.
    #[error("the signature is not of this key over this message")]
    Curve(#[from] SignatureError),
    /// What the authenticator said is not about this message.
    #[error("the passkey's signature is not one of a passkey over this message")]
    WebAuthn(#[from] WebAuthnError),
}

impl AccountSignature {
    /// Reads a signature, as it stands in a transaction. Of the chain's forms, only the one that is
    /// written again is read; except that the last byte of one over secp256k1 may also be 0 or 1.
    ///
    /// # Errors
    /// When it is none, or none that a chain would take for any message.
    pub fn parse(bytes: &[u8]) -> Result<Self, AccountSignatureError> {
        let version = match bytes.first() {
            // Whatever has 65 bytes is of secp256k1.
            _ if bytes.len() == 65 => None,
            Some(&KEYCHAIN_V1) => Some(KeychainVersion::V1),
            Some(&KEYCHAIN_V2) => Some(KeychainVersion::V2),
            _ => None,
        };
        let Some(version) = version else {
            return KeySignature::parse(bytes).map(Self::Root);
        };
        let (account, inner) = bytes[1..]
            .split_first_chunk::<20>()
            .ok_or(AccountSignatureError::Kind(bytes.len()))?;
        Ok(Self::Access(AccessSignature {
            account: account.into(),
            version,
            inner: KeySignature::parse(inner)?,
        }))
    }

    /// The one form in which it is written.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(160);
        match self {
            Self::Root(signature) => signature.write(&mut out),
            Self::Access(access) => {
                out.push(match access.version {
                    KeychainVersion::V1 => KEYCHAIN_V1,
                    KeychainVersion::V2 => KEYCHAIN_V2,
                });
                out.extend_from_slice(access.account.as_slice());
                access.inner.write(&mut out);
            }
        }
        out.into()
    }

    /// The account whose signature over a digest it is. An access key's says so itself: that the account
    /// [authorized](Self::access_key) the key is for the chain to confirm.
    ///
    /// # Errors
    /// When it is a signature of something else.
    pub fn account(&self, digest: B256) -> Result<Address, AccountSignatureError> {
        match self {
            Self::Root(signature) => signature.signer(digest),
            Self::Access(access) => access.key(digest).map(|_| access.account),
        }
    }

    /// The access key that signed a digest; `None` where the account signed with its own.
    ///
    /// # Errors
    /// When it is a signature of something else.
    pub fn access_key(&self, digest: B256) -> Result<Option<Address>, AccountSignatureError> {
        match self {
            Self::Root(_) => Ok(None),
            Self::Access(access) => access.key(digest).map(Some),
        }
    }

    /// The account and the access key, in one check.
    pub(crate) fn parties(
        &self,
        digest: B256,
    ) -> Result<(Address, Option<Address>), AccountSignatureError> {
        match self {
            Self::Root(signature) => Ok((signature.signer(digest)?, None)),
            Self::Access(access) => Ok((access.account, Some(access.key(digest)?))),
        }
    }
}

impl AccessSignature {
    /// The key that signed a digest.
    ///
    /// # Errors
    /// When it is a signature of something else.
    pub fn key(&self, digest: B256) -> Result<Address, AccountSignatureError> {
        self.inner.signer(match self.version {
            KeychainVersion::V1 => digest,
            KeychainVersion::V2 => for_account(digest, self.account),
        })
    }
}

impl KeySignature {
    /// Reads a signature by one key.
    ///
    /// # Errors
    /// When it is none, or none that a chain would take for any message.
    pub fn parse(bytes: &[u8]) -> Result<Self, AccountSignatureError> {
        let kind = AccountSignatureError::Kind(bytes.len());
        match bytes {
            _ if bytes.len() == 65 => Ok(Self::Secp256k1(Signature::parse(bytes)?)),
            [P256, rest @ ..] => {
                let rest = rest.try_into().map_err(|_| kind)?;
                P256Signature::parse(rest).map(Self::P256)
            }
            [WEB_AUTHN, rest @ ..] => {
                let signature = WebAuthnSignature::parse(rest)?;
                signature.map(Self::WebAuthn).ok_or(kind)
            }
            _ => Err(kind),
        }
    }

    /// The one form in which it is written.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(136);
        self.write(&mut out);
        out.into()
    }

    /// Which kind of key made it.
    #[must_use]
    pub const fn kind(&self) -> KeyKind {
        match self {
            Self::Secp256k1(_) => KeyKind::Secp256k1,
            Self::P256(_) => KeyKind::P256,
            Self::WebAuthn(_) => KeyKind::WebAuthn,
        }
    }

    /// The address of the key whose signature over a digest it is.
    ///
    /// # Errors
    /// When it is a signature of something else.
    pub fn signer(&self, digest: B256) -> Result<Address, AccountSignatureError> {
        match self {
            Self::Secp256k1(signature) => Ok(signature.recover(digest)?),
            Self::P256(signature) => Ok(signature.signer(digest)?),
            Self::WebAuthn(signature) => signature.signer(digest),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Secp256k1(signature) => out.extend_from_slice(&signature.to_bytes()),
            Self::P256(signature) => {
                out.push(P256);
                signature.write(out);
            }
            Self::WebAuthn(signature) => {
                out.push(WEB_AUTHN);
                signature.write(out);
            }
        }
    }
}

/// What an access key signs for an account.
pub(super) fn for_account(digest: B256, account: Address) -> B256 {
    let mut bound = [KEYCHAIN_V2; 53];
    bound[1..33].copy_from_slice(digest.as_slice());
    bound[33..].copy_from_slice(account.as_slice());
    keccak256(bound)
}
