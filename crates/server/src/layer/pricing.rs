//! Which route a request is on.

use std::sync::Arc;

use farthing_core::{
    encoding::percent,
    header::authorization::{self, Found},
};
use http::{Method, Request, header};

use crate::{gate::PreparedRoute, refused::Refused};

/// Routes by method and path pattern.
#[derive(Debug)]
pub struct Pricing(Kind);

#[derive(Debug)]
enum Kind {
    One(Arc<PreparedRoute>),
    /// A few methods: looking at each is quicker than hashing one, and every free request pays for
    /// it.
    Table(Paths),
}

/// A table of routes that cannot be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PricingTableError {
    /// The key is not `METHOD /path`.
    #[error("{0:?} is not a route: write it like \"GET /weather/{{city}}\"")]
    Key(Box<str>),
    /// The pattern is none, or another one already takes its paths.
    #[error("the route {key:?} cannot be added")]
    Pattern {
        /// The route.
        key: Box<str>,
        /// Why.
        source: matchit::InsertError,
    },
}

impl Pricing {
    /// One route for everything.
    #[must_use]
    pub const fn one(route: Arc<PreparedRoute>) -> Self {
        Self(Kind::One(route))
    }

    /// Routes by `METHOD /path/{parameter}`; `None` is a free route. What no key matches is free.
    ///
    /// # Errors
    /// When a key is none, or two take the same paths.
    pub fn table<'a>(
        routes: impl IntoIterator<Item = (&'a str, Option<Arc<PreparedRoute>>)>,
    ) -> Result<Self, PricingTableError> {
        let mut methods: Vec<(Method, matchit::Router<_>)> = Vec::new();
        for (key, route) in routes {
            let (method, path) =
                split_key(key).ok_or_else(|| PricingTableError::Key(key.into()))?;
            let at = match methods.iter().position(|(known, _)| *known == method) {
                Some(at) => at,
                None => {
                    methods.push((method, matchit::Router::new()));
                    methods.len() - 1
                }
            };
            methods[at]
                .1
                .insert(path, route)
                .map_err(|source| PricingTableError::Pattern {
                    key: key.into(),
                    source,
                })?;
        }
        Ok(Self(Kind::Table(methods)))
    }

    /// The route of a request, unless it is free.
    ///
    /// What is behind may clean a path up by itself. It must not serve for free what has a price
    /// by its plain name, and where a path has one price as it is written and another as it is
    /// plain, nobody can tell which of the two will be served.
    pub(super) fn find<B>(
        &self,
        request: &Request<B>,
    ) -> Result<Option<&Arc<PreparedRoute>>, Refused> {
        match &self.0 {
            Kind::One(route) => Ok(Some(route)),
            Kind::Table(methods) => {
                let path = request.uri().path();
                let find = |path: &str| {
                    at(methods, request.method(), path).or_else(|| managed(methods, request, path))
                };
                let written = find(path);
                let plain = plain(path).and_then(|plain| find(&plain));
                match (written, plain) {
                    (Some(one), Some(other)) if !Arc::ptr_eq(one, other) => {
                        Err(Refused::BadRequest("the path can be read in two ways"))
                    }
                    (written, plain) => Ok(written.or(plain)),
                }
            }
        }
    }
}

/// The method and the path pattern of a route's key, `METHOD /path`.
pub(crate) fn split_key(key: &str) -> Option<(Method, &str)> {
    let (method, path) = key.split_once(' ')?;
    let method = Method::from_bytes(method.as_bytes()).ok()?;
    path.starts_with('/').then_some((method, path))
}

type Paths = Vec<(Method, matchit::Router<Option<Arc<PreparedRoute>>>)>;

/// The price of a path as it is written. A HEAD costs what its GET costs.
fn at<'a>(methods: &'a Paths, method: &Method, path: &str) -> Option<&'a Arc<PreparedRoute>> {
    let find = |method: &Method| {
        let (_, paths) = methods.iter().find(|(known, _)| known == method)?;
        paths.at(path).ok()
    };
    let matched = find(method).or_else(|| {
        (*method == Method::HEAD)
            .then(|| find(&Method::GET))
            .flatten()
    });
    matched?.value.as_ref()
}

/// The route that a POST with nothing but a credential is about, where its path is asked by another
/// method: that is how channels are managed, at the address of what they pay for. It never gets to the
/// service behind.
fn managed<'a, B>(
    methods: &'a Paths,
    request: &Request<B>,
    path: &str,
) -> Option<&'a Arc<PreparedRoute>> {
    let headers = request.headers();
    let length = headers.get(header::CONTENT_LENGTH);
    let is_bare = length.is_none_or(|length| length.as_bytes() == b"0")
        && !headers.contains_key(header::TRANSFER_ENCODING)
        && request.uri().query().is_none_or(str::is_empty);
    if *request.method() != Method::POST || !is_bare || authorization::find(headers) == Found::None
    {
        return None;
    }
    let mut others = methods.iter();
    others
        .find_map(|(_, paths)| paths.at(path).ok()?.value.as_ref())
        .filter(|route| route.metering().is_some() && !route.serves_empty_posts())
}

/// The path with its escapes decoded and without empty and dot segments, where that is another.
fn plain(path: &str) -> Option<String> {
    if !may_be_odd(path.as_bytes()) {
        return None;
    }
    let is_plain = !path.contains(['%', '\\'])
        && path
            .split('/')
            .skip(1)
            .all(|part| !matches!(part, "" | "." | ".."));
    if is_plain || path == "/" {
        return None;
    }
    let decoded = unescaped(path);
    let mut parts = Vec::new();
    for part in decoded.split(['/', '\\']) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    Some(format!("/{}", parts.join("/")))
}

/// Whether a path is worth taking apart. Every free request asks, so this walks it once.
fn may_be_odd(path: &[u8]) -> bool {
    let mut before = 0;
    for byte in path {
        match byte {
            b'%' | b'\\' => return true,
            b'/' | b'.' if before == b'/' => return true,
            byte => before = *byte,
        }
    }
    before == b'/'
}

/// The path with its escapes decoded.
pub(crate) fn unescaped(path: &str) -> String {
    let bytes: Vec<u8> = percent::decode(path).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
