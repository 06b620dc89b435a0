//! What the service behind a gateway says about itself.

pub(super) mod trim;

use farthing_core::noun::discovery::{
    Document, DocumentError,
    openapi::{self, METHODS},
};
use http::Method;
use serde_json::{Map, Value};

use super::{paths::Paths, pattern::Pattern};

/// What of the document itself is not passed on: what is made anew, and what its service does
/// elsewhere than behind these routes.
const LEFT_OUT: [&str; 5] = [
    "paths",
    "servers",
    "webhooks",
    "x-payment-info",
    "x-service-info",
];

/// The OpenAPI document of an upstream, 3.0 or 3.1, in JSON.
///
/// What of it the routes expose is told with its prices: operations, and the components they use.
/// Left out are operations that no route takes, addresses of servers (they would lead around the
/// gateway), webhooks, and whatever it says about payments and its service itself. The version of OpenAPI stays
/// its own, because a schema of 3.0 means something else in 3.1.
#[derive(Clone, Debug)]
pub struct Upstream {
    document: Map<String, Value>,
    dropped: Vec<Box<str>>,
}

impl Upstream {
    /// Reads a document.
    ///
    /// # Errors
    /// When it is too large, nested too deeply, not JSON, or not OpenAPI 3.
    pub fn parse(text: &[u8]) -> Result<Self, DocumentError> {
        let document = openapi::parse(text)?;
        Document::from_json(&document)?;
        Ok(Self {
            document,
            dropped: Vec::new(),
        })
    }

    /// Leaves out a security scheme: one whose secret the gateway adds itself is nothing that a
    /// buyer has to have.
    #[must_use]
    pub fn without_security(mut self, scheme: &str) -> Self {
        self.dropped.push(scheme.into());
        self
    }

    /// Leaves out every security scheme.
    #[must_use]
    pub fn without_any_security(mut self) -> Self {
        let schemes = self
            .document
            .get("components")
            .and_then(|components| components.get("securitySchemes")?.as_object());
        self.dropped = schemes
            .into_iter()
            .flat_map(|schemes| schemes.keys().map(|name| name.as_str().into()))
            .collect();
        self
    }

    /// Describes the paths that the routes expose, and returns the rest of the document.
    pub(super) fn describe(&self, paths: &mut Paths<'_>) -> Map<String, Value> {
        let base = openapi::base_path(&self.document);
        let own = self.document.get("paths").and_then(Value::as_object);
        for (path, item) in own.into_iter().flatten() {
            let Some(item) = openapi::path_item(&self.document, item) else {
                continue;
            };
            if path.starts_with('/') {
                self.describe_path(&format!("{base}{path}"), item, paths);
            }
        }
        let mut rest = self.document.clone();
        for name in LEFT_OUT {
            rest.remove(name);
        }
        self.drop_security(&mut rest);
        let schemes = rest
            .get_mut("components")
            .and_then(|components| components.get_mut("securitySchemes")?.as_object_mut());
        if let Some(schemes) = schemes {
            schemes.retain(|name, _| !self.drops(name));
        }
        if let Some(components) = rest.get_mut("components") {
            trim::detours(components);
        }
        rest
    }

    fn describe_path(&self, path: &str, item: &Map<String, Value>, paths: &mut Paths<'_>) {
        let template = Pattern::template(path);
        let mut item = item.clone();
        for name in ["$ref", "servers", "x-payment-info"] {
            item.remove(name);
        }
        let mut decided = Vec::new();
        for name in METHODS {
            let Some(Value::Object(mut operation)) = item.remove(name) else {
                continue;
            };
            let method = Method::from_bytes(name.to_ascii_uppercase().as_bytes())
                .expect("OpenAPI's names of methods are methods");
            let Some(at) = paths.decide(&method, &template) else {
                continue;
            };
            self.drop_security(&mut operation);
            let mut operation = Value::Object(operation);
            trim::detours(&mut operation);
            if let Some(operation) = operation.as_object_mut() {
                paths.operation(at).tell_price(operation);
            }
            item.insert(name.to_owned(), operation);
            decided.push((method, at));
        }
        if !decided.is_empty() {
            paths.add_item(path, item, &decided);
        }
    }

    /// Takes the dropped schemes out of what an operation, or the whole document, requires.
    fn drop_security(&self, of: &mut Map<String, Value>) {
        let Some(Value::Array(required)) = of.get_mut("security") else {
            return;
        };
        let mut nothing = true;
        for schemes in required.iter_mut().filter_map(Value::as_object_mut) {
            schemes.retain(|name, _| !self.drops(name));
            nothing = nothing && schemes.is_empty();
        }
        // An operation that requires nothing says so, for it may stand below something that does.
        if nothing {
            required.clear();
        }
    }

    fn drops(&self, scheme: &str) -> bool {
        self.dropped.iter().any(|dropped| **dropped == *scheme)
    }
}
