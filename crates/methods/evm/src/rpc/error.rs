//! What goes wrong between us and a chain, by whose fault it is.

use farthing_core::port::backend::Source;

use super::Revert;
use crate::ChainId;

/// Why a chain did not tell what it was asked. Nothing moved because of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RpcError {
    /// No endpoint answered in time. Ask again later.
    #[error("no endpoint of chain {chain} answered; the last one asked was {endpoint}")]
    Unreachable {
        /// The chain.
        chain: ChainId,
        /// The endpoint asked last, without its path.
        endpoint: String,
        /// What happened there.
        #[source]
        source: Source,
    },
    /// An endpoint is of another chain. The configuration is wrong, or the endpoint's operator is.
    #[error("{endpoint} is of chain {found}, and should be of {expected}")]
    WrongChain {
        /// The endpoint, without its path.
        endpoint: String,
        /// The chain it should be of.
        expected: ChainId,
        /// The chain it says it is of.
        found: u64,
    },
    /// An endpoint answered with something that is no answer to the question. It is broken or lies.
    #[error("{endpoint} gave an answer that makes no sense: {what}")]
    Nonsense {
        /// The endpoint, without its path.
        endpoint: String,
        /// What is wrong with it.
        what: &'static str,
        /// Where it was found.
        #[source]
        source: Option<Source>,
    },
    /// The node does not know the method. By policy that may mean "cannot be checked".
    #[error("the node does not know {method}")]
    Unsupported {
        /// The method.
        method: &'static str,
    },
    /// The node refused the question.
    #[error("the node refused {method}: {message} ({code})")]
    Rejected {
        /// The method.
        method: &'static str,
        /// The error's number.
        code: i64,
        /// What it said, shortened.
        message: String,
    },
    /// The call ran, and the contract refused it.
    #[error("the contract refused: {0}")]
    Reverted(Revert),
    /// There is no endpoint to ask, or the client cannot be made of what was configured.
    #[error("the chain's endpoints cannot be used: {what}")]
    Misconfigured {
        /// What is wrong.
        what: &'static str,
        /// Where it was found.
        #[source]
        source: Option<Source>,
    },
}

impl RpcError {
    /// Whether the chain may tell when it is asked again, or by another endpoint.
    #[must_use]
    pub const fn is_unavailable(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::WrongChain { .. } | Self::Nonsense { .. }
        )
    }
}
