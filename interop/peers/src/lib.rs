//! Farthing against implementations of the protocol that were not written here.
//!
//! [`differential`] hands the same random challenges, credentials and receipts to us and to a peer, both
//! ways, and then headers that were tampered with. Where the two disagree, `docs/interop.md` has to say why;
//! a disagreement that it does not explain fails the run. The tests beside it let servers and clients speak
//! to each other over a socket.
//!
//! ```
//! use farthing_interop::{differential::Run, ours::Ours};
//!
//! // We agree with ourselves in everything.
//! let report = Run { seed: 1, cases: 20 }.against(&mut Ours);
//! assert!(report.disagreements.is_empty());
//! ```

pub mod batches;
pub mod chain;
pub mod differential;
pub mod explained;
pub mod mutate;
pub mod ours;
pub mod peer;
pub mod program;
pub mod random;
pub mod session_shop;
pub mod shop;
pub mod tempo_shop;
pub mod values;
pub mod verdicts;
