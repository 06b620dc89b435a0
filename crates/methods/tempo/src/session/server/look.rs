//! What the chain says of channels, and what happened to them.

use std::collections::BTreeSet;

use farthing_core::{
    intent::session::{ChannelId, OnChain, Protocol, Seen, Terms},
    port::{
        method::{Fault, Refusal},
        session::News,
    },
    value::{Amount, Timestamp},
};
use farthing_evm::{
    Address, Asked, At, B256, Batch, Block, Log, RpcError, request, request::LogFilter,
};
use serde_json::Value;
use tokio::time;

use super::{Flaw, OPEN_BEFORE, TempoSession};
use crate::session::{ChannelEvent, Happened, TempoChannel, channel_id, newest, read_states};

/// How many blocks are looked through again: what a node was behind by, or a chain took back.
const OVERLAP: u64 = 8;

impl TempoSession {
    pub(super) async fn look_at(
        &self,
        channels: &[(ChannelId, Terms)],
    ) -> Result<Vec<Option<Seen>>, Refusal> {
        let known: Vec<TempoChannel> = channels
            .iter()
            .map(|(id, terms)| of(id, terms))
            .collect::<Result<_, Flaw>>()?;
        let states = read_states(&self.node, &known).await.map_err(unavailable)?;
        let block = states.block.number();
        let mut seen: Vec<Option<Seen>> = states
            .channels
            .iter()
            .map(|state| state.map(|state| Seen { block, state }))
            .collect();
        let gone: Vec<usize> = (0..seen.len())
            .filter(|at| seen[*at].is_none() && known[*at].protocol() == Protocol::V2)
            .collect();
        if !gone.is_empty() {
            let ids: Vec<_> = gone.iter().map(|at| known[*at]).collect();
            let settled = self.closings(&ids, block).await;
            for (at, settled) in gone.into_iter().zip(settled) {
                // Without an event it can be one that ended long ago, or one that is still to come.
                if settled.is_some() || is_over(&channels[at].1, &states.block) {
                    let state = OnChain::Finalized { settled };
                    seen[at] = Some(Seen { block, state });
                }
            }
        }
        Ok(seen)
    }

    /// What channels that ended lately were settled at. What is not found is not known: the chain keeps
    /// nothing of a channel of the second protocol that ended.
    async fn closings(&self, channels: &[TempoChannel], block: u64) -> Vec<Option<Amount>> {
        let mut batch = Batch::new();
        let asked: Vec<_> = channels
            .iter()
            .map(|channel| {
                batch.ask(request::logs(&LogFilter {
                    from: block.saturating_sub(self.options.blocks),
                    to: block,
                    contracts: vec![channel.escrow().contract],
                    topics: vec![None, Some(channel.id())],
                }))
            })
            .collect();
        let Ok(mut answers) = self.node.ask_batch(&batch).await else {
            return vec![None; channels.len()];
        };
        let settled = |(channel, asked): (&TempoChannel, &Asked<Vec<Log>>)| {
            let logs = answers.take(asked).unwrap_or_default();
            let events = logs
                .iter()
                .filter(|log| is_from(log, channel.escrow().contract));
            let mut events = events.filter_map(ChannelEvent::read);
            events.find_map(|event| match event.what {
                Happened::Closed { settled, .. } if event.channel == channel.id() => Some(settled),
                _ => None,
            })
        };
        channels.iter().zip(&asked).map(settled).collect()
    }

    pub(super) async fn news_since(&self, since: Option<u64>) -> Result<News, Refusal> {
        let latest = newest(&self.node).await.map_err(unavailable)?;
        let Some(since) = since.filter(|since| *since < latest.number()) else {
            // A node may be behind the one that was asked before. What was looked through stays so.
            return Ok(News {
                block: since.unwrap_or_default().max(latest.number()),
                at: latest.time(),
                channels: Vec::new(),
            });
        };
        let from = (since + 1).saturating_sub(OVERLAP);
        let mut blocks = self.options.blocks.max(OVERLAP + 1);
        loop {
            let to = latest.number().min(from.saturating_add(blocks - 1));
            match self.logs(from, to, &latest).await {
                // A node may refuse so many blocks, or so many logs.
                Err(RpcError::Rejected { .. } | RpcError::Nonsense { .. })
                    if blocks > OVERLAP + 1 && to > since + 1 =>
                {
                    blocks = (blocks / 2).max(OVERLAP + 1);
                }
                Err(error) => return Err(unavailable(error)),
                Ok((at, channels)) => {
                    return Ok(News {
                        block: to,
                        at,
                        channels,
                    });
                }
            }
        }
    }

    /// The channels that something happened to in some blocks, and the time of the last of these.
    async fn logs(
        &self,
        from: u64,
        to: u64,
        latest: &Block,
    ) -> Result<(Timestamp, Vec<ChannelId>), RpcError> {
        let contracts: Vec<Address> = self.options.escrows.iter().map(|it| it.contract).collect();
        let mut batch = Batch::new();
        let payee = self.options.recipient.into_word();
        let logs = batch.ask(request::logs(&LogFilter {
            from,
            to,
            contracts: contracts.clone(),
            topics: vec![None, None, None, Some(payee)],
        }));
        let block = batch.ask(request::block(At::Block(to)));
        let mut answers = self.node.ask_batch(&batch).await?;
        let logs = answers.take(&logs)?;
        let at = match answers.take(&block)? {
            Some(block) if block.number() == to => block.time(),
            // A node that does not have the block has none of its logs either.
            _ => return Err(self.nonsense("a block is missing")),
        };
        // Whatever the contract says of a channel, that is a reason to look.
        let ours = logs.iter().filter(|log| contracts.contains(&log.address));
        let ids: BTreeSet<B256> = ours.filter_map(|log| log.topics.get(1).copied()).collect();
        // The newest block's time where that was reached: it is the same block, asked for twice.
        let at = if to == latest.number() {
            at.max(latest.time())
        } else {
            at
        };
        Ok((at, ids.into_iter().map(channel_id).collect()))
    }

    pub(super) async fn next_block(&self) {
        let mut heads = self.node.heads();
        let told = async { while heads.next().await.is_none() {} };
        // Where nobody tells, it is time after the time of a block.
        let _ = time::timeout(self.options.network.block_time(), told).await;
    }

    pub(super) fn nonsense(&self, what: &'static str) -> RpcError {
        RpcError::Nonsense {
            endpoint: self.options.network.name().to_owned(),
            what,
            source: None,
        }
    }
}

/// A channel that is kept, with its id.
pub(super) fn of(id: &ChannelId, terms: &Terms) -> Result<TempoChannel, Flaw> {
    let channel = TempoChannel::read(&terms.details)?;
    if channel.channel_id() != *id {
        return Err(Flaw::OtherChannel);
    }
    Ok(channel)
}

/// Whether a channel that the chain does not have ended, and is not only still to come: its opening cannot be
/// in a block any more.
fn is_over(terms: &Terms, block: &Block) -> bool {
    let before = terms.details.get(OPEN_BEFORE).and_then(Value::as_u64);
    before.is_none_or(|before| block.time().as_secs() >= before)
}

fn is_from(log: &Log, contract: Address) -> bool {
    log.address == contract && log.stands()
}

pub(super) fn unavailable(error: RpcError) -> Refusal {
    let cause: &dyn std::error::Error = &error;
    tracing::warn!(error = cause, "the chain does not tell of channels");
    Refusal::new(
        Fault::Unavailable,
        "the chain cannot be asked at the moment",
    )
    .caused_by(error)
}
