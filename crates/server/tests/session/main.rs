//! Requests that are paid out of channels, over real HTTP and a fake reserve.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod ahead;
mod attacks;
mod balances;
mod checks;
mod limits;
mod manage;
mod metered;
mod offers;
mod repeated;
mod shared;
mod unserved;
mod world;
