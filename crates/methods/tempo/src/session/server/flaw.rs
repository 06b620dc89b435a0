//! What is wrong with what a buyer says of a channel, and whose fault that is.

use farthing_core::{
    intent::session::TooWide,
    noun::problem::ProblemKind,
    port::{
        backend::Source,
        method::{Fault, Refusal},
    },
    value::Amount,
};
use farthing_evm::SignatureError;

use crate::{server::flaw::Flaw as Transaction, session::ChannelError};

/// Why a session's payload is refused. Nothing was sent because of it, and nothing was claimed. What it says
/// is what the buyer reads.
#[derive(Debug, thiserror::Error)]
pub(super) enum Flaw {
    // What cannot be read.
    #[error("the payload is none of a session on Tempo")]
    Payload(#[source] serde_json::Error),
    #[error("the payload has no {0}, which this action needs")]
    Missing(&'static str),
    #[error("the payload's {0} has another form")]
    Form(&'static str),
    #[error("the signature is none that a channel takes")]
    SignatureForm(#[source] SignatureError),

    // What is asked for today is something else.
    #[error("{0} is not taken any more: ask for a new challenge")]
    Withdrawn(&'static str),

    // The channel.
    #[error("the descriptor does not hash to the channel's id at the contract that was asked for")]
    OtherChannel,
    #[error("the channel's {0} is another than was asked for")]
    OtherTerms(&'static str),
    #[error("the channel is not known here")]
    Unknown,

    // A voucher.
    #[error("the voucher's signature is not a canonical one")]
    Signature(#[source] SignatureError),
    #[error("the voucher is not signed by the channel's signer")]
    Signer,
    #[error(transparent)]
    TooWide(#[from] TooWide),
    #[error("the voucher says {said}, and {deposit} is locked")]
    ExceedsDeposit { said: Amount, deposit: Amount },

    // What locks value.
    #[error(transparent)]
    Transaction(#[from] Transaction),
    #[error("the transaction's calls are not {wanted}, and only that: {found}")]
    Calls {
        wanted: &'static str,
        found: &'static str,
    },
    #[error("the deposit of {found} is less than {least}, which one unit costs")]
    Deposit { found: Amount, least: Amount },
    #[error("a top-up of nothing is none")]
    Nothing,

    // Ours.
    #[error("an error of this server")]
    Kept(#[from] ChannelError),
    #[error("an error of this server")]
    Bug(#[source] Source),
}

impl Flaw {
    pub(super) fn bug(source: impl Into<Source>) -> Self {
        Self::Bug(source.into())
    }

    /// Each is named: whoever adds one says whose fault it is.
    const fn fault(&self) -> Fault {
        match self {
            Self::Payload(_) | Self::Missing(_) | Self::Form(_) | Self::SignatureForm(_) => {
                Fault::Malformed
            }
            Self::Withdrawn(_) => Fault::Unsupported,
            Self::OtherChannel
            | Self::OtherTerms(_)
            | Self::Unknown
            | Self::Signature(_)
            | Self::Signer
            | Self::Calls { .. }
            | Self::Nothing => Fault::Invalid,
            Self::TooWide(_) | Self::ExceedsDeposit { .. } | Self::Deposit { .. } => {
                Fault::Insufficient
            }
            Self::Transaction(_) | Self::Kept(_) | Self::Bug(_) => Fault::Internal,
        }
    }

    /// The problem that the draft has for it, where it has one ("Rejection and Error Responses").
    const fn problem(&self) -> Option<ProblemKind> {
        Some(match self {
            Self::Signature(_) => ProblemKind::SessionInvalidSignature,
            Self::Signer => ProblemKind::SessionSignerMismatch,
            Self::TooWide(_) | Self::ExceedsDeposit { .. } => {
                ProblemKind::SessionAmountExceedsDeposit
            }
            Self::Unknown => ProblemKind::SessionChannelNotFound,
            _ => return None,
        })
    }
}

impl From<Flaw> for Refusal {
    fn from(flaw: Flaw) -> Self {
        if let Flaw::Transaction(transaction) = flaw {
            return transaction.into();
        }
        let (fault, problem, public) = (flaw.fault(), flaw.problem(), flaw.to_string());
        let refusal = Self::new(fault, public).caused_by(flaw);
        match problem {
            Some(problem) => refusal.as_problem(problem),
            None => refusal,
        }
    }
}
