//! The sides of rows: services that are driven without a socket, and the shop behind them.

pub mod app;
pub mod ask;
pub mod call;
pub(crate) mod disk;
pub(crate) mod durable;
pub(crate) mod fill;
pub(crate) mod session;
pub(crate) mod shop;
pub(crate) mod socket;
pub(crate) mod tempo;
pub(crate) mod wire;
pub(crate) mod words;
