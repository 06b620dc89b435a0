//! The seller's side of Farthing: the Gate, a tower layer and axum extractors.

mod abort;
pub mod body;
mod event;
mod fingerprint;
pub mod gate;
pub mod layer;
mod limits;
mod random;
mod refused;
mod route;

#[cfg(feature = "abort-points")]
pub use abort::POINTS;
pub use event::{Event, Observer, Progress};
pub use gate::{
    Admission, Gate, GateBuilder, Options, Paid, Permit, PreparedRoute, Reconciled, RefundError,
    SetupError,
};
pub use limits::RateLimits;
pub use random::NoRandomness;
pub use refused::Refused;
pub use route::{Dynamic, Inputs, PricingError, Route, RouteError, Served};
