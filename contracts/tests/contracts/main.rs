//! The contracts on chains of their own: what each function does, what it refuses, and where the tokens
//! are afterwards, to the unit.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod artifacts;
mod dollar;
mod escrow;
mod random;
mod reserve;
mod signatures;
mod world;
