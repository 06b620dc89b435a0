//! What a gateway says of the service behind it, in its discovery documents.

use std::path::PathBuf;

use http::uri::PathAndQuery;

/// The service, as its buyers read of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct About {
    /// Whether there are documents at all.
    pub discovery: bool,
    /// Its name. Without one it is called by its host.
    pub title: Option<String>,
    /// The version of its interface.
    pub version: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// What kind of service it is, at most five words.
    pub categories: Vec<String>,
    /// Where a person reads on.
    pub docs: Docs,
    /// The upstream's own description, which ours is merged with.
    pub openapi: Option<OpenApi>,
}

impl Default for About {
    fn default() -> Self {
        Self {
            discovery: true,
            title: None,
            version: None,
            description: None,
            categories: Vec::new(),
            docs: Docs::default(),
            openapi: None,
        }
    }
}

/// Where a person reads on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Docs {
    /// The reference of the interface, a URL.
    pub reference: Option<String>,
    /// The home page, a URL.
    pub homepage: Option<String>,
    /// A text for language models, a URL.
    pub llms: Option<String>,
}

/// Where the upstream's own OpenAPI document is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenApi {
    /// On the upstream, at this path.
    Upstream(PathAndQuery),
    /// In a file.
    File(PathBuf),
}
