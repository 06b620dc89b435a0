//! The Payment HTTP authentication scheme, its values, its state machines and its ports.
//!
//! Nothing here opens a connection, reads a clock or knows a rail: what is read is bytes, what is
//! written is bytes, and `now` is an argument.
//!
//! ```
//! use farthing_core::{encoding::base64url, header::www_authenticate};
//!
//! let request = base64url::encode(r#"{"amount":"2000","currency":"usd6"}"#);
//! let line = format!(
//!     r#"Payment id="a1", realm="api.example.com", method="ledger", intent="charge", request="{request}""#
//! );
//! let challenges = www_authenticate::parse([line.as_bytes()]);
//! let challenge = challenges.first().expect("there is one").as_ref().expect("it holds to the grammar");
//! assert_eq!(challenge.realm.as_str(), "api.example.com");
//! assert_eq!(challenge.method.as_str(), "ledger");
//! ```

pub mod binding;
pub mod bounds;
pub mod domain;
pub mod encoding;
pub mod header;
pub mod intent;
pub mod memory;
pub mod noun;
pub mod payment;
pub mod port;
pub mod value;
