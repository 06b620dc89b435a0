//! Against a real chain, and against nodes that do not do what a node should.

#![expect(clippy::unwrap_used, reason = "these are the helpers of tests")]

mod contract;
mod fates;
mod fixture;
mod heads;
mod nodes;
mod outbox;
mod sender;
mod sends;
mod wire;

use farthing_testkit::chain::hostile;
