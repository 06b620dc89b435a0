//! A discovery document as a client, a checker or a configuration reads it.

use http::Method;
use serde_json::{Map, Value};

use super::{InfoError, PaymentInfo, ServiceInfo, openapi, read::Members};
use crate::{bounds, encoding::json::JsonError};

/// A discovery document, as far as payments are concerned.
///
/// What an extension says wrongly is an error of that extension and no other: the rest of the
/// document is still worth reading.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Which OpenAPI it is written in, such as `3.1.0`.
    pub openapi: Box<str>,
    /// The service's name.
    pub title: Box<str>,
    /// The version of its API.
    pub version: Box<str>,
    /// What it says about itself.
    pub description: Option<Box<str>>,
    /// Its `x-service-info`.
    pub service: Option<Result<ServiceInfo, InfoError>>,
    /// Its operations, by path and then as [`openapi::METHODS`] has them. A path that is described
    /// in another file has none here.
    pub operations: Vec<Operation>,
}

/// One operation of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// The method.
    pub method: Method,
    /// The path on the origin, with `{parameters}`. The base path of the document's first server
    /// stands before it already.
    pub path: Box<str>,
    /// What it does, in a line.
    pub summary: Option<Box<str>>,
    /// Its name in the document.
    pub operation_id: Option<Box<str>>,
    /// Its `x-payment-info`.
    pub payment: Option<Result<PaymentInfo, InfoError>>,
    /// Whether it declares a 402, as one that has a price must.
    pub declares_402: bool,
    /// Whether it says what it wants in its body.
    pub has_request_body: bool,
}

/// Why a text is no discovery document.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// It is larger than [`bounds::DISCOVERY`].
    #[error("the document is larger than {} bytes", bounds::DISCOVERY)]
    TooLarge,
    /// It is not UTF-8.
    #[error("the document is not UTF-8")]
    Utf8(#[from] std::str::Utf8Error),
    /// It is no JSON object.
    #[error("the document is {0}")]
    Json(#[from] JsonError),
    /// It is not OpenAPI 3.
    #[error("the document is not OpenAPI 3: it says {}", said.as_deref().unwrap_or("nothing"))]
    Version {
        /// What it says it is.
        said: Option<Box<str>>,
    },
    /// Something OpenAPI demands is not there or not as it should be.
    #[error("the document is not OpenAPI")]
    Structure(#[from] InfoError),
    /// It has more than [`bounds::OPERATIONS`] operations.
    #[error("the document has more than {} operations", bounds::OPERATIONS)]
    TooManyOperations,
}

impl Document {
    /// Reads a document in JSON.
    ///
    /// # Errors
    /// When it is too large, not JSON, or not OpenAPI 3.
    pub fn parse(text: &[u8]) -> Result<Self, DocumentError> {
        Self::from_json(&openapi::parse(text)?)
    }

    /// Reads a document that was parsed already.
    ///
    /// # Errors
    /// When it is not OpenAPI 3.
    pub fn from_json(document: &Map<String, Value>) -> Result<Self, DocumentError> {
        let said = document.get("openapi").and_then(Value::as_str);
        let openapi = said
            .filter(|version| version.starts_with("3."))
            .ok_or_else(|| {
                // The version before it said so under another name.
                let said = said.or_else(|| document.get("swagger")?.as_str());
                DocumentError::Version {
                    said: said.map(Into::into),
                }
            })?;
        let at = "info";
        let info = document
            .get(at)
            .ok_or(InfoError::Missing { at: at.into() })?;
        let mut info = Members::of(at, info)?;
        Ok(Self {
            openapi: openapi.into(),
            title: title(&mut info, "title")?,
            version: title(&mut info, "version")?,
            description: info.text("description")?.map(Into::into),
            service: document.get("x-service-info").map(ServiceInfo::from_json),
            operations: operations(document)?,
        })
    }
}

fn title(info: &mut Members, name: &str) -> Result<Box<str>, InfoError> {
    let at = info.place(name);
    let text = info.text(name)?.ok_or(InfoError::Missing { at })?;
    Ok(text.into())
}

fn operations(document: &Map<String, Value>) -> Result<Vec<Operation>, DocumentError> {
    let base = openapi::base_path(document);
    let paths = match document.get("paths") {
        None => return Ok(Vec::new()),
        Some(Value::Object(paths)) => paths,
        Some(_) => return Err(InfoError::shape("paths", "an object").into()),
    };
    let mut operations = Vec::new();
    for (path, item) in paths {
        if path.starts_with("x-") {
            continue;
        }
        let at = format!("paths[{path:?}]");
        let plain = path.len() <= bounds::PATH && !path.chars().any(char::is_control);
        if !path.starts_with('/') || !plain {
            return Err(InfoError::shape(at, "a path").into());
        }
        if !item.is_object() {
            return Err(InfoError::shape(at, "an object").into());
        }
        let Some(item) = openapi::path_item(document, item) else {
            continue;
        };
        for name in openapi::METHODS {
            let Some(operation) = item.get(name) else {
                continue;
            };
            if operations.len() == bounds::OPERATIONS {
                return Err(DocumentError::TooManyOperations);
            }
            let path = format!("{base}{path}").into();
            operations.push(Operation::read(name, path, &at, operation)?);
        }
    }
    Ok(operations)
}

impl Operation {
    fn read(name: &str, path: Box<str>, at: &str, value: &Value) -> Result<Self, InfoError> {
        let mut members = Members::of(format!("{at}.{name}"), value)?;
        let responses = members.take("responses");
        Ok(Self {
            method: Method::from_bytes(name.to_ascii_uppercase().as_bytes())
                .expect("OpenAPI's names of methods are methods"),
            path,
            summary: members.text("summary")?.map(Into::into),
            operation_id: members.text("operationId")?.map(Into::into),
            payment: members
                .take("x-payment-info")
                .map(|info| PaymentInfo::from_json(&info)),
            declares_402: responses.is_some_and(|responses| responses.get("402").is_some()),
            has_request_body: members.take("requestBody").is_some(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(document: &Value) -> Result<Document, String> {
        Document::parse(document.to_string().as_bytes()).map_err(|error| match error {
            DocumentError::Structure(cause) => format!("not OpenAPI: {cause}"),
            error => error.to_string(),
        })
    }

    fn with_paths(paths: &Value) -> Value {
        json!({"openapi": "3.0.3", "info": {"title": "T", "version": "1"}, "paths": paths})
    }

    #[test]
    fn operations_are_listed_with_their_whole_paths() {
        let mut document = with_paths(&json!({
            "x-note": 1,
            "/b": {"post": {"requestBody": {}}, "get": {"summary": "S", "operationId": "I"}},
            "/a/{id}": {"$ref": "#/components/pathItems/a"},
            "/elsewhere": {"$ref": "other.json"},
        }));
        document["servers"] = json!([{"url": "https://up.example/v1"}]);
        document["components"] =
            json!({"pathItems": {"a": {"delete": {"responses": {"402": {}}}}}});
        let document = read(&document).unwrap();
        let told: Vec<_> = document
            .operations
            .iter()
            .map(|o| {
                (
                    o.method.as_str(),
                    &*o.path,
                    o.declares_402,
                    o.has_request_body,
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("DELETE", "/v1/a/{id}", true, false),
                ("GET", "/v1/b", false, false),
                ("POST", "/v1/b", false, true),
            ]
        );
        let get = &document.operations[1];
        assert_eq!(
            (get.summary.as_deref(), get.operation_id.as_deref()),
            (Some("S"), Some("I"))
        );
    }

    #[test]
    fn a_broken_price_breaks_nothing_else() {
        let price = json!({"intent": "charge", "method": "abacus", "amount": "1"});
        let document = read(&with_paths(&json!({
            "/a": {"get": {"x-payment-info": {"amount": 1}}, "put": {"x-payment-info": price}},
        })))
        .unwrap();
        let [get, put] = document.operations.as_slice() else {
            panic!("{document:?}")
        };
        assert!(matches!(get.payment, Some(Err(InfoError::Missing { .. }))));
        assert_eq!(
            put.payment
                .as_ref()
                .unwrap()
                .as_ref()
                .unwrap()
                .offers()
                .len(),
            1
        );
    }

    #[test]
    fn what_is_no_document_is_told_why() {
        let check = |document: Value, expect: &str| {
            assert_eq!(read(&document).unwrap_err(), expect, "{document}");
        };
        let info = json!({"title": "T", "version": "1"});
        check(json!({}), "the document is not OpenAPI 3: it says nothing");
        check(
            json!({"swagger": "2.0"}),
            "the document is not OpenAPI 3: it says 2.0",
        );
        check(
            json!({"openapi": "4.0.0"}),
            "the document is not OpenAPI 3: it says 4.0.0",
        );
        check(json!({"openapi": "3.1.0"}), "not OpenAPI: info is missing");
        check(
            json!({"openapi": "3.1.0", "info": {"title": "T"}}),
            "not OpenAPI: info.version is missing",
        );
        check(
            json!({"openapi": "3.1.0", "info": info, "paths": []}),
            "not OpenAPI: paths is not an object",
        );
        check(
            with_paths(&json!({"a": {}})),
            "not OpenAPI: paths[\"a\"] is not a path",
        );
        check(
            with_paths(&json!({"/a\n": {}})),
            "not OpenAPI: paths[\"/a\\n\"] is not a path",
        );
        check(
            with_paths(&json!({"/a": {"get": 1}})),
            "not OpenAPI: paths[\"/a\"].get is not an object",
        );
        check(
            with_paths(&json!({"/a": 1})),
            "not OpenAPI: paths[\"/a\"] is not an object",
        );
        check(json!([]), "the document is not a JSON object");
    }

    #[test]
    fn a_document_is_bounded() {
        let large = " ".repeat(bounds::DISCOVERY + 1);
        assert!(matches!(
            Document::parse(large.as_bytes()),
            Err(DocumentError::TooLarge)
        ));
        let many: Map<String, Value> = (0..=bounds::OPERATIONS)
            .map(|n| (format!("/{n}"), json!({"get": {}})))
            .collect();
        assert_eq!(
            read(&with_paths(&Value::Object(many))).unwrap_err(),
            "the document has more than 10000 operations"
        );
        let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
        assert!(matches!(
            Document::parse(deep.as_bytes()),
            Err(DocumentError::Json(JsonError::TooDeep))
        ));
    }
}
