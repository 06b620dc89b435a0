//! A gateway that is paid on Tempo, with real payments on a real chain.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "these are the helpers of tests"
)]

#[path = "../rig/mod.rs"]
mod rig;

mod chain;
mod credit;
mod paid;
mod world;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
