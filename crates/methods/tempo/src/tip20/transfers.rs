//! Sending a token: each transfer once, whatever happens.
//!
//! A transfer has an id of the caller's. Its transaction is valid for less than half a minute and needs no
//! number, so it waits for no other and blocks none. If the process dies after
//! - nothing was written: the same id signs, as if it were new,
//! - the signed bytes were written, and sent or not: the same id finds them. They are sent again as they
//!   are while they are valid. When they are not any more, and the chain has them in no block, they are dead
//!   for good: the id is signed anew.
//!
//! So for one id at most one transaction can ever be in a block, of whichever chain, in any number of processes
//! over one store.

use std::{fmt, sync::Arc, time::Duration};

use farthing_core::{port::clock::Clock, value::Amount};
use farthing_evm::{Address, Entry, JobId, Lane, LaneId, Node, Outbox, SendError, look, wait};

use super::{
    kept::Kept,
    order::{TransferError, TransferOptions, TransferOrder},
    plan::Plan,
    standing::Standing,
};
use crate::{key::AccountKey, transaction::EXPIRING_NONCE_KEY};

/// The transfers of an account on a chain, each made once.
pub struct Transfers {
    node: Node,
    outbox: Outbox,
    lane: Lane,
    key: AccountKey,
    clock: Arc<dyn Clock>,
    options: TransferOptions,
}

/// The store's name for what is done once for an id.
fn job(account: Address, id: &[u8]) -> JobId {
    JobId::new("tip20.transfer", &[account.as_slice(), id].concat())
}

impl Transfers {
    /// The transfers of a key's account. The clock is what a node's word about the time is held to.
    #[must_use]
    pub fn new(
        node: Node,
        outbox: Outbox,
        key: AccountKey,
        clock: Arc<dyn Clock>,
        options: TransferOptions,
    ) -> Self {
        let lane = outbox.lane(
            LaneId {
                chain: node.chain(),
                account: key.account(),
                lane: EXPIRING_NONCE_KEY,
            },
            0,
        );
        Self {
            node,
            outbox,
            lane,
            key,
            clock,
            options,
        }
    }

    /// The account.
    #[must_use]
    pub fn account(&self) -> Address {
        self.key.account()
    }

    /// What a transfer would cost at the most, in base units of the fee token; or why it would not be made.
    /// What an access key may do is asked only by [`send`](Self::send), so that a quote needs no key.
    ///
    /// # Errors
    /// When it would not be made, as far as can be known beforehand.
    pub async fn quote(&self, order: &TransferOrder) -> Result<Amount, TransferError> {
        let plan = self.plan(order).await?;
        Ok(plan.max_fee())
    }

    /// Makes a transfer, and says how it stands. An id that was used for it before makes no second one.
    ///
    /// # Errors
    /// When it was not made. After [`Rpc`](TransferError::Rpc) it may have been: ask again by the same id.
    pub async fn send(&self, id: &[u8], order: &TransferOrder) -> Result<Standing, TransferError> {
        if let Some((entry, kept)) = self.find(id).await? {
            if !kept.is(order) {
                return Err(TransferError::OtherTransfer);
            }
            match kept.standing(look(&self.node, &kept.watched()).await?) {
                Standing::Dead { .. } => self.outbox.forget(&entry).await?,
                Standing::Waiting { .. } => return self.hand_over(&kept).await,
                done => return Ok(done),
            }
        }
        let plan = self.plan(order).await?;
        plan.check_key(&self.node, &self.key).await?;
        let entry = self
            .lane
            .prepare(&job(self.account(), id), |index| {
                plan.sign(&self.key, index)
            })
            .await?;
        let kept = self.read(&entry)?;
        // Another process may have been first, with another order.
        if !kept.is(order) {
            return Err(TransferError::OtherTransfer);
        }
        self.hand_over(&kept).await
    }

    /// How the transfer of an id stands; `None` where there is none.
    ///
    /// # Errors
    /// When the store fails or the chain does not tell.
    pub async fn status(&self, id: &[u8]) -> Result<Option<Standing>, TransferError> {
        let Some((_, kept)) = self.find(id).await? else {
            return Ok(None);
        };
        let fate = look(&self.node, &kept.watched()).await?;
        Ok(Some(kept.standing(fate)))
    }

    /// Looks after the transfer of an id until how it stands is final, at most for a time. It is sent again
    /// where the chain lost it. `None` where there is none.
    ///
    /// # Errors
    /// When the store fails or the chain does not tell.
    pub async fn finish(
        &self,
        id: &[u8],
        patience: Duration,
    ) -> Result<Option<Standing>, TransferError> {
        let Some((_, kept)) = self.find(id).await? else {
            return Ok(None);
        };
        let fate = wait(&self.node, &kept.watched(), patience).await?;
        Ok(Some(kept.standing(fate)))
    }

    async fn plan(&self, order: &TransferOrder) -> Result<Plan, TransferError> {
        let now = self.clock.now();
        Plan::make(&self.node, &self.key, &self.options, order, now).await
    }

    async fn find(&self, id: &[u8]) -> Result<Option<(Entry, Kept)>, TransferError> {
        let Some(entry) = self.outbox.find(&job(self.account(), id)).await? else {
            return Ok(None);
        };
        let kept = self.read(&entry)?;
        Ok(Some((entry, kept)))
    }

    /// What was sent on another chain is another transfer. Ours knows nothing of it, and would say that it is
    /// dead, which it may not be.
    fn read(&self, entry: &Entry) -> Result<Kept, TransferError> {
        if entry.lane.chain != self.node.chain() {
            return Err(TransferError::OtherTransfer);
        }
        Kept::read(entry)
    }

    async fn hand_over(&self, kept: &Kept) -> Result<Standing, TransferError> {
        match self.node.send_raw_sync(kept.signed.raw()).await {
            Ok(Some(receipt)) => Ok(kept.executed(&receipt)),
            Ok(None) => Ok(kept.waiting()),
            // It is written down, so what became of it can always be found out. What a node says against it
            // is no proof: it may be in a block already.
            Err(SendError::NotSent(error)) => Err(error.into()),
            Err(error) => {
                tracing::debug!(hash = %kept.signed.hash(), %error, "the node did not take a transfer");
                Ok(kept.waiting())
            }
        }
    }
}

impl fmt::Debug for Transfers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transfers")
            .field("account", &self.account())
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
