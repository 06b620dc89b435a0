//! What the tests have in common.

use std::{sync::Arc, time::Duration};

use farthing_core::memory::MemoryBackend;
use farthing_evm::{
    Address, At, Bytes, ChainId, Eip1559, JobId, Node, NodeOptions, Outbox, RawTransaction,
    SigningKey, TransactionError, TxKind, U256, request,
};
use farthing_testkit::{
    chain::{ACCOUNTS, Chain, ChainOptions, Mining, Turn},
    peer,
};

pub(crate) const CHAIN: ChainId = match ChainId::new(84_532) {
    Ok(chain) => chain,
    Err(_) => unreachable!(),
};

/// Long enough for the slowest machine; nothing is asserted of how long things take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const PAYEE: Address = Address::repeat_byte(0x42);

pub(crate) async fn chain(test: &str, mining: Mining) -> Option<Turn> {
    let options = ChainOptions::evm(CHAIN.get()).mining(mining);
    peer::or_skip(test, Chain::shared(&options).await)
}

pub(crate) fn options(urls: &[&str]) -> NodeOptions {
    let endpoints = urls.iter().map(|url| url.parse().unwrap()).collect();
    NodeOptions {
        block_time: Duration::from_millis(100),
        attempt: Duration::from_secs(20),
        deadline: PATIENCE,
        ..NodeOptions::new(CHAIN, endpoints)
    }
}

/// Options for a node that is expected not to answer.
pub(crate) fn hasty(urls: &[&str]) -> NodeOptions {
    NodeOptions {
        attempt: Duration::from_millis(300),
        deadline: Duration::from_secs(20),
        rounds: 2,
        ..options(urls)
    }
}

pub(crate) async fn node(chain: &Chain) -> Node {
    Node::connect(options(&[&chain.url()])).await.unwrap()
}

pub(crate) fn outbox() -> Outbox {
    Outbox::new(Arc::new(MemoryBackend::new()))
}

pub(crate) fn key(account: usize) -> SigningKey {
    SigningKey::from_bytes(ACCOUNTS[account].secret()).unwrap()
}

pub(crate) fn job(name: u64) -> JobId {
    JobId::new("test", &name.to_be_bytes())
}

/// A payment of one wei, or a call of a contract.
pub(crate) fn pay(
    key: &SigningKey,
    to: Address,
    nonce: u64,
) -> Result<RawTransaction, TransactionError> {
    let transaction = Eip1559 {
        chain: CHAIN,
        nonce,
        max_priority_fee_per_gas: 1_000_000_000,
        max_fee_per_gas: 100_000_000_000,
        gas_limit: 100_000,
        to: TxKind::Call(to),
        value: U256::from(1),
        input: Bytes::new(),
    };
    transaction.sign(key)
}

pub(crate) async fn paid(node: &Node) -> u64 {
    let balance = node.ask(request::balance(PAYEE, At::Latest)).await.unwrap();
    balance.to()
}
