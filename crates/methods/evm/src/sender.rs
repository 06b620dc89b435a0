//! Sending from an outbox: written down, sent, looked after until its fate is known.

use std::time::Duration;

use alloy_primitives::{Address, U256};
use farthing_core::port::backend::Source;
use tokio::{sync::Mutex, time};

use crate::{
    Entry, Fate, JobId, Lane, LaneId, Mortality, Node, NonceRead, Outbox, OutboxError,
    RawTransaction, RpcError, SendError, Watched, look,
};

/// After how many looks at a transaction that waits the ones before it are looked after.
const PATIENCE: u32 = 6;

/// One key's way onto a chain. It may be used from many tasks at once, and in several processes over one
/// store.
#[derive(Debug)]
pub struct Sender {
    node: Node,
    lane: Lane,
    read: NonceRead,
    /// Held while the node is sent something. What waits for it comes in the order of the nonces: nodes keep
    /// few transactions whose nonce comes too early, and some lose them.
    sending: Mutex<()>,
    /// One at a time sends again what is missing.
    mending: Mutex<()>,
}

/// A transaction that was written down, and what the node said to it.
#[derive(Debug)]
pub struct Sent {
    /// The transaction. Whatever the node said, it may be executed from now on.
    pub entry: Entry,
    /// What the node said. "Nonce too low" is also said of a transaction that another process sent again and
    /// that is in a block already: its fate is what counts.
    pub said: Result<(), SendError>,
}

/// Why nothing can be said of a transaction.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SenderError {
    /// It was not written down, or is lost.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// The chain does not tell.
    #[error(transparent)]
    Rpc(#[from] RpcError),
}

impl Sender {
    /// The sequence of nonces that every account has.
    ///
    /// # Errors
    /// When the chain does not tell the next nonce.
    pub async fn open(node: Node, outbox: &Outbox, account: Address) -> Result<Self, SenderError> {
        let id = LaneId {
            chain: node.chain(),
            account,
            lane: U256::ZERO,
        };
        Self::open_lane(node, outbox, id, NonceRead::Account(account)).await
    }

    /// A sequence of one's own, where a chain has them, with the way to read its next nonce.
    ///
    /// # Errors
    /// When the chain does not tell it.
    pub async fn open_lane(
        node: Node,
        outbox: &Outbox,
        id: LaneId,
        read: NonceRead,
    ) -> Result<Self, SenderError> {
        let counted = read.read(&node).await?;
        Ok(Self {
            lane: outbox.lane(id, counted),
            node,
            read,
            sending: Mutex::new(()),
            mending: Mutex::new(()),
        })
    }

    /// Writes the transaction of a job down and sends it. A job that was done before is sent again as it
    /// was, and `sign` is not called.
    ///
    /// # Errors
    /// When it was not written down: then nothing was sent.
    pub async fn send<E: Into<Source>>(
        &self,
        job: &JobId,
        sign: impl FnMut(u64) -> Result<RawTransaction, E>,
    ) -> Result<Sent, SenderError> {
        let (entry, turn) = self.lane.prepare_in_turn(job, sign).await?;
        let _sending = self.sending.lock().await;
        // Whoever prepares the next may do so while this one is sent.
        drop(turn);
        let said = self.node.send_raw(&entry.raw).await;
        Ok(Sent { entry, said })
    }

    /// Looks after a transaction until its fate is final, at most for a time: it is sent again where the
    /// node lost it, and so are those before it, without which it cannot be executed.
    ///
    /// # Errors
    /// When the chain did not tell last time, or the store lost what is missing.
    pub async fn wait(&self, entry: &Entry, patience: Duration) -> Result<Fate, SenderError> {
        let watched = self.watched(entry);
        let mut last = Ok(Fate::Unseen);
        let mut heads = self.node.heads();
        let watching = async {
            for turn in 1.. {
                last = look(&self.node, &watched).await.map_err(SenderError::from);
                match &last {
                    Ok(fate) if fate.is_final() => return,
                    Ok(Fate::Unseen) => self.again(entry).await,
                    _ => {}
                }
                if turn % PATIENCE == 0
                    && let Ok(_mending) = self.mending.try_lock()
                    && let Err(error @ SenderError::Outbox(_)) = self.mend(entry.nonce).await
                {
                    last = Err(error);
                    return;
                }
                heads.next().await;
            }
        };
        // Running out of patience is no error: what was seen last is the answer.
        let _ = time::timeout(patience, watching).await;
        last
    }

    /// After a restart: sends again, in order, whatever was written down and is not executed yet, and says
    /// how many there were.
    ///
    /// # Errors
    /// When the chain does not tell, or the store lost what the chain waits for.
    pub async fn recover(&self) -> Result<usize, SenderError> {
        let _mending = self.mending.lock().await;
        match self.lane.last().await? {
            Some(last) => self.mend(last).await,
            None => Ok(0),
        }
    }

    /// Forgets a transaction that is [dead](Fate::Dead), or in a block so deep that it stays there. The
    /// job of a dead one may then be done anew, with a nonce that is free.
    ///
    /// # Errors
    /// When the chain does not tell the next nonce, or the store fails.
    pub async fn forget(&self, entry: &Entry) -> Result<(), SenderError> {
        self.lane.counted(self.read.read(&self.node).await?);
        Ok(self.lane.outbox().forget(entry).await?)
    }

    /// How the fate of an entry is found out.
    #[must_use]
    pub fn watched(&self, entry: &Entry) -> Watched {
        Watched {
            hash: entry.hash(),
            dies: Mortality {
                nonce: Some((self.read.clone(), entry.nonce)),
                valid_before: None,
            },
            raw: Some(entry.raw.clone()),
        }
    }

    async fn mend(&self, up_to: u64) -> Result<usize, SenderError> {
        let counted = self.read.read(&self.node).await?;
        let waiting = self.lane.waiting(counted, up_to).await?;
        let _sending = self.sending.lock().await;
        for entry in &waiting {
            self.again(entry).await;
        }
        Ok(waiting.len())
    }

    async fn again(&self, entry: &Entry) {
        // What the node says is no proof of anything; the next look is.
        if let Err(error) = self.node.send_raw(&entry.raw).await {
            tracing::debug!(hash = %entry.hash(), %error, "it was not taken again");
        }
    }
}
