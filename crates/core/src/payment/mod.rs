//! A payment as the seller keeps it: what it was for, where its value is, and what happens next.
//!
//! ```text
//!            ┌──────────── claimed ────────────┐
//!     after  │ the handler ran, its answer kept│ first
//!            ▼                                 ▼
//!        answered ───────────────────────▶   sent ──▶ pending / unknown ──▶ failed
//!            │ (books: no sending)             │            │
//!            └──────────────┬──────────────────┴────────────┘
//!                           ▼
//!                        settled ──▶ delivered
//!                           └──────▶ owed ──▶ refunded
//!        claimed, answered ──▶ voided
//!
//!  on credit, first only:
//!        pending ──▶ credited ──▶ settled (not delivered) or delivered
//!                        ├──────▶ pending (not served)
//!                        └──────▶ defaulted ──▶ written off
//! ```
//!
//! [`Payment::advance`] is the only way from one state to another. It decides nothing about
//! storage: who may write the result is the fence's matter, in [`crate::domain::claims`].

mod packed;
mod record;
mod state;

pub use record::{Answer, Payment, SettlePolicy};
pub use state::{Event, Illegal, Moved, State};
