//! Connections by upstream, kept across reloads.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use farthing::file;
use http::{HeaderValue, uri::Authority, uri::Scheme};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use tower_service::Service;

use super::{
    ForwardError, ForwardOptions, connect::Connector, health::Health, request_body::RequestBody,
};
use crate::config::Upstream;

/// How long a connection is kept without a request. Servers close theirs after five seconds and
/// more; one that is let go first is never used in the moment it closes.
const IDLE_CONNECTION: Duration = Duration::from_secs(4);

/// Connections without a request that are kept for one upstream.
const IDLE_CONNECTIONS: usize = 256;

/// The most of an answer that one connection holds of what the client has not taken. It also
/// bounds an answer's head.
const BUFFER: usize = 64 * 1024;

/// Bytes of the largest file of certificates to believe.
const CA: u64 = 4 * 1024 * 1024;

/// What all streams of one HTTP/2 connection may have on their way.
const HTTP2_WINDOW: u32 = 1024 * 1024;

/// Connections to upstreams.
///
/// A process keeps one of these. A reload that says the same of an upstream gets its connections,
/// and what is known of its health; those of an upstream that nobody forwards to any more go.
#[derive(Clone, Debug, Default)]
pub struct Pools(Arc<Mutex<Vec<Weak<Way>>>>);

/// The way to one upstream.
pub(super) struct Way {
    upstream: Upstream,
    options: ForwardOptions,
    /// The certificates as they were read. Others in the same file are another upstream.
    ca: Option<Vec<u8>>,
    pub(super) client: Client<Connector, RequestBody>,
    pub(super) connector: Connector,
    pub(super) health: Arc<Health>,
    pub(super) authority: Authority,
    /// `Host`, where HTTP/1.1 is certain. Else the client sets it, or the authority says it.
    pub(super) host: Option<HeaderValue>,
    pub(super) site: HeaderValue,
}

impl Pools {
    /// No connections.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn way(
        &self,
        upstream: &Upstream,
        options: &ForwardOptions,
    ) -> Result<Arc<Way>, ForwardError> {
        let ca = match &upstream.ca {
            Some(path) => Some(file::read(path, CA).map_err(|source| ForwardError::Ca {
                path: path.clone(),
                source: rustls::pki_types::pem::Error::Io(source),
            })?),
            None => None,
        };
        let mut ways = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ways.retain(|way| way.strong_count() > 0);
        let known = ways
            .iter()
            .filter_map(Weak::upgrade)
            .find(|way| way.upstream == *upstream && way.options == *options && way.ca == ca);
        if let Some(way) = known {
            return Ok(way);
        }
        let way = Arc::new(Way::new(upstream, options, ca)?);
        ways.push(Arc::downgrade(&way));
        Ok(way)
    }
}

impl Way {
    fn new(
        upstream: &Upstream,
        options: &ForwardOptions,
        ca: Option<Vec<u8>>,
    ) -> Result<Self, ForwardError> {
        let connector = Connector::new(upstream)?;
        let is_plain = upstream.scheme == Scheme::HTTP;
        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_CONNECTION)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .http1_max_buf_size(BUFFER)
            .http2_initial_stream_window_size(u32::try_from(BUFFER).unwrap_or(u32::MAX))
            .http2_initial_connection_window_size(HTTP2_WINDOW)
            .http2_max_send_buf_size(BUFFER)
            .http2_only(upstream.http2 && is_plain);
        let site = options.site.as_str();
        let authority = if upstream.keep_host {
            site.parse().map_err(|_| ForwardError::Site(site.into()))?
        } else {
            upstream.authority.clone()
        };
        let host = HeaderValue::try_from(without_usual_port(&authority, &upstream.scheme))
            .map_err(|_| ForwardError::Site(site.into()))?;
        Ok(Self {
            client: builder.build(connector.clone()),
            connector,
            health: Arc::default(),
            host: (is_plain && !upstream.http2).then_some(host),
            site: HeaderValue::try_from(site).map_err(|_| ForwardError::Site(site.into()))?,
            authority,
            upstream: upstream.clone(),
            options: options.clone(),
            ca,
        })
    }

    pub(super) const fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    pub(super) const fn options(&self) -> &ForwardOptions {
        &self.options
    }

    /// Whether it is worth asking. Where it is not, an attempt to reach it is on its way.
    pub(super) fn is_ready(&self) -> bool {
        if !self.health.is_down() {
            return true;
        }
        if self.health.may_probe() {
            let (health, mut connector) = (Arc::clone(&self.health), self.connector.clone());
            // Neither looks at the URI: a connector knows where it leads.
            let attempt = connector.call(http::Uri::default());
            tokio::spawn(async move { health.probe(attempt).await });
        }
        false
    }
}

fn without_usual_port<'a>(authority: &'a Authority, scheme: &Scheme) -> &'a str {
    let usual = if *scheme == Scheme::HTTPS { 443 } else { 80 };
    let text = authority.as_str();
    match authority.port() {
        Some(port) if port.as_u16() == usual => &text[..text.len() - port.as_str().len() - 1],
        _ => text,
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Way")
            .field("upstream", &self.upstream)
            .field("health", &self.health)
            .finish_non_exhaustive()
    }
}
