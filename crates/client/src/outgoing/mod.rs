//! Outgoing payments as the buyer keeps them.
//!
//! ```text
//!  reserved ──▶ signed ──▶ paid         a receipt, or the rail's word
//!     │           │  ├────▶ unconfirmed  a 2xx without a receipt: counts as paid until the rail
//!     │           │  │                   says that it is, or that it never will be
//!     │           │  └────▶ doubtful     refused by the server; the proof may yet be taken
//!     │           │            │
//!     └───────────┴────────────┴──────▶ void   nothing moved, and nothing will
//! ```
//!
//! What happens when the process dies after each step:
//!
//! | after | what is there | what becomes of it |
//! |---|---|---|
//! | `reserved` | the budgets are reserved, nothing is signed | released: whoever takes the record over raises its fence, so a signature that is being made meanwhile can no longer be stored, and what is not stored is not sent |
//! | the signature, before `signed` | as above: the proof is lost with the process | released |
//! | `signed`, with an errand | the bytes of the credential, and those the rail has to get first | see [`crate::errand`] |
//! | `signed` | the bytes of the credential | the same bytes are sent again, by [`resume`](crate::Client::resume) or when the caller repeats the request; nothing is signed anew |
//! | the bytes were sent | as above | the same bytes again: the server answers from its claim |
//! | the answer came | as above | the same bytes again: the server redelivers, or refuses what it delivered; then the rail is asked |
//! | `unconfirmed` | the budgets stay reserved; the proof is set aside, and never sent again | the rail is asked: `paid` with what it calls the payment, or `void` where the proof is dead; where it does not know, it stays as it is |
//! | `paid` | the receipt; the budgets are charged; the credential is erased | nothing more |
//!
//! A reservation is released on evidence only: the record says that nothing was signed, or the
//! rail says that the proof is dead ([`Resolved::Dead`](farthing_core::port::payer::Resolved)), or
//! that it failed and cost its fee, which then stays counted.
//! That a server says nothing moved is no evidence: it still has a valid proof in its hands. So
//! a server that refuses payments can tie up a budget up to its limit, and never gets more than
//! the limit. That is the price of never spending more than was allowed.

mod book;
mod kept;
mod record;

pub(crate) use book::{Book, HeldPayment, Loss, Reserved, Settled};
pub(crate) use kept::KeptCredential;
pub use record::{Claimed, Outgoing, Standing, Toll};
