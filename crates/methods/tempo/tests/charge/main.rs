//! A seller on a real chain: a gate, a server, buyers who pay in every way, and nodes that do not do what a
//! node should.

#![expect(clippy::unwrap_used, reason = "these are the helpers of tests")]

mod attacks;
mod bad_hashes;
mod bad_transactions;
mod buyer;
mod keys;
mod nodes;
mod paying;
mod policies;
mod proxy;
mod shop;
mod sponsor;
mod withdrawn;
