//! An upstream that is down, slow or broken: what becomes of the money, what the buyer is told, and
//! what presenting again gets. And upstreams that were not written here.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[path = "../rig/mod.rs"]
mod rig;

mod connections;
mod failures;
mod passing;
mod secure;
mod theirs;
