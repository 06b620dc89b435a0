//! A gateway whose requests are paid for out of channels, by a buyer's real client.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "these are the helpers of tests"
)]

#[path = "../rig/mod.rs"]
mod rig;

mod bytes;
mod kill;
mod ledger;
mod life;
mod process;
mod tempo;
mod told;
mod two;
mod world;
