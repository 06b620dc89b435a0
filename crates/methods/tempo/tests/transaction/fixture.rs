//! What the tests have in common.

use alloy_primitives::address;
use farthing_evm::{Address, Bytes, ChainId, SigningKey, U256};
use farthing_tempo::{AccountKey, Call, Key, P256Key, Received, SignedTransaction, Transaction};

pub(crate) const CHAIN: ChainId = match ChainId::new(1337) {
    Ok(chain) => chain,
    Err(_) => unreachable!(),
};

pub(crate) const PAYEE: Address = Address::repeat_byte(0x42);

pub(crate) const PATH_USD: Address = address!("20c0000000000000000000000000000000000000");

pub(crate) fn secp(byte: u8) -> SigningKey {
    SigningKey::from_bytes([byte; 32]).unwrap()
}

pub(crate) fn p256(byte: u8) -> P256Key {
    P256Key::from_bytes([byte; 32]).unwrap()
}

pub(crate) fn root(key: impl Into<Key>) -> AccountKey {
    AccountKey::Root(key.into())
}

/// A call that transfers a token.
pub(crate) fn transfer(token: Address, to: Address, amount: u64) -> Call {
    let mut input = vec![0xa9, 0x05, 0x9c, 0xbb];
    input.extend_from_slice(to.into_word().as_slice());
    input.extend_from_slice(&U256::from(amount).to_be_bytes::<32>());
    Call {
        to: Some(token),
        value: U256::ZERO,
        input: input.into(),
    }
}

/// A payment that a chain takes.
pub(crate) fn payment() -> Transaction {
    Transaction {
        max_fee_per_gas: 100_000_000_000,
        gas_limit: 2_000_000,
        ..Transaction::new(CHAIN, vec![transfer(PATH_USD, PAYEE, 5)])
    }
}

pub(crate) fn whole(transaction: Transaction, key: &AccountKey) -> SignedTransaction {
    transaction.sign(key).unwrap().whole().unwrap()
}

/// Reads what was written, and it is the same.
pub(crate) fn again(signed: &Received) -> Received {
    let bytes: Bytes = signed.encode();
    let read = Received::decode(&bytes).unwrap();
    assert_eq!(&read, signed);
    assert_eq!(read.encode(), bytes);
    read
}
