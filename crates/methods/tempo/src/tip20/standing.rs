//! How a transfer stands.

use farthing_core::value::Amount;
use farthing_evm::TxHash;

/// How a transfer stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standing {
    /// The recipient has it. Final.
    Done {
        /// The transaction.
        hash: TxHash,
        /// The block's number.
        block: u64,
        /// What it cost.
        fee: Amount,
    },
    /// It was executed, and the recipient does not have it: a policy of the recipient's keeps it out, and it
    /// waits at the chain's guard for receivers to be claimed. Final.
    Diverted {
        /// The transaction.
        hash: TxHash,
        /// What it cost.
        fee: Amount,
    },
    /// It was executed and failed: it cost its fee, and nothing else moved. Final.
    Reverted {
        /// The transaction.
        hash: TxHash,
        /// What it cost.
        fee: Amount,
    },
    /// It is in no block and never will be: nothing moved. Sending it again, by the same id, signs it anew.
    Dead {
        /// The transaction.
        hash: TxHash,
    },
    /// It may be in a block at any moment, until it is dead.
    Waiting {
        /// The transaction.
        hash: TxHash,
    },
}

impl Standing {
    /// The transaction.
    #[must_use]
    pub const fn hash(&self) -> TxHash {
        match self {
            Self::Done { hash, .. }
            | Self::Diverted { hash, .. }
            | Self::Reverted { hash, .. }
            | Self::Dead { hash }
            | Self::Waiting { hash } => *hash,
        }
    }

    /// Whether it stays so.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        !matches!(self, Self::Waiting { .. })
    }
}
