//! A seller of sessions on a real chain: channels of both protocols, opened, topped up, settled and closed, by
//! both sides, with balances to the unit; and everything that is none of that.

#![expect(clippy::unwrap_used, reason = "these are the helpers of tests")]

mod buyer;
mod closing;
mod facts;
mod funding;
mod news;
mod nodes;
mod payloads;
mod settling;
mod sponsor;
mod vouchers;
mod world;
