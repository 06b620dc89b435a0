//! Transfers that were written down, and what a chain says of them.

use farthing_core::value::Timestamp;
use farthing_evm::{Address, Entry, Fate, Log, Mortality, Receipt, U256, Watched};

use super::{
    calls,
    events::{Event, Movement},
    fee_of,
    order::{TransferError, TransferOrder},
    standing::Standing,
};
use crate::transaction::{Received, SignedTransaction};

/// A transfer that was written down.
pub(super) struct Kept {
    pub(super) signed: SignedTransaction,
    token: Address,
    transfer: calls::Transfer,
}

impl Kept {
    pub(super) fn read(entry: &Entry) -> Result<Self, TransferError> {
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
    pub(super) fn is(&self, order: &TransferOrder) -> bool {
        let calls::Transfer {
            recipient,
            amount,
            memo,
        } = self.transfer;
        self.token == order.token
            && recipient == order.recipient
            && amount == U256::from(order.amount.units())
            && memo == order.memo
    }

    pub(super) fn watched(&self) -> Watched {
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

    pub(super) fn standing(&self, fate: Fate) -> Standing {
        let hash = self.signed.hash();
        match fate {
            Fate::Included(receipt) | Fate::Reverted(receipt) => self.executed(&receipt),
            Fate::Dead(_) => Standing::Dead { hash },
            _ => self.waiting(),
        }
    }

    pub(super) const fn waiting(&self) -> Standing {
        Standing::Waiting {
            hash: self.signed.hash(),
        }
    }

    /// By its logs: that a transaction succeeded does not say who has the tokens.
    pub(super) fn executed(&self, receipt: &Receipt) -> Standing {
        let (hash, fee) = (self.signed.hash(), fee_of(receipt));
        if !receipt.succeeded() {
            return Standing::Reverted { hash, fee };
        }
        let wanted = Event::Transfer(Movement {
            from: self.signed.authored().sender(),
            to: self.transfer.recipient,
            amount: self.transfer.amount,
        });
        let is_it = |log: &Log| log.address == self.token && Event::read(log) == Some(wanted);
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
