//! A buyer on a real chain: paying a real seller, refusing hostile ones, dying at every step.

#![expect(clippy::unwrap_used, reason = "these are the helpers of tests")]

mod access;
mod built;
mod crash;
mod hostile;
mod market;
mod node;
mod offer;
mod outcome;
mod paying;
