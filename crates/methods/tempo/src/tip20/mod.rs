//! The token itself: its calls, its events, its fees, and what people want who only want the token.

pub mod calls;
pub mod events;
mod fee;
mod read;

pub use fee::{fee, fee_of};
pub use read::{
    Metadata, ReadError, balance, balance_request, balances, fund, metadata, read_balance,
};
