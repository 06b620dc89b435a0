//! The calls of a token, as bytes, and back.

use alloy_sol_types::{SolCall, sol};
use farthing_core::value::Amount;
use farthing_evm::{Address, Bytes, U256};

use crate::charge::Memo;

sol! {
    #![sol(all_derives)]
    function transfer(address to, uint256 amount) returns (bool);
    function transferWithMemo(address to, uint256 amount, bytes32 memo);
    function balanceOf(address account) returns (uint256);
    function name() returns (string);
    function symbol() returns (string);
    function decimals() returns (uint8);
    function currency() returns (string);
    function paused() returns (bool);
}

/// A transfer, as a call asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Who gets it.
    pub recipient: Address,
    /// How much, in base units: as large as a call can say, and perhaps more than there is.
    pub amount: U256,
    /// What it carries.
    pub memo: Option<Memo>,
}

/// The data of a call that transfers.
#[must_use]
pub fn transfer(recipient: Address, amount: Amount, memo: Option<Memo>) -> Bytes {
    let (to, amount) = (recipient, U256::from(amount.units()));
    match memo {
        None => transferCall { to, amount }.abi_encode(),
        Some(Memo(memo)) => transferWithMemoCall { to, amount, memo }.abi_encode(),
    }
    .into()
}

/// The data of a call that asks for a balance.
#[must_use]
pub fn balance_of(account: Address) -> Bytes {
    balanceOfCall { account }.abi_encode().into()
}

/// Reads the data of a call that transfers the caller's own tokens. `None` for any other call, and for
/// data that is not the one way to write it.
#[must_use]
pub fn read_transfer(data: &[u8]) -> Option<Transfer> {
    let word = |at: usize| -> Option<&[u8; 32]> {
        let from = 4 + 32 * at;
        data.get(from..from + 32)?.try_into().ok()
    };
    let (selector, words) = (data.first_chunk::<4>()?, (data.len() - 4) / 32);
    let memo = match *selector {
        transferCall::SELECTOR if words == 2 => None,
        transferWithMemoCall::SELECTOR if words == 3 => Some(Memo((*word(2)?).into())),
        _ => return None,
    };
    if data.len() != 4 + 32 * words {
        return None;
    }
    let (zeros, recipient) = word(0)?.split_at(12);
    if zeros.iter().any(|byte| *byte != 0) {
        return None;
    }
    Some(Transfer {
        recipient: Address::from_slice(recipient),
        amount: U256::from_be_bytes(*word(1)?),
        memo,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn selectors_are_those_of_the_standard() {
        assert_eq!(transferCall::SELECTOR, [0xa9, 0x05, 0x9c, 0xbb]);
        assert_eq!(transferWithMemoCall::SELECTOR, [0x95, 0x77, 0x7d, 0x59]);
        assert_eq!(balanceOfCall::SELECTOR, [0x70, 0xa0, 0x82, 0x31]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(to: [u8; 20], amount: u128, memo: Option<[u8; 32]>) {
            let (recipient, memo) = (Address::from(to), memo.map(|memo| Memo(memo.into())));
            let data = transfer(recipient, Amount::new(amount), memo);
            let amount = U256::from(amount);
            prop_assert_eq!(read_transfer(&data), Some(Transfer { recipient, amount, memo }));
        }

        /// Whatever is read is what was written: nothing has two forms.
        #[test]
        fn what_is_read_is_written_in_one_way(memo: bool, tail in proptest::collection::vec(any::<u8>(), 0..140)) {
            let selector = if memo { transferWithMemoCall::SELECTOR } else { transferCall::SELECTOR };
            let data = [&selector[..], &tail].concat();
            if let Some(read) = read_transfer(&data) {
                let amount = Amount::new(u128::try_from(read.amount).unwrap_or_default());
                prop_assert!(
                    U256::from(amount.units()) != read.amount
                        || transfer(read.recipient, amount, read.memo) == data
                );
            }
        }

        /// The bytes of an ABI decoder agree with ours on everything ours accepts.
        #[test]
        fn an_abi_decoder_agrees(to: [u8; 20], amount: [u8; 32], flip in 0usize..68, by: u8) {
            let call = transferCall { to: to.into(), amount: U256::from_be_bytes(amount) };
            let mut data = call.abi_encode();
            data[flip] ^= by;
            let theirs = transferCall::abi_decode_validate(&data).ok();
            let ours = read_transfer(&data);
            prop_assert_eq!(theirs.map(|call| (call.to, call.amount)), ours.map(|t| (t.recipient, t.amount)));
        }
    }
}
