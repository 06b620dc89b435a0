//! Closing: a channel is stopped, handed in, and its end is written down.
//!
//! What is in the store if the process dies after each step, as `tests/session_crash` proves:
//!
//! | step | in the store | what becomes of it |
//! |---|---|---|
//! | put on the agenda | that it is to be closed | nothing was stopped: it is taken off after a while |
//! | stopped | the same, and the buyer's voucher | the settler closes it |
//! | handed in, and on | see `settle` | |
//! | its end is written down | the end | the same credential gets the same end |
//!
//! Requests that are being served are waited for, up to a patience; what is charged for them is part
//! of what is captured.

use std::time::Duration;

use farthing_core::{
    domain::{
        channels::ChannelError,
        settlements::{End, Wish},
    },
    intent::session::{ChannelId, Refused, Terms, Voucher},
    noun::problem::{Problem, ProblemKind},
    payment::Moved,
    port::{backend::StoreError, method::Refusal, session::Said},
    value::Amount,
};

use super::{
    fund::sentence,
    settle::can_close,
    till::{RailStep, Till},
};
use crate::abort;

/// How long to wait before looking again whether a channel has ended: twice as long each time, up to
/// the most.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
const LOOK_AT_LEAST: Duration = Duration::from_secs(1);

/// Why a channel is not closed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotClosed {
    /// The voucher is not the channel's.
    #[error(transparent)]
    Method(#[from] Refusal),
    /// There is no such channel.
    #[error("there is no such channel")]
    NoChannel,
    /// It ended otherwise: its payer took back what was left.
    #[error("the channel ended before it was closed here")]
    Ended(Box<End>),
    /// The channel does not allow it, or could not be written.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The rail moves what a voucher says, and there is none that says no more than was spent.
    #[error("the closing voucher has to say {owed}, which is what was spent")]
    NotExact {
        /// What was spent.
        owed: Amount,
    },
    /// It is stopped and will be closed; the rail is not done.
    #[error("the channel is being closed")]
    Pending,
    /// As many closes wait for their rail as may. Nothing was done.
    #[error("too many channels are being closed at once")]
    Overloaded,
    /// The gate has no such rail.
    #[error("this payment method is not offered here")]
    NoRail,
    /// The store failed.
    #[error("it could not be recorded")]
    Store(#[from] StoreError),
}

impl NotClosed {
    /// What the peer is told.
    #[must_use]
    pub fn kind(&self) -> ProblemKind {
        match self {
            Self::Method(refusal) => refusal.kind(),
            Self::NoChannel => ProblemKind::SessionChannelNotFound,
            Self::Ended(_) => ProblemKind::SessionChannelFinalized,
            Self::Channel(error) => error.kind(),
            Self::NotExact { .. } => ProblemKind::VerificationFailed,
            Self::Pending => ProblemKind::PaymentPending,
            Self::Overloaded => ProblemKind::Overloaded,
            Self::NoRail => ProblemKind::MethodUnsupported,
            Self::Store(_) => ProblemKind::StoreUnavailable,
        }
    }

    /// What the peer reads: the kind, what happened, and when to ask again.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let detail = match self {
            Self::Pending => {
                "The channel is being closed. Present the same credential again to hear of its end."
                    .to_owned()
            }
            other => sentence(&other.to_string()),
        };
        let mut problem = Problem::new(self.kind()).with_detail(detail);
        problem.moved = Some(match self {
            Self::Pending | Self::Store(_) | Self::Channel(ChannelError::Store(_)) => {
                Moved::Unknown
            }
            Self::Ended(_) => Moved::Yes,
            _ => Moved::No,
        });
        problem.retry_after = match self {
            Self::Pending => Some(Duration::from_secs(2)),
            Self::Overloaded => Some(Duration::from_secs(1)),
            Self::Store(_)
            | Self::Channel(
                ChannelError::Store(_) | ChannelError::Leased { .. } | ChannelError::Contended,
            ) => Some(Duration::from_secs(1)),
            _ => None,
        };
        problem
    }
}

impl Till {
    /// Closes a channel at its buyer's wish: with a voucher that says at least what was taken. When
    /// it returns, the rail has closed it.
    ///
    /// The same voucher again gets the same end.
    ///
    /// # Errors
    /// When it is refused, or not done yet.
    pub async fn close(&self, said: &Said) -> Result<End, NotClosed> {
        let terms = self.terms_of(&said.channel).await?;
        let desk = self.desk(&terms.method).ok_or(NotClosed::NoRail)?;
        let verifier = desk.rail.verifier(&said.channel, &terms)?;
        let voucher = verifier.check(said)?;
        let _place = self
            .0
            .closing_at_once
            .try_acquire()
            .map_err(|_| NotClosed::Overloaded)?;
        self.close_with(&said.channel, &terms, Some(voucher)).await
    }

    /// Closes a channel at its seller's wish. When it returns, the rail has closed it.
    ///
    /// # Errors
    /// When there is no such channel, or it is not done yet.
    pub async fn close_as_seller(&self, channel: &ChannelId) -> Result<End, NotClosed> {
        let terms = self.terms_of(channel).await?;
        if self.desk(&terms.method).is_none() {
            return Err(NotClosed::NoRail);
        }
        self.close_with(channel, &terms, None).await
    }

    async fn terms_of(&self, channel: &ChannelId) -> Result<Terms, NotClosed> {
        let terms = self.0.channels.terms(channel).await?;
        terms.ok_or(NotClosed::NoChannel)
    }

    async fn close_with(
        &self,
        id: &ChannelId,
        terms: &Terms,
        voucher: Option<Voucher>,
    ) -> Result<End, NotClosed> {
        if let Some(end) = self.0.settlements.ended(id).await? {
            return ended(end);
        }
        self.is_closable(id, voucher.as_ref()).await?;
        let now = self.now();
        let want = &self.0.settlements;
        want.want(&terms.method, id, Wish::Close, (now, now))
            .await?;
        abort::point("close-wanted");
        match self.step(id, RailStep::Close(voucher)).await {
            Ok(()) => {}
            // The rail was faster, and its end is being written down.
            Err(ChannelError::Refused(Refused::Closed)) => {}
            Err(error) => return Err(error.into()),
        }
        abort::point("close-stopped");
        self.wait_for_end(id, terms).await
    }

    /// Whether the channel could be closed if it were stopped now. One that could not would serve
    /// nobody any more, and keep what its payer has in it.
    async fn is_closable(
        &self,
        id: &ChannelId,
        voucher: Option<&Voucher>,
    ) -> Result<(), NotClosed> {
        let held = self.held(id).await?;
        let mut channel = held.channel().clone();
        match channel.close(voucher) {
            Ok(balance) if !can_close(&channel) => Err(NotClosed::NotExact {
                owed: balance.spent.max(balance.settled),
            }),
            Ok(_) | Err(Refused::Closed) => Ok(()),
            Err(refused) => Err(NotClosed::Channel(refused.into())),
        }
    }

    /// Settles, or lets others settle, until the channel has ended.
    async fn wait_for_end(&self, id: &ChannelId, terms: &Terms) -> Result<End, NotClosed> {
        let waiting = async {
            let mut wait = LOOK_AGAIN;
            loop {
                // A round is not cut short: it goes on when nobody waits for it any more.
                let (till, method) = (self.clone(), terms.method.clone());
                let round = tokio::spawn(async move { till.settle(&method).await });
                if let Ok(Err(error)) = round.await {
                    tracing::warn!(channel = %id, "a channel that is being closed could not be settled yet: {error}");
                }
                if let Some(end) = self.0.settlements.ended(id).await? {
                    return ended(end);
                }
                tokio::time::sleep(wait).await;
                wait = LOOK_AT_LEAST.min(wait * 2);
                // What was being served may be over by now, and was put off.
                let (now, wanted) = (self.now(), &self.0.settlements);
                wanted
                    .want(&terms.method, id, Wish::Close, (now, now))
                    .await?;
            }
        };
        let within = self.0.options.close_within;
        match tokio::time::timeout(within, waiting).await {
            Ok(end) => end,
            Err(_) => Err(NotClosed::Pending),
        }
    }
}

/// An end that we brought about has a name on the rail.
fn ended(end: End) -> Result<End, NotClosed> {
    match end.reference {
        Some(_) => Ok(end),
        None => Err(NotClosed::Ended(Box::new(end))),
    }
}
