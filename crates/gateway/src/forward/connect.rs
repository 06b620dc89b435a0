//! Connections to one upstream.

use std::{
    future::Future,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Uri, uri::Scheme};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};
use rustls_platform_verifier::Verifier;
use tokio::net::TcpStream;
use tower_service::Service;

use super::{ForwardError, stall::Stall};
use crate::config::Upstream;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Connection = Stall<MaybeHttpsStream<TokioIo<TcpStream>>>;
type Connecting = Pin<Box<dyn Future<Output = Result<Connection, BoxError>> + Send>>;

/// Opens connections to one upstream, whatever the request's own host says, within a deadline.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    inner: HttpsConnector<HttpConnector>,
    target: Uri,
    within: Duration,
    idle: Duration,
}

/// No connection came about in time.
#[derive(Debug, thiserror::Error)]
#[error("no connection within {0:?}")]
struct TooSlow(Duration);

impl Connector {
    pub(super) fn new(upstream: &Upstream) -> Result<Self, ForwardError> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        let target = Uri::builder()
            .scheme(upstream.scheme.clone())
            .authority(upstream.authority.clone())
            .path_and_query("/")
            .build()
            .map_err(ForwardError::Target)?;
        Ok(Self {
            inner: HttpsConnector::from((http, tls(upstream)?)),
            target,
            within: upstream.connect,
            idle: upstream.idle,
        })
    }
}

impl Service<Uri> for Connector {
    type Response = Connection;
    type Error = BoxError;
    type Future = Connecting;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, _: Uri) -> Connecting {
        let connecting = self.inner.call(self.target.clone());
        let (within, idle) = (self.within, self.idle);
        Box::pin(async move {
            match tokio::time::timeout(within, connecting).await {
                Ok(connected) => connected.map(|stream| Stall::new(stream, idle)),
                Err(_) => Err(TooSlow(within).into()),
            }
        })
    }
}

fn tls(upstream: &Upstream) -> Result<ClientConfig, ForwardError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(ForwardError::Tls)?;
    if upstream.scheme != Scheme::HTTPS {
        // It is never asked for a certificate.
        let nobody = RootCertStore::empty();
        return Ok(builder.with_root_certificates(nobody).with_no_client_auth());
    }
    let extra = upstream.ca.as_deref().map(certificates).transpose()?;
    let verifier = Verifier::new_with_extra_roots(extra.unwrap_or_default(), provider)
        .map_err(ForwardError::Tls)?;
    let mut config = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ForwardError> {
    let unreadable = |source| ForwardError::Ca {
        path: path.into(),
        source,
    };
    let found = CertificateDer::pem_file_iter(path)
        .map_err(unreadable)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(unreadable)?;
    match found.is_empty() {
        true => Err(ForwardError::NoCa(path.into())),
        false => Ok(found),
    }
}
