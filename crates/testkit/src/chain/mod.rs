//! A chain of one's own: the pinned `anvil`, as a process that ends with the test.
//!
//! It is installed like the other software of `tools/` (see [`peer`](crate::peer)); where it is missing,
//! the test says so on the run's last lines. A node listens on a port the system gave, and starts in
//! well under a second.
//!
//! ```
//! use farthing_testkit::{chain::{Chain, ChainOptions}, peer};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let options = ChainOptions::evm(84_532);
//! let Some(chain) = peer::or_skip("a chain", Chain::shared(&options).await) else {
//!     return;
//! };
//! assert_eq!(chain.rpc("eth_chainId", "[]").await, "0x14a34");
//! chain.mine(3).await;
//! assert_eq!(chain.rpc("eth_blockNumber", "[]").await, "0x3");
//! // The next test to ask for such a chain gets it as it was before this one.
//! # });
//! ```

mod accounts;
#[cfg(feature = "channels")]
pub mod channels;
pub mod hostile;
mod node;
#[cfg(feature = "channels")]
pub mod reserve_proxy;
mod rpc;
mod shared;

pub use accounts::{ACCOUNTS, DevAccount};
pub use node::{Chain, ChainOptions, Mining, Network};
pub use rpc::Snapshot;
pub use shared::Turn;
