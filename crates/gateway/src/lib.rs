//! A streaming reverse proxy that puts prices in front of an HTTP API.
//!
//! What the file says becomes a [`config::Config`] once, at the start and at each reload; everything
//! behind it works on values that cannot be wrong.
//!
//! ```text
//! connection ─▶ serve ─▶ door ─▶ table ─▶ the gate's layer ─▶ forward ─▶ upstream
//!               TLS,     refuses  the     free, or 402,        hop by hop  pooled,
//!               limits   tricks   rule    or paid              headers     deadlines
//! ```

mod answer;
pub mod config;
pub mod door;
pub mod forward;
pub mod observe;
pub mod routes;
pub mod serve;
mod served;
