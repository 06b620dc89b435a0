//! A tower layer that puts a price in front of a service, and what axum needs beside it.
//!
//! ```
//! use axum::{Router, routing::get};
//! use farthing_server::{Gate, Paid, Route, layer::PaymentLayer};
//!
//! async fn weather(paid: Paid) -> String {
//!     format!("sunny; you paid {} {}", paid.amount, paid.currency)
//! }
//!
//! fn app(gate: &Gate) -> Result<Router, Box<dyn std::error::Error>> {
//!     let price = PaymentLayer::new(gate, Route::priced("$0.002")?)?;
//!     Ok(Router::new()
//!         .route("/weather", get(weather).route_layer(price))
//!         .route("/health", get(|| async { "fine" })))
//! }
//! ```
//!
//! In axum, `route_layer` puts the price on the methods that a route has. With `layer` it would also
//! stand before the answer to every other method, and somebody would be asked to pay for a 405.
//!
//! A route that is paid out of channels is asked by more than its own method: the protocol's clients
//! send vouchers, top-ups and closes with a bare POST to the address of what they buy. `layer` lets them
//! through, and so does a [`Pricing`] table; with `route_layer` on a GET they are told 405.
//!
//! A CORS layer belongs outside this one. A preflight that comes through to a priced route is
//! answered with nothing, uncharged and without the handler.
//!
//! # What it does not do
//! It does not terminate TLS and does not look at `Host`: the realm is configured. Behind a
//! proxy, put a [`Peer`] into the request's extensions, or every client is the proxy.

mod future;
pub(crate) mod panic;
mod pricing;
mod service;

use std::{net::IpAddr, sync::Arc};

use http::{Extensions, Uri, request::Parts};
use tower_layer::Layer;

pub use future::PaymentFuture;
#[cfg(feature = "axum")]
pub(crate) use pricing::split_key;
pub(crate) use pricing::unescaped;
pub use pricing::{Pricing, PricingTableError};
pub use service::PaymentService;

use crate::{
    gate::{Gate, SetupError},
    route::Route,
};

/// Puts prices in front of a service.
#[derive(Clone, Debug)]
pub struct PaymentLayer {
    gate: Gate,
    pricing: Arc<Pricing>,
}

impl PaymentLayer {
    /// One route for everything behind the layer.
    ///
    /// # Errors
    /// When the route's price cannot be asked by the gate's methods.
    pub fn new(gate: &Gate, route: Route) -> Result<Self, SetupError> {
        Ok(Self {
            gate: gate.clone(),
            pricing: Arc::new(Pricing::one(gate.route(route)?)),
        })
    }

    /// A table of routes; what is not in it is free.
    #[must_use]
    pub fn table(gate: &Gate, pricing: Pricing) -> Self {
        Self {
            gate: gate.clone(),
            pricing: Arc::new(pricing),
        }
    }
}

impl<S> Layer<S> for PaymentLayer {
    type Service = PaymentService<S>;

    fn layer(&self, inner: S) -> PaymentService<S> {
        PaymentService::new(inner, self.gate.clone(), Arc::clone(&self.pricing))
    }
}

/// The address a request came from, for those who know it better than the connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

pub(crate) fn peer(extensions: &Extensions) -> Option<IpAddr> {
    if let Some(Peer(address)) = extensions.get() {
        return Some(*address);
    }
    #[cfg(feature = "axum")]
    if let Some(axum::extract::ConnectInfo(address)) =
        extensions.get::<axum::extract::ConnectInfo<std::net::SocketAddr>>()
    {
        return Some(address.ip());
    }
    None
}

/// The pattern a router matched the path by.
pub(crate) fn matched_path(parts: &Parts) -> Option<&str> {
    #[cfg(feature = "axum")]
    {
        parts
            .extensions
            .get::<axum::extract::MatchedPath>()
            .map(axum::extract::MatchedPath::as_str)
    }
    #[cfg(not(feature = "axum"))]
    {
        let _ = parts;
        None
    }
}

/// The path and query as the client sent them, where a router that this one is mounted in took a
/// part of them away.
pub(crate) fn stripped_from(parts: &Parts) -> Option<&Uri> {
    #[cfg(feature = "axum")]
    {
        let axum::extract::OriginalUri(whole) = parts.extensions.get()?;
        (whole.path_and_query() != parts.uri.path_and_query()).then_some(whole)
    }
    #[cfg(not(feature = "axum"))]
    {
        let _ = parts;
        None
    }
}

/// Only a request that came through the layer has what its handler asks for. Without it the route is
/// misconfigured, and nothing is served.
#[cfg(feature = "axum")]
fn misconfigured(parts: &Parts, missing: &'static str) -> axum::response::Response {
    let path = parts.uri.path();
    tracing::error!(path, "{missing}");
    let refused = crate::gate::turned_away(&crate::refused::Refused::Internal);
    axum::response::IntoResponse::into_response(refused.map(axum::body::Body::from))
}

#[cfg(feature = "axum")]
mod extract {
    use axum::{extract::FromRequestParts, response::Response};
    use http::request::Parts;

    use super::misconfigured;
    use crate::{gate::Paid, session::Meter};

    impl<S: Sync> FromRequestParts<S> for Paid {
        type Rejection = Response;

        async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
            let paid = parts.extensions.get::<Self>().cloned();
            paid.ok_or_else(|| {
                let missing = "a handler asks for a payment and no payment layer is in front of it";
                misconfigured(parts, missing)
            })
        }
    }

    /// Only a request that a channel pays for has one.
    impl<S: Sync> FromRequestParts<S> for Meter {
        type Rejection = Response;

        async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
            let paid = parts.extensions.get::<Self>().cloned();
            paid.ok_or_else(|| {
                let missing = "a handler asks for a meter, and no channel pays for its request";
                misconfigured(parts, missing)
            })
        }
    }
}
