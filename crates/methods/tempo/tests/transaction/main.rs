//! Transactions, signatures and keys: their bytes, and what a chain makes of them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod access;
mod authorization;
mod chain;
mod codec;
mod fixture;
mod hostile;
mod node;
mod passkey;
mod signature;
mod tree;
