//! The same transfer, signed and sent, and nothing else: what nobody who wants to be paid can do without.

use farthing::{
    core::value::Amount,
    evm::{Address, At, B256, Node, TxHash, U256, request},
    tempo::{AccountKey, Call, EXPIRING_NONCE_KEY, Memo, Transaction, tip20, token::known},
};

use crate::Failed;

/// Sends one, and waits until it is in a block.
pub(crate) async fn send(node: &Node, key: &AccountKey, number: u64) -> Result<TxHash, Failed> {
    let latest = node.ask(request::block(At::Latest)).await?;
    let latest = latest.ok_or("there is no last block")?;
    let memo = Memo(B256::from(U256::from(number)));
    let input = tip20::calls::transfer(Address::repeat_byte(0x42), Amount::new(10_000), Some(memo));
    let call = Call {
        to: Some(known::PATH_USD.address),
        value: U256::ZERO,
        input,
    };
    let transaction = Transaction {
        max_priority_fee_per_gas: 1_000_000_000,
        max_fee_per_gas: 40_000_000_000,
        gas_limit: 800_000,
        nonce_key: EXPIRING_NONCE_KEY,
        valid_before: Some(latest.time().as_secs() + 25),
        fee_token: Some(known::PATH_USD.address),
        ..Transaction::new(node.chain(), vec![call])
    };
    let signed = transaction.sign(key)?;
    let signed = signed.whole().ok_or("nobody sponsors it")?;
    let receipt = node.send_raw_sync(signed.raw()).await?;
    let receipt = receipt.ok_or("it is in no block")?;
    if !receipt.succeeded() {
        return Err("the transfer failed".into());
    }
    Ok(receipt.transaction_hash)
}
