//! The buyer's side of Farthing: choose an offer, stay within the policy, pay once.
//!
//! A [`Client`] fetches like any HTTP client. When a server answers 402, it chooses among the
//! offers its payers can pay, checks the [`Policy`], reserves the amount on every budget, signs,
//! keeps the signed bytes, and sends the request again with them. It does so once: until the
//! outcome of those bytes is known, they are what is sent for this request.
//!
//! ```no_run
//! use std::sync::Arc;
//! use farthing_client::{Client, Limit, Policy};
//! # use farthing_core::{port::{backend::Backend, clock::Clock}, value::Timestamp};
//! # use farthing_ledger::{AccountKey, LedgerPayer};
//!
//! # async fn run(key: AccountKey, store: Arc<dyn Backend>, clock: Arc<dyn Clock>)
//! # -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder()
//!     .payer(LedgerPayer::new(key))
//!     .policy(Policy::new().max_per_request("$0.01".parse()?).budget(Limit::per_day("$1".parse()?)))
//!     .backend(store)
//!     .clock(clock)
//!     .build()?;
//! client.resume().await?;
//!
//! match client.get("https://api.example.com/weather").send().await {
//!     Ok(answer) => {
//!         if let Some(paid) = answer.paid() {
//!             println!("it cost {}", paid.price());
//!         }
//!         println!("{}", answer.text().await?);
//!     }
//!     Err(error) => println!("{error}; did money move: {:?}; {}", error.moved(), error.hint()),
//! }
//! # Ok(()) }
//! ```
//!
//! [`PaymentMiddleware`] is the same for the `reqwest-middleware` crate, and [`Client::offers`],
//! [`Client::credential`] and [`Client::settle`] are its steps for those who bring their own HTTP.
//!
//! # What holds
//! - Nothing is signed that the policy forbids, and no budget is exceeded, whatever the number of
//!   tasks and processes on one store.
//! - Nothing is sent before it is kept, and what is kept is sent as it is. [`Standing`] tells
//!   where a payment is, and [`Outgoing`] what is known of it.
//! - A reservation is released on evidence: nothing was signed, or the rail says that the proof
//!   is dead. A server's word that nothing moved is none, for the proof is still in its hands.
//! - A credential stays within the origin it was made for, and goes over TLS or loopback only.
//!
//! # What does not
//! - That an answer was worth its price is nobody's to check.
//! - A server that takes payments and refuses them can tie up a budget up to its limit, and gets
//!   no more than that.
//! - A payer whose signing itself moves money has to keep a journal of its own: here, what fails
//!   to sign counts as unsigned.

mod approve;
mod carry;
mod client;
mod error;
mod fetch;
mod flow;
mod judge;
mod listing;
mod middleware;
mod offers;
mod options;
mod outgoing;
mod pay;
mod policy;
mod present;
mod redirect;
mod response;
mod resume;
mod steps;
mod target;
mod work;

pub use approve::{Approve, Ask};
pub use client::{Client, ClientBuilder};
pub use error::{
    BuildError, Error, PayerFault, Refused, RequestFault, Said, ServerFault, TransportError,
    Unresolved,
};
pub use fetch::RequestBuilder;
pub use listing::BudgetUse;
pub use middleware::PaymentMiddleware;
pub use offers::Choice;
pub use options::Options;
pub use outgoing::{Claimed, KeptCredential, Outgoing, Standing};
pub use pay::Ticket;
pub use policy::{DEFAULT_MAX_PER_REQUEST, DEFAULT_TOTAL, Limit, Policy};
pub use response::{Outlay, Response};
pub use resume::Resumed;
pub use steps::Step;
pub use target::Target;
