//! Identifiers: of challenges, claims, payments and requests.

use std::{fmt, str::FromStr, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{MethodId, TextError, Timestamp, text};
use crate::{bounds, encoding::base64url, port::backend::Key};

/// The id of a challenge: opaque to everyone but the server that issued it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChallengeId(Arc<str>);
text::newtype!(ChallengeId, "a challenge id", challenge_id);

fn challenge_id(text: &str) -> Result<(), &'static str> {
    match text.len() {
        0 => Err("it is empty"),
        length if length > bounds::CHALLENGE_ID => Err("it is too long"),
        _ if text.chars().any(char::is_control) => Err("control characters are not allowed"),
        _ => Ok(()),
    }
}

/// One of the keys a payment claims. Two payments never hold the same key.
///
/// The claim of a challenge and the claim of a proof live in separate name spaces, and so do the
/// proofs of two methods.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClaimKey(Arc<str>);
text::newtype!(ClaimKey, "a claim key", claim_key);

fn claim_key(text: &str) -> Result<(), &'static str> {
    match text.len() {
        0 => Err("it is empty"),
        length if length > bounds::KEY => Err("it is too long"),
        _ => Ok(()),
    }
}

impl ClaimKey {
    /// The key that consumes a challenge.
    #[must_use]
    pub fn challenge(id: &ChallengeId) -> Self {
        Self(["challenge:", id.as_str()].concat().into())
    }

    /// The key that consumes a method's own proof, for example a transaction hash.
    ///
    /// # Errors
    /// When the proof's name is longer than a key may be: hash it first.
    pub fn proof(method: &MethodId, name: &str) -> Result<Self, TextError> {
        Self::new(format!("proof:{method}:{name}"))
    }

    /// The key that holds an idempotency key for its payer.
    #[must_use]
    pub fn idempotency(print: &Fingerprint) -> Self {
        Self(format!("idempotency:{print}").into())
    }

    /// The key as the store has it.
    #[must_use]
    pub fn to_key(&self) -> Key {
        Key::from(&*self.0)
    }
}

/// Sixteen bytes nobody can guess, handed in by whoever may read the system's randomness.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Entropy(pub [u8; 16]);

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy(…)")
    }
}

/// The id of a payment, which is also the id of its claim and of its transfer on a ledger.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PaymentId([u8; 16]);

impl PaymentId {
    /// An id of sixteen given bytes.
    #[must_use]
    pub const fn new(entropy: Entropy) -> Self {
        Self(entropy.0)
    }

    /// A new id: six bytes of time and ten that nobody can guess.
    ///
    /// What belongs to payments of one time then lies side by side in an ordered store, and a group
    /// of them is written into few of its pages. The time tells nothing that a receipt does not.
    #[must_use]
    pub fn made_at(now: Timestamp, entropy: Entropy) -> Self {
        let mut id = entropy.0;
        id[..6].copy_from_slice(&now.as_millis().to_be_bytes()[2..]);
        Self(id)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The id as a key of the store.
    #[must_use]
    pub fn to_key(self) -> Key {
        Key::from(&self.0[..])
    }
}

impl fmt::Display for PaymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        encode(&self.0, f)
    }
}

impl fmt::Debug for PaymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PaymentId({self})")
    }
}

impl FromStr for PaymentId {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        decode(text).map(Self).ok_or(TextError::new(
            "a payment id",
            "it is not 22 base64url characters",
        ))
    }
}

/// The hash of what a payment was made for: route, method, path, query and declared inputs.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        encode(&self.0, f)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        decode(text).map(Self).ok_or(TextError::new(
            "a fingerprint",
            "it is not 43 base64url characters",
        ))
    }
}

/// Writes and reads ids in JSON as their text, without the formatting machinery: the record of a
/// payment holds a handful of them and is written in each of its states.
macro_rules! as_text {
    ($($name:ident: $length:literal),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let text: [u8; $length] = base64url::encode_array(&self.0);
                serializer.serialize_str(str::from_utf8(&text).expect("base64url is ASCII"))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                text::deserialize(deserializer)
            }
        }
    )*};
}
as_text!(PaymentId: 22, Fingerprint: 43);

fn encode(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut buffer = [0; 43];
    let length = URL_SAFE_NO_PAD
        .encode_slice(bytes, &mut buffer)
        .map_err(|_| fmt::Error)?;
    f.write_str(std::str::from_utf8(&buffer[..length]).map_err(|_| fmt::Error)?)
}

fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_their_text() {
        let id = PaymentId::new(Entropy([7; 16]));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().len(), 22);
        let print = Fingerprint([200; 32]);
        assert_eq!(print.to_string().parse(), Ok(print));
        let json = serde_json::to_string(&(id, print)).unwrap();
        assert_eq!(json, format!("[\"{id}\",\"{print}\"]"));
        assert!("x".parse::<PaymentId>().is_err());
    }

    #[test]
    fn later_ids_come_later_and_keep_ten_bytes_of_entropy() {
        let at = |millis, entropy| {
            PaymentId::made_at(Timestamp::from_millis(millis), Entropy([entropy; 16]))
        };
        assert!(at(1, 255) < at(2, 0));
        assert!(at(1_800_000_000_255, 255) < at(1_800_000_000_256, 0));
        assert!(at(255, 255) < at(Timestamp::FAR.as_millis(), 0));
        assert_eq!(at(5, 7).as_bytes()[6..], [7; 10]);
    }

    #[test]
    fn a_challenge_and_a_proof_never_share_a_key() {
        let challenge = ClaimKey::challenge(&ChallengeId::new("tempo:0x1").unwrap());
        let proof = ClaimKey::proof(&MethodId::new("tempo").unwrap(), "0x1").unwrap();
        assert_ne!(challenge, proof);
    }
}
