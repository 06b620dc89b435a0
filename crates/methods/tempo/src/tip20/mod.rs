//! The token itself: its calls, its events, its fees, and what people want who only want the token.
//!
//! [`metadata`], [`balance`] and [`balances`] ask the chain; [`Transfers`] sends, each transfer once;
//! [`fund`] asks a test network for test money.

pub mod calls;
pub mod events;
mod fee;
mod plan;
mod read;
mod transfers;

pub use fee::{fee, fee_of};
pub use read::{
    Metadata, ReadError, balance, balance_request, balances, fund, metadata, read_balance,
};
pub use transfers::{Standing, TransferError, TransferOptions, TransferOrder, Transfers};
