//! Transfers to be made, and why one is not.

use std::time::Duration;

use farthing_core::value::Amount;
use farthing_evm::{Address, OutboxError, Revert, RpcError};

use super::ReadError;
use crate::{
    charge::Memo,
    transaction::{DecodeError, InvalidTransaction},
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
    /// The chain's time is so far ahead of ours that what is signed by it would stay good for long after we think
    /// that it is over. Nothing moved.
    #[error("the chain's time is far ahead of ours: its node lies, or our clock is wrong")]
    Ahead,
    /// The token would refuse it. Nothing moved.
    #[error("the token refuses the transfer: {0}")]
    Refused(Revert),
    /// Nothing, or to nobody who can receive it. Nothing moved.
    #[error("a transfer is of more than nothing, and to an address that a token can go to")]
    Order,
    /// The id stands for another transfer, which was made or is being made. Nothing moved for this one.
    #[error("the id was used for another transfer")]
    OtherTransfer,
    /// The access key may not make it. Nothing moved.
    #[error("the access key {0}")]
    Access(AccessFault),
    /// It could not be signed. Nothing moved.
    #[error("the transfer could not be signed")]
    Sign(#[source] InvalidTransaction),
    /// What the store has for the id is no transfer: it was damaged. It may have been made.
    #[error("what was written down for the id is no transfer")]
    Kept(#[source] Option<DecodeError>),
}

impl From<AccessFault> for TransferError {
    // Not as its source: what it says stands in the sentence.
    fn from(fault: AccessFault) -> Self {
        Self::Access(fault)
    }
}

/// Why an access key may not make a transfer. What it may do beside that, such as whom it may pay, only the
/// chain knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccessFault {
    /// The account did not authorize it on this chain.
    #[error("is not authorized by the account")]
    Unknown,
    /// The account revoked it, for good.
    #[error("was revoked")]
    Revoked,
    /// Its time is over.
    #[error("has run out")]
    Ended,
    /// It may not spend that much.
    #[error("may spend {left} more of {token}, and {needs} are needed with the fee")]
    Limit {
        /// The token.
        token: Address,
        /// What it may still spend, in base units.
        left: Amount,
        /// How much would be needed at the most.
        needs: Amount,
    },
}
