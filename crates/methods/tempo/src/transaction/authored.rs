//! What a sender signed.

use alloy_primitives::{Address, B256, keccak256};

use super::Transaction;
use crate::key::{AccountSignature, AccountSignatureError};

/// A transaction with its sender's signature, which was checked. It is the same whether somebody is to pay its
/// fee, did, or nobody will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authored {
    transaction: Transaction,
    signature: AccountSignature,
    sender: Address,
    access_key: Option<Address>,
}

impl Authored {
    /// The transaction.
    #[must_use]
    pub const fn transaction(&self) -> &Transaction {
        &self.transaction
    }

    /// The account that sends it.
    #[must_use]
    pub const fn sender(&self) -> Address {
        self.sender
    }

    /// Its signature.
    #[must_use]
    pub const fn signature(&self) -> &AccountSignature {
        &self.signature
    }

    /// The access key that signed it for the account; `None` where the account signed with its own. Whether
    /// the account authorized it, and for what, only the chain knows.
    #[must_use]
    pub const fn access_key(&self) -> Option<Address> {
        self.access_key
    }

    /// What tells it from every other transaction of every sender, whoever pays its fee and however often it
    /// was signed: the chain keeps the same to take one without a nonce only once.
    #[must_use]
    pub fn identity(&self) -> B256 {
        let mut bytes = self.transaction.signing_bytes();
        bytes.extend_from_slice(self.sender.as_slice());
        keccak256(bytes)
    }

    /// Puts together what was just signed.
    pub(super) const fn made(
        transaction: Transaction,
        signature: AccountSignature,
        sender: Address,
        access_key: Option<Address>,
    ) -> Self {
        Self {
            transaction,
            signature,
            sender,
            access_key,
        }
    }

    /// Checks what was read.
    pub(super) fn checked(
        transaction: Transaction,
        signature: AccountSignature,
    ) -> Result<Self, AccountSignatureError> {
        let (sender, access_key) = signature.parties(transaction.signing_hash())?;
        Ok(Self {
            transaction,
            signature,
            sender,
            access_key,
        })
    }

    pub(super) const fn pay_fee_in(&mut self, token: Address) {
        self.transaction.fee_token = Some(token);
    }
}
