//! Why a contract refused.

use std::fmt;

use alloy_primitives::Bytes;
use alloy_sol_types::{Panic, Revert as Error, SolError};

/// The longest reason that is kept, in characters.
const LONGEST: usize = 256;

/// What a contract answered instead of doing what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revert {
    /// The bytes it answered with: four that name the error, and its values.
    pub data: Bytes,
}

impl Revert {
    /// The reason in words, where the contract gave one.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        if let Ok(error) = Error::abi_decode(&self.data) {
            return Some(plain(&error.reason));
        }
        Panic::abi_decode(&self.data)
            .ok()
            .map(|panic| panic.to_string())
    }

    /// The four bytes that name the error.
    #[must_use]
    pub fn selector(&self) -> Option<[u8; 4]> {
        self.data.first_chunk().copied()
    }
}

impl fmt::Display for Revert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.reason(), self.selector()) {
            (Some(reason), _) => f.write_str(&reason),
            (None, Some(selector)) => write!(f, "error {}", Bytes::from(selector)),
            (None, None) => f.write_str("no reason given"),
        }
    }
}

/// A text of somebody else's, made fit for a log: bounded, and without control characters.
pub(super) fn plain(text: &str) -> String {
    let kept = text.chars().take(LONGEST);
    kept.map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use alloy_primitives::U256;

    use super::*;

    #[test]
    fn a_reason_is_read_where_there_is_one() {
        let revert = |data: Vec<u8>| Revert { data: data.into() };
        let told = revert(
            Error {
                reason: "too\nlittle".into(),
            }
            .abi_encode(),
        );
        assert_eq!(told.reason().as_deref(), Some("too little"));
        let long = revert(
            Error {
                reason: "x".repeat(10_000),
            }
            .abi_encode(),
        );
        assert_eq!(long.reason().map(|reason| reason.len()), Some(LONGEST));
        let panic = revert(
            Panic {
                code: U256::from(0x11),
            }
            .abi_encode(),
        );
        assert!(
            panic
                .reason()
                .is_some_and(|reason| reason.contains("overflow"))
        );
        let own = revert(vec![1, 2, 3, 4, 5]);
        assert_eq!(
            (own.reason(), own.to_string()),
            (None, "error 0x01020304".into())
        );
        assert_eq!(revert(vec![1]).to_string(), "no reason given");
    }
}
