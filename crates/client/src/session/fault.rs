//! What goes wrong with sessions only.

use farthing_core::{payment::Moved, port::method::Refusal, value::Amount};

use crate::error::Said;

/// Which of an owner's limits leaves no room for a deposit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LockBound {
    /// That of one channel.
    Deposit,
    /// That of all channels together.
    Locked,
    /// A budget: no more is locked than it leaves.
    Budgets,
}

/// Why a session does not pay.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionFault {
    /// The seller asks for a voucher above what our own count allows.
    #[error("the seller asks for a voucher of {required}, and no more than {allowed} is owed")]
    AsksTooMuch {
        /// What it asks for.
        required: Amount,
        /// What is owed, with this request.
        allowed: Amount,
    },
    /// The seller of a stream asks for vouchers, and delivers nothing for them.
    #[error("the seller asks for vouchers that it has, and delivers nothing")]
    Nags,
    /// The seller said earlier what cannot be.
    #[error("the channel is not used any more: {0}")]
    Disputed(Box<str>),
    /// A lasting offer has no room below the cap on deposits.
    #[error("{asked} would have to be locked, and no more than {cap} may be")]
    Deposit {
        /// What would have to be locked.
        asked: Box<str>,
        /// What may be.
        cap: Box<str>,
        /// Which limit that is.
        by: LockBound,
    },
    /// Nobody set how much may be locked in this unit.
    #[error("no limit is set for deposits in {symbol}")]
    NoDeposit {
        /// The unit.
        symbol: Box<str>,
    },
    /// One request would cost more than one may.
    #[error("the answer costs {asked} by now, and no more than {cap} is allowed for one")]
    Cap {
        /// What it costs with what is asked for.
        asked: Box<str>,
        /// What is allowed.
        cap: Box<str>,
    },
    /// The seller refuses what it was sent.
    #[error("the seller refused the session's payment: {0}")]
    Refused(Box<Said>),
    /// The opening, the top-up or the closing is on its way.
    #[error("the channel is being {doing}, and the rail is not done: {said}")]
    Waits {
        /// What is being done.
        doing: &'static str,
        /// What the seller said last.
        said: Box<Said>,
    },
    /// The request was sent with a voucher, and no answer came.
    #[error("the request was paid for out of the channel, and what became of it is not known: {0}")]
    Unanswered(Box<Said>),
    /// The seller did not serve the request, and says that it charged nothing for it.
    #[error("the request was not served, and the seller says that it was not charged: {0}")]
    NotServed(Box<Said>),
    /// The seller forgot the channel, or closed it, and did so again with a new one.
    #[error("the seller does not know the channel it was paid from: {0}")]
    Unknown(Box<Said>),
    /// The rail says that the channel is there, and its seller that it is not.
    #[error("the seller says the channel is gone, and the rail that it is not: close it")]
    Denied,
    /// The rail refused.
    #[error("the rail refused")]
    Rail(#[source] Refusal),
    /// Others got ahead too often.
    #[error("too many programs use the channel at once")]
    Contended,
    /// There is no such channel.
    #[error("there is no such channel")]
    NoChannel,
    /// No payer of this client keeps channels of this kind.
    #[error("nothing in the wallet keeps channels on {0}")]
    NoPayer(Box<str>),
    /// A socket does not go on.
    #[cfg(feature = "websocket")]
    #[error(transparent)]
    Socket(super::socket::SocketFault),
    /// The channel cannot be closed now.
    #[error("the channel is {0}")]
    Stage(&'static str),
}

impl SessionFault {
    pub(crate) const fn moved(&self) -> Moved {
        match self {
            Self::Unanswered(_) | Self::Waits { .. } => Moved::Unknown,
            #[cfg(feature = "websocket")]
            Self::Socket(fault) => fault.moved(),
            _ => Moved::No,
        }
    }

    pub(crate) const fn hint(&self) -> &'static str {
        match self {
            Self::AsksTooMuch { .. } | Self::Disputed(_) | Self::Nags => {
                "nothing more is signed for this seller; close the channel to get the rest back"
            }
            Self::Deposit {
                by: LockBound::Locked,
                ..
            } => "close a channel that is not needed, or allow more for all of them",
            Self::Deposit {
                by: LockBound::Budgets,
                ..
            } => "raise the budget if that is what you want",
            Self::Deposit { .. } | Self::NoDeposit { .. } => {
                "allow a larger deposit if that is what you want"
            }
            Self::Cap { .. } => "allow more for one request if that is what you want",
            Self::Refused(_) | Self::Unknown(_) | Self::NotServed(_) => {
                "try again; this request was not charged"
            }
            Self::Denied => "close the channel without its seller",
            Self::Waits { .. } => "try again: what was signed is presented again, never anew",
            Self::Unanswered(_) => "see the session; what it may have cost is counted in it",
            Self::Rail(_) | Self::Contended => "try again later",
            #[cfg(feature = "websocket")]
            Self::Socket(fault) => fault.hint(),
            Self::NoChannel | Self::Stage(_) => "see `sessions list`",
            Self::NoPayer(_) => "use the wallet that the channel was opened with",
        }
    }
}
