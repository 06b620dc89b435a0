//! The number of a chain.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The number of a chain (EIP-155): never zero, and exact in every JSON reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct ChainId(u64);

/// Why a number is no chain id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a chain id is a number from 1 to 2^53 - 1, without a sign or leading zeros")]
pub struct ChainIdError;

/// What a reader that keeps numbers as 64-bit floats still reads exactly.
const MAX: u64 = (1 << 53) - 1;

impl ChainId {
    /// A chain id.
    ///
    /// # Errors
    /// When it is zero or above 2^53 - 1.
    pub const fn new(id: u64) -> Result<Self, ChainIdError> {
        if id == 0 || id > MAX {
            return Err(ChainIdError);
        }
        Ok(Self(id))
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl TryFrom<u64> for ChainId {
    type Error = ChainIdError;

    fn try_from(id: u64) -> Result<Self, ChainIdError> {
        Self::new(id)
    }
}

impl From<ChainId> for u64 {
    fn from(id: ChainId) -> Self {
        id.0
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ChainId {
    type Err = ChainIdError;

    fn from_str(text: &str) -> Result<Self, ChainIdError> {
        let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
        let id = plain.then(|| text.parse().ok()).flatten();
        Self::new(id.ok_or(ChainIdError)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_id_has_one_text() {
        assert_eq!("42431".parse(), Ok(ChainId(42_431)));
        for bad in ["", "0", "01", "+1", "-1", "0x1", " 1", "9007199254740992"] {
            assert_eq!(bad.parse::<ChainId>(), Err(ChainIdError), "{bad:?}");
        }
        assert_eq!(ChainId::new(MAX).map(ChainId::get), Ok(MAX));
        assert!(serde_json::from_str::<ChainId>("0").is_err());
    }
}
