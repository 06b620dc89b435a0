//! What is told of a session: its receipt, its channel's state, and what a stream waits for
//! (`draft-tempo-session-00`, sections "Receipt Generation", "Session Snapshot" and "Insufficient
//! Balance During Streaming").
//!
//! Core types what every rail has: the channel, and amounts of it. What only a method understands of a
//! channel, such as the descriptor its id is derived from, is kept as it is.
//!
//! ```
//! use farthing_core::{header::payment_receipt, noun::session::SessionReceipt, value::Amount};
//!
//! let receipt = SessionReceipt {
//!     method: "ledger".parse()?,
//!     at: "2026-01-06T12:08:30Z".parse()?,
//!     challenge: "c1".parse()?,
//!     channel: "0x6d0f".parse()?,
//!     accepted: Amount::new(250_000),
//!     spent: Amount::new(237_500),
//!     units: Some(500),
//!     transaction: None,
//! };
//! let header = payment_receipt::session_to_header(&receipt);
//! let read = payment_receipt::parse(&header)?;
//! assert_eq!(SessionReceipt::read(&read)?, receipt);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cut;
mod need;
mod receipt;
mod snapshot;

pub use cut::Cut;
pub use need::{NeedVoucher, NeedVoucherError};
pub use receipt::SessionReceipt;
pub use snapshot::{Snapshot, SnapshotError};
