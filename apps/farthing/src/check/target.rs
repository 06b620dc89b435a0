//! What is checked: a URL, and the request that is made of it.

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use reqwest::Url;

use super::Check;
use crate::error::Error;

/// The request whose price is asked for.
#[derive(Clone, Debug)]
pub(super) struct Target {
    url: Url,
    authority: String,
    path: String,
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Target {
    pub(super) fn new(args: &Check) -> Result<Self, Error> {
        let wrong = |what: &str| Error::Usage {
            what: what.to_owned(),
            next: "write it whole, for example https://api.example.com/weather",
        };
        let text = args.url.as_deref().unwrap_or_default();
        let url = Url::parse(text).map_err(|error| wrong(&format!("the URL is none: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("the URL does not start with http:// or https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("the URL holds a user's name or password"));
        }
        let host = url.host_str().ok_or_else(|| wrong("the URL has no host"))?;
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let body = args.data.clone().map(Bytes::from);
        let mut headers = HeaderMap::new();
        for line in &args.headers {
            let (name, value) = line.parts();
            headers.append(name.clone(), value.clone());
        }
        if body.is_some() {
            let form = || http::HeaderValue::from_static("application/x-www-form-urlencoded");
            headers.entry(header::CONTENT_TYPE).or_insert_with(form);
        }
        let default = if body.is_some() {
            Method::POST
        } else {
            Method::GET
        };
        Ok(Self {
            authority,
            path,
            method: args.method.clone().unwrap_or(default),
            headers,
            body: body.unwrap_or_default(),
            url,
        })
    }

    pub(super) const fn url(&self) -> &Url {
        &self.url
    }

    pub(super) fn scheme(&self) -> &str {
        self.url.scheme()
    }

    pub(super) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Host and port, the port only where it is not the scheme's own.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// Path and query, as they are sent.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn is_loopback(&self) -> bool {
        use std::net::IpAddr;
        let host = self.host().trim_start_matches('[').trim_end_matches(']');
        host == "localhost"
            || host
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }
}
