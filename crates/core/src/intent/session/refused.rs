//! Why a step of a channel is not taken.

use crate::{noun::problem::ProblemKind, value::Amount};

/// How much a price is above what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// What is missing: `requiredTopUp`.
    pub lacks: Amount,
    /// What a voucher has to say, at the least, for the price to be covered. Where it is more than
    /// the deposit, the deposit has to grow first.
    pub required: Amount,
    /// What is accepted now.
    pub accepted: Amount,
    /// What is locked now.
    pub deposit: Amount,
}

/// A step that a channel does not take. Nothing of the step happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The buyer sent a voucher that says less than an earlier one.
    #[error("the voucher says less than {accepted}, which an earlier one said")]
    Falls {
        /// What is accepted.
        accepted: Amount,
    },
    /// The buyer's voucher adds less than a voucher must.
    #[error("a voucher has to add at least {least}")]
    DeltaTooSmall {
        /// What it has to add.
        least: Amount,
    },
    /// The buyer's voucher says more than is locked: a top-up comes first.
    #[error("the voucher says more than the deposit of {deposit}")]
    ExceedsDeposit {
        /// What is locked.
        deposit: Amount,
    },
    /// The buyer's voucher says more than the seller takes at once: by the first protocol it could
    /// not be settled until as much was spent. It is good once that is so.
    #[error("the voucher says more than the {most} that is taken now: at least {needed} is enough")]
    Ahead {
        /// What is enough for now.
        needed: Amount,
        /// The most that is taken now.
        most: Amount,
    },
    /// The buyer has to sign more: what is accepted does not cover the price.
    #[error("the balance does not cover the price: {} is missing", .0.lacks)]
    Short(Need),
    /// The buyer wants to close below what was taken already.
    #[error("a closing voucher has to say at least {owed}")]
    ClosesBelow {
        /// What was spent, or settled where that is more.
        owed: Amount,
    },
    /// The payer asked the rail to close the channel: what is served now might never be settled.
    #[error("the payer asked for the channel to be closed; a top-up takes that back")]
    CloseRequested,
    /// The channel is being closed, at the buyer's wish or ours.
    #[error("the channel is being closed")]
    Closing,
    /// The channel is closed.
    #[error("the channel is closed")]
    Closed,
    /// The seller holds as much unsettled as it is granted, and needs this much in all. The port
    /// draws more, and settling gives it back.
    #[error("the channel is granted less than {needs} unsettled")]
    Unbacked {
        /// What has to be granted.
        needs: Amount,
    },
    /// The seller holds as much unsettled as it may, of this payer or of all.
    #[error("too much is unsettled at the moment; nothing was charged")]
    ExposureFull,
    /// Too many estimates are open at once.
    #[error("too many requests are being served from this channel")]
    TooManyReservations,
    /// Our caller names a reservation that was ended, or ran out.
    #[error("the reservation is over")]
    NoReservation,
    /// Another stream began on the channel, in whatever process, and has its place.
    #[error("another stream has the place of this one")]
    Replaced,
    /// The rail says what cannot follow what it said before: a node lies, or it is another chain.
    #[error("what the rail says of the channel contradicts what it said before")]
    Contradiction,
}

impl Refused {
    /// What the peer is told.
    #[must_use]
    pub const fn kind(self) -> ProblemKind {
        match self {
            // The draft has no word of its own for a voucher that falls.
            Self::Falls { .. } | Self::DeltaTooSmall { .. } => ProblemKind::SessionDeltaTooSmall,
            Self::ExceedsDeposit { .. } => ProblemKind::SessionAmountExceedsDeposit,
            // Nothing is locked by a top-up that would help, so it is not told as too little locked.
            Self::Ahead { .. } => ProblemKind::VerificationFailed,
            Self::Short(_) | Self::ClosesBelow { .. } => ProblemKind::SessionInsufficientBalance,
            Self::CloseRequested | Self::Closing | Self::Closed => {
                ProblemKind::SessionChannelFinalized
            }
            Self::Unbacked { .. }
            | Self::ExposureFull
            | Self::TooManyReservations
            | Self::Replaced => ProblemKind::Overloaded,
            Self::Contradiction => ProblemKind::RailUnavailable,
            Self::NoReservation => ProblemKind::Internal,
        }
    }
}
