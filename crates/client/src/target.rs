//! The request a payment is for.

use bytes::Bytes;
use farthing_core::{header::IDEMPOTENCY_KEY, value::Fingerprint};
use http::{HeaderMap, Method, header::RANGE};
use ring::digest::{Context, SHA256};
use url::{Host, Url};

use crate::error::RequestFault;

/// A request that may have to be paid for: where it goes, and the body it takes along.
///
/// What is bought is this request and no other, so the body is needed whole: a body that is read
/// from somewhere while it is sent cannot be sent a second time with the payment.
#[derive(Clone, Debug)]
pub struct Target {
    method: Method,
    url: Url,
    body: Bytes,
    inputs: Vec<u8>,
}

impl Target {
    /// A request without a body.
    #[must_use]
    pub fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            body: Bytes::new(),
            inputs: Vec::new(),
        }
    }

    /// The same with a body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// The same with the headers that make it another request: a range, an idempotency key.
    #[must_use]
    pub fn with_headers(mut self, headers: &HeaderMap) -> Self {
        self.inputs.clear();
        for name in [RANGE, IDEMPOTENCY_KEY] {
            for value in headers.get_all(&name) {
                self.inputs.extend(name.as_str().as_bytes());
                self.inputs.push(b':');
                self.inputs.extend(value.as_bytes());
                self.inputs.push(b'\n');
            }
        }
        self
    }

    /// Reads it off a request.
    ///
    /// # Errors
    /// When the body cannot be sent twice.
    pub fn of(request: &reqwest::Request) -> Result<Self, RequestFault> {
        let body = match request.body() {
            None => Bytes::new(),
            Some(body) => Bytes::copy_from_slice(body.as_bytes().ok_or(RequestFault::BodyOnce)?),
        };
        let target = Self::new(request.method().clone(), request.url().clone());
        Ok(target.with_body(body).with_headers(request.headers()))
    }

    /// The HTTP method.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// Where it goes.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// What it takes along.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// The host that is dialled, without its port.
    #[must_use]
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// The origin: scheme, host and port.
    pub(crate) fn origin(&self) -> Box<str> {
        self.url.origin().ascii_serialization().into()
    }

    /// The URL as it is kept: without a fragment, and without a user's name and password.
    pub(crate) fn kept_url(&self) -> Box<str> {
        let mut url = self.url.clone();
        url.set_fragment(None);
        let _ = url.set_username("");
        let _ = url.set_password(None);
        String::from(url).into()
    }

    /// Whether it may be sent again without its caller: nothing but the URL is needed for it, and
    /// HTTP says that it changes nothing.
    pub(crate) fn is_repeatable(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD)
            && self.body.is_empty()
            && self.inputs.is_empty()
    }

    /// Whether nobody on the way can read or change it: TLS, or a connection that does not leave
    /// the machine.
    pub(crate) fn is_private(&self) -> bool {
        match (self.url.scheme(), self.url.host()) {
            ("https", Some(_)) => true,
            ("http", Some(Host::Ipv4(address))) => address.is_loopback(),
            ("http", Some(Host::Ipv6(address))) => address.is_loopback(),
            ("http", Some(Host::Domain(name))) => name == "localhost",
            _ => false,
        }
    }

    /// The same request has the same fingerprint, whoever makes it and when.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let url = self.kept_url();
        let parts = [
            self.method.as_str().as_bytes(),
            url.as_bytes(),
            &self.inputs,
            &self.body,
        ];
        let mut hash = Context::new(&SHA256);
        for part in parts {
            hash.update(&(part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let mut print = [0; 32];
        print.copy_from_slice(hash.finish().as_ref());
        Fingerprint(print)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Target {
        Target::new(Method::GET, url.parse().unwrap())
    }

    #[test]
    fn only_tls_and_loopback_are_private() {
        let cases = [
            ("https://api.example.com/", true),
            ("http://127.0.0.1:8402/", true),
            ("http://127.8.4.2/", true),
            ("http://[::1]:80/", true),
            ("http://localhost/", true),
            ("http://api.example.com/", false),
            ("http://127.0.0.1.example.com/", false),
            ("http://localhost.example.com/", false),
            ("http://10.0.0.1/", false),
            ("http://[::ffff:127.0.0.1]/", false),
            ("ftp://127.0.0.1/", false),
        ];
        for (url, expect) in cases {
            assert_eq!(target(url).is_private(), expect, "{url}");
        }
    }

    #[test]
    fn another_request_has_another_fingerprint() {
        let plain = target("https://a.example/x?q=1#part");
        assert_eq!(
            plain.fingerprint(),
            target("https://me:pw@a.example/x?q=1").fingerprint()
        );
        let mut ranged = HeaderMap::new();
        ranged.insert(RANGE, "bytes=0-9".parse().unwrap());
        let others = [
            target("https://a.example/x?q=2"),
            Target::new(Method::POST, plain.url().clone()),
            plain.clone().with_body("x"),
            plain.clone().with_headers(&ranged),
        ];
        for other in others {
            assert_ne!(plain.fingerprint(), other.fingerprint(), "{other:?}");
        }
    }

    #[test]
    fn what_is_kept_names_no_password() {
        assert_eq!(
            &*target("https://me:pw@a.example/x#y").kept_url(),
            "https://a.example/x"
        );
    }
}
