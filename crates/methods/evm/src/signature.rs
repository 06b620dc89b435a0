//! ECDSA signatures as chains have them: r, s, and which of two keys it recovers to.

use std::fmt;

use alloy_primitives::{Address, B256, keccak256};
use secp256k1::{
    Message, PublicKey,
    ecdsa::{RecoverableSignature, RecoveryId},
};

/// A signature that a chain takes: both halves in range, s in its lower half (EIP-2).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    /// r and s, 32 bytes each.
    halves: [u8; 64],
    odd: bool,
}

/// Why bytes are no signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// It has another length than 65 bytes.
    #[error("a signature has 65 bytes, not {0}")]
    Length(usize),
    /// It is in the compact form of EIP-2098, which is not taken here: some contracts refuse it.
    #[error("a signature of 64 bytes is the compact form, which is not taken here")]
    Compact,
    /// Its last byte is none of 0, 1, 27 and 28.
    #[error("a signature ends with 0, 1, 27 or 28")]
    Parity,
    /// Its s is in the upper half: another form of a signature that has one already.
    #[error("the signature's s is in the upper half of its range")]
    HighS,
    /// A half is zero, or not below the order of the curve, or no key fits.
    #[error("these bytes are no signature of this curve")]
    OutOfRange,
    /// It is a signature, by another key or of something else.
    #[error("the signature is not of this key over this message")]
    Mismatch,
}

impl Signature {
    /// Reads r, s and the parity, the last byte being 0 and 1 or 27 and 28.
    ///
    /// # Errors
    /// When it has another form, also the compact one, and when a chain would refuse it.
    pub fn parse(bytes: &[u8]) -> Result<Self, SignatureError> {
        let (halves, last) = match bytes {
            [halves @ .., last] if halves.len() == 64 => (halves, *last),
            _ if bytes.len() == 64 => return Err(SignatureError::Compact),
            _ => return Err(SignatureError::Length(bytes.len())),
        };
        let odd = match last {
            0 | 27 => false,
            1 | 28 => true,
            _ => return Err(SignatureError::Parity),
        };
        let halves = halves.try_into().map_err(|_| SignatureError::OutOfRange)?;
        Self::checked(halves, odd)
    }

    /// Reads the compact form of EIP-2098, where the parity is the first bit of s. Only for those
    /// whose specification takes it.
    ///
    /// # Errors
    /// When a chain would refuse it.
    pub fn from_compact(bytes: &[u8; 64]) -> Result<Self, SignatureError> {
        let mut halves = *bytes;
        let odd = halves[32] & 0x80 != 0;
        halves[32] &= 0x7f;
        Self::checked(halves, odd)
    }

    /// The form contracts take: r, s, and 27 or 28.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 65] {
        let mut bytes = [0; 65];
        bytes[..64].copy_from_slice(&self.halves);
        bytes[64] = 27 + u8::from(self.odd);
        bytes
    }

    /// The number r.
    #[must_use]
    pub fn r(&self) -> B256 {
        B256::from_slice(&self.halves[..32])
    }

    /// The number s.
    #[must_use]
    pub fn s(&self) -> B256 {
        B256::from_slice(&self.halves[32..])
    }

    /// Whether the recovered point's y is odd: the `yParity` of a transaction.
    #[must_use]
    pub const fn y_is_odd(&self) -> bool {
        self.odd
    }

    /// The same halves with the other parity.
    ///
    /// A check against a known key ignores the parity, and a chain recovers with it. Whoever keeps what
    /// such a check accepted has to send on the parity that [recovers](Self::recover) to that key.
    #[must_use]
    pub const fn flipped(mut self) -> Self {
        self.odd = !self.odd;
        self
    }

    /// Whose signature over a digest it is.
    ///
    /// # Errors
    /// When no key fits.
    pub fn recover(&self, digest: B256) -> Result<Address, SignatureError> {
        self.recover_key(digest).map(|key| address(&key))
    }

    pub(crate) fn recover_key(&self, digest: B256) -> Result<PublicKey, SignatureError> {
        let id = if self.odd {
            RecoveryId::One
        } else {
            RecoveryId::Zero
        };
        RecoverableSignature::from_compact(&self.halves, id)
            .and_then(|signature| signature.recover(Message::from_digest(digest.0)))
            .map_err(|_| SignatureError::OutOfRange)
    }

    /// For the check against a known key.
    pub(crate) fn standard(&self) -> Result<secp256k1::ecdsa::Signature, SignatureError> {
        secp256k1::ecdsa::Signature::from_compact(&self.halves)
            .map_err(|_| SignatureError::OutOfRange)
    }

    pub(crate) fn made(signature: &RecoverableSignature) -> Self {
        let (id, halves) = signature.serialize_compact();
        // Ids 2 and 3 need an r that is above the order of the curve, which nobody has ever found.
        let odd = id.to_u8() & 1 == 1;
        Self { halves, odd }
    }

    fn checked(halves: [u8; 64], odd: bool) -> Result<Self, SignatureError> {
        let zero = |half: &[u8]| half.iter().all(|byte| *byte == 0);
        let parsed = secp256k1::ecdsa::Signature::from_compact(&halves);
        let parsed = parsed.map_err(|_| SignatureError::OutOfRange)?;
        if zero(&halves[..32]) || zero(&halves[32..]) {
            return Err(SignatureError::OutOfRange);
        }
        let mut low = parsed;
        low.normalize_s();
        if low != parsed {
            return Err(SignatureError::HighS);
        }
        Ok(Self { halves, odd })
    }
}

/// Whoever holds a signature may be able to use it, so it is not shown.
impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(…)")
    }
}

/// The address of a public key: the end of the hash of its point.
pub(crate) fn address(key: &PublicKey) -> Address {
    let point = key.serialize_uncompressed();
    Address::from_slice(&keccak256(&point[1..])[12..])
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{U256, hex, uint};

    use super::*;
    use crate::SigningKey;

    const ORDER: U256 =
        uint!(0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141_U256);

    fn signed() -> (Signature, B256, Address) {
        let key = SigningKey::from_bytes([7; 32]).unwrap();
        let digest = keccak256("a");
        (key.sign(digest), digest, key.address())
    }

    #[test]
    fn both_forms_of_65_bytes_are_read_and_the_compact_one_only_by_name() {
        let (signature, digest, who) = signed();
        let mut bytes = signature.to_bytes();
        assert_eq!(Signature::parse(&bytes), Ok(signature));
        bytes[64] -= 27;
        assert_eq!(Signature::parse(&bytes), Ok(signature));
        assert_eq!(signature.recover(digest), Ok(who));

        let mut compact: [u8; 64] = bytes[..64].try_into().unwrap();
        compact[32] |= bytes[64] << 7;
        assert_eq!(Signature::parse(&compact), Err(SignatureError::Compact));
        assert_eq!(Signature::from_compact(&compact), Ok(signature));
    }

    #[test]
    fn what_a_chain_refuses_is_refused() {
        let (signature, ..) = signed();
        let bytes = signature.to_bytes();
        let with = |from: usize, what: &[u8]| {
            let mut changed = bytes;
            changed[from..from + what.len()].copy_from_slice(what);
            Signature::parse(&changed)
        };
        let s = U256::from_be_bytes(signature.s().0);
        let high = (ORDER - s).to_be_bytes::<32>();
        assert_eq!(with(32, &high), Err(SignatureError::HighS));
        for half in [U256::ZERO, ORDER, U256::MAX] {
            let half = half.to_be_bytes::<32>();
            assert_eq!(with(0, &half), Err(SignatureError::OutOfRange));
            assert_eq!(with(32, &half), Err(SignatureError::OutOfRange));
        }
        for last in [2, 26, 29, 35, 255] {
            assert_eq!(with(64, &[last]), Err(SignatureError::Parity));
        }
        for length in [0, 1, 63, 66, 96] {
            let bytes = vec![1; length];
            assert_eq!(
                Signature::parse(&bytes),
                Err(SignatureError::Length(length))
            );
        }
    }

    #[test]
    fn another_parity_or_digest_is_somebody_else() {
        let (signature, digest, who) = signed();
        assert_ne!(signature.flipped().recover(digest), Ok(who));
        assert_ne!(signature.recover(keccak256("b")), Ok(who));
    }

    #[test]
    fn an_address_is_that_of_its_key() {
        // The first account of the usual test mnemonic.
        let key = hex!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
        let address = SigningKey::from_bytes(key).unwrap().address();
        assert_eq!(
            address.to_string(),
            "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
        );
    }
}
