//! The money of sessions: channels are funded, watched, settled and closed against a rail that does
//! what it is told to, and its truth is compared with the books to the unit.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "these are the helpers of tests"
)]

mod ahead;
mod closing;
mod funding;
mod kit;
mod pruning;
mod report;
mod settling;
mod wanted;
mod watching;
