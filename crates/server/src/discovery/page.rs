//! The documents, ready to be served.

use std::fmt;

use bytes::Bytes;
use farthing_core::encoding::base64url;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use ring::digest;

/// Where the OpenAPI document is (`draft-payment-discovery-00`, section "Document Location").
pub const OPENAPI: &str = "/openapi.json";
/// Where the page for language models is.
pub const LLMS: &str = "/llms.txt";

/// Five minutes, as the draft recommends.
const CACHE: HeaderValue = HeaderValue::from_static("max-age=300");

/// The documents of a service. They are made once, and serving them only hands them out.
#[derive(Clone, Debug)]
pub struct Documents {
    openapi: Page,
    llms: Page,
    /// Paths that a route of the service's own takes instead.
    yielded: Vec<&'static str>,
}

/// One document with the headers it is served with.
#[derive(Clone)]
pub struct Page {
    bytes: Bytes,
    content_type: HeaderValue,
    etag: HeaderValue,
}

impl Documents {
    pub(super) fn new(openapi: String, llms: String, yielded: Vec<&'static str>) -> Self {
        Self {
            openapi: Page::new(openapi, "application/json"),
            llms: Page::new(llms, "text/plain; charset=utf-8"),
            yielded,
        }
    }

    /// The OpenAPI document.
    #[must_use]
    pub const fn openapi(&self) -> &Page {
        &self.openapi
    }

    /// The page for language models.
    #[must_use]
    pub const fn llms(&self) -> &Page {
        &self.llms
    }

    /// The pages that are served, by their paths.
    pub fn pages(&self) -> impl Iterator<Item = (&'static str, &Page)> {
        [(OPENAPI, &self.openapi), (LLMS, &self.llms)]
            .into_iter()
            .filter(|(path, _)| !self.yielded.contains(path))
    }

    /// The answer to a request for one of the documents, or `None` where it is for something else.
    /// To be asked before the routes are, which may take any path.
    #[must_use]
    pub fn answer(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Option<Response<Bytes>> {
        if *method != Method::GET && *method != Method::HEAD {
            return None;
        }
        let (_, page) = self.pages().find(|(at, _)| *at == path)?;
        Some(page.answer(headers))
    }

    /// A router that serves them, free of charge. Merge it where no payment layer stands before
    /// it.
    #[cfg(feature = "axum")]
    pub fn router<S: Clone + Send + Sync + 'static>(&self) -> axum::Router<S> {
        use axum::{body::Body, routing::get};

        let mut router = axum::Router::new();
        for (path, page) in self.pages() {
            let page = page.clone();
            let handler =
                move |headers: HeaderMap| async move { page.answer(&headers).map(Body::from) };
            router = router.route(path, get(handler));
        }
        router
    }
}

impl Page {
    fn new(text: String, content_type: &'static str) -> Self {
        let hash = digest::digest(&digest::SHA256, text.as_bytes());
        let etag = format!("\"{}\"", base64url::encode(&hash.as_ref()[..16]));
        Self {
            bytes: text.into(),
            content_type: HeaderValue::from_static(content_type),
            etag: HeaderValue::try_from(etag).expect("base64url in quotes is a header value"),
        }
    }

    /// The document.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Its entity tag: another document has another.
    #[must_use]
    pub const fn etag(&self) -> &HeaderValue {
        &self.etag
    }

    /// Answers a GET or a HEAD with it, or with a 304 where the asker has it. The transport leaves
    /// away the body of a HEAD.
    #[must_use]
    pub fn answer(&self, headers: &HeaderMap) -> Response<Bytes> {
        let known = self.is_known(headers);
        let mut response = Response::new(if known {
            Bytes::new()
        } else {
            self.bytes.clone()
        });
        let told = response.headers_mut();
        told.reserve(8);
        told.insert(header::ETAG, self.etag.clone());
        told.insert(header::CACHE_CONTROL, CACHE);
        // Anybody may read it, a script of another origin too (section "Cross-Origin Requests").
        told.insert(
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            HeaderValue::from_static("*"),
        );
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            told.insert(header::CONTENT_TYPE, self.content_type.clone());
            told.insert(
                header::X_CONTENT_TYPE_OPTIONS,
                HeaderValue::from_static("nosniff"),
            );
        }
        response
    }

    /// Whether `If-None-Match` names it (RFC 9110, section 13.1.2, by weak comparison).
    fn is_known(&self, headers: &HeaderMap) -> bool {
        headers
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(','))
            .map(str::trim)
            .any(|tag| {
                tag == "*" || tag.trim_start_matches("W/").as_bytes() == self.etag.as_bytes()
            })
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page")
            .field("bytes", &self.bytes.len())
            .field("etag", &self.etag)
            .finish_non_exhaustive()
    }
}
