//! Which route a request is on.

use std::sync::Arc;

use http::{Method, Request};

use crate::gate::PreparedRoute;

/// Routes by method and path pattern.
#[derive(Debug)]
pub struct Pricing(Kind);

#[derive(Debug)]
enum Kind {
    One(Arc<PreparedRoute>),
    /// A few methods: looking at each is quicker than hashing one, and every free request pays for
    /// it.
    Table(Vec<(Method, matchit::Router<Option<Arc<PreparedRoute>>>)>),
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
            let broken = || PricingTableError::Key(key.into());
            let (method, path) = key
                .split_once(' ')
                .filter(|(_, path)| path.starts_with('/'))
                .ok_or_else(broken)?;
            let method = Method::from_bytes(method.as_bytes()).map_err(|_| broken())?;
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

    /// The route of a request, unless it is free. A HEAD costs what its GET costs.
    pub(super) fn find<B>(&self, request: &Request<B>) -> Option<&Arc<PreparedRoute>> {
        match &self.0 {
            Kind::One(route) => Some(route),
            Kind::Table(methods) => {
                let find = |method: &Method| {
                    let (_, paths) = methods.iter().find(|(known, _)| known == method)?;
                    paths.at(request.uri().path()).ok()
                };
                let matched = find(request.method()).or_else(|| {
                    (request.method() == Method::HEAD)
                        .then(|| find(&Method::GET))
                        .flatten()
                });
                matched?.value.as_ref()
            }
        }
    }
}
