//! Why a meter charges nothing.

use farthing_core::{
    domain::channels::ChannelError,
    intent::session::{Need, Refused},
    noun::{problem::ProblemKind, session::Cut},
};

/// Why nothing was charged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MeterError {
    /// The balance is out, and no voucher came in time.
    #[error("the balance is out, and no voucher came in time")]
    Unpaid(Need),
    /// The seller can settle no more at the moment: it holds as much unsettled as it may, or its rail
    /// is silent. Nothing that the buyer does would help.
    #[error("the seller can settle no more at the moment")]
    Full,
    /// The channel serves nothing any more.
    #[error(transparent)]
    Closed(Refused),
    /// Another stream of the channel began, perhaps in another process.
    #[error("another stream of the channel began")]
    Replaced,
    /// The gate is closing.
    #[error("the server is shutting down")]
    Stopping,
    /// So many units cost more than any channel can hold.
    #[error("{0} units cost more than any channel can hold")]
    TooMany(u64),
    /// The channel could not be charged.
    #[error(transparent)]
    Channel(#[from] ChannelError),
}

impl MeterError {
    /// What the peer is told.
    #[must_use]
    pub fn kind(&self) -> ProblemKind {
        match self {
            Self::Unpaid(_) => ProblemKind::SessionInsufficientBalance,
            Self::Closed(refused) => refused.kind(),
            Self::Stopping | Self::Full | Self::Replaced => ProblemKind::Overloaded,
            Self::TooMany(_) => ProblemKind::Internal,
            Self::Channel(error) => error.kind(),
        }
    }

    /// Why a stream that cannot charge is cut.
    pub(in crate::session) const fn cut(&self) -> Cut {
        match self {
            Self::Unpaid(_) => Cut::Unpaid,
            Self::Closed(_) => Cut::Closed,
            Self::Stopping => Cut::Stopped,
            // The same request, repeated under its key, is served elsewhere by now.
            Self::Replaced | Self::Channel(ChannelError::Guarded(_)) => Cut::Replaced,
            Self::Full | Self::TooMany(_) | Self::Channel(_) => Cut::Failed,
        }
    }

    pub(super) fn of(error: ChannelError) -> Self {
        match error {
            ChannelError::Refused(
                refused @ (Refused::CloseRequested | Refused::Closing | Refused::Closed),
            ) => Self::Closed(refused),
            ChannelError::Refused(Refused::Replaced) => Self::Replaced,
            error => Self::Channel(error),
        }
    }
}
