//! The buyer's side of Farthing: choose an offer, stay within the policy, pay once.

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
