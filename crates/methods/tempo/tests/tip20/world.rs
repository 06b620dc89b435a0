//! The chain, and what the tests have in common.

use std::{sync::Arc, time::Duration};

use alloy_primitives::address;
use farthing_core::{
    memory::MemoryBackend,
    value::{Amount, Timestamp},
};
use farthing_evm::{Address, ChainId, Node, NodeOptions, Outbox, SigningKey};
use farthing_tempo::{
    AccountKey,
    tip20::{self, TransferOptions, TransferOrder, Transfers},
};
use farthing_testkit::{
    chain::{ACCOUNTS, Chain, ChainOptions, Mining, Turn},
    clock::FakeClock,
    peer,
};

pub(crate) const PATH: Address = address!("20c0000000000000000000000000000000000000");
pub(crate) const ALPHA: Address = address!("20c0000000000000000000000000000000000001");
pub(crate) const PAYEE: Address = Address::repeat_byte(0x42);

/// Long enough for the slowest machine; nothing is asserted of how long things take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A test's turn on the chain, with a store of its own.
pub(crate) struct World {
    pub(crate) chain: Turn,
    pub(crate) node: Node,
    pub(crate) outbox: Outbox,
    pub(crate) clock: FakeClock,
}

/// The key of one of the accounts the chain starts with.
pub(crate) fn key(account: usize) -> AccountKey {
    signing(account).into()
}

pub(crate) fn signing(account: usize) -> SigningKey {
    SigningKey::from_bytes(ACCOUNTS[account].secret()).unwrap()
}

pub(crate) fn account(number: usize) -> Address {
    ACCOUNTS[number].address.parse().unwrap()
}

pub(crate) fn order(amount: u128) -> TransferOrder {
    TransferOrder {
        token: PATH,
        recipient: PAYEE,
        amount: Amount::new(amount),
        memo: None,
        fee_token: PATH,
    }
}

pub(crate) fn options(url: &str) -> NodeOptions {
    let chain = ChainId::new(1337).unwrap();
    NodeOptions {
        block_time: Duration::from_millis(100),
        attempt: Duration::from_secs(20),
        deadline: PATIENCE,
        ..NodeOptions::new(chain, vec![url.parse().unwrap()])
    }
}

impl World {
    /// A chain that makes a block for each transaction.
    pub(crate) async fn new(test: &str) -> Option<Self> {
        Self::mining(test, Mining::Automatic).await
    }

    pub(crate) async fn mining(test: &str, mining: Mining) -> Option<Self> {
        let options = ChainOptions::tempo(1337).mining(mining);
        let chain = peer::or_skip(test, Chain::shared(&options).await)?;
        // A chain that waited for its turn has an old last block, and a transaction's window is counted from
        // the last block.
        chain.mine(1).await;
        let node = Node::connect(self::options(&chain.url())).await.unwrap();
        let outbox = Outbox::new(Arc::new(MemoryBackend::new()));
        // The chain's time stands still between blocks; ours begins with it and goes on.
        let clock = FakeClock::going(Timestamp::from_secs(chain.time().await));
        Some(Self {
            chain,
            node,
            outbox,
            clock,
        })
    }

    pub(crate) fn transfers(&self, key: AccountKey) -> Transfers {
        self.transfers_by(self.node.clone(), key)
    }

    /// The same store, another way to the chain.
    pub(crate) fn transfers_by(&self, node: Node, key: AccountKey) -> Transfers {
        let clock = Arc::new(self.clock.clone());
        let options = TransferOptions::default();
        Transfers::new(node, self.outbox.clone(), key, clock, options)
    }

    pub(crate) async fn balance(&self, token: Address, account: Address) -> u128 {
        let balance = tip20::balance(&self.node, token, account).await;
        balance.unwrap().units()
    }

    /// Gives an account some of a token, from the fifth of the accounts the chain starts with.
    pub(crate) async fn give(&self, token: Address, to: Address, amount: u128) {
        let (token, to) = (token.to_string(), to.to_string());
        let giver = ACCOUNTS[4].address;
        self.chain.give_token(giver, &token, &to, amount).await;
    }
}
