//! What a token says while a transaction runs.

use alloy_sol_types::{SolEvent, sol};
use farthing_evm::{Address, B256, Log, U256};

use crate::charge::Memo;

sol! {
    event Transfer(address indexed from, address indexed to, uint256 amount);
    event TransferWithMemo(address indexed from, address indexed to, uint256 amount, bytes32 indexed memo);
}

/// Tokens that went from one account to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Movement {
    /// Whose they were.
    pub from: Address,
    /// Whose they are.
    pub to: Address,
    /// How many base units.
    pub amount: U256,
}

/// What a token says of a transfer. Of one with a memo it says both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Tokens moved.
    Transfer(Movement),
    /// The tokens that moved carried this.
    TransferWithMemo(Movement, Memo),
}

impl Event {
    /// Reads a log. `None` where it says something else, or not in the form a token says it. Whether the
    /// contract is a token is for the caller to know.
    #[must_use]
    pub fn read(log: &Log) -> Option<Self> {
        let amount = U256::from_be_bytes(<[u8; 32]>::try_from(&log.data[..]).ok()?);
        let movement = |from, to| {
            Some(Movement {
                from: address(from)?,
                to: address(to)?,
                amount,
            })
        };
        match log.topics[..] {
            [Transfer::SIGNATURE_HASH, from, to] => Some(Self::Transfer(movement(from, to)?)),
            [TransferWithMemo::SIGNATURE_HASH, from, to, memo] => {
                Some(Self::TransferWithMemo(movement(from, to)?, Memo(memo)))
            }
            _ => None,
        }
    }
}

/// The address in a topic, unless something stands before it.
fn address(topic: B256) -> Option<Address> {
    let address = Address::from_word(topic);
    (address.into_word() == topic).then_some(address)
}
