//! The token itself: its calls, its events, its fees, and what people want who only want the token.
//!
//! [`metadata`], [`balance`] and [`balances`] ask the chain; [`Transfers`] sends, each transfer once;
//! [`fund`] asks a test network for test money.

mod access;
pub mod calls;
pub mod events;
mod fee;
mod kept;
mod order;
mod plan;
mod read;
mod standing;
mod transfers;

pub use fee::{fee, fee_of};
pub use order::{AccessFault, TransferError, TransferOptions, TransferOrder};
pub use read::{
    Metadata, ReadError, balance, balance_request, balances, fund, metadata, read_balance,
};
pub use standing::Standing;
pub use transfers::Transfers;
