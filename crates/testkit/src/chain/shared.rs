//! One process for all tests of a binary, each on the chain as it started.

use std::{
    collections::HashMap,
    ops::Deref,
    sync::{Arc, LazyLock, Mutex},
};

use tokio::sync::{Mutex as Turns, OwnedMutexGuard};

use super::{Chain, ChainOptions, Snapshot};
use crate::peer::Missing;

/// The chains of this process, by what they are.
static CHAINS: LazyLock<Mutex<HashMap<ChainOptions, Arc<Turns<Shared>>>>> =
    LazyLock::new(Mutex::default);

/// A chain, with the state it started in.
#[derive(Debug)]
struct Shared {
    chain: Chain,
    start: Option<Start>,
}

/// What a test finds.
#[derive(Debug)]
struct Start {
    state: Snapshot,
    /// What a unit of gas costs in the next block. It is no part of the state, and falls with every block.
    base_fee: String,
}

/// A test's turn on a shared chain. The next test's begins when this is dropped.
#[derive(Debug)]
pub struct Turn(OwnedMutexGuard<Shared>);

impl Chain {
    /// The chain of this kind that the tests of this binary take turns on: each finds it as it started.
    /// Its process ends with that of the tests.
    ///
    /// # Errors
    /// When it is not installed.
    ///
    /// # Panics
    /// When the chain does not do what it is asked.
    pub async fn shared(options: &ChainOptions) -> Result<Turn, Missing> {
        let mut turn = find(options)?.lock_owned().await;
        let base_fee = match turn.start.take() {
            Some(start) => {
                // Going back leaves what waits to be executed.
                turn.chain.rpc("anvil_dropAllTransactions", "[]").await;
                turn.chain.revert(start.state).await;
                let fee = format!(r#"["{}"]"#, start.base_fee);
                let set = "anvil_setNextBlockBaseFeePerGas";
                turn.chain.rpc(set, &fee).await;
                start.base_fee
            }
            None => turn.chain.base_fee().await,
        };
        // A snapshot is used up by going back to it.
        let state = turn.chain.snapshot().await;
        turn.start = Some(Start { state, base_fee });
        Ok(Turn(turn))
    }
}

impl Chain {
    /// What a unit of gas costs in the next block.
    async fn base_fee(&self) -> String {
        let price = self.rpc("eth_feeHistory", r#"["0x1","latest",[]]"#).await;
        let fees = price["baseFeePerGas"].as_array();
        let next = fees.and_then(|fees| fees.last()?.as_str());
        next.expect("a chain tells what its next block costs")
            .to_owned()
    }
}

impl Deref for Turn {
    type Target = Chain;

    fn deref(&self) -> &Chain {
        &self.0.chain
    }
}

fn find(options: &ChainOptions) -> Result<Arc<Turns<Shared>>, Missing> {
    let mut chains = CHAINS
        .lock()
        .expect("no test panics while it looks a chain up");
    if let Some(chain) = chains.get(options) {
        return Ok(chain.clone());
    }
    let chain = Chain::start(options)?;
    let shared = Arc::new(Turns::new(Shared { chain, start: None }));
    chains.insert(options.clone(), shared.clone());
    Ok(shared)
}

#[cfg(test)]
mod tests {
    use super::super::{ACCOUNTS, ChainOptions};
    use super::*;
    use crate::peer;

    const PATH_USD: &str = "0x20c0000000000000000000000000000000000000";

    #[tokio::test]
    async fn a_test_finds_the_chain_as_it_started() {
        let options = ChainOptions::tempo(1337);
        let mut fees = Vec::new();
        for _ in 0..2 {
            let turn = Chain::shared(&options).await;
            let Some(chain) = peer::or_skip("chain: turns", turn) else {
                return;
            };
            fees.push(chain.base_fee().await);
            assert_eq!(fees.first(), fees.last());
            assert_eq!(chain.rpc("eth_blockNumber", "[]").await, "0x0");
            let waiting = chain.rpc("txpool_status", "[]").await;
            assert_eq!(waiting["queued"], "0x0");
            let receiver = "0x1111111111111111111111111111111111111111";
            let rich = ACCOUNTS[0].address;
            chain.give_token(rich, PATH_USD, receiver, 5).await;
            assert_eq!(chain.token_balance(PATH_USD, receiver).await, 5);
            // One that waits for another, which never comes.
            let early = format!(
                r#"[{{"from":"{}","to":"{receiver}","nonce":"0x9"}}]"#,
                ACCOUNTS[0].address
            );
            chain.rpc("eth_sendTransaction", &early).await;
            chain.rpc("anvil_mine", r#"["0x40"]"#).await;
            assert_ne!(fees[0], chain.base_fee().await, "the fee falls");
        }
    }
}
