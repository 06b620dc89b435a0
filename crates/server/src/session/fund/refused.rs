//! Why a channel is not funded.

use std::time::Duration;

use farthing_core::{
    domain::{
        channels::ChannelError,
        fundings::{FundingRecord, FundingState},
    },
    noun::problem::{Problem, ProblemKind},
    payment::Moved,
    port::{backend::StoreError, method::Refusal},
    value::Amount,
};

use crate::{random::NoRandomness, session::silence::DeafError};

/// Why a channel is not funded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotFunded {
    /// The method, or the rail, refuses what was presented.
    #[error(transparent)]
    Method(#[from] Refusal),
    /// The channel is for another seller, currency or realm than the route.
    #[error("the channel is not what this route is paid by")]
    OtherTerms,
    /// There is no such channel.
    #[error("there is no such channel")]
    NoChannel,
    /// The channel is closed, or being closed.
    #[error("the channel is closed, or being closed")]
    Ended,
    /// Too little is locked.
    #[error("at least {least} has to be locked")]
    TooLittle {
        /// What is needed.
        least: Amount,
    },
    /// The first voucher says more than is locked.
    #[error("the voucher says more than the deposit of {deposit}")]
    ExceedsDeposit {
        /// What is to be locked.
        deposit: Amount,
    },
    /// The transaction was used for another channel.
    #[error("the transaction was already used for another channel")]
    Spent,
    /// The payer has opened as many channels as it may within an hour.
    #[error("too many channels were opened by this payer; the next one in a while")]
    TooMany(Duration),
    /// A limit of the seller's would be exceeded.
    #[error("a limit of the seller would be exceeded")]
    Limit,
    /// Too many channels are being funded.
    #[error("no more channels are funded at the moment")]
    Overloaded,
    /// It was sent and is not done.
    #[error("the channel is being funded")]
    Unsettled(Box<FundingRecord>),
    /// The same was refused before, for good.
    #[error("{}", .0.refused.as_deref().unwrap_or("the rail refused it"))]
    Failed(Box<FundingRecord>),
    /// Somebody else works on it.
    #[error("this is being worked on")]
    InFlight,
    /// The rail has not been heard lately. Nothing was sent.
    #[error("the rail cannot be reached at the moment")]
    Silent(#[from] DeafError),
    /// The gate has no such rail.
    #[error("this payment method is not offered here")]
    NoRail,
    /// The store failed.
    #[error("it could not be recorded")]
    Store(#[from] StoreError),
    /// The channel's books could not be written.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The system gave no randomness.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// A bug of ours.
    #[error("an error of this server")]
    Internal,
}

impl NotFunded {
    /// What the peer is told.
    #[must_use]
    pub fn kind(&self) -> ProblemKind {
        match self {
            Self::Method(refusal) => refusal.kind(),
            Self::OtherTerms | Self::Spent => ProblemKind::VerificationFailed,
            Self::Failed(record) => record.problem(),
            Self::NoChannel => ProblemKind::SessionChannelNotFound,
            Self::Ended => ProblemKind::SessionChannelFinalized,
            Self::TooLittle { .. } => ProblemKind::PaymentInsufficient,
            Self::ExceedsDeposit { .. } => ProblemKind::SessionAmountExceedsDeposit,
            Self::TooMany(_) => ProblemKind::RateLimited,
            Self::Limit | Self::Overloaded => ProblemKind::Overloaded,
            Self::Unsettled(record) => match record.state {
                FundingState::Unknown => ProblemKind::PaymentUnresolved,
                _ => ProblemKind::PaymentPending,
            },
            Self::InFlight => ProblemKind::PaymentInFlight,
            Self::Silent(DeafError::Store(_)) => ProblemKind::StoreUnavailable,
            Self::Silent(_) => ProblemKind::RailUnavailable,
            Self::NoRail => ProblemKind::MethodUnsupported,
            Self::Store(_) => ProblemKind::StoreUnavailable,
            Self::Channel(error) => error.kind(),
            Self::NoRandomness(_) | Self::Internal => ProblemKind::Internal,
        }
    }

    /// What the peer reads: the kind, what happened, whether money moved and when to ask again.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let detail = match self {
            Self::Unsettled(_) => {
                "What funds the channel was sent and is not confirmed yet. Present the same credential again; do not pay anew.".to_owned()
            }
            other => sentence(&other.to_string()),
        };
        let mut problem = Problem::new(self.kind()).with_detail(detail);
        problem.moved = Some(self.moved());
        problem.retry_after = self.retry_after();
        if let Self::Unsettled(record) | Self::Failed(record) = self {
            problem.reference.clone_from(&record.reference);
            if record.state.moved() == Moved::Unknown {
                problem.awaits.clone_from(&record.awaits);
            }
            problem.channel = Some(record.channel.as_str().into());
            problem.challenge = Some(record.challenge.clone());
        }
        problem
    }

    /// Whether money moved, as far as is known.
    #[must_use]
    pub fn moved(&self) -> Moved {
        match self {
            Self::Method(refusal) => refusal.moved,
            Self::Unsettled(record) | Self::Failed(record) => record.state.moved(),
            // Whether it was presented before was not read, or is somebody else's to say.
            Self::InFlight
            | Self::Overloaded
            | Self::Internal
            | Self::Store(_)
            | Self::Channel(_) => Moved::Unknown,
            _ => Moved::No,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooMany(wait) => Some(*wait),
            Self::Limit
            | Self::Overloaded
            | Self::Unsettled(_)
            | Self::InFlight
            | Self::Store(_)
            | Self::Channel(
                ChannelError::Store(_) | ChannelError::Leased { .. } | ChannelError::Contended,
            ) => Some(Duration::from_secs(1)),
            Self::Silent(_) => Some(Duration::from_secs(5)),
            Self::Method(refusal) if refusal.kind() == ProblemKind::RailUnavailable => {
                Some(Duration::from_secs(5))
            }
            _ => None,
        }
    }
}

/// Makes a sentence of an error text.
pub(in crate::session) fn sentence(text: &str) -> String {
    let mut out: String = text.chars().take(1).flat_map(char::to_uppercase).collect();
    out.extend(text.chars().skip(1));
    if !out.ends_with('.') {
        out.push('.');
    }
    out
}
