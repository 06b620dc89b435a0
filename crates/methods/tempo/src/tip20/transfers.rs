//! Sending a token: each transfer once, whatever happens.
//!
//! A transfer has an id of the caller's. Its transaction is valid for less than half a minute and needs no
//! number, so it waits for no other and blocks none. If the process dies after
//! - nothing was written: the same id signs, as if it were new,
//! - the signed bytes were written, and sent or not: the same id finds them. They are sent again as they
//!   are while they are valid. When they are not any more, and the chain has them in no block, they are dead
//!   for good: the id is signed anew.
//!
//! So for one id at most one transaction can ever be in a block, in any number of processes over one store.

use std::time::Duration;

use farthing_core::value::{Amount, Timestamp};
use farthing_evm::{
    Address, Entry, Fate, JobId, Lane, LaneId, Mortality, Node, Outbox, OutboxError, Receipt,
    Revert, RpcError, SendError, TxHash, Watched, look, wait,
};

use super::{
    ReadError, calls,
    events::{Event, Movement},
    fee_of,
    plan::Plan,
};
use crate::{
    charge::Memo,
    key::AccountKey,
    transaction::{
        DecodeError, EXPIRING_NONCE_KEY, InvalidTransaction, Received, SignedTransaction,
    },
};

/// A transfer to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferOrder {
    /// The token.
    pub token: Address,
    /// Who gets it.
    pub recipient: Address,
    /// How much.
    pub amount: Amount,
    /// What it carries.
    pub memo: Option<Memo>,
    /// The token the fee is paid in.
    pub fee_token: Address,
}

/// What bounds transfers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferOptions {
    /// The most a transfer's fee may be, in base units of the fee token. A node that names a price beyond it
    /// is broken or lies.
    pub max_fee: Amount,
    /// For how long a transaction is valid, by the chain's time. The chain takes none for 30 s and more.
    pub valid_for: Duration,
}

impl Default for TransferOptions {
    /// A quarter of a dollar, and 25 s.
    fn default() -> Self {
        Self {
            max_fee: Amount::new(250_000),
            valid_for: Duration::from_secs(25),
        }
    }
}

/// The transfers of an account on a chain, each made once.
#[derive(Debug)]
pub struct Transfers {
    node: Node,
    outbox: Outbox,
    lane: Lane,
    key: AccountKey,
    options: TransferOptions,
}

/// How a transfer stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standing {
    /// The recipient has it. Final.
    Done {
        /// The transaction.
        hash: TxHash,
        /// The block's number.
        block: u64,
        /// What it cost.
        fee: Amount,
    },
    /// It was executed, and the recipient does not have it: a policy of the recipient's keeps it out, and it
    /// waits at the chain's guard for receivers to be claimed. Final.
    Diverted {
        /// The transaction.
        hash: TxHash,
        /// What it cost.
        fee: Amount,
    },
    /// It was executed and failed: it cost its fee, and nothing else moved. Final.
    Reverted {
        /// The transaction.
        hash: TxHash,
        /// What it cost.
        fee: Amount,
    },
    /// It is in no block and never will be: nothing moved. Sending it again, by the same id, signs it anew.
    Dead {
        /// The transaction.
        hash: TxHash,
    },
    /// It may be in a block at any moment, until it is dead.
    Waiting {
        /// The transaction.
        hash: TxHash,
    },
}

impl Standing {
    /// The transaction.
    #[must_use]
    pub const fn hash(&self) -> TxHash {
        match self {
            Self::Done { hash, .. }
            | Self::Diverted { hash, .. }
            | Self::Reverted { hash, .. }
            | Self::Dead { hash }
            | Self::Waiting { hash } => *hash,
        }
    }

    /// Whether it stays so.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        !matches!(self, Self::Waiting { .. })
    }
}

/// Why a transfer was not made, or nothing can be said of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The chain does not answer. If the transfer was written down before, it may have been made: ask again,
    /// by the same id.
    #[error("the chain does not answer")]
    Rpc(#[from] RpcError),
    /// What the chain says of a token is of no use. Nothing moved.
    #[error(transparent)]
    Token(#[from] ReadError),
    /// The store failed. Nothing was sent.
    #[error("the transfer was not written down")]
    Outbox(#[from] OutboxError),
    /// The account has too little. Nothing moved.
    #[error("the account has {has} of {token}, and needs {needs} with the fee")]
    TooLittle {
        /// The token.
        token: Address,
        /// How much there is, in base units.
        has: Amount,
        /// How much would be needed at the most.
        needs: Amount,
    },
    /// The fee would be too high. Nothing moved.
    #[error("the fee could be {fee}, and may be {most} at the most")]
    Fee {
        /// What it could be, in base units of the fee token.
        fee: Amount,
        /// The most it may be.
        most: Amount,
    },
    /// The token would refuse it. Nothing moved.
    #[error("the token refuses the transfer: {0}")]
    Refused(Revert),
    /// Nothing, or to nobody who can receive it. Nothing moved.
    #[error("a transfer is of more than nothing, and to an address that a token can go to")]
    Order,
    /// The id stands for another transfer, which was made or is being made. Nothing moved for this one.
    #[error("the id was used for another transfer")]
    OtherTransfer,
    /// It could not be signed. Nothing moved.
    #[error("the transfer could not be signed")]
    Sign(#[source] InvalidTransaction),
    /// What the store has for the id is no transfer: it was damaged. It may have been made.
    #[error("what was written down for the id is no transfer")]
    Kept(#[source] Option<DecodeError>),
}

/// The store's name for what is done once for an id.
fn job(account: Address, id: &[u8]) -> JobId {
    JobId::new("tip20.transfer", &[account.as_slice(), id].concat())
}

impl Transfers {
    /// The transfers of a key's account.
    #[must_use]
    pub fn new(node: Node, outbox: Outbox, key: AccountKey, options: TransferOptions) -> Self {
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
            options,
        }
    }

    /// The account.
    #[must_use]
    pub fn account(&self) -> Address {
        self.key.account()
    }

    /// What a transfer would cost at the most, in base units of the fee token; or why it would not be made.
    ///
    /// # Errors
    /// When it would not be made, as far as can be known beforehand.
    pub async fn quote(&self, order: &TransferOrder) -> Result<Amount, TransferError> {
        let plan = Plan::make(&self.node, &self.key, &self.options, order).await?;
        Ok(plan.max_fee())
    }

    /// Makes a transfer, and says how it stands. An id that was used for it before makes no second one.
    ///
    /// # Errors
    /// When it was not made. After [`Rpc`](TransferError::Rpc) it may have been: ask again by the same id.
    pub async fn send(&self, id: &[u8], order: &TransferOrder) -> Result<Standing, TransferError> {
        if let Some(entry) = self.outbox.find(&job(self.account(), id)).await? {
            let kept = Kept::read(&entry)?;
            if !kept.is(order) {
                return Err(TransferError::OtherTransfer);
            }
            match kept.standing(look(&self.node, &kept.watched()).await?) {
                Standing::Dead { .. } => self.outbox.forget(&entry).await?,
                Standing::Waiting { .. } => return self.hand_over(&kept).await,
                done => return Ok(done),
            }
        }
        let plan = Plan::make(&self.node, &self.key, &self.options, order).await?;
        let entry = self
            .lane
            .prepare(&job(self.account(), id), |index| {
                plan.sign(&self.key, index)
            })
            .await?;
        let kept = Kept::read(&entry)?;
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
        let Some(entry) = self.outbox.find(&job(self.account(), id)).await? else {
            return Ok(None);
        };
        let kept = Kept::read(&entry)?;
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
        let Some(entry) = self.outbox.find(&job(self.account(), id)).await? else {
            return Ok(None);
        };
        let kept = Kept::read(&entry)?;
        let fate = wait(&self.node, &kept.watched(), patience).await?;
        Ok(Some(kept.standing(fate)))
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

/// A transfer that was written down.
struct Kept {
    signed: SignedTransaction,
    token: Address,
    transfer: calls::Transfer,
}

impl Kept {
    fn read(entry: &Entry) -> Result<Self, TransferError> {
        let read = Received::decode(entry.raw.bytes()).map_err(|e| TransferError::Kept(Some(e)))?;
        let nothing = || TransferError::Kept(None);
        let signed = read.whole().ok_or_else(nothing)?;
        let [call] = &signed.authored().transaction().calls[..] else {
            return Err(nothing());
        };
        Ok(Self {
            token: call.to.ok_or_else(nothing)?,
            transfer: calls::read_transfer(&call.input).ok_or_else(nothing)?,
            signed,
        })
    }

    /// The fee's token is not compared: it is how, not what.
    fn is(&self, order: &TransferOrder) -> bool {
        let calls::Transfer {
            recipient,
            amount,
            memo,
        } = self.transfer;
        self.token == order.token
            && recipient == order.recipient
            && amount == farthing_evm::U256::from(order.amount.units())
            && memo == order.memo
    }

    fn watched(&self) -> Watched {
        let valid_before = self.signed.authored().transaction().valid_before;
        Watched {
            hash: self.signed.hash(),
            dies: Mortality {
                nonce: None,
                valid_before: valid_before.map(Timestamp::from_secs),
            },
            raw: Some(self.signed.raw().clone()),
        }
    }

    fn standing(&self, fate: Fate) -> Standing {
        let hash = self.signed.hash();
        match fate {
            Fate::Included(receipt) | Fate::Reverted(receipt) => self.executed(&receipt),
            Fate::Dead(_) => Standing::Dead { hash },
            _ => self.waiting(),
        }
    }

    const fn waiting(&self) -> Standing {
        Standing::Waiting {
            hash: self.signed.hash(),
        }
    }

    /// By its logs: that a transaction succeeded does not say who has the tokens.
    fn executed(&self, receipt: &Receipt) -> Standing {
        let (hash, fee) = (self.signed.hash(), fee_of(receipt));
        if !receipt.succeeded() {
            return Standing::Reverted { hash, fee };
        }
        let wanted = Event::Transfer(Movement {
            from: self.signed.authored().sender(),
            to: self.transfer.recipient,
            amount: self.transfer.amount,
        });
        let is_it =
            |log: &farthing_evm::Log| log.address == self.token && Event::read(log) == Some(wanted);
        if !receipt.logs.iter().any(is_it) {
            return Standing::Diverted { hash, fee };
        }
        Standing::Done {
            hash,
            block: receipt.block_number(),
            fee,
        }
    }
}
