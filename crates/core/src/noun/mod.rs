//! The nouns of the scheme: challenge, credential, receipt and problem, and what a service tells
//! of itself beforehand.

mod challenge;
mod credential;
mod credential_ref;
pub mod discovery;
pub mod problem;
mod receipt;
mod request;
pub mod session;
pub(crate) mod slot;
pub mod socket;

pub use challenge::Challenge;
pub use credential::{Credential, Source};
pub use credential_ref::{CredentialError, CredentialRef};
pub use receipt::{Receipt, ReceiptError};
pub use request::{Request, RequestError};
pub use slot::{CredentialHeader, Description, DigestText, Expires, OpaqueText};
