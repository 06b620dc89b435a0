//! The way to the upstream and back.
//!
//! A [`Forward`] takes a request that was matched, and that was paid for where it has a price. It
//! sends on the bytes of the path as they were matched, with headers made anew where a client's word
//! is not to be taken, and streams both bodies as fast as the slower side takes them.
//!
//! # When the upstream fails
//! It is asked a second time only where nothing was sent the first time. A failure before the answer
//! is a problem; one after its head breaks the connection off, so that half an answer never looks
//! whole. An upstream's own 4xx and 5xx pass as they are, but for a 402, which a buyer could not pay.
//!
//! # What it does not do
//! No `Via` is sent: many servers then send nothing compressed. Interim answers (`103`) are dropped.
//! Trailers of a request are dropped, those of an answer pass.

mod connect;
mod failure;
mod future;
mod health;
mod names;
mod pace;
mod pools;
mod request_body;
mod request_head;
mod response_head;
mod stall;
mod upstream_body;

use std::{
    convert::Infallible,
    path::PathBuf,
    sync::Arc,
    task::{Context, Poll},
};

use farthing::{core::payment::Moved, server::Paid};
use http::{Extensions, HeaderMap, Request, Response, header};
use tower_service::Service;

pub use future::ForwardFuture;
pub use health::Health;
pub use pools::Pools;
pub use request_body::{RequestBody, RequestBodyError};
pub use upstream_body::{UpstreamBody, UpstreamBodyError};

use crate::{config::Upstream, door::Site, serve::Via};
use failure::Failure;
use future::Sent;
use pools::Way;

/// Sends requests to one upstream.
#[derive(Clone, Debug)]
pub struct Forward {
    way: Arc<Way>,
    plain_text: bool,
}

/// What is the same for every upstream of a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ForwardOptions {
    /// The site, as the upstream is told it.
    pub site: Site,
    /// Bytes of the largest request body.
    pub body: u64,
    /// Bytes a second that a request's body has to arrive with on average, once the first half
    /// minute is over; 0 for as slow as it likes.
    pub body_rate: u64,
}

impl ForwardOptions {
    /// Options of a gateway for a site.
    #[must_use]
    pub const fn new(site: Site, body: u64, body_rate: u64) -> Self {
        Self {
            site,
            body,
            body_rate,
        }
    }
}

/// Why there is no way to an upstream.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForwardError {
    /// The upstream is no URL.
    #[error("the upstream is no URL")]
    Target(#[source] http::Error),
    /// The site is no host, and should be sent as one.
    #[error("the site {0:?} is no host that an upstream could be told")]
    Site(Box<str>),
    /// The certificates cannot be read.
    #[error("the certificates in {} cannot be read", path.display())]
    Ca {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// There are no certificates in the file.
    #[error("there is no certificate in {}", .0.display())]
    NoCa(PathBuf),
    /// TLS cannot be set up.
    #[error("TLS to the upstream cannot be set up")]
    Tls(#[source] rustls::Error),
}

impl Forward {
    /// The way to an upstream, over connections that are there already where nothing about it
    /// changed.
    ///
    /// # Errors
    /// When its certificates cannot be read, or it cannot be spoken to as it is told.
    pub fn new(
        upstream: &Upstream,
        options: &ForwardOptions,
        pools: &Pools,
    ) -> Result<Self, ForwardError> {
        Ok(Self {
            way: pools.way(upstream, options)?,
            plain_text: false,
        })
    }

    /// Asks for answers that are not compressed, for a rule that looks into them.
    #[must_use]
    pub const fn plain_text(mut self, plain_text: bool) -> Self {
        self.plain_text = plain_text;
        self
    }

    /// Whether it is worth asking: what a priced route asks before it takes a payment. It has to
    /// be called within a runtime.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.way.is_ready()
    }

    /// What is known of the upstream's health.
    #[must_use]
    pub fn health(&self) -> Arc<Health> {
        Arc::clone(&self.way.health)
    }

    /// Whether a request says of itself that its body is too large. Asked before a payment is
    /// taken; a body that says nothing of its size is stopped on its way.
    #[must_use]
    pub fn is_too_large(&self, headers: &HeaderMap) -> bool {
        let said = headers.get(header::CONTENT_LENGTH);
        let said = said.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        said.is_some_and(|size| size > self.way.options().body)
    }
}

impl Service<Request<RequestBody>> for Forward {
    type Response = Response<UpstreamBody>;
    type Error = Infallible;
    type Future = ForwardFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<RequestBody>) -> ForwardFuture {
        let via = request.extensions_mut().remove::<Via>();
        self.send(request, via)
    }
}

impl Forward {
    /// Sets a request on its way. How it came is not looked for in its extensions.
    pub(crate) fn send(&self, request: Request<RequestBody>, via: Option<Via>) -> ForwardFuture {
        let (mut parts, body) = request.into_parts();
        let moved = moved(&parts.extensions);
        let refuse = |failure: Failure| {
            failure.log(self.way.upstream().authority.as_str(), false);
            ForwardFuture::answered(failure.answer(moved).map(UpstreamBody::from))
        };
        if self.is_too_large(&parts.headers) {
            return refuse(Failure::TooLarge);
        }
        if let Err(error) = request_head::prepare(&mut parts, &self.way, via, self.plain_text) {
            return refuse(Failure::Target(error));
        }
        let (body, progress) = body.bounded(self.way.options(), self.way.upstream().idle);
        let sending = self.way.client.request(Request::from_parts(parts, body));
        let way = Arc::clone(&self.way);
        ForwardFuture::sent(
            sending,
            Sent {
                way,
                progress,
                moved,
                plain_text: self.plain_text,
            },
        )
    }
}

/// What is known of a request's payment while its answer is awaited. Under `first` value has
/// moved, and the gate says so in the place of what is answered here.
fn moved(extensions: &Extensions) -> Option<Moved> {
    let paid = extensions.get::<Paid>()?;
    Some(if paid.reference.is_some() {
        Moved::Yes
    } else {
        Moved::No
    })
}
