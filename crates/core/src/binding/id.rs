//! The id of a challenge we bound.

use std::fmt;

use ring::hmac;
use subtle::ConstantTimeEq as _;

use crate::{encoding::base64url, value::ChallengeId};

/// An id made of an HMAC: 43 base64url characters, on the stack.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct BoundId([u8; 43]);

impl BoundId {
    pub(super) fn new(tag: &hmac::Tag) -> Self {
        Self(base64url::encode_array(tag.as_ref()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("base64url is ASCII")
    }

    /// The id as a value of its own.
    #[must_use]
    pub fn to_challenge_id(&self) -> ChallengeId {
        ChallengeId::new(self.as_str()).expect("43 base64url characters are a challenge id")
    }
}

impl fmt::Display for BoundId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for BoundId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BoundId({self})")
    }
}

/// The HMAC an id claims to be, or `None` where it cannot be one.
pub(super) fn claimed(id: &str) -> Option<[u8; 32]> {
    base64url::decode_array(id.as_bytes())
}

/// Compares in a time that does not tell where they differ: the difference of all bits is collected
/// first, and only whether there is any is looked at.
pub(super) fn is_equal(tag: &hmac::Tag, claimed: &[u8; 32]) -> bool {
    let words = |bytes: &[u8]| -> [u64; 4] {
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_ne_bytes(bytes.try_into().expect("a chunk has eight bytes"));
        }
        words
    };
    let [a, b, c, d] = words(tag.as_ref());
    let [e, f, g, h] = words(claimed);
    let difference = (a ^ e) | (b ^ f) | (c ^ g) | (d ^ h);
    difference.ct_eq(&0).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_counts() {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"key"), b"message");
        let right: [u8; 32] = tag.as_ref().try_into().unwrap();
        assert!(is_equal(&tag, &right));
        for bit in 0..256 {
            let mut wrong = right;
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_equal(&tag, &wrong), "bit {bit}");
        }
    }
}
