//! What is done on the chain for a payment, and what became of it.
//!
//! | what is seen | what is said |
//! |---|---|
//! | a receipt in a block that the chain has, with the logs of every leg | settled |
//! | the same, failed | refused: nothing but a fee moved, and these bytes never will move anything |
//! | no receipt, and its nonce is used or its time is over | refused, likewise |
//! | a node has it, or takes it again | pending |
//! | it was in a block, and is not any more | pending |
//! | no node has it, and none takes it | unknown, and it is sent again, ever less often: it can still come |
//! | a receipt without the logs; no answer; an answer that makes no sense | unknown |
//!
//! A node that says no proves nothing: whoever else has the bytes can send them until they end, which is
//! soon. A receipt that says success and shows no payment is a contradiction, because the calls were
//! looked at before; so it is nobody's word that nothing moved.

use std::time::Duration;

use farthing_core::{
    payment::Payment,
    port::{
        BoxFuture,
        backend::Source,
        method::{Fault, Order, Outcome, Outside, Refusal, Until},
    },
    value::{Reference, Timestamp},
};
use farthing_evm::{
    At, Batch, Death, Fate, RawTransaction, Receipt, RpcError, SendError, TxHash, look, request,
    wait,
};
use serde_json::{Map, json};

use super::{
    Tempo,
    effect::{Effect, EffectError, Seen, Transfer},
    push,
};
use crate::charge::{Mismatch, match_logs};

impl Outside for Tempo {
    fn settle<'a>(&'a self, order: Order<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(self.act(order, true))
    }

    fn resolve<'a>(&'a self, order: Order<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(self.act(order, false))
    }
}

impl Tempo {
    async fn act(&self, order: Order<'_>, is_first: bool) -> Outcome {
        let done = match Effect::open(order.effect) {
            Ok(Effect::Send(send)) => match send.transfer(order.payment) {
                Ok(transfer) if is_first => Ok(self.send(&transfer, order.until).await),
                Ok(transfer) => Ok(taken(order.until, self.look(&transfer).await)),
                Err(error) => Err(error),
            },
            Ok(Effect::Seen(seen)) => {
                let seen = self.look_at_seen(&seen, order.payment).await;
                seen.map(|outcome| taken(order.until, outcome))
            }
            Ok(Effect::Nothing) => Ok(proven(order.payment)),
            Err(error) => Err(error),
        };
        done.unwrap_or_else(|error| {
            tracing::error!(payment = %order.payment.id, cause = &error as &dyn std::error::Error, "a payment's effect cannot be read");
            unknown(error)
        })
    }

    /// Sends a transaction for the first time, unless this process is not the first to try.
    ///
    /// Where it is enough that the rail takes it, a node has to say that it did. And it has to be one that
    /// waits for no other: a node takes one behind a gap in its lane as well, and the gap need never be
    /// filled. What is neither is waited for, and nothing is served for it before it is in a block.
    async fn send(&self, transfer: &Transfer, until: Until) -> Outcome {
        let Some(raw) = &transfer.watched.raw else {
            return taken(until, self.look(transfer).await);
        };
        if until == Until::Taken && transfer.watched.dies.nonce.is_none() {
            return match self.node.send_raw(raw).await {
                Ok(()) => self.pending(),
                Err(error) => taken(until, self.not_taken(transfer, error).await),
            };
        }
        taken(until, self.send_and_watch(raw, transfer).await)
    }

    async fn send_and_watch(&self, raw: &RawTransaction, transfer: &Transfer) -> Outcome {
        match self.node.send_raw_sync(raw).await {
            Ok(Some(receipt)) if receipt.succeeded() => self.included(transfer, &receipt).await,
            Ok(_) => self.watch(transfer).await,
            Err(SendError::InDoubt(error)) => {
                let hash = transfer.watched.hash;
                tracing::warn!(%hash, error = &error as &dyn std::error::Error, "nobody knows whether a transaction was received");
                self.watch(transfer).await
            }
            Err(error) => self.not_taken(transfer, error).await,
        }
    }

    /// A node did not say that it took a transaction. Perhaps it had it already, in a block.
    async fn not_taken(&self, transfer: &Transfer, error: SendError) -> Outcome {
        let hash = transfer.watched.hash;
        tracing::warn!(%hash, error = &error as &dyn std::error::Error, "a transaction was not taken");
        match error {
            SendError::Refused { .. } => self.look(transfer).await,
            error => unknown(error),
        }
    }

    /// Looks for a transaction until it is in a block, sending it again where nobody knows it.
    async fn watch(&self, transfer: &Transfer) -> Outcome {
        let fate = wait(&self.node, &transfer.watched, self.options.patience).await;
        self.judge(transfer, fate).await
    }

    /// Looks for a transaction once, and sends it again where nobody knows it.
    async fn look(&self, transfer: &Transfer) -> Outcome {
        let fate = look(&self.node, &transfer.watched).await;
        if let (Ok(Fate::Unseen), Some(raw)) = (&fate, &transfer.watched.raw) {
            return match self.node.send_raw(raw).await {
                Ok(()) => self.pending(),
                // What it says proves nothing, and only the chain ends a payment. But whoever makes what nobody takes
                // does not have us ask for every block.
                Err(error) => unknown(error),
            };
        }
        self.judge(transfer, fate).await
    }

    async fn judge(&self, transfer: &Transfer, fate: Result<Fate, RpcError>) -> Outcome {
        match fate {
            Ok(Fate::Included(receipt)) => self.included(transfer, &receipt).await,
            // The chain took its fee from whoever signed for it.
            Ok(Fate::Reverted(_)) => Outcome::Refused(
                Refusal::new(
                    Fault::Invalid,
                    "the chain ran the transaction, and it failed: nothing was paid",
                )
                .at_cost(),
            ),
            Ok(Fate::Dead(Death::NonceUsed)) => refused(
                Fault::Invalid,
                "another transaction of the payer took its place: nothing was paid",
            ),
            Ok(Fate::Dead(_)) => refused(
                Fault::Expired,
                "the transaction ended before it was in a block: nothing was paid",
            ),
            // What the buyer sent was in a block already, and comes into another one soon.
            Ok(Fate::Unseen) if transfer.watched.raw.is_some() => Outcome::Unknown { source: None },
            Ok(_) => self.pending(),
            Err(error) => unknown(error),
        }
    }

    /// A transaction is in a block and succeeded: did it pay?
    async fn included(&self, transfer: &Transfer, receipt: &Receipt) -> Outcome {
        if let Err(mismatch) = match_logs(&receipt.logs, transfer.payer, &transfer.legs) {
            return contradiction(transfer.watched.hash, mismatch);
        }
        match push::time_of(&self.node, receipt).await {
            Ok(at) => self.settled(transfer.watched.hash, at),
            Err(error) => unknown(error),
        }
    }

    /// A transaction that the buyer sent is looked at again, in the block in which it was seen: one round
    /// trip. If it is not there any more, it is looked for.
    async fn look_at_seen(&self, seen: &Seen, payment: &Payment) -> Result<Outcome, EffectError> {
        let transfer = seen.transfer(payment)?;
        let mut batch = Batch::new();
        let receipt = batch.ask(request::receipt(seen.hash));
        let block = batch.ask(request::block(At::Block(seen.block)));
        let found = match self.node.ask_batch(&batch).await {
            Ok(mut answers) => (answers.take(&receipt), answers.take(&block)),
            Err(error) => return Ok(unknown(error)),
        };
        let (receipt, block) = match found {
            (Ok(receipt), Ok(block)) => (receipt, block),
            (Err(error), _) | (_, Err(error)) => return Ok(unknown(error)),
        };
        if let (Some(receipt), Some(block)) = (receipt, block)
            && receipt.is_of(seen.hash)
            && receipt.succeeded()
            && receipt.block_hash == block.hash
        {
            let paid = match_logs(&receipt.logs, transfer.payer, &transfer.legs);
            return Ok(match paid {
                Ok(()) => self.settled(seen.hash, block.time()),
                Err(mismatch) => contradiction(seen.hash, mismatch),
            });
        }
        tracing::warn!(hash = %seen.hash, "a transaction is not in the block any more in which it was seen");
        Ok(self.look(&transfer).await)
    }

    fn settled(&self, hash: TxHash, at: Timestamp) -> Outcome {
        let mut details = Map::new();
        details.insert(
            "chainId".to_owned(),
            json!(self.options.network.chain().get()),
        );
        Outcome::Settled {
            reference: reference(hash),
            at,
            details,
        }
    }

    fn pending(&self) -> Outcome {
        let block = self.options.network.block_time();
        Outcome::Pending {
            ask_after: block.max(Duration::from_millis(100)),
        }
    }
}

/// What the rail calls a payment: the hash of its transaction.
pub(crate) fn reference(hash: TxHash) -> Reference {
    Reference::new(format!("{hash:#x}")).expect("a hash is visible text")
}

/// Nothing was to be paid, and the signature was good.
fn proven(payment: &Payment) -> Outcome {
    match Reference::new(payment.challenge.as_str()) {
        Ok(reference) => Outcome::Settled {
            reference,
            at: payment.claimed_at,
            details: Map::new(),
        },
        Err(error) => unknown(error),
    }
}

fn refused(fault: Fault, public: &'static str) -> Outcome {
    Outcome::Refused(Refusal::new(fault, public))
}

/// Of what no node said that it took it: where that is all that is waited for, pending is as good as no answer.
fn taken(until: Until, outcome: Outcome) -> Outcome {
    match (until, outcome) {
        (Until::Taken, Outcome::Pending { .. }) => Outcome::Unknown { source: None },
        (_, outcome) => outcome,
    }
}

fn unknown(error: impl Into<Source>) -> Outcome {
    Outcome::Unknown {
        source: Some(error.into()),
    }
}

fn contradiction(hash: TxHash, mismatch: Mismatch) -> Outcome {
    tracing::error!(%hash, %mismatch, "a receipt says success and shows no payment: look at the node and at the chain");
    unknown(mismatch)
}
