//! What became of a transaction.
//!
//! There is one proof that a transaction did what it was for: its receipt, in a block that the chain has
//! now. There are two that it never will: its nonce is used and it has no receipt, or it is not valid any
//! more by the chain's time and has none. Everything else, above all silence, proves nothing.

use std::time::Duration;

use alloy_primitives::{Address, Bytes, TxHash, U64, U256};
use farthing_core::value::Timestamp;
use tokio::time;

use crate::{
    At, Block, CallRequest, Node, RawTransaction, Receipt, Request, RpcError,
    request::{self, Known},
    rpc::question,
};

/// A transaction that is looked for.
#[derive(Clone, Debug)]
pub struct Watched {
    /// Its hash.
    pub hash: TxHash,
    /// What would prove that it can never be in a block any more.
    pub dies: Mortality,
    /// Its bytes, sent again to a node that does not know it.
    pub raw: Option<RawTransaction>,
}

/// What proves that a transaction without a receipt never will have one.
#[derive(Clone, Debug, Default)]
pub struct Mortality {
    /// Another transaction used its nonce.
    pub nonce: Option<(NonceRead, u64)>,
    /// The chain's time has come to this: it was valid before.
    pub valid_before: Option<Timestamp>,
}

/// Where a chain keeps the next nonce.
#[derive(Clone, Debug)]
pub enum NonceRead {
    /// In the account.
    Account(Address),
    /// In a contract that answers a call with it, as one number of 32 bytes: a lane of its own.
    Call {
        /// The contract.
        to: Address,
        /// The call.
        data: Bytes,
    },
}

/// What became of a transaction, as far as a chain tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fate {
    /// It is in a block that the chain has, and did what it was for.
    Included(Receipt),
    /// It is in a block that the chain has, and failed: it cost its fee and did nothing else.
    Reverted(Receipt),
    /// It is in no block and never will be. Nothing moved.
    Dead(Death),
    /// A node holds it, or a block that just went away did.
    Pending,
    /// The node does not know it. Another may, and it may still come.
    Unseen,
}

/// Why a transaction can never be in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Death {
    /// Another one used its nonce.
    NonceUsed,
    /// It is not valid any more.
    Expired,
}

impl Fate {
    /// Whether it stays so, the chain's reorganisations aside.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Included(_) | Self::Reverted(_) | Self::Dead(_))
    }
}

/// What a node tells in one exchange. The receipt is read last: what proves a death was then true before
/// it was found missing.
struct Sight {
    latest: Block,
    nonce: Option<u64>,
    known: Option<Known>,
    receipt: Option<Receipt>,
}

/// Looks for a transaction once: one round trip, or two where one proves too little.
///
/// # Errors
/// When the chain does not tell.
pub async fn look(node: &Node, watched: &Watched) -> Result<Fate, RpcError> {
    let first = sight(node, watched).await?;
    if let Some(receipt) = first.receipt {
        return included(node, receipt, &first.latest).await;
    }
    if death(watched, &first).is_some() {
        // Nodes answer the questions of a batch one by one, or at once, and some know an account's new nonce
        // before they know the receipt: look again, a little later.
        time::sleep(node.poll()).await;
        let second = sight(node, watched).await?;
        return match (&second.receipt, death(watched, &second)) {
            (Some(receipt), _) => included(node, receipt.clone(), &second.latest).await,
            (None, Some(death)) => Ok(Fate::Dead(death)),
            (None, None) => Ok(Fate::Pending),
        };
    }
    Ok(if first.known.is_some() {
        Fate::Pending
    } else {
        Fate::Unseen
    })
}

/// Looks for a transaction until its fate is final, at each [new block](Node::heads), and sends it again to
/// a node that does not know it. After `patience` it gives what it saw last.
///
/// # Errors
/// When the chain did not tell last time.
pub async fn wait(node: &Node, watched: &Watched, patience: Duration) -> Result<Fate, RpcError> {
    let mut last = Ok(Fate::Unseen);
    let mut heads = node.heads();
    let watching = async {
        loop {
            last = look(node, watched).await;
            match (&last, &watched.raw) {
                (Ok(fate), _) if fate.is_final() => return,
                (Ok(Fate::Unseen), Some(raw)) => {
                    // What it says is no proof of anything; the next look is.
                    if let Err(error) = node.send_raw(raw).await {
                        tracing::debug!(hash = %raw.hash(), %error, "it was not taken again");
                    }
                }
                _ => {}
            }
            heads.next().await;
        }
    };
    // Running out of patience is no error: what was seen last is the answer.
    let _ = time::timeout(patience, watching).await;
    last
}

async fn sight(node: &Node, watched: &Watched) -> Result<Sight, RpcError> {
    let latest = request::block(At::Latest);
    let count = watched.dies.nonce.as_ref().map(|(read, _)| read.request());
    let known = request::transaction(watched.hash);
    let receipt = request::receipt(watched.hash);
    let mut questions = vec![question(&latest)];
    match &count {
        Some(Count::Account(count)) => questions.push(question(count)),
        Some(Count::Call(call)) => questions.push(question(call)),
        None => {}
    }
    questions.extend([question(&known), question(&receipt)]);
    let mut answers = node.exchange(&questions).await?;
    let latest = answers.read(&latest)?;
    let latest = latest.ok_or_else(|| answers.nonsense("there is no last block"))?;
    let nonce = match &count {
        Some(Count::Account(count)) => Some(answers.read(count)?.to::<u64>()),
        Some(Count::Call(call)) => {
            let word = answers.read(call)?;
            let number = <[u8; 32]>::try_from(&word[..]).ok();
            let number = number.and_then(|word| u64::try_from(U256::from_be_bytes(word)).ok());
            Some(number.ok_or_else(|| answers.nonsense("a nonce is a number of 32 bytes"))?)
        }
        None => None,
    };
    let known = answers.read(&known)?;
    let receipt = answers.read(&receipt)?;
    if known
        .as_ref()
        .is_some_and(|known| known.hash != watched.hash)
        || receipt
            .as_ref()
            .is_some_and(|receipt| !receipt.is_of(watched.hash))
    {
        return Err(answers.nonsense("it tells of another transaction"));
    }
    Ok(Sight {
        latest,
        nonce,
        known,
        receipt,
    })
}

enum Count {
    Account(Request<U64>),
    Call(Request<Bytes>),
}

impl NonceRead {
    fn request(&self) -> Count {
        match self {
            Self::Account(account) => {
                Count::Account(request::transaction_count(*account, At::Latest))
            }
            Self::Call { to, data } => {
                let call = CallRequest {
                    to: *to,
                    data: data.clone(),
                    ..CallRequest::default()
                };
                Count::Call(request::call(&call, At::Latest))
            }
        }
    }

    /// The next nonce.
    ///
    /// # Errors
    /// When the chain does not tell.
    pub async fn read(&self, node: &Node) -> Result<u64, RpcError> {
        match self.request() {
            Count::Account(count) => Ok(node.ask(count).await?.to()),
            Count::Call(call) => {
                let word = node.ask(call).await?;
                let word = <[u8; 32]>::try_from(&word[..]).ok();
                word.and_then(|word| u64::try_from(U256::from_be_bytes(word)).ok())
                    .ok_or(RpcError::Misconfigured {
                        what: "the contract of the nonces answers with something else",
                        source: None,
                    })
            }
        }
    }
}

fn death(watched: &Watched, seen: &Sight) -> Option<Death> {
    // A node that still knows the transaction is about to tell of its block.
    if seen.known.is_some() {
        return None;
    }
    let used = watched.dies.nonce.as_ref().zip(seen.nonce);
    if used.is_some_and(|((_, own), next)| next > *own) {
        return Some(Death::NonceUsed);
    }
    let until = watched.dies.valid_before;
    until
        .is_some_and(|until| seen.latest.time() >= until)
        .then_some(Death::Expired)
}

/// A receipt counts when the chain still has its block.
async fn included(node: &Node, receipt: Receipt, latest: &Block) -> Result<Fate, RpcError> {
    let canonical = latest.hash == receipt.block_hash || {
        let there = node
            .ask(request::block(At::Block(receipt.block_number())))
            .await?;
        there.is_some_and(|block| block.hash == receipt.block_hash)
    };
    Ok(match (canonical, receipt.succeeded()) {
        (false, _) => Fate::Pending,
        (true, true) => Fate::Included(receipt),
        (true, false) => Fate::Reverted(receipt),
    })
}
