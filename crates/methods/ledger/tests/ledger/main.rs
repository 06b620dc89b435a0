//! The ledger rail, from the names of accounts to the sum of the books.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "these are the helpers of tests"
)]

mod account;
mod accounts;
mod authorization;
mod books;
mod currency;
mod fixture;
mod model;
mod payer;
mod races;
mod sessions;
mod world;
