//! Streams that are paid for while they flow, over real connections: what a buyer reads, byte by byte,
//! and what it was charged for it, to the unit.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod buyer;
mod bytes;
mod events;
mod shop;
#[cfg(feature = "websocket")]
mod socket;
