//! Finding a transaction of ours whose hash we do not know, because the seller signed for its fee.

use std::time::Duration;

use alloy_primitives::U64;
use alloy_sol_types::SolEvent;
use farthing_core::{port::payer::Resolved, value::Timestamp};
use farthing_evm::{Address, At, B256, Block, Log, Node, Request, RpcError, TxHash, U256, request};
use serde::Deserialize;
use serde_json::json;

use super::{
    options::LONGEST,
    outcome::{pause, reference},
};
use crate::{
    tip20::{calls::read_transfer, events::TransferWithMemo},
    transaction::{Authored, Transaction},
};

/// How long before its end a transaction can have been in a block, at the most: blocks before that are not
/// searched.
const WINDOW: Duration = Duration::from_secs(30);

/// The most steps to a block of a time. Each halves what is left.
const STEPS: usize = 48;

/// The most blocks that a node is asked about at once.
const SPAN: u64 = 1_000;

/// Looks for the transaction: it is there, it can never be, or neither is known.
pub(crate) async fn find(
    node: &Node,
    authored: &Authored,
    trace: Option<&Trace>,
    block_time: Duration,
) -> Result<Resolved, RpcError> {
    let transaction = authored.transaction();
    let Some(end) = transaction.valid_before.map(Timestamp::from_secs) else {
        return Ok(Resolved::Unknown);
    };
    for round in 0..2 {
        if round > 0 {
            // Nodes answer from several places: what proves a death has to be true twice.
            pause(node).await;
        }
        let Some(latest) = node.ask(request::block(At::Latest)).await? else {
            return Ok(Resolved::Unknown);
        };
        let blocks = span(node, &latest, end, transaction, block_time).await?;
        if let Some(trace) = trace
            && let Some(hash) = in_blocks(node, authored.transaction(), trace, blocks).await?
        {
            let found = reference(hash);
            return Ok(found.map_or(Resolved::Unknown, |reference| Resolved::Moved { reference }));
        }
        if latest.time() < end {
            return Ok(Resolved::Unknown);
        }
    }
    Ok(Resolved::Dead)
}

/// The blocks it can be in.
async fn span(
    node: &Node,
    latest: &Block,
    end: Timestamp,
    transaction: &Transaction,
    block_time: Duration,
) -> Result<(u64, u64), RpcError> {
    // A nonce that expires is taken half a minute before its end at the earliest. One of a lane may have been
    // valid for as long as any.
    let window = if transaction.is_expiring_nonce() {
        WINDOW
    } else {
        LONGEST + WINDOW
    };
    let begin = end.saturating_sub(window);
    let first = block_at(node, latest, begin, block_time).await?;
    if latest.time() < end {
        return Ok((first, latest.number()));
    }
    let last = block_at(node, latest, end, block_time).await?;
    Ok((first, last))
}

/// The last block before a time, or the first there is.
async fn block_at(
    node: &Node,
    latest: &Block,
    time: Timestamp,
    block_time: Duration,
) -> Result<u64, RpcError> {
    if latest.time() <= time {
        return Ok(latest.number());
    }
    let ago = u128::from(latest.time().as_millis().saturating_sub(time.as_millis()));
    let guess = u64::try_from(ago / block_time.as_millis().max(1)).unwrap_or(u64::MAX);
    // The block `high` is after the time; `low`, if it is not the first, is not.
    let (mut low, mut high) = (0, latest.number());
    let mut next = high.saturating_sub(guess.saturating_add(1));
    for _ in 0..STEPS {
        if high - low <= 1 {
            break;
        }
        let at = next.clamp(low + 1, high - 1);
        match node.ask(request::block(At::Block(at))).await? {
            Some(block) if block.time() <= time => low = at,
            _ => high = at,
        }
        // The first guess is good where blocks come evenly; around it, and then by halves.
        let near = guess / 16 + 8;
        next = if low == at && high - low > 2 * near {
            low + near
        } else if high == at && high - low > 2 * near && low > 0 {
            high - near
        } else {
            low + (high - low) / 2
        };
    }
    Ok(low)
}

/// A log, with the transaction that left it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    #[serde(flatten)]
    log: Log,
    transaction_hash: TxHash,
    #[serde(default)]
    removed: bool,
}

/// What tells our transaction from others that left the same log.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    hash: TxHash,
    #[serde(default)]
    gas: Option<U64>,
    #[serde(default)]
    max_fee_per_gas: Option<U256>,
}

/// What a transaction leaves behind when it did what it was for: a log.
pub(crate) struct Trace {
    /// Who logs it.
    pub(crate) contract: Address,
    /// The first of its topics, where they are known.
    pub(crate) topics: Vec<Option<B256>>,
    /// Whether such a log is it.
    pub(crate) is: Box<dyn Fn(&Log) -> bool + Send + Sync>,
}

impl Trace {
    /// The log of a payment's first transfer.
    pub(super) fn of_transfer(authored: &Authored) -> Option<Self> {
        let call = authored.transaction().calls.first()?;
        let transfer = read_transfer(&call.input)?;
        let (from, to) = (
            authored.sender().into_word(),
            transfer.recipient.into_word(),
        );
        let topics = [TransferWithMemo::SIGNATURE_HASH, from, to, transfer.memo?.0];
        Some(Self {
            contract: call.to?,
            topics: topics.map(Some).to_vec(),
            is: Box::new(move |log| {
                let amount = <[u8; 32]>::try_from(&log.data[..]).ok();
                log.topics == topics && amount.map(U256::from_be_bytes) == Some(transfer.amount)
            }),
        })
    }

    fn left(&self, found: &Found) -> bool {
        found.log.address == self.contract && !found.removed && (self.is)(&found.log)
    }
}

async fn in_blocks(
    node: &Node,
    transaction: &Transaction,
    trace: &Trace,
    (first, last): (u64, u64),
) -> Result<Option<TxHash>, RpcError> {
    let mut at = first;
    while at <= last {
        let end = last.min(at.saturating_add(SPAN - 1));
        let filter = json!([{
            "address": trace.contract,
            "topics": trace.topics,
            "fromBlock": format!("0x{at:x}"),
            "toBlock": format!("0x{end:x}"),
        }]);
        let logs: Vec<Found> = node.ask(Request::new("eth_getLogs", filter)).await?;
        for found in logs {
            let hash = found.transaction_hash;
            if trace.left(&found) && is_the_one(node, hash, transaction).await? {
                return Ok(Some(hash));
            }
        }
        at = end + 1;
    }
    Ok(None)
}

/// A memo of the seller's own can be that of other payments too. The gas and its price, whose last digits
/// are of the challenge, are of this one.
async fn is_the_one(
    node: &Node,
    hash: TxHash,
    transaction: &Transaction,
) -> Result<bool, RpcError> {
    let asked: Request<Option<Sent>> = Request::new("eth_getTransactionByHash", json!([hash]));
    let Some(sent) = node.ask(asked).await? else {
        return Ok(false);
    };
    let gas = sent
        .gas
        .is_none_or(|gas| gas == U64::from(transaction.gas_limit));
    let price = U256::from(transaction.max_fee_per_gas);
    Ok(sent.hash == hash && gas && sent.max_fee_per_gas.is_none_or(|max| max == price))
}
