//! Requests, as a client sends them and as a server's router sees them.

use axum::{body::Body, extract::ConnectInfo};
use bytes::Bytes;
use http::Request;
use std::{fmt::Write as _, net::SocketAddr};

/// One GET.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The path.
    pub path: &'static str,
    /// What stands in `Authorization`.
    pub authorization: Option<String>,
}

const HEADERS: [(&str, &str); 4] = [
    ("host", "api.example.com"),
    ("user-agent", "farthing-bench/0.1"),
    ("accept", "*/*"),
    ("accept-encoding", "gzip, br"),
];

impl Ask {
    /// One without a payment.
    #[must_use]
    pub const fn unpaid(path: &'static str) -> Self {
        Self {
            path,
            authorization: None,
        }
    }

    /// The bytes of the request in HTTP/1.1.
    pub(crate) fn to_bytes(&self) -> Bytes {
        let mut text = format!("GET {} HTTP/1.1\r\n", self.path);
        let more = self.authorization.as_deref();
        for (name, value) in HEADERS
            .into_iter()
            .chain(more.map(|value| ("authorization", value)))
        {
            write!(text, "{name}: {value}\r\n").expect("a string takes every text");
        }
        text.push_str("\r\n");
        text.into()
    }

    /// The request as the router gets it.
    pub(crate) fn to_request(&self) -> Request<Body> {
        let mut request = Request::builder().uri(self.path);
        for (name, value) in HEADERS {
            request = request.header(name, value);
        }
        if let Some(value) = &self.authorization {
            request = request.header("authorization", value);
        }
        let mut request = request.body(Body::empty()).expect("the parts are fixed");
        request.extensions_mut().insert(client());
        request
    }
}

/// Who asks: what `axum` learns from a connection.
pub(crate) fn client() -> ConnectInfo<SocketAddr> {
    ConnectInfo(SocketAddr::from(([192, 0, 2, 7], 40_000)))
}
