//! The chain the tests send to.

use farthing_evm::{Address, Bytes, SigningKey, U256};
use farthing_tempo::{SignedTransaction, Transaction};
use farthing_testkit::{
    chain::{ACCOUNTS, Chain, ChainOptions, Turn},
    peer,
};
use serde_json::{Value, json};

use crate::fixture::{CHAIN, PATH_USD, payment, root, transfer};

/// A test's turn on the chain.
pub(crate) struct World(Turn);

/// The key of one of the accounts the chain starts with.
pub(crate) fn account(number: usize) -> SigningKey {
    SigningKey::from_bytes(ACCOUNTS[number].secret()).unwrap()
}

/// An address as a node writes it.
pub(crate) fn hex(address: Address) -> String {
    format!("{address:#x}")
}

impl World {
    pub(crate) async fn new(test: &str) -> Option<Self> {
        let options = ChainOptions::tempo(CHAIN.get());
        peer::or_skip(test, Chain::shared(&options).await).map(Self)
    }

    /// Sends a transaction and gives its receipt.
    pub(crate) async fn send(&self, signed: &SignedTransaction) -> Value {
        let answer = self.offer(signed).await;
        assert_eq!(answer["result"], signed.hash().to_string(), "{answer}");
        self.0.receipt(&signed.hash().to_string()).await
    }

    /// The receipt of a transaction, null where there is none.
    pub(crate) async fn receipt(&self, signed: &SignedTransaction) -> Value {
        let hash = json!([signed.hash()]).to_string();
        self.0.rpc("eth_getTransactionReceipt", &hash).await
    }

    /// Sends a transaction and gives what the node says.
    pub(crate) async fn offer(&self, signed: &SignedTransaction) -> Value {
        let bytes = json!([signed.raw().bytes()]).to_string();
        self.0.ask("eth_sendRawTransaction", &bytes).await
    }

    pub(crate) async fn mine(&self, blocks: u64) {
        self.0.mine(blocks).await;
    }

    /// The time of the last block.
    pub(crate) async fn time(&self) -> u64 {
        self.0.time().await
    }

    pub(crate) async fn call(&self, to: Address, data: &Bytes) -> Bytes {
        let call = json!([{ "to": to, "data": data }, "latest"]).to_string();
        serde_json::from_value(self.0.rpc("eth_call", &call).await).unwrap()
    }

    pub(crate) async fn balance(&self, token: Address, of: Address) -> U256 {
        let mut data = vec![0x70, 0xa0, 0x82, 0x31];
        data.extend_from_slice(of.into_word().as_slice());
        U256::from_be_slice(&self.call(token, &data.into()).await)
    }

    /// Gives somebody of what the third account has.
    pub(crate) async fn fund(&self, token: Address, to: Address, amount: u64) {
        let giver = account(2);
        let count = json!([giver.address(), "latest"]).to_string();
        let count = self.0.rpc("eth_getTransactionCount", &count).await;
        let count: U256 = serde_json::from_value(count).unwrap();
        let gift = Transaction {
            calls: vec![transfer(token, to, amount)],
            nonce: count.to(),
            fee_token: Some(PATH_USD),
            ..payment()
        };
        let gift = gift.sign(&root(giver)).unwrap().whole().unwrap();
        assert_eq!(self.send(&gift).await["status"], "0x1");
    }
}
