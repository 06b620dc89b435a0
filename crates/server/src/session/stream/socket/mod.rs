//! WebSockets that are paid for on the connection itself.
//!
//! A buyer that streams over HTTP pays with requests beside the stream. Here its vouchers come on the
//! same connection, as messages ([`farthing_core::noun::socket`]). So the request that opens a socket
//! carries no payment, and the socket is no handler behind a layer but a door of its own.
//!
//! ```
//! use axum::Router;
//! use farthing_server::{Gate, Route, SetupError, session::{Piece, socket::{Heard, PaidSocket}}};
//! use futures_util::{Stream, StreamExt};
//!
//! fn echo(heard: Heard) -> impl Stream<Item = Result<Piece<String>, std::io::Error>> {
//!     heard.map(|value| Ok(Piece::new(1, value.to_string())))
//! }
//!
//! fn app(gate: &Gate, route: Route) -> Result<Router, SetupError> {
//!     Ok(Router::new().route_service("/echo", PaidSocket::new(gate, route, echo)?))
//! }
//! ```
//!
//! What is not an upgrade is answered as any request to a priced route is: an unpaid one with a 402,
//! which is where a buyer gets its challenge, and one that manages its channel with a receipt. One
//! that would buy something is told that there is nothing but the socket, and is charged nothing.

mod desk;
mod handshake;
mod outlet;
mod talk;

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream;
use http::{Request, Response, header, request::Parts};
use http_body_util::Full;
use serde_json::Value;
use tokio::sync::{Semaphore, mpsc};
use tower_service::Service;

use super::{BoxError, Piece};
use crate::{
    body::GateBody,
    gate::{Admission, Gate, PreparedRoute, SetupError, turned_away},
    layer,
    refused::Refused,
    route::Route,
};
use talk::Talk;

/// What a buyer says on a socket that is no payment, as it comes. It is bounded: a buyer that says more
/// than its service listens to is disconnected.
#[derive(Debug)]
pub struct Heard(mpsc::Receiver<Value>);

impl Stream for Heard {
    type Item = Value;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Value>> {
        self.0.poll_recv(context)
    }
}

/// A service that takes WebSockets, and is paid for what it says on them.
pub struct PaidSocket<H> {
    shared: Arc<Shared<H>>,
}

struct Shared<H> {
    gate: Gate,
    route: Arc<PreparedRoute>,
    handler: H,
    options: SocketOptions,
    places: Arc<Semaphore>,
}

/// Times and bounds of a socket.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SocketOptions {
    /// Sockets that are open at the same time.
    pub at_once: usize,
    /// How long a socket may stay unpaid.
    pub unpaid_within: Duration,
    /// After how much silence a buyer is shown what is asked for. One form of messages expects that,
    /// the other has asked over HTTP before and speaks at once; whoever does not speak it would take
    /// a challenge for what it paid for.
    pub challenge_after: Duration,
    /// How long a buyer has to close its channel on the connection, after the end.
    pub linger: Duration,
    /// How long a reader may take nothing.
    pub patience: Duration,
    /// Credentials that are refused before the socket is closed.
    pub refusals: usize,
    /// Units charged ahead: see [`Streaming::ahead`](super::Streaming::ahead).
    pub ahead: u64,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            at_once: 10_000,
            unpaid_within: Duration::from_secs(30),
            challenge_after: Duration::from_millis(500),
            linger: Duration::from_secs(30),
            patience: super::PATIENCE,
            refusals: 8,
            ahead: 0,
        }
    }
}

impl<H> PaidSocket<H> {
    /// A socket whose handler makes of what a buyer says what it pays for.
    ///
    /// # Errors
    /// When the route's price cannot be asked by the gate's methods.
    pub fn new(gate: &Gate, route: Route, handler: H) -> Result<Self, SetupError> {
        Self::tuned(gate, route, handler, SocketOptions::default())
    }

    /// The same, with times and bounds of its own.
    ///
    /// # Errors
    /// As [`PaidSocket::new`].
    pub fn tuned(
        gate: &Gate,
        route: Route,
        handler: H,
        options: SocketOptions,
    ) -> Result<Self, SetupError> {
        Ok(Self {
            shared: Arc::new(Shared {
                gate: gate.clone(),
                route: gate.route(route)?,
                handler,
                places: Arc::new(Semaphore::new(options.at_once)),
                options,
            }),
        })
    }
}

impl<H> Clone for PaidSocket<H> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<H> std::fmt::Debug for PaidSocket<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PaidSocket")
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}

type Body = Full<Bytes>;

impl<H, S, E, B> Service<Request<B>> for PaidSocket<H>
where
    H: Fn(Heard) -> S + Send + Sync + 'static,
    S: Stream<Item = Result<Piece<String>, E>> + Send + 'static,
    E: Into<BoxError> + Send + 'static,
    B: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        let upgrade = hyper::upgrade::on(&mut request);
        let (parts, _) = request.into_parts();
        Box::pin(async move {
            let response = match parts.headers.contains_key(header::UPGRADE) {
                true => shared.open(upgrade, parts),
                false => shared.answer(&parts).await,
            };
            Ok(response.map(Full::new))
        })
    }
}

impl<H> Shared<H> {
    /// Answers what is no upgrade.
    async fn answer(&self, parts: &Parts) -> Response<Bytes> {
        let peer = layer::peer(&parts.extensions);
        let admitted: Admission<Body> = self.gate.admit(&self.route, parts, None, peer).await;
        let response = match admitted {
            Admission::Offer(response) => return response,
            Admission::Respond(response) => response,
            Admission::Proceed(permit) => {
                let nothing = turned_away(&Refused::BadRequest("this resource is a WebSocket"));
                permit.finish(nothing.map(Full::new)).await
            }
        };
        collected(response).await
    }

    fn open<S, E>(
        self: Arc<Self>,
        upgrade: hyper::upgrade::OnUpgrade,
        parts: Parts,
    ) -> Response<Bytes>
    where
        H: Fn(Heard) -> S + Send + Sync + 'static,
        S: Stream<Item = Result<Piece<String>, E>> + Send + 'static,
        E: Into<BoxError> + Send + 'static,
    {
        let peer = layer::peer(&parts.extensions);
        let taken = self
            .gate
            .limit(peer, self.gate.now())
            .and_then(|()| handshake::accept(&parts))
            .and_then(|response| {
                let place = Arc::clone(&self.places).try_acquire_owned();
                Ok((response, place.map_err(|_| Refused::Overloaded)?))
            });
        let (response, place) = match taken {
            Ok(taken) => taken,
            Err(refused) => return self.gate.turn_away(&refused),
        };
        let gate = self.gate.clone();
        gate.track(async move {
            match upgrade.await {
                Ok(connection) => Talk::new(&self, parts).run(connection).await,
                Err(error) => tracing::debug!("a WebSocket was not opened: {error}"),
            }
            drop(place);
        });
        response
    }
}

/// An answer that the gate holds, whole.
async fn collected(response: Response<GateBody<Body>>) -> Response<Bytes> {
    use http_body_util::BodyExt;
    let (parts, body) = response.into_parts();
    let body = body.collect().await;
    Response::from_parts(parts, body.map(|it| it.to_bytes()).unwrap_or_default())
}
