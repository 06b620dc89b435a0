//! What the chain says of channels, and what happened to them.

use std::collections::BTreeSet;

use farthing_core::{
    intent::session::{ChannelId, Seen, Terms},
    port::{
        method::{Fault, Refusal},
        session::News,
    },
    value::Timestamp,
};
use farthing_evm::{Address, At, B256, Batch, Block, RpcError, request, request::LogFilter};
use tokio::time;

use super::{Flaw, TempoSession};
use crate::session::{TempoChannel, channel_id, ended, newest};

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
        let asked: Vec<_> = known
            .into_iter()
            .zip(channels.iter().map(|(_, terms)| terms.details.to_map()))
            .collect();
        ended::look(&self.node, &asked, self.options.blocks)
            .await
            .map_err(unavailable)
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
        let ahead = latest.number() - since;
        let mut blocks = self.options.blocks.saturating_sub(OVERLAP).clamp(1, ahead);
        let mut again = OVERLAP;
        loop {
            let (from, to) = ((since + 1).saturating_sub(again), since + blocks);
            match self.logs(from, to, &latest).await {
                // A node may refuse so many blocks, or so many logs; and anybody can have as many written
                // as fit into a block. What is looked through again is given up last, or that would
                // keep us here for good.
                Err(RpcError::Rejected { .. } | RpcError::Nonsense { .. }) if blocks > 1 => {
                    blocks /= 2;
                }
                Err(RpcError::Rejected { .. } | RpcError::Nonsense { .. }) if again > 0 => {
                    again /= 2;
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
    let channel = TempoChannel::read(&terms.details.to_map())?;
    if channel.channel_id() != *id {
        return Err(Flaw::OtherChannel);
    }
    Ok(channel)
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
