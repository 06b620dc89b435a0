//! JSON-RPC over HTTP: one chain behind one or several endpoints.
//!
//! An endpoint is asked its chain id before anything else, at the start and again after each broken
//! connection, and one of another chain is not asked anything. A read goes to the endpoint that answered
//! last; when it does not answer, or with garbage, to the next. The first answer counts: endpoints are not
//! compared. A transaction is sent once, and again only where nobody can have received it.
//!
//! New blocks are told of over WebSocket where there is one. That is a signal to ask again, and all that is
//! believed is asked for over HTTP.
//!
//! New blocks are told of over WebSocket where there is one. That is a signal to ask again, and all that is
//! believed is asked for over HTTP.

mod batch;
mod client;
mod endpoint;
mod error;
mod heads;
mod node;
mod options;
pub mod request;
mod revert;
mod send;
mod socket;
mod wire;

pub use batch::{Answered, Asked, Batch};
pub use error::RpcError;
pub use heads::Heads;
pub use node::Node;
pub(crate) use node::question;
pub use options::NodeOptions;
pub use request::{At, CallRequest, Request};
pub use revert::Revert;
pub use send::{Refused, SendError};
