//! Vouchers, and the protocols that say what one can hold.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{noun::problem::ProblemKind, value::Amount};

/// By which rules a channel is kept on its rail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Amounts have 128 bits, and what a voucher says is what it moves.
    V1,
    /// Amounts have 96 bits, and a close may capture less than its voucher says.
    V2,
}

/// A protocol that this version does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session's protocol is neither v1 nor v2")]
pub struct UnknownProtocol;

impl FromStr for Protocol {
    type Err = UnknownProtocol;

    fn from_str(name: &str) -> Result<Self, UnknownProtocol> {
        match name {
            "v1" => Ok(Self::V1),
            "v2" => Ok(Self::V2),
            _ => Err(UnknownProtocol),
        }
    }
}

impl Protocol {
    /// The most that a deposit, a voucher or a settlement can say.
    #[must_use]
    pub const fn most(self) -> Amount {
        match self {
            Self::V1 => Amount::new(u128::MAX),
            Self::V2 => Amount::new((1 << 96) - 1),
        }
    }
}

/// The two numbers of an ECDSA signature. The recovery bit is not kept: a check against a known
/// key does not look at it and a chain does, so a wrong one would be served and never settle.
/// Whoever settles derives it anew.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RawSignature {
    /// The number r, big endian.
    pub r: [u8; 32],
    /// The number s, big endian.
    pub s: [u8; 32],
}

impl fmt::Debug for RawSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RawSignature(…)")
    }
}

/// A signed statement of how much of a channel may be taken in all.
///
/// Whoever makes one has checked its signature against the channel's signer; nothing here can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voucher {
    cumulative: Amount,
    signature: RawSignature,
}

/// An amount that the protocol has no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the amount is more than the session's protocol can say: {most}")]
pub struct TooWide {
    /// The most it can say.
    pub most: Amount,
}

impl TooWide {
    /// What the peer is told.
    #[must_use]
    pub const fn kind(self) -> ProblemKind {
        ProblemKind::SessionAmountExceedsDeposit
    }
}

impl Voucher {
    /// A voucher of a channel of this protocol, whose signature was checked.
    ///
    /// # Errors
    /// When the protocol has no room for its amount.
    pub fn new(
        protocol: Protocol,
        cumulative: Amount,
        signature: RawSignature,
    ) -> Result<Self, TooWide> {
        let most = protocol.most();
        if cumulative > most {
            return Err(TooWide { most });
        }
        Ok(Self {
            cumulative,
            signature,
        })
    }

    /// How much may be taken in all.
    #[must_use]
    pub const fn cumulative(&self) -> Amount {
        self.cumulative
    }

    /// What was signed with.
    #[must_use]
    pub const fn signature(&self) -> &RawSignature {
        &self.signature
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voucher_says_what_its_protocol_has_room_for() {
        let rs = RawSignature {
            r: [7; 32],
            s: [8; 32],
        };
        for (protocol, most) in [(Protocol::V1, u128::MAX), (Protocol::V2, (1 << 96) - 1)] {
            let most = Amount::new(most);
            assert_eq!(Voucher::new(protocol, most, rs).unwrap().cumulative(), most);
        }
        let wide = Voucher::new(Protocol::V2, Amount::new(1 << 96), rs);
        assert_eq!(
            wide,
            Err(TooWide {
                most: Protocol::V2.most()
            })
        );
    }

    #[test]
    fn no_signature_is_shown() {
        let rs = RawSignature {
            r: [0xab; 32],
            s: [0xcd; 32],
        };
        let voucher = Voucher::new(Protocol::V1, Amount::new(1), rs).unwrap();
        let shown = format!("{voucher:?}");
        assert!(!shown.contains("171") && !shown.contains("ab") && shown.contains('…'));
    }
}
