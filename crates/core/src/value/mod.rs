//! Values: parsed once at the edge, and correct from then on.

mod amount;
mod did;
mod id;
mod price;
mod secret;
pub(crate) mod text;
mod time;
mod worth;

pub use amount::{Amount, AmountError, Currency, CurrencyCode};
pub use did::{Did, DidError};
pub use id::{ChallengeId, ClaimKey, Entropy, Fingerprint, PaymentId};
pub use price::{Price, PriceError, Unit};
pub use secret::Secret;
pub use text::{IntentId, MethodId, Realm, Recipient, Reference, RouteId, TextError};
pub use time::{Timestamp, TimestampError, TimestampText};
pub use worth::Worth;
