//! What a service says about itself before anybody asks it for anything
//! (`draft-payment-discovery-00`): an OpenAPI document whose operations tell what they cost.
//!
//! It only informs. A price read here is a reason to ask; what is paid is what the 402 asks for.
//! What is read here is not checked against OpenAPI as a whole, only as far as it is used.
//!
//! ```
//! use farthing_core::{noun::discovery::Document, value::Amount};
//!
//! let document = Document::parse(br#"{
//!     "openapi": "3.1.0",
//!     "info": { "title": "Weather", "version": "1.0.0" },
//!     "paths": { "/weather/{city}": { "get": {
//!         "x-payment-info": { "intent": "charge", "method": "abacus", "amount": "2000" },
//!         "responses": { "402": { "description": "Payment Required" } }
//!     } } }
//! }"#)?;
//! let [operation] = document.operations.as_slice() else { unreachable!("there is one") };
//! assert_eq!((operation.method.as_str(), &*operation.path), ("GET", "/weather/{city}"));
//! let payment = operation.payment.clone().expect("it has a price")?;
//! assert_eq!(payment.offers()[0].amount, Some(Amount::new(2000)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod document;
pub mod openapi;
mod payment_info;
mod read;
mod service_info;

pub use document::{Document, DocumentError, Operation};
pub use payment_info::{Offer, PaymentInfo};
pub use read::InfoError;
pub use service_info::{Category, Docs, Link, ServiceInfo};
