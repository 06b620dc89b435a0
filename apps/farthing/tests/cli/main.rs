//! The real binary, from outside: what it prints, what it pays, how it ends.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "these are the helpers of tests"
)]

mod attack;
mod budget;
mod chain;
mod channels;
mod check;
mod dev;
mod gateway_file;
mod hostile;
mod inspect;
mod keys;
mod operator;
mod past;
mod pay;
mod programs;
mod screens;
mod secrets;
mod sessions;
mod shop;
mod ten_minutes;
mod wallet;
mod world;
