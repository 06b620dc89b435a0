//! The Tempo transaction (type 0x76): calls in a batch, with lanes of nonces, a window in which it is
//! valid, a token the fee is paid in, and perhaps somebody else who pays it.

mod authored;
mod encode;
mod error;
mod read;
mod signed;

use alloy_primitives::{Address, B256, Bytes, U256};
use farthing_evm::ChainId;

pub use authored::Authored;
pub use error::{DecodeError, InvalidTransaction};
pub use signed::{HalfTransaction, Received, SignedTransaction};

use crate::key::{AccountKey, AccountSignature, SignedKeyAuthorization};

/// The lane of nonces in which a transaction is told from others by its hash: it needs no number, and is
/// valid for a short time only.
pub const EXPIRING_NONCE_KEY: U256 = U256::MAX;

/// The most bytes of a transaction here. Nodes take more; a payment is a few hundred.
pub(crate) const MAX_BYTES: usize = 64 * 1024;

/// The most calls in a transaction.
const MAX_CALLS: usize = 256;

/// The most entries of its other lists.
const MAX_ENTRIES: usize = 64;

/// A transaction to be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The chain it counts on.
    pub chain: ChainId,
    /// What the block's maker gets a unit of gas, in attodollars (10⁻¹⁸).
    pub max_priority_fee_per_gas: u128,
    /// What a unit of gas costs at the most, in attodollars.
    pub max_fee_per_gas: u128,
    /// The most gas it may use.
    pub gas_limit: u64,
    /// What it does: all of it, or nothing.
    pub calls: Vec<Call>,
    /// What it says it will touch.
    pub access_list: Vec<AccessListEntry>,
    /// The lane of its nonce: zero is the account's own, [`EXPIRING_NONCE_KEY`] that of no number.
    pub nonce_key: U256,
    /// Its number in the lane.
    pub nonce: u64,
    /// The chain's time from which on it is not valid any more, in seconds since 1970. Never zero.
    pub valid_before: Option<u64>,
    /// The chain's time from which on it is valid, in seconds since 1970. Never zero.
    pub valid_after: Option<u64>,
    /// The token the fee is paid in; `None` leaves it to the chain, or to who pays it.
    pub fee_token: Option<Address>,
    /// Whether somebody else pays the fee. The sender then signs nothing about the token it is paid in.
    pub sponsored: bool,
    /// Code that accounts want to have (EIP-7702).
    pub authorizations: Vec<Delegation>,
    /// A key that the sender authorizes with it.
    pub key_authorization: Option<SignedKeyAuthorization>,
}

/// One call of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Who is called; `None` makes a contract.
    pub to: Option<Address>,
    /// What goes with it of the chain's own coin, which has no value on Tempo.
    pub value: U256,
    /// What it is called with.
    pub input: Bytes,
}

/// What a transaction says it will touch at one address (EIP-2930).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessListEntry {
    /// The address.
    pub address: Address,
    /// The places in its storage.
    pub storage_keys: Vec<B256>,
}

/// An account's wish to have the code of another address (EIP-7702), as it was signed. The signature is
/// not checked: a chain passes over a wrong one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegation {
    /// The chain it counts on; zero for any.
    pub chain: U256,
    /// Whose code.
    pub address: Address,
    /// The account's nonce.
    pub nonce: u64,
    /// The account's signature.
    pub signature: AccountSignature,
}

impl Transaction {
    /// A transaction with these calls, in the account's own lane, without gas, fee or window, which its fields
    /// are then set to.
    #[must_use]
    pub const fn new(chain: ChainId, calls: Vec<Call>) -> Self {
        Self {
            chain,
            max_priority_fee_per_gas: 0,
            max_fee_per_gas: 0,
            gas_limit: 0,
            calls,
            access_list: Vec::new(),
            nonce_key: U256::ZERO,
            nonce: 0,
            valid_before: None,
            valid_after: None,
            fee_token: None,
            sponsored: false,
            authorizations: Vec::new(),
            key_authorization: None,
        }
    }

    /// Whether it is told from others by its hash, and not by a number.
    #[must_use]
    pub fn is_expiring_nonce(&self) -> bool {
        self.nonce_key == EXPIRING_NONCE_KEY
    }

    /// The most its fee can be, in base units of a token with six decimals, rounded up as the chain does.
    #[must_use]
    pub fn max_fee(&self) -> U256 {
        let attodollars =
            U256::from(self.gas_limit).saturating_mul(U256::from(self.max_fee_per_gas));
        attodollars.div_ceil(U256::from(1_000_000_000_000_u64))
    }

    /// Signs it: the whole transaction, or the sender's half where somebody else pays the fee.
    ///
    /// # Errors
    /// When a chain would not take it from anybody.
    pub fn sign(self, key: &AccountKey) -> Result<Received, InvalidTransaction> {
        self.check()?;
        let signature = key.sign_hash(self.signing_hash());
        let access_key = key.access_key();
        let authored = Authored::made(self, signature, key.account(), access_key);
        Received::made(authored)
    }

    /// Puts a signature to it that was made elsewhere, by a passkey for one, over its
    /// [`signing_hash`](Self::signing_hash).
    ///
    /// # Errors
    /// When it is a signature of something else, or a chain would not take the transaction from anybody.
    pub fn with_signature(self, signature: AccountSignature) -> Result<Received, DecodeError> {
        self.check()?;
        let authored = Authored::checked(self, signature).map_err(DecodeError::Sender)?;
        Ok(Received::made(authored)?)
    }

    /// What no chain takes, and what is too long for us.
    fn check(&self) -> Result<(), InvalidTransaction> {
        let Some((first, others)) = self.calls.split_first() else {
            return Err(InvalidTransaction::NoCalls);
        };
        if self.calls.len() > MAX_CALLS {
            return Err(InvalidTransaction::TooMuch("calls", MAX_CALLS));
        }
        let create = first.to.is_none() && !self.authorizations.is_empty();
        if create || others.iter().any(|call| call.to.is_none()) {
            return Err(InvalidTransaction::Create);
        }
        let window = (self.valid_after, self.valid_before);
        if window.0 == Some(0) || window.1 == Some(0) {
            return Err(InvalidTransaction::Window);
        }
        if let (Some(after), Some(before)) = window
            && before <= after
        {
            return Err(InvalidTransaction::Window);
        }
        Ok(())
    }
}
