//! What a service tells of itself before it is asked for anything
//! (`draft-payment-discovery-00`): `/openapi.json`, whose operations say what they cost, and
//! `/llms.txt`, the same for language models.
//!
//! The documents are made once, from the prepared routes that also answer 402, so the two cannot
//! disagree. Where the price depends on the request, they say so and no amount.
//!
//! ```
//! use farthing_server::{Gate, PreparedRoute, Route, discovery::{Discovery, Operation, Service}};
//! use http::Method;
//!
//! fn documents(route: &PreparedRoute) -> Result<(), Box<dyn std::error::Error>> {
//!     let service = Service::new("Weather", "1.0.0")?.category("data")?;
//!     let documents = Discovery::new(service)
//!         .at("https://api.example.com")?
//!         .operation(Operation::new(Method::GET, "/weather/{city}", Some(route))?)
//!         .operation(Operation::new(Method::GET, "/health", None)?)
//!         .build()?;
//!     assert!(documents.openapi().bytes().starts_with(b"{"));
//!     Ok(())
//! }
//! ```
//!
//! An axum application needs none of this by hand: `PricedRouter` collects its routes and serves
//! both documents.
//!
//! Behind a gateway, the document that the upstream has of itself says more than its paths do.
//! [`Upstream`] reads it, and what is exposed of it is told with its prices.
//!
//! # What is not checked
//! Whether the upstream's document is OpenAPI in every detail: what is wrong in it stays wrong.

mod llms;
mod operation;
mod page;
mod paths;
mod pattern;
#[cfg(feature = "axum")]
mod router;
mod service;
mod upstream;

use std::collections::HashSet;

use farthing_core::{
    noun::discovery::{DocumentError, Link},
    value::TextError,
};
use http::{Method, Uri};
use serde_json::{Map, Value, json};

pub use operation::Operation;
pub use page::{Documents, LLMS, OPENAPI, Page};
#[cfg(feature = "axum")]
pub use router::PricedRouter;
pub use service::Service;
pub use upstream::Upstream;

use crate::gate::SetupError;
use paths::Paths;

/// What the documents of a service are made of.
#[derive(Clone, Debug)]
#[must_use]
pub struct Discovery {
    service: Service,
    url: Option<Box<str>>,
    operations: Vec<Operation>,
    upstream: Option<Upstream>,
    yields: bool,
}

/// A document that cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// What is said about the service cannot be said.
    #[error("the service's {what} cannot be: {reason}")]
    Service {
        /// What.
        what: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// The public address is none.
    #[error("{url:?} is no public address: write it like \"https://api.example.com\"")]
    Url {
        /// What was given.
        url: Box<str>,
        /// Why, where its characters are wrong.
        source: Option<TextError>,
    },
    /// The key of a route is not `METHOD /path`.
    #[error("{0:?} is not a route: write it like \"GET /weather/{{city}}\"")]
    Key(Box<str>),
    /// A path pattern is none.
    #[error("{pattern:?} is no path pattern: {reason}")]
    Pattern {
        /// What was given.
        pattern: Box<str>,
        /// Why.
        reason: &'static str,
    },
    /// Two operations have one method and one path.
    #[error("the operation {0:?} is there twice")]
    Double(Box<str>),
    /// A route of the service's own has the path of a document, and one of the two would be
    /// hidden.
    #[error("the route {0:?} has the path of a discovery document, which would be hidden by it")]
    Shadowed(Box<str>),
    /// The draft wants at least one operation.
    #[error("there is no operation to tell of")]
    NoOperations,
    /// The upstream's document cannot be read.
    #[error("the upstream's document cannot be used")]
    Upstream(#[from] DocumentError),
    /// A priced route cannot be.
    #[error("the route {key:?} cannot be priced")]
    Price {
        /// The route.
        key: Box<str>,
        /// Why.
        source: SetupError,
    },
    /// A route cannot be added to the router, or is there already.
    #[cfg(feature = "axum")]
    #[error("the route {key:?} cannot be added")]
    Route {
        /// The route.
        key: Box<str>,
        /// Why, where another one stands in its way.
        source: Option<matchit::InsertError>,
    },
}

impl Discovery {
    /// The documents of a service, without any operation yet.
    pub const fn new(service: Service) -> Self {
        Self {
            service,
            url: None,
            operations: Vec::new(),
            upstream: None,
            yields: false,
        }
    }

    /// The public address of the service. Without one, paths are understood to be on the origin
    /// that the document came from.
    ///
    /// # Errors
    /// When it is not an `http` or `https` address, or has a query.
    pub fn at(mut self, url: &str) -> Result<Self, DiscoveryError> {
        let wrong = |source| DiscoveryError::Url {
            url: url.into(),
            source,
        };
        Link::new(url).map_err(|source| wrong(Some(source)))?;
        let parsed: Uri = url.parse().map_err(|_| wrong(None))?;
        let plain = matches!(parsed.scheme_str(), Some("http" | "https"))
            && parsed
                .authority()
                .is_some_and(|a| !a.as_str().contains('@'))
            && !url.contains(['?', '#']);
        if !plain {
            return Err(wrong(None));
        }
        self.url = Some(url.trim_end_matches('/').into());
        Ok(self)
    }

    /// An operation to tell of.
    pub fn operation(mut self, operation: Operation) -> Self {
        self.operations.push(operation);
        self
    }

    /// Operations to tell of.
    pub fn operations(mut self, operations: impl IntoIterator<Item = Operation>) -> Self {
        self.operations.extend(operations);
        self
    }

    /// What the service behind says about itself.
    pub fn upstream(mut self, upstream: Upstream) -> Self {
        self.upstream = Some(upstream);
        self
    }

    /// Leaves the path of a document to a route that has it, instead of refusing the two: an
    /// operator who writes down a rule for `/openapi.json` means it.
    pub const fn yield_to_routes(mut self) -> Self {
        self.yields = true;
        self
    }

    /// The documents.
    ///
    /// # Errors
    /// When there is no operation, or two are one, or one stands in the way of the documents.
    pub fn build(self) -> Result<Documents, DiscoveryError> {
        let yielded = self.check()?;
        let mut paths = Paths::new(&self.operations);
        let mut document = match &self.upstream {
            Some(upstream) => upstream.describe(&mut paths),
            None => Map::from_iter([("openapi".to_owned(), json!("3.1.0"))]),
        };
        paths.describe_the_rest();
        let (paths, lines) = paths.done();
        if lines.is_empty() {
            return Err(DiscoveryError::NoOperations);
        }
        self.describe_service(&mut document);
        document.insert("paths".into(), Value::Object(paths));
        if self.upstream.is_some() {
            upstream::trim::unused(&mut document);
        }
        let lines: Vec<_> = lines.iter().map(paths::Told::line).collect();
        let llms = llms::page(&self.service, self.url.as_deref(), &lines);
        Ok(Documents::new(
            Value::Object(document).to_string(),
            llms,
            yielded,
        ))
    }

    /// The paths that are left to routes of the service's own.
    fn check(&self) -> Result<Vec<&'static str>, DiscoveryError> {
        let (mut seen, mut yielded) = (HashSet::new(), Vec::new());
        for operation in &self.operations {
            if !seen.insert((&operation.method, operation.pattern.identity())) {
                return Err(DiscoveryError::Double(operation.name().into()));
            }
            let reads = operation
                .method
                .as_ref()
                .is_none_or(|method| *method == Method::GET || *method == Method::HEAD);
            let path = operation.pattern.literal().filter(|_| reads);
            let page = [OPENAPI, LLMS]
                .into_iter()
                .find(|page| path.as_deref() == Some(*page));
            match page {
                Some(page) if self.yields => yielded.push(page),
                Some(_) => return Err(DiscoveryError::Shadowed(operation.name().into())),
                None => {}
            }
        }
        Ok(yielded)
    }

    fn describe_service(&self, document: &mut Map<String, Value>) {
        let info = document.entry("info").or_insert_with(|| json!({}));
        if let Some(info) = info.as_object_mut() {
            self.service.tell(info);
        }
        let mut service = self.service.info.clone();
        if let Some(url) = &self.url {
            document.insert("servers".into(), json!([{ "url": url }]));
            let ours = Link::new(format!("{url}{LLMS}")).ok();
            service.docs.llms = service.docs.llms.or(ours);
        }
        if !service.is_empty() {
            document.insert("x-service-info".into(), json!(service));
        }
    }
}

/// The code of the page about this runs.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../../../../docs/discovery.md")]
struct TellingWhatItCosts;
