//! The discovery documents of a gateway: made at a reload, served without work.
//!
//! Where they are merged with a document that the upstream has of itself, that one is fetched beside
//! the serving: an upstream that is down, or slow, holds up neither a start nor a reload. Until it
//! came, the documents are made from the rules alone, or with the one that was fetched before.

use std::{str::FromStr, sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use farthing::{
    core::noun::discovery::{Docs, Link},
    server::{
        PreparedRoute,
        discovery::{self, Discovery, DiscoveryError, Operation, Service, Upstream},
    },
};
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Limited};

use super::{error::LiveError, live::call};
use crate::{
    config::{About, Config, OpenApi, RuleKey, Trust, Verb},
    forward::{Forward, RequestBody},
};

/// Bytes of the largest document of an upstream's.
const LARGEST: usize = 4 * 1024 * 1024;

/// How long an upstream may take with its document.
const WITHIN: Duration = Duration::from_secs(10);

/// How long to wait before it is asked again: this long first, then doubling.
const AGAIN: Duration = Duration::from_secs(1);

/// The longest wait before it is asked again.
const AGAIN_AT_MOST: Duration = Duration::from_secs(60);

/// What is told of the prices beforehand.
#[derive(Clone)]
pub(super) struct Documents(Arc<Shelf>);

struct Shelf {
    config: Recipe,
    pages: ArcSwapOption<discovery::Documents>,
    /// The upstream's own document, once it came.
    theirs: ArcSwapOption<Bytes>,
}

/// What the documents are made of, beside the upstream's.
struct Recipe {
    about: About,
    url: Option<String>,
    operations: Vec<Operation>,
    drops_security: bool,
    title: String,
}

impl Documents {
    /// Makes them from the rules, with what was fetched before where there is something.
    ///
    /// # Errors
    /// When they cannot be made, or the operator named a document that cannot be used.
    pub(super) fn new(
        config: &Config,
        rules: &[(RuleKey, Option<Arc<PreparedRoute>>)],
        before: Option<&Self>,
    ) -> Result<Self, LiveError> {
        let recipe = Recipe::new(config, rules)?;
        let theirs = match &config.about.openapi {
            Some(OpenApi::File(path)) => {
                let text = farthing::file::read(path, LARGEST as u64).map_err(|source| {
                    LiveError::Document {
                        path: path.clone(),
                        source,
                    }
                })?;
                Some(Bytes::from(text))
            }
            Some(OpenApi::Upstream(_)) => before.and_then(Self::theirs),
            None => None,
        };
        let pages = if config.about.discovery {
            recipe.pages(theirs.as_ref())?.map(Arc::new)
        } else {
            None
        };
        Ok(Self(Arc::new(Shelf {
            config: recipe,
            pages: ArcSwapOption::new(pages),
            theirs: ArcSwapOption::new(theirs.map(Arc::new)),
        })))
    }

    /// The answer to a request for one of them.
    pub(super) fn answer(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Option<Response<Bytes>> {
        // Every request comes by here.
        if path != discovery::OPENAPI && path != discovery::LLMS {
            return None;
        }
        self.0.pages.load().as_ref()?.answer(method, path, headers)
    }

    /// Fetches what the upstream says of itself, if it is to be asked, until it answers or nobody
    /// needs it any more.
    pub(super) fn fetch(&self, forward: Forward) {
        let about = &self.0.config.about;
        let (Some(OpenApi::Upstream(path)), true) = (&about.openapi, about.discovery) else {
            return;
        };
        let (path, shelf) = (path.clone(), Arc::downgrade(&self.0));
        tokio::spawn(async move {
            let mut wait = AGAIN;
            while shelf.strong_count() > 0 {
                let fetched = tokio::time::timeout(WITHIN, fetch(&forward, path.clone())).await;
                let Some(shelf) = shelf.upgrade() else { return };
                match fetched {
                    Ok(Some(text)) => return shelf.merge(text),
                    Ok(None) | Err(_) => {
                        tracing::warn!(%path, "the upstream does not give its document");
                    }
                }
                drop(shelf);
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(AGAIN_AT_MOST);
            }
        });
    }

    /// Whether both were made with the same document of the service's own, where that is a file. One
    /// that is fetched is merged by itself.
    pub(super) fn are_like(&self, other: &Self) -> bool {
        let is_file = matches!(self.0.config.about.openapi, Some(OpenApi::File(_)));
        !is_file || self.theirs() == other.theirs()
    }

    fn theirs(&self) -> Option<Bytes> {
        self.0.theirs.load().as_deref().cloned()
    }
}

impl Shelf {
    fn merge(&self, theirs: Bytes) {
        match self.config.pages(Some(&theirs)) {
            Ok(pages) => {
                self.pages.store(pages.map(Arc::new));
                self.theirs.store(Some(Arc::new(theirs)));
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(tracing::field::display);
                tracing::warn!(cause, "the upstream's document is left out: {error}");
            }
        }
    }
}

async fn fetch(forward: &Forward, path: http::uri::PathAndQuery) -> Option<Bytes> {
    let mut request = Request::new(RequestBody::from(Bytes::new()));
    *request.uri_mut() = Uri::from(path);
    let response = call(forward.clone(), request).await;
    if !response.status().is_success() {
        return None;
    }
    let body = Limited::new(response.into_body(), LARGEST).collect().await;
    body.ok().map(http_body_util::Collected::to_bytes)
}

impl Recipe {
    fn new(
        config: &Config,
        rules: &[(RuleKey, Option<Arc<PreparedRoute>>)],
    ) -> Result<Self, DiscoveryError> {
        let operations = rules.iter().map(|(key, route)| {
            let (pattern, route) = (key.pattern.as_str(), route.as_deref());
            match &key.verb {
                Verb::Any => Operation::any(pattern, route),
                Verb::One(method) => Operation::new(method.clone(), pattern, route),
            }
        });
        Ok(Self {
            operations: operations.collect::<Result<_, _>>()?,
            about: config.about.clone(),
            url: public(config),
            drops_security: !config.upstream.inject.is_empty(),
            title: config.site.to_string(),
        })
    }

    /// The pages; none where there is no operation to tell of.
    fn pages(
        &self,
        theirs: Option<&Bytes>,
    ) -> Result<Option<discovery::Documents>, DiscoveryError> {
        let mut making = Discovery::new(self.service()?)
            .operations(self.operations.iter().cloned())
            .yield_to_routes();
        if let Some(url) = &self.url {
            making = making.at(url)?;
        }
        if let Some(theirs) = theirs {
            let mut upstream = Upstream::parse(theirs)?;
            if self.drops_security {
                // What the gateway adds itself is nothing that a buyer has to have.
                upstream = upstream.without_any_security();
            }
            making = making.upstream(upstream);
        }
        match making.build() {
            Ok(pages) => Ok(Some(pages)),
            Err(DiscoveryError::NoOperations) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn service(&self) -> Result<Service, DiscoveryError> {
        let about = &self.about;
        let title = about.title.as_deref().unwrap_or(&self.title);
        let mut service = Service::new(title, about.version.as_deref().unwrap_or("1.0.0"))?;
        if let Some(description) = &about.description {
            service = service.described(description)?;
        }
        for category in &about.categories {
            service = service.category(category)?;
        }
        // The file was read by the same grammar.
        let link = |text: &Option<String>| Link::from_str(text.as_deref()?).ok();
        let mut docs = Docs::default();
        docs.api_reference = link(&about.docs.reference);
        docs.homepage = link(&about.docs.homepage);
        docs.llms = link(&about.docs.llms);
        Ok(service.docs(docs))
    }
}

/// Where buyers reach the service, if that is known: behind TLS by its host, on this machine by the
/// address it is called by.
fn public(config: &Config) -> Option<String> {
    match &config.listen.trust {
        Trust::Tls(_) | Trust::BehindTls(_) => Some(format!("https://{}", config.site)),
        Trust::Loopback => {
            let address: Result<std::net::SocketAddr, _> = config.site.as_str().parse();
            address.ok().map(|address| format!("http://{address}"))
        }
    }
}
