//! A buyer's channels on a real chain: opened, spent from, topped up, closed and taken back, to the unit.

#![expect(clippy::unwrap_used, reason = "these are the helpers of tests")]

mod alone;
mod coming;
mod keys;
mod life;
mod offers;
mod snapshots;
mod world;
