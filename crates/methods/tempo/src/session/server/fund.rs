//! What is sent to lock value, and what became of it.
//!
//! | what is seen | what is said |
//! |---|---|
//! | a receipt in a block that the chain has, in which the contract says so of this very channel | settled |
//! | the same, failed | refused: nothing but a fee moved, and these bytes never will move anything |
//! | no receipt, and its nonce is used or its time is over | refused, likewise |
//! | a node has it, or takes it again | pending |
//! | no node has it, and none takes it; a receipt without that event; no answer | unknown |

use std::time::Duration;

use farthing_core::{
    intent::session::Terms,
    port::{
        backend::Source,
        method::{Fault, Outcome, Refusal},
        session::FundOrder,
    },
    value::{Amount, Secret},
};
use farthing_evm::{
    B256, Bytes, Death, Fate, RawTransaction, Receipt, RpcError, SendError, Watched, look, wait,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use super::{Flaw, TempoSession};
use crate::{
    server::{effect::Sender, push::time_of, reference},
    session::{ChannelEvent, Happened, TempoChannel},
};

/// A transaction that we send: always these bytes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Effect {
    pub(super) raw: Bytes,
    /// What was read from the bytes and checked when they came.
    pub(super) from: Sender,
    pub(super) channel: B256,
    pub(super) locks: Locks,
}

/// What is locked by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Locks {
    /// A channel is opened with this.
    Deposit(Amount),
    /// This is added to one.
    More(Amount),
}

impl Effect {
    pub(super) fn seal(&self) -> Result<Secret, Flaw> {
        Ok(Secret::new(serde_json::to_vec(self).map_err(Flaw::bug)?))
    }
}

/// A transaction that is under way, and what it has to do.
struct Underway {
    watched: Watched,
    raw: RawTransaction,
    channel: TempoChannel,
    locks: Locks,
}

impl Underway {
    fn read(order: &FundOrder<'_>) -> Result<Self, Source> {
        let effect: Effect = serde_json::from_slice(order.effect.expose())?;
        let channel = of(order.terms, effect.channel)?;
        let raw = RawTransaction::new(effect.raw)?;
        Ok(Self {
            watched: Watched {
                hash: raw.hash(),
                dies: effect.from.mortality(),
                raw: Some(raw.clone()),
            },
            raw,
            channel,
            locks: effect.locks,
        })
    }

    /// Whether the contract says of this very channel that it was done.
    fn is_done(&self, receipt: &Receipt) -> bool {
        let origin = self.channel.origin();
        let says = |event: ChannelEvent| {
            let whose = (event.channel, event.payer, event.payee);
            whose == (self.channel.id(), origin.payer(), origin.payee())
                && match (self.locks, event.what) {
                    (Locks::Deposit(locked), Happened::Opened { deposit }) => deposit == locked,
                    (Locks::More(more), Happened::ToppedUp { additional, .. }) => {
                        additional == more
                    }
                    _ => false,
                }
        };
        let contract = self.channel.escrow().contract;
        let logs = receipt.logs.iter().filter(|log| log.address == contract);
        logs.filter_map(ChannelEvent::read).any(says)
    }
}

/// The channel that terms are of.
fn of(terms: &Terms, id: B256) -> Result<TempoChannel, Source> {
    let channel = TempoChannel::read(&terms.details.to_map())?;
    if channel.id() != id {
        return Err("what is kept of the channel is another's".into());
    }
    Ok(channel)
}

impl TempoSession {
    pub(super) async fn fund_order(&self, order: FundOrder<'_>) -> Outcome {
        let underway = match Underway::read(&order) {
            Ok(underway) => underway,
            Err(error) => {
                tracing::error!(channel = %order.channel, cause = &*error, "a funding's effect cannot be read");
                return unknown(error);
            }
        };
        match self.node.send_raw_sync(&underway.raw).await {
            Ok(Some(receipt)) if receipt.succeeded() => self.included(&underway, &receipt).await,
            Ok(_) => self.watch(&underway).await,
            Err(SendError::InDoubt(error)) => {
                let hash = underway.watched.hash;
                tracing::warn!(%hash, error = &error as &dyn std::error::Error, "nobody knows whether a funding was received");
                self.watch(&underway).await
            }
            // Perhaps a node had it already, in a block.
            Err(SendError::Refused { why, source }) => {
                let hash = underway.watched.hash;
                tracing::debug!(%hash, ?why, error = &source as &dyn std::error::Error, "a funding was not taken");
                let fate = look(&self.node, &underway.watched).await;
                self.judge(&underway, fate).await
            }
            Err(error) => unknown(error),
        }
    }

    async fn watch(&self, underway: &Underway) -> Outcome {
        let fate = wait(&self.node, &underway.watched, self.options.patience).await;
        self.judge(underway, fate).await
    }

    async fn judge(&self, underway: &Underway, fate: Result<Fate, RpcError>) -> Outcome {
        match fate {
            Ok(Fate::Included(receipt)) => self.included(underway, &receipt).await,
            // The chain took its fee from whoever signed for it.
            Ok(Fate::Reverted(_)) => Outcome::Refused(
                Refusal::new(
                    Fault::Invalid,
                    "the chain ran the transaction, and it failed: nothing was locked",
                )
                .at_cost(),
            ),
            Ok(Fate::Dead(Death::NonceUsed)) => refused(
                Fault::Invalid,
                "another transaction of the payer took its place: nothing was locked",
            ),
            Ok(Fate::Dead(_)) => refused(
                Fault::Expired,
                "the transaction ended before it was in a block: nothing was locked",
            ),
            Ok(Fate::Pending) => self.pending(),
            Ok(_) => Outcome::Unknown { source: None },
            Err(error) => unknown(error),
        }
    }

    async fn included(&self, underway: &Underway, receipt: &Receipt) -> Outcome {
        let hash = underway.watched.hash;
        if !underway.is_done(receipt) {
            tracing::error!(%hash, channel = %underway.channel.id(), "a receipt says success and the contract nothing of the channel: look at the node and at the chain");
            return unknown("a receipt says success and the contract nothing of the channel");
        }
        match time_of(&self.node, receipt).await {
            Ok(at) => {
                let mut details = Map::new();
                details.insert("chainId".to_owned(), json!(self.node.chain().get()));
                Outcome::Settled {
                    reference: reference(hash),
                    at,
                    details,
                }
            }
            Err(error) => unknown(error),
        }
    }

    fn pending(&self) -> Outcome {
        Outcome::Pending {
            ask_after: self.ask_after(),
        }
    }

    /// When to ask again for what is under way.
    pub(super) fn ask_after(&self) -> Duration {
        let block = self.options.network.block_time();
        block.max(Duration::from_millis(100))
    }
}

fn refused(fault: Fault, public: &'static str) -> Outcome {
    Outcome::Refused(Refusal::new(fault, public))
}

fn unknown(error: impl Into<Source>) -> Outcome {
    Outcome::Unknown {
        source: Some(error.into()),
    }
}
