//! The token for people who only want the token, on a real chain.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod keys;
mod lost;
mod proofs;
mod reads;
mod transfers;
mod world;
