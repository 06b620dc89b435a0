//! The contracts that channels are kept in, and a dollar for tests, as code to deploy.
//!
//! The Solidity lies beside this file, one contract a file, and says of itself what it does.
//! `cargo xtask contracts` compiles it with a pinned compiler into `contracts/artifacts`, which is checked
//! in: nothing here needs the compiler, and `cargo xtask test` compiles again and compares.
//!
//! Nobody audited these contracts, and Farthing deploys none where money is worth something. On Tempo,
//! channels are in the chain's own reserve or in the escrow that was deployed there; these are for chains
//! that tests and developers start.
//!
//! ```
//! use farthing_contracts::{TEMPO_STREAM_CHANNEL, abi::TempoStreamChannel};
//!
//! // What a transaction without a recipient carries.
//! assert!(TEMPO_STREAM_CHANNEL.creation.starts_with("0x60"));
//! let open = TempoStreamChannel::openCall::default();
//! assert_eq!(alloy_sol_types::SolCall::abi_encode(&open).len(), 4 + 5 * 32);
//! ```

pub mod abi;
mod artifact;

pub use artifact::{
    Artifact, CHANNEL_RESERVE, CONTEXT_SLOT, RESERVE_ADDRESS, TEMPO_STREAM_CHANNEL, TEST_DOLLAR,
};
