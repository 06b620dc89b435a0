//! Asking the server: each request as it is written, no redirect followed, everything bounded.
//!
//! The client of `farthing pay` tidies a path before it sends it, and what is looked for here is
//! what servers make of untidy ones. So requests go out by hyper.

use std::time::Duration;

use bytes::Bytes;
use farthing::core::header::{PAYMENT_AUTHORIZATION, PAYMENT_RECEIPT, PROBLEM_JSON};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri,
    header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HOST, USER_AGENT, WWW_AUTHENTICATE},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use super::target::Target;
use crate::error::{Error, with_causes};

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of a body that are read. More of it decides nothing.
const BODY: usize = 4 * 1024 * 1024;

/// A request to be sent. What it does not say is as the command line has it.
#[derive(Clone, Debug, Default)]
pub(super) struct Ask {
    pub(super) method: Option<Method>,
    /// The path and query, exactly as they are sent.
    pub(super) path: Option<String>,
    pub(super) headers: HeaderMap,
    /// Over plain HTTP, whatever the URL says.
    pub(super) plain: bool,
    /// Without the body and headers of the command line.
    pub(super) bare: bool,
}

impl Ask {
    pub(super) fn path(path: impl Into<String>) -> Self {
        Self {
            path: Some(path.into()),
            ..Self::default()
        }
    }

    /// Another page than the one that is checked.
    pub(super) fn page(path: impl Into<String>) -> Self {
        Self {
            method: Some(Method::GET),
            bare: true,
            ..Self::path(path)
        }
    }

    #[must_use]
    pub(super) fn with(mut self, name: HeaderName, value: impl AsRef<[u8]>) -> Self {
        if let Ok(mut value) = HeaderValue::from_bytes(value.as_ref()) {
            let is_secret = name == AUTHORIZATION || name == PAYMENT_AUTHORIZATION;
            value.set_sensitive(is_secret);
            self.headers.append(name, value);
        }
        self
    }
}

/// What came back.
pub(super) type Answer = Result<Reply, Fault>;

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("the request cannot be written")]
    Build(#[from] http::Error),
    #[error("the connection failed")]
    Send(#[from] hyper_util::client::legacy::Error),
    #[error("no answer came within {} s", PATIENCE.as_secs())]
    Slow,
}

impl Fault {
    /// What happened, with its causes.
    pub(super) fn told(&self) -> String {
        with_causes(self)
    }
}

/// An answer, read to its bound.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Reply {
    /// The lines of its challenges.
    pub(super) fn challenges(&self) -> impl Iterator<Item = &[u8]> {
        let lines = self.headers.get_all(WWW_AUTHENTICATE);
        lines.iter().map(HeaderValue::as_bytes)
    }

    /// Whether Cache-Control has a member.
    pub(super) fn caches(&self, member: &str) -> bool {
        self.headers.get_all(CACHE_CONTROL).iter().any(|line| {
            let line = String::from_utf8_lossy(line.as_bytes());
            line.split(',')
                .any(|one| one.trim().eq_ignore_ascii_case(member))
        })
    }

    pub(super) fn media_type(&self) -> String {
        let value = self.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        let value = String::from_utf8_lossy(value.unwrap_or_default()).to_ascii_lowercase();
        value
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned()
    }

    pub(super) fn is_problem(&self) -> bool {
        self.media_type() == PROBLEM_JSON
    }

    pub(super) fn receipt(&self) -> Option<&HeaderValue> {
        self.headers.get(PAYMENT_RECEIPT)
    }

    pub(super) fn is_limited(&self) -> bool {
        self.status == StatusCode::TOO_MANY_REQUESTS
    }
}

/// Sends requests, and counts them.
pub(super) struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    target: Target,
    pub(super) sent: usize,
}

impl Http {
    pub(super) fn new(target: Target) -> Result<Self, Error> {
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_platform_verifier(rustls::crypto::ring::default_provider())
            .map_err(|error| Error::Setup(error.into()))?
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            // Each request on a connection of its own: a server may close after a bad one, and the
            // next is not to pay for it.
            client: Client::builder(TokioExecutor::new())
                .pool_max_idle_per_host(0)
                .build(connector),
            target,
            sent: 0,
        })
    }

    pub(super) async fn send(&mut self, ask: &Ask) -> Answer {
        self.sent += 1;
        let request = self.request(ask)?;
        let answer = async {
            let response = self.client.request(request).await?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, BODY).collect().await;
            Ok(Reply {
                status: head.status,
                headers: head.headers,
                body: body.map(|it| it.to_bytes().to_vec()).unwrap_or_default(),
            })
        };
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(Fault::Slow),
        }
    }

    fn request(&self, ask: &Ask) -> Result<Request<Full<Bytes>>, http::Error> {
        let target = &self.target;
        let scheme = if ask.plain { "http" } else { target.scheme() };
        let uri = Uri::builder()
            .scheme(scheme)
            .authority(target.authority())
            .path_and_query(ask.path.as_deref().unwrap_or(target.path()))
            .build()?;
        let method = ask.method.as_ref().unwrap_or(&target.method);
        let mut request = Request::builder().method(method).uri(uri);
        if let Some(headers) = request.headers_mut() {
            let agent = concat!("farthing/", env!("CARGO_PKG_VERSION"), " (check)");
            headers.insert(USER_AGENT, HeaderValue::from_static(agent));
            headers.insert(HOST, HeaderValue::from_str(target.authority())?);
            if !ask.bare {
                headers.extend(target.headers.clone());
            }
            for (name, value) in &ask.headers {
                headers.append(name, value.clone());
            }
        }
        let body = if ask.bare {
            Bytes::new()
        } else {
            target.body.clone()
        };
        request.body(Full::new(body))
    }
}
