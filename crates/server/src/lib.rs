//! The seller's side of Farthing: the Gate, a tower layer and axum extractors.
//!
//! A [`Gate`] is built once a process from a realm, a secret, a store, a clock and the payment
//! methods. Its doors are the tower layer in [`layer`], and its own steps as plain calls:
//! [`Gate::admit`] says whether a handler may run, and [`Permit::finish`] takes its answer.
//!
//! ```
//! use std::sync::Arc;
//! use axum::{Router, routing::get};
//! use farthing_core::{memory::MemoryBackend, value::{Secret, Timestamp}};
//! use farthing_ledger::{AccountKey, KeyType, Ledger};
//! use farthing_server::{Gate, Route, layer::PaymentLayer};
//! # use farthing_testkit::clock::FakeClock;
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let clock = FakeClock::at(Timestamp::from_secs(1_800_000_000));
//! let seller = AccountKey::from_seed(KeyType::Ed25519, [2; 32])?;
//! let gate = Gate::builder()
//!     .realm("api.example.com")
//!     .secret(Secret::new(vec![7; 32]))
//!     .store(Arc::new(MemoryBackend::new()))
//!     .clock(Arc::new(clock))
//!     .method(Arc::new(Ledger::new(seller.account().clone())))
//!     .build()?;
//! let priced = PaymentLayer::new(&gate, Route::priced("$0.002")?)?;
//! let app: Router = Router::new().route("/weather", get(|| async { "sunny" }).layer(priced));
//!
//! let unpaid = http::Request::get("/weather").body(axum::body::Body::empty())?;
//! let answer = app.oneshot(unpaid).await?;
//! assert_eq!(answer.status(), 402);
//! assert!(answer.headers().contains_key("www-authenticate"));
//! # Ok(())
//! # }
//! ```
//!
//! Work on a payment belongs to the gate, not to the request. [`Gate::start`] before the first
//! request, [`Gate::keep_reconciling`] beside them and [`Gate::drain`] after the last one are the
//! three calls a server that keeps its store has to make.

mod abort;
pub mod body;
pub mod discovery;
mod event;
mod fingerprint;
mod gate;
pub mod layer;
mod limits;
mod random;
mod refused;
mod route;
pub mod session;

#[cfg(feature = "abort-points")]
pub use abort::{POINTS, SEAT_POINTS, TILL_POINTS};
pub use event::{Event, Movement, Observer, Progress, What};
pub use gate::{
    Admission, Gate, GateBuilder, Options, Paid, Permit, PreparedRoute, Reconciled, RefundError,
    SetupError, WriteOffError, record_refund, refund, write_off,
};
pub use limits::{RateLimits, peer};
pub use random::NoRandomness;
pub use refused::Refused;
pub use route::{Dynamic, Inputs, Judgement, PricingError, Route, RouteError, Served};
