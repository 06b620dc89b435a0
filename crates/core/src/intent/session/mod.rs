//! The session intent: many payments out of one channel, each by a voucher (`draft-tempo-session-00`).
//!
//! A buyer locks a deposit for one seller, and then signs how much of it was spent in all. What
//! stands here is the seller's view of such a channel as plain values: nothing is signed, stored or
//! sent. [`crate::domain::channels`] keeps it, and a method moves the value.
//!
//! ```text
//!            0 ───── settled ───── sure ───── spent ───── accepted ───── deposit
//!                    on the rail   served     charged     by vouchers    on the rail
//! ```
//!
//! - A voucher raises what is accepted. It never falls and never passes the deposit.
//! - A charge raises what is spent, at most to what is accepted. It comes before what it pays for
//!   is served, so between what is sure and what is spent lies what is charged for requests in
//!   flight. What of it is not served is taken back: see [`Channel::unserved`].
//! - What is sent to the rail is never more than what is sure while the channel goes on, and what
//!   was spent when it ends: see [`Channel::to_settle`] and [`Channel::closing`]. The rail may know of more than we do, where books were lost or a voucher
//!   was handed in behind our back; what it says of itself is believed.
//!
//! ```
//! use farthing_core::{intent::session::*, value::Amount};
//!
//! let seen = Seen { block: 1, state: OnChain::open(Amount::new(100)) };
//! let mut channel = Channel::open(Protocol::V2, seen)?;
//! channel.grant(1, Amount::new(100));
//! let rs = RawSignature { r: [1; 32], s: [2; 32] };
//! let voucher = Voucher::new(Protocol::V2, Amount::new(10), rs)?;
//!
//! // One voucher pays once: the same again is charged from what is left, and nothing is left.
//! let rule = Amount::ZERO;
//! let first = channel.accept_and_charge(Some(&voucher), rule, Amount::new(10))?;
//! assert!(first.charge.is_ok());
//! let again = channel.accept_and_charge(Some(&voucher), rule, Amount::new(10))?;
//! assert!(matches!(again.charge, Err(Refused::Short(need)) if need.lacks == Amount::new(10)));
//! assert_eq!(channel.balance().spent, Amount::new(10));
//!
//! // It is paid out once its request was served, and not before.
//! assert_eq!(channel.to_settle(), None);
//! channel.served(Amount::new(10));
//! assert_eq!(channel.to_settle(), Some(&voucher));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::sync::LazyLock;

use crate::value::IntentId;

mod chain;
mod channel;
mod details;
mod exposure;
mod kept;
mod packed;
mod refused;
mod request;
mod reserve;
mod rule;
mod terms;
mod unsure;
mod voucher;

pub use chain::{Closing, OnChain, Seen};
pub use channel::{Acceptance, Admitted, Balance, Channel, Standing};
pub use details::Details;
pub use refused::{Need, Refused};
pub use request::SessionRequest;
pub use reserve::ReservationId;
pub use rule::{Ahead, Rule};
pub use terms::{ChannelId, Terms};
pub use voucher::{Protocol, RawSignature, TooWide, UnknownProtocol, Voucher};

/// The intent's identifier.
pub const SESSION: &str = "session";

/// The identifier as a value.
#[must_use]
pub fn id() -> IntentId {
    static ID: LazyLock<IntentId> =
        LazyLock::new(|| IntentId::new(SESSION).expect("the identifier of session is well formed"));
    ID.clone()
}
