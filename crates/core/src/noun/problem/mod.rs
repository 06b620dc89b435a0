//! Problems: what went wrong, in the words of RFC 9457.
//!
//! The kind of a problem says its type, its title, its status and whether trying again helps; all
//! of them stand in one table, and a method brings rows of its own. Status codes stand nowhere
//! else.
//!
//! ```
//! use farthing_core::noun::problem::{Problem, ProblemKind, Retry};
//!
//! let problem = Problem::new(ProblemKind::PaymentExpired).with_detail("pay the new challenge");
//! assert_eq!(problem.status(), 402);
//! assert_eq!(problem.retry(), Some(Retry::Fresh));
//! assert_eq!(
//!     problem.to_json(),
//!     r#"{"type":"https://paymentauth.org/problems/payment-expired","title":"Payment Expired","status":402,"detail":"pay the new challenge"}"#,
//! );
//! ```

mod body;
mod table;
mod wire;

pub use body::{Offer, Problem};
pub use table::{ProblemKind, ProblemSpec, Retry};
pub use wire::ProblemError;
