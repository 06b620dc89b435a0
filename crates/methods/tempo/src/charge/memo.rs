//! Memos: the 32 bytes that a transfer can carry, and by which it is tied to a challenge.
//!
//! A transfer says who pays whom how much, and not what for. Whoever sees it on the chain could present
//! it as theirs. So a transfer that pays for a challenge carries a memo made of it:
//!
//! | bytes | what |
//! |---|---|
//! | 0–3 | the first four of `keccak256("mpp")` |
//! | 4 | the version, 1 |
//! | 5–14 | the first ten of the realm's hash |
//! | 15–24 | the first ten of the hash of the payer's own name for itself, or zeros |
//! | 25–31 | the first seven of the hash of the challenge's id |
//!
//! Seven bytes are 56 bits: enough that no two challenges of a seller meet by chance, and too few against
//! somebody who searches. So a memo is never the only thing a payment is known by: the transaction's hash
//! is claimed with it.

use std::{fmt, str::FromStr};

use farthing_core::value::{ChallengeId, Realm};
use farthing_evm::{B256, keccak256};
use serde::{Deserialize, Serialize};

const TAG: [u8; 4] = [0xef, 0x1e, 0xd7, 0x12];
const VERSION: u8 = 1;

/// What a transfer carries: 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Memo(pub B256);

/// Why a text is no memo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a memo is 0x and 64 hexadecimal digits")]
pub struct MemoError;

/// The memo by which a transfer pays for a challenge, with the payer's name for itself, if it wants to be
/// told from others in the seller's books.
#[must_use]
pub fn attribution(challenge: &ChallengeId, realm: &Realm, client: Option<&str>) -> Memo {
    Binding::new(challenge, realm).memo(client)
}

impl Memo {
    /// Whether it is the memo of a challenge in a realm, whoever pays.
    #[must_use]
    pub fn is_bound_to(&self, challenge: &ChallengeId, realm: &Realm) -> bool {
        Binding::new(challenge, realm).admits(self)
    }
}

impl fmt::Display for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Debug for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memo({self})")
    }
}

impl FromStr for Memo {
    type Err = MemoError;

    fn from_str(text: &str) -> Result<Self, MemoError> {
        if !text.starts_with("0x") {
            return Err(MemoError);
        }
        text.parse().map(Self).map_err(|_| MemoError)
    }
}

impl TryFrom<String> for Memo {
    type Error = MemoError;

    fn try_from(text: String) -> Result<Self, MemoError> {
        text.parse()
    }
}

impl From<Memo> for String {
    fn from(memo: Memo) -> Self {
        memo.to_string()
    }
}

/// What is the same in every memo for one challenge, hashed once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    realm: [u8; 10],
    challenge: [u8; 7],
}

impl Binding {
    /// What ties a memo to a challenge.
    #[must_use]
    pub fn new(challenge: &ChallengeId, realm: &Realm) -> Self {
        Self {
            realm: print(realm.as_str()),
            challenge: print(challenge.as_str()),
        }
    }

    /// The memo, with the payer's name for itself.
    #[must_use]
    pub fn memo(&self, client: Option<&str>) -> Memo {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&TAG);
        bytes[4] = VERSION;
        bytes[5..15].copy_from_slice(&self.realm);
        if let Some(client) = client {
            bytes[15..25].copy_from_slice(&print::<10>(client));
        }
        bytes[25..].copy_from_slice(&self.challenge);
        Memo(bytes.into())
    }

    /// Whether a memo is of this challenge, whoever pays.
    #[must_use]
    pub fn admits(&self, memo: &Memo) -> bool {
        let bytes = &memo.0;
        bytes[..4] == TAG
            && bytes[4] == VERSION
            && bytes[5..15] == self.realm
            && bytes[25..] == self.challenge
    }
}

/// The first bytes of a text's hash.
fn print<const N: usize>(text: &str) -> [u8; N] {
    let mut first = [0; N];
    first.copy_from_slice(&keccak256(text)[..N]);
    first
}

/// Which memo a transfer has to carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoRule {
    /// This one.
    Exactly(Memo),
    /// One that is made of the challenge.
    Bound(Binding),
    /// Any, or none.
    Any,
}

impl MemoRule {
    /// Whether a transfer with this memo will do.
    #[must_use]
    pub fn admits(&self, memo: Option<&Memo>) -> bool {
        match self {
            Self::Exactly(wanted) => memo == Some(wanted),
            Self::Bound(binding) => memo.is_some_and(|memo| binding.admits(memo)),
            Self::Any => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> ChallengeId {
        ChallengeId::new(text).unwrap()
    }

    fn realm(text: &str) -> Realm {
        Realm::new(text).unwrap()
    }

    #[test]
    fn the_layout_is_the_one_peers_read() {
        let (challenge, realm) = (id("challenge-123"), realm("api.example.com"));
        assert_eq!(TAG, keccak256("mpp")[..4]);
        let bytes = attribution(&challenge, &realm, Some("my-app")).0;
        assert_eq!(bytes[..5], [0xef, 0x1e, 0xd7, 0x12, 1]);
        assert_eq!(bytes[5..15], keccak256("api.example.com")[..10]);
        assert_eq!(bytes[15..25], keccak256("my-app")[..10]);
        assert_eq!(bytes[25..], keccak256("challenge-123")[..7]);
        let nameless = attribution(&challenge, &realm, None).0;
        assert_eq!(nameless[15..25], [0; 10]);
        // As it stands in the protocol's vectors.
        let official = include_str!("golden/memo.txt");
        assert_eq!(Memo(nameless).to_string(), official.trim());
    }

    #[test]
    fn a_memo_is_bound_to_its_challenge_and_realm_and_to_no_other() {
        let (challenge, here) = (id("a"), realm("api.example.com"));
        let memo = attribution(&challenge, &here, None);
        assert!(memo.is_bound_to(&challenge, &here));
        assert!(attribution(&challenge, &here, Some("x")).is_bound_to(&challenge, &here));
        assert!(!memo.is_bound_to(&id("b"), &here));
        assert!(!memo.is_bound_to(&challenge, &realm("api.example.org")));
        // A flipped bit anywhere but in the payer's name makes it another's.
        for at in 0..32 {
            let mut bytes = memo.0;
            bytes[at] ^= 1;
            let bound = Memo(bytes).is_bound_to(&challenge, &here);
            assert_eq!(bound, (15..25).contains(&at), "byte {at}");
        }
    }

    #[test]
    fn a_memo_has_one_text_and_is_read_in_any_case() {
        let text = format!("0x{}", "aB".repeat(32));
        let memo: Memo = text.parse().unwrap();
        assert_eq!(memo.to_string(), text.to_lowercase());
        let json = serde_json::to_string(&memo).unwrap();
        assert_eq!(serde_json::from_str::<Memo>(&json).unwrap(), memo);
        for bad in [&text[2..], &text[..64], "0x", "", &text.replace("0x", "0X")] {
            assert_eq!(bad.parse::<Memo>(), Err(MemoError), "{bad}");
        }
    }
}
