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
    start: Option<Snapshot>,
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
        if let Some(start) = turn.start.take() {
            // Going back leaves what waits to be executed.
            turn.chain.rpc("anvil_dropAllTransactions", "[]").await;
            turn.chain.revert(start).await;
        }
        // A snapshot is used up by going back to it.
        turn.start = Some(turn.chain.snapshot().await);
        Ok(Turn(turn))
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
        for _ in 0..2 {
            let turn = Chain::shared(&options).await;
            let Some(chain) = peer::or_skip("chain: turns", turn) else {
                return;
            };
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
        }
    }
}
