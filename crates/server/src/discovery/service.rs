//! What a service says it is.

use farthing_core::noun::discovery::{Category, Docs, ServiceInfo};
use serde_json::{Map, Value, json};

use super::DiscoveryError;

/// Bytes of a title or a version.
const NAME: usize = 256;
/// Bytes of a description.
const DESCRIPTION: usize = 8 * 1024;
/// Registries take no more (`draft-payment-discovery-00`, section "Categories").
const CATEGORIES: usize = 5;

/// What a service is called, and what is said about it. It is checked as it is put together.
///
/// ```
/// use farthing_server::discovery::Service;
///
/// let service = Service::new("Weather", "1.0.0")?
///     .described("The weather of any city, by the request.")?
///     .category("data")?;
/// assert!(service.category("Big Data").is_err());
/// # Ok::<(), farthing_server::discovery::DiscoveryError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    pub(super) title: Box<str>,
    pub(super) version: Box<str>,
    pub(super) description: Option<Box<str>>,
    pub(super) info: ServiceInfo,
}

impl Service {
    /// A service by its title and the version of its API.
    ///
    /// # Errors
    /// When one of them is empty, too long, or has control characters.
    pub fn new(title: &str, version: &str) -> Result<Self, DiscoveryError> {
        Ok(Self {
            title: line("title", title)?,
            version: line("version", version)?,
            description: None,
            info: ServiceInfo::default(),
        })
    }

    /// What it is for. Several lines, and Markdown, are allowed.
    ///
    /// # Errors
    /// When it is empty, too long, or has control characters other than ends of lines.
    pub fn described(mut self, text: &str) -> Result<Self, DiscoveryError> {
        let control = |c: char| c.is_control() && c != '\n';
        self.description = Some(text_of("description", text, DESCRIPTION, control)?);
        Ok(self)
    }

    /// What kind of service it is, such as `data` or `developer-tools`. There are at most five.
    ///
    /// # Errors
    /// When it is not lower case with hyphens, or there are five already.
    pub fn category(mut self, name: &str) -> Result<Self, DiscoveryError> {
        let wrong = |reason| DiscoveryError::Service {
            what: "category",
            reason,
        };
        if self.info.categories.len() == CATEGORIES {
            return Err(wrong("there are five, and registries take no more"));
        }
        let category = Category::new(name)
            .ok()
            .filter(Category::is_plain)
            .ok_or_else(|| wrong("write it in lower case, with hyphens between words"))?;
        if !self.info.categories.contains(&category) {
            self.info.categories.push(category);
        }
        Ok(self)
    }

    /// Where more is written.
    #[must_use]
    pub fn docs(mut self, docs: Docs) -> Self {
        self.info.docs = docs;
        self
    }

    /// Writes itself into an `info` object, over what stands there.
    pub(super) fn tell(&self, info: &mut Map<String, Value>) {
        info.insert("title".into(), json!(self.title));
        info.insert("version".into(), json!(self.version));
        if let Some(description) = &self.description {
            info.insert("description".into(), json!(description));
        }
    }
}

fn line(what: &'static str, text: &str) -> Result<Box<str>, DiscoveryError> {
    text_of(what, text, NAME, char::is_control)
}

fn text_of(
    what: &'static str,
    text: &str,
    most: usize,
    forbidden: impl Fn(char) -> bool,
) -> Result<Box<str>, DiscoveryError> {
    let reason = if text.trim().is_empty() {
        "it is empty"
    } else if text.len() > most {
        "it is too long"
    } else if text.chars().any(forbidden) {
        "control characters are not allowed"
    } else {
        return Ok(text.into());
    };
    Err(DiscoveryError::Service { what, reason })
}
