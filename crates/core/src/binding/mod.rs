//! The challenge binding: an id that is an HMAC over what the challenge says.
//!
//! The id of a challenge is `base64url(HMAC-SHA256(secret, slots))`, where the slots are joined by
//! `|` (draft-httpauth-payment-00, section 5.1.2.1): realm, method, intent, request, expires,
//! digest, and opaque. A challenge whose credential belongs in another header than `Authorization`
//! has the header's name as an eighth slot, before opaque. So the server needs to keep nothing to
//! know its own challenges again.
//!
//! What an id does not say: that the challenge is unexpired, that it belongs to this route, or
//! that it was not paid before. The caller asks [`Slots::is_expired`], the route's fingerprint in
//! [`Opaque`], and the store.
//!
//! ```
//! use farthing_core::{
//!     binding::{Binder, Issue, Opaque, Secrets},
//!     header::www_authenticate,
//!     noun::Request,
//!     value::{Entropy, Secret, Timestamp},
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let binder = Binder::new(Secrets::new(&Secret::new([7; 32]))?);
//! let request = Request::new(&serde_json::json!({ "amount": "2000", "currency": "usd6" }))?;
//! let template = binder.template("api.example.com".parse()?, "ledger".parse()?, "charge".parse()?, &request);
//!
//! let (now, entropy) = (Timestamp::from_secs(1_800_000_000), Entropy([1; 16]));
//! let mut header = String::new();
//! template.issue(&Issue::new(now, &Opaque::new([0; 16], entropy)), &mut header);
//!
//! let challenge = www_authenticate::parse([&header]).remove(0)?;
//! binder.authenticate(&challenge.slots()?, challenge.id.as_str(), now)?;
//! # Ok(())
//! # }
//! ```

mod binder;
mod id;
mod opaque;
pub mod raw;
mod secrets;
mod slots;
mod template;

pub use binder::{Binder, BindingError};
pub use id::BoundId;
pub use opaque::{EncodedOpaque, Opaque};
pub use secrets::{SecretFingerprint, Secrets, SecretsError};
pub use slots::{SlotError, SlotTexts, Slots};
pub use template::{Issue, Template};
