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
//!
//! ```
//! use std::sync::Arc;
//! use farthing::clock::SystemClock;
//! use farthing_gateway::{config::Config, serve::{Deps, Gateway}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let path = dir.path().join("farthing.toml");
//! std::fs::write(&path, r#"
//!     site = "api.example.com"
//!     to = "http://127.0.0.1:3000"
//!     listen = "127.0.0.1:0"
//!     pay.ledger = { account = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp" }
//!     [routes]
//!     "GET /v1/weather/*" = "$0.002"
//! "#)?;
//! let config = Config::read(&path).expect("each mistake would be told with its line");
//! let gateway = Gateway::start(config, Deps::new(Arc::new(SystemClock))).await?;
//! assert!(gateway.address().ip().is_loopback());
//! assert!(gateway.stop().await.settled);
//! # Ok(())
//! # }
//! ```

mod answer;
pub mod config;
pub mod door;
pub mod forward;
mod metered;
pub mod observe;
pub mod routes;
pub mod serve;
mod served;
