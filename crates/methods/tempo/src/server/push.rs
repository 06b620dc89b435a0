//! A transaction that the buyer sent, and of which we are told the hash.
//!
//! Whoever watches the chain sees the hash as well. What keeps another from presenting it is the memo, which is
//! made of one challenge; so a charge whose memo the seller fixed cannot be paid in this way. And a hash
//! pays once: it is a key of the claim.

use std::time::Duration;

use alloy_primitives::U64;
use farthing_core::value::Timestamp;
use farthing_evm::{Address, At, Batch, Node, Receipt, Request, RpcError, TxHash, U256, request};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{sync::Semaphore, time};

use super::{
    Flaw, PushOptions,
    demand::Demand,
    effect::{Seen, Sender},
};
use crate::charge::{Mode, match_logs, source};

/// What was found on the chain.
#[derive(Debug)]
pub(super) struct Found {
    receipt: Receipt,
    sent: Option<Sent>,
}

/// What a node tells of how a transaction was sent, as far as it does.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    from: Address,
    nonce: U64,
    #[serde(default)]
    nonce_key: U256,
    #[serde(default)]
    valid_before: Option<U64>,
}

/// Who paid, as the buyer says; where nobody says it, nobody could be told from others.
pub(super) fn payer(demand: &Demand<'_>) -> Result<Address, Flaw> {
    demand.legs(Mode::Push)?;
    if demand.details.memo.is_some() {
        return Err(Flaw::Mode(Mode::Push));
    }
    source(demand.presented.source, demand.details.chain).map_err(Flaw::Source)
}

/// The most hashes that are waited for at once. A hash costs nothing to make up, and to wait for one is to ask
/// the chain again and again.
pub(super) const WAITS: usize = 32;

/// Looks for a transaction, and for a while again, where there is a place to wait: it was sent only just now.
pub(super) async fn find(
    node: &Node,
    hash: TxHash,
    wait: Duration,
    waits: &Semaphore,
) -> Result<Found, Flaw> {
    if let Some(found) = look(node, hash).await? {
        return Ok(found);
    }
    let Ok(_place) = waits.try_acquire() else {
        return Err(Flaw::Unseen);
    };
    let mut heads = node.heads();
    let looking = async {
        loop {
            heads.next().await;
            if let Some(found) = look(node, hash).await? {
                return Ok(found);
            }
        }
    };
    time::timeout(wait, looking)
        .await
        .unwrap_or(Err(Flaw::Unseen))
}

async fn look(node: &Node, hash: TxHash) -> Result<Option<Found>, Flaw> {
    let mut batch = Batch::new();
    let receipt = batch.ask(request::receipt(hash));
    let sent = batch.ask(Request::<Value>::new(
        "eth_getTransactionByHash",
        json!([hash]),
    ));
    let mut answers = node.ask_batch(&batch).await.map_err(Flaw::Chain)?;
    let Some(receipt) = answers.take(&receipt).map_err(Flaw::Chain)? else {
        return Ok(None);
    };
    if !receipt.is_of(hash) {
        return Err(Flaw::Chain(RpcError::Nonsense {
            endpoint: "the node".to_owned(),
            what: "the receipt is of another transaction",
            source: None,
        }));
    }
    let sent = answers.take(&sent).map_err(Flaw::Chain)?;
    let sent = serde_json::from_value(sent).ok();
    Ok(Some(Found { receipt, sent }))
}

impl Found {
    /// Checks that it is the payment that was asked for, and made for this challenge. What is returned is
    /// what is looked at again before anything is served, and the time of the block.
    pub(super) async fn check(
        self,
        node: &Node,
        demand: &Demand<'_>,
        payer: Address,
        options: &PushOptions,
    ) -> Result<(Seen, Timestamp), Flaw> {
        let legs = demand.legs(Mode::Push)?;
        if !self.receipt.succeeded() {
            return Err(Flaw::Failed);
        }
        match_logs(&self.receipt.logs, payer, legs).map_err(Flaw::Logs)?;
        let at = time_of(node, &self.receipt).await.map_err(Flaw::Chain)?;
        let expires = demand.presented.expires;
        if at < expires.saturating_sub(options.age) {
            return Err(Flaw::TooOld);
        }
        if at > expires {
            return Err(Flaw::TooLate);
        }
        let sent = self.sent;
        let from = Sender {
            payer,
            nonce: sent
                .as_ref()
                .map(|sent| (sent.from, sent.nonce_key, sent.nonce.to())),
            valid_before: sent
                .and_then(|sent| sent.valid_before)
                .map(|before| before.to()),
        };
        let seen = Seen {
            hash: self.receipt.transaction_hash,
            block: self.receipt.block_number(),
            from,
            details: demand.presented.request.method_details.clone(),
        };
        Ok((seen, at))
    }
}

/// When a transaction was made: the time of its block. Nodes that do not write it with the logs are asked.
pub(crate) async fn time_of(node: &Node, receipt: &Receipt) -> Result<Timestamp, RpcError> {
    if let Some(time) = receipt.time() {
        return Ok(time);
    }
    let block = At::Block(receipt.block_number());
    let block = node.ask(request::block(block)).await?;
    block
        .map(|block| block.time())
        .ok_or_else(|| RpcError::Nonsense {
            endpoint: "the node".to_owned(),
            what: "there is a receipt of a block that is not there",
            source: None,
        })
}
