//! What the chain has of channels.

use alloy_sol_types::SolCall;
use farthing_core::{
    intent::session::{OnChain, Protocol},
    value::{Amount, Timestamp},
};
use farthing_evm::{
    Address, Asked, At, B256, Batch, Block, Bytes, CallRequest, Node, RpcError, request,
};

use super::{
    calls::{v1, v2},
    escrow::Escrow,
    id::TempoChannel,
};

/// How many channels are asked about in one call.
const TOGETHER: usize = 200;

/// What the chain has of channels, as of one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct States {
    /// The block.
    pub block: Block,
    /// What it has of each, in the order asked for. `None` of one that it does not have: by the first
    /// protocol such a channel never was; by the second it may also have ended, because nothing is kept of
    /// those.
    pub channels: Vec<Option<OnChain>>,
}

/// Asks the chain about channels, all as of its newest block: two round trips, and one more for each further
/// hundred calls.
///
/// # Errors
/// When the chain does not tell, or tells of other channels.
pub async fn read_states(node: &Node, channels: &[TempoChannel]) -> Result<States, RpcError> {
    let block = newest(node).await?;
    let at = At::Block(block.number());
    let mut batch = Batch::new();
    let mut asked: Vec<(Vec<usize>, Asked<Bytes>)> = Vec::new();
    for (escrow, places) in by_escrow(channels) {
        for some in places.chunks(TOGETHER) {
            let ids = some.iter().map(|place| channels[*place].id()).collect();
            asked.push((some.to_vec(), batch.ask(states_request(&escrow, ids, at))));
        }
    }
    let mut states = vec![None; channels.len()];
    if !asked.is_empty() {
        let mut answers = node.ask_batch(&batch).await?;
        for (places, asked) in &asked {
            let answer = answers.take(asked)?;
            let some: Vec<_> = places.iter().map(|place| &channels[*place]).collect();
            let read = read(&some, &answer).ok_or_else(|| nonsense(node))?;
            for (place, state) in places.iter().zip(read) {
                states[*place] = state;
            }
        }
    }
    Ok(States {
        block,
        channels: states,
    })
}

/// The chain's newest block.
///
/// # Errors
/// When the chain does not tell.
pub(crate) async fn newest(node: &Node) -> Result<Block, RpcError> {
    let block = node.ask(request::block(At::Latest)).await?;
    block.ok_or_else(|| RpcError::Nonsense {
        endpoint: format!("a node of chain {}", node.chain()),
        what: "there is no last block",
        source: None,
    })
}

/// How long a payee has at an escrow, once the payer asked for a channel's end.
pub(super) fn grace_request(contract: Address) -> farthing_evm::Request<Bytes> {
    // Both contracts have it under one name.
    view(
        contract,
        v2::CLOSE_GRACE_PERIODCall {}.abi_encode(),
        At::Latest,
    )
}

/// Reads what was answered to that, in seconds.
pub(super) fn read_grace(answer: &[u8]) -> Option<u64> {
    v2::CLOSE_GRACE_PERIODCall::abi_decode_returns_validate(answer).ok()
}

/// The channels of each escrow, by their places.
fn by_escrow(channels: &[TempoChannel]) -> Vec<(Escrow, Vec<usize>)> {
    let mut all: Vec<(Escrow, Vec<usize>)> = Vec::new();
    for (place, channel) in channels.iter().enumerate() {
        match all
            .iter_mut()
            .find(|(escrow, _)| escrow == channel.escrow())
        {
            Some((_, places)) => places.push(place),
            None => all.push((*channel.escrow(), vec![place])),
        }
    }
    all
}

fn states_request(escrow: &Escrow, ids: Vec<B256>, at: At) -> farthing_evm::Request<Bytes> {
    let data = match escrow.protocol {
        Protocol::V1 => v1::getChannelsBatchCall { channelIds: ids }.abi_encode(),
        Protocol::V2 => v2::getChannelStatesBatchCall { channelIds: ids }.abi_encode(),
    };
    view(escrow.contract, data, at)
}

fn view(to: Address, data: Vec<u8>, at: At) -> farthing_evm::Request<Bytes> {
    let call = CallRequest {
        to,
        data: data.into(),
        ..CallRequest::default()
    };
    request::call(&call, at)
}

/// Reads an answer about channels of one escrow. `None` where it is no answer to that.
fn read(channels: &[&TempoChannel], answer: &[u8]) -> Option<Vec<Option<OnChain>>> {
    let protocol = channels.first()?.protocol();
    let states: Vec<Option<OnChain>> = match protocol {
        Protocol::V1 => {
            let all = v1::getChannelsBatchCall::abi_decode_returns_validate(answer).ok()?;
            if all.len() != channels.len() {
                return None;
            }
            let both = channels.iter().zip(&all);
            both.map(|(channel, state)| first(channel, state))
                .collect::<Option<_>>()?
        }
        Protocol::V2 => {
            let all = v2::getChannelStatesBatchCall::abi_decode_returns_validate(answer).ok()?;
            all.iter().map(second).collect()
        }
    };
    (states.len() == channels.len()).then_some(states)
}

/// A channel of the first protocol. It says between whom it is, which its id says too: one that says
/// otherwise is the word of a node that lies.
fn first(channel: &TempoChannel, state: &v1::Channel) -> Option<Option<OnChain>> {
    if state.payer.is_zero() {
        return Some(None);
    }
    let origin = channel.origin();
    let signer = match state.authorizedSigner {
        nobody if nobody.is_zero() => state.payer,
        signer => signer,
    };
    let said = (state.payer, state.payee, state.token, signer);
    if said
        != (
            origin.payer(),
            origin.payee(),
            origin.token(),
            origin.signer(),
        )
    {
        return None;
    }
    let settled = Amount::new(state.settled);
    Some(Some(if state.finalized {
        OnChain::Finalized {
            settled: Some(settled),
        }
    } else {
        OnChain::Open {
            deposit: Amount::new(state.deposit),
            settled,
            close_requested_at: time(state.closeRequestedAt),
        }
    }))
}

fn second(state: &v2::ChannelState) -> Option<OnChain> {
    (!state.deposit.is_zero()).then(|| OnChain::Open {
        deposit: Amount::new(state.deposit.to()),
        settled: Amount::new(state.settled.to()),
        close_requested_at: time(state.closeRequestedAt.into()),
    })
}

fn time(seconds: u64) -> Option<Timestamp> {
    (seconds != 0).then(|| Timestamp::from_secs(seconds))
}

fn nonsense(node: &Node) -> RpcError {
    RpcError::Nonsense {
        endpoint: format!("a node of chain {}", node.chain()),
        what: "the escrow's answer is none about these channels",
        source: None,
    }
}
