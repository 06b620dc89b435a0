//! What goes wrong with a call that is no transfer.

use farthing::{
    core::payment::Moved,
    evm::{self, TxHash},
    tempo::{InvalidTransaction, keychain::KeychainError},
};

use super::{of_rpc, of_time};
use crate::{
    error::{Blame, Row},
    exit::Exit,
};

/// A call to a chain that was not made, or of which nothing can be said.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("the chain does not answer")]
    Rpc(#[from] evm::RpcError),
    #[error("the chain refuses it: {0}")]
    Refused(evm::Revert),
    #[error("the fee could be {fee}, and may be {most} at the most")]
    Fee { fee: String, most: String },
    #[error("the chain's time is far ahead of ours: its node lies, or our clock is wrong")]
    Ahead,
    #[error("it could not be signed")]
    Sign(#[source] InvalidTransaction),
    #[error("{0} was sent, and no block has it yet")]
    Waiting(TxHash),
    #[error("no block took it in time, and none will")]
    Dead,
    #[error("{0} was executed and failed: it cost its fee")]
    Reverted(TxHash),
    #[error("the chain's keychain answers with nonsense")]
    Keychain(#[from] KeychainError),
}

impl CallError {
    pub(super) fn row(&self) -> Row {
        let (exit, blame, moved, next) = match self {
            Self::Rpc(source) => {
                let (exit, blame, next) = of_rpc(source);
                (exit, blame, Moved::No, next)
            }
            Self::Waiting(_) => (
                Exit::Unresolved,
                Blame::Rail,
                Moved::Unknown,
                "see `farthing wallet keys list`, and run the same command again",
            ),
            Self::Refused(_) | Self::Reverted(_) => (
                Exit::Unpaid,
                Blame::Rail,
                Moved::No,
                "see `farthing wallet keys list` for how the key stands",
            ),
            Self::Fee { .. } | Self::Dead => (
                Exit::Unpaid,
                Blame::Rail,
                Moved::No,
                "run the same command again, later",
            ),
            Self::Ahead => {
                let (exit, blame, next) = of_time();
                (exit, blame, Moved::No, next)
            }
            Self::Sign(_) => (
                Exit::Other,
                Blame::Program,
                Moved::No,
                "report it: this is a defect",
            ),
            Self::Keychain(_) => (
                Exit::Network,
                Blame::Rail,
                Moved::No,
                "ask another endpoint with --rpc",
            ),
        };
        (exit, blame, moved, next.into())
    }
}
