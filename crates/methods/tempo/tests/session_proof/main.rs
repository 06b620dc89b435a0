//! A seller's server, its SQLite file, a real chain, and buyers in parallel: when everybody has gone home, the chain has
//! what the books say, to the unit.
//!
//! The test starts its own binary again: there it is a shop over a SQLite file. The chain is the test's, and outlives
//! the shop; so do the buyers, whose channels are in files of their own. Fees are paid in another token than what is
//! sold for, so that balances are exact.

#![expect(clippy::unwrap_used, reason = "these are the helpers of tests")]

mod bad;
mod dying;
mod market;
mod raw;
mod shop;
mod silent;
mod two;
mod whole;

#[test]
fn the_shop() {
    // Only the processes started below have something to do here.
    shop::serve_if_asked();
}
