//! Accounts: who holds money on a ledger, named by the key that may spend it.

use std::{fmt, str::FromStr};

use farthing_core::value::{Did, Recipient};
use ring::{digest, signature};

/// An account, which is a `did:key` of an Ed25519 or a secp256k1 public key.
///
/// The name is the key, so nothing has to be registered before an account can be paid. That
/// somebody holds the secret half is not checked here: money sent to a key that nobody holds stays
/// there.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Account {
    did: Did,
    key: PublicKey,
}

/// Why a text does not name an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// Not `did:key:z` and base58.
    #[error("an account is written as did:key:z… in base58")]
    Grammar,
    /// A key that the ledger cannot verify with.
    #[error("an account's key is an Ed25519 or a compressed secp256k1 key")]
    KeyType,
    /// No point of the curve.
    #[error("the account's key is no point of its curve")]
    Point,
}

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum PublicKey {
    /// Whether these bytes are a point shows when a signature is checked.
    Ed25519([u8; 32]),
    Secp256k1(secp256k1::PublicKey),
}

/// The multicodec prefixes of the two kinds of keys, as varints.
const ED25519: [u8; 2] = [0xed, 0x01];
const SECP256K1: [u8; 2] = [0xe7, 0x01];

/// Bytes of the longest prefixed key, and of its base58 text.
const MAX_BYTES: usize = 2 + 33;
const MAX_TEXT: usize = 48;

impl Account {
    /// Reads an account.
    ///
    /// # Errors
    /// When the text is no `did:key`, or of another kind of key, or not in canonical form.
    pub fn parse(text: &str) -> Result<Self, AccountError> {
        let encoded = text
            .strip_prefix("did:key:z")
            .ok_or(AccountError::Grammar)?;
        if encoded.len() > MAX_TEXT {
            return Err(AccountError::KeyType);
        }
        let mut bytes = [0; MAX_TEXT];
        let length = bs58::decode(encoded)
            .onto(&mut bytes)
            .map_err(|_| AccountError::Grammar)?;
        let key = PublicKey::read(&bytes[..length])?;
        // These bytes have no other text, so there is nothing to compare: base58 writes a number,
        // and zero bytes in front as ones, and what starts with a prefix starts with no zero.
        let did = Did::new(text).map_err(|_| AccountError::Grammar)?;
        Ok(Self { did, key })
    }

    /// The account's name.
    #[must_use]
    pub fn did(&self) -> &Did {
        &self.did
    }

    /// The account as somebody to be paid.
    #[must_use]
    pub fn recipient(&self) -> Recipient {
        Recipient::new(self.did.as_str()).expect("a did:key is visible ASCII within the bound")
    }

    /// Whether a signature over a message is this account's.
    ///
    /// Each message has one good signature form: an Ed25519 signature, or a compact ECDSA
    /// signature over the message's SHA-256 with the lower of its two `s`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.key {
            PublicKey::Ed25519(key) => signature::UnparsedPublicKey::new(&signature::ED25519, key)
                .verify(message, signature)
                .is_ok(),
            PublicKey::Secp256k1(key) => secp256k1::ecdsa::Signature::from_compact(signature)
                .and_then(|signature| secp256k1::ecdsa::verify(&signature, hash(message), key))
                .is_ok(),
        }
    }

    pub(crate) fn of(key: PublicKey) -> Self {
        let mut bytes = [0; MAX_BYTES];
        let length = key.write(&mut bytes);
        let encoded = bs58::encode(&bytes[..length]).into_string();
        let did = Did::new(format!("did:key:z{encoded}")).expect("base58 is what a DID may hold");
        Self { did, key }
    }
}

impl PublicKey {
    fn read(bytes: &[u8]) -> Result<Self, AccountError> {
        let (prefix, key) = bytes
            .split_first_chunk::<2>()
            .ok_or(AccountError::KeyType)?;
        match *prefix {
            ED25519 => Ok(Self::Ed25519(
                key.try_into().map_err(|_| AccountError::KeyType)?,
            )),
            SECP256K1 => {
                let key = key.try_into().map_err(|_| AccountError::KeyType)?;
                secp256k1::PublicKey::from_byte_array_compressed(key)
                    .map(Self::Secp256k1)
                    .map_err(|_| AccountError::Point)
            }
            _ => Err(AccountError::KeyType),
        }
    }

    fn write(&self, out: &mut [u8; MAX_BYTES]) -> usize {
        let mut fill = |prefix: [u8; 2], key: &[u8]| {
            let end = prefix.len() + key.len();
            out[..prefix.len()].copy_from_slice(&prefix);
            out[prefix.len()..end].copy_from_slice(key);
            end
        };
        match self {
            Self::Ed25519(key) => fill(ED25519, key),
            Self::Secp256k1(key) => fill(SECP256K1, &key.serialize()),
        }
    }
}

/// What an ECDSA signature is made over.
pub(crate) fn hash(message: &[u8]) -> secp256k1::Message {
    let digest = digest::digest(&digest::SHA256, message);
    let bytes = digest.as_ref().try_into().expect("SHA-256 has 32 bytes");
    secp256k1::Message::from_digest(bytes)
}

impl FromStr for Account {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Self, AccountError> {
        Self::parse(text)
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.did.fmt(f)
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({})", self.did)
    }
}
