//! How a channel that ended is told from one that is still to come.
//!
//! The chain keeps nothing of a channel of the second protocol that ended: it is as if it had never been. So both
//! sides look for what its end left in the logs, and keep by when its opening was in a block or never will be.

use farthing_core::{
    intent::session::{OnChain, Protocol, Seen},
    value::{Amount, Timestamp},
};
use farthing_evm::{Asked, Batch, Block, Log, Node, RpcError, request, request::LogFilter};
use serde_json::{Map, Value, json};

use super::{ChannelEvent, Happened, TempoChannel, read_states};

/// The member of a channel's details that says by when its opening was in a block, or never will be.
const OPEN_BEFORE: &str = "openBefore";

/// Keeps when its opening's time is over.
pub(super) fn keep_open_before(details: &mut Map<String, Value>, end: Timestamp) {
    details.insert(OPEN_BEFORE.to_owned(), json!(end.as_secs()));
}

/// What the chain says of channels, each with its kept details, as of one block. The ends of those that it does not
/// have are looked for in so many of the last blocks; none is said of one that may still come.
///
/// # Errors
/// When the chain does not tell.
pub(super) async fn look(
    node: &Node,
    channels: &[(TempoChannel, Map<String, Value>)],
    blocks: u64,
) -> Result<Vec<Option<Seen>>, RpcError> {
    let known: Vec<TempoChannel> = channels.iter().map(|(channel, _)| *channel).collect();
    let states = read_states(node, &known).await?;
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
        let settled = closings(node, &ids, block, blocks).await;
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

/// What channels that ended lately were settled at. What is not found is not known.
async fn closings(
    node: &Node,
    channels: &[TempoChannel],
    block: u64,
    blocks: u64,
) -> Vec<Option<Amount>> {
    let mut batch = Batch::new();
    let asked: Vec<_> = channels
        .iter()
        .map(|channel| {
            batch.ask(request::logs(&LogFilter {
                from: block.saturating_sub(blocks),
                to: block,
                contracts: vec![channel.escrow().contract],
                topics: vec![None, Some(channel.id())],
            }))
        })
        .collect();
    let Ok(mut answers) = node.ask_batch(&batch).await else {
        return vec![None; channels.len()];
    };
    let settled = |(channel, asked): (&TempoChannel, &Asked<Vec<Log>>)| {
        let logs = answers.take(asked).unwrap_or_default();
        let events = logs
            .iter()
            .filter(|log| log.address == channel.escrow().contract && log.stands());
        let mut events = events.filter_map(ChannelEvent::read);
        events.find_map(|event| match event.what {
            Happened::Closed { settled, .. } if event.channel == channel.id() => Some(settled),
            _ => None,
        })
    };
    channels.iter().zip(&asked).map(settled).collect()
}

/// Whether a channel that the chain does not have ended, and is not only still to come: its opening cannot be
/// in a block any more.
fn is_over(details: &Map<String, Value>, block: &Block) -> bool {
    let before = details.get(OPEN_BEFORE).and_then(Value::as_u64);
    before.is_none_or(|before| block.time().as_secs() >= before)
}
