//! Intents: what kind of payment is asked for.

pub mod charge;
pub mod session;
