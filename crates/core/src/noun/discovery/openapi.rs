//! As much of OpenAPI's structure as finding its operations takes.

use serde_json::{Map, Value};

use super::DocumentError;
use crate::{bounds, encoding::json};

/// Reads a document in JSON, within its bounds. Nothing in it is looked at.
///
/// # Errors
/// When it is too large, nested too deeply, or no JSON object.
pub fn parse(text: &[u8]) -> Result<Map<String, Value>, DocumentError> {
    if text.len() > bounds::DISCOVERY {
        return Err(DocumentError::TooLarge);
    }
    Ok(json::parse_object(std::str::from_utf8(text)?)?)
}

/// The fields of a path item that are operations, in the order in which they are told.
pub const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

/// The path that stands before every path of a document: that of its first server, with the
/// server's variables at their defaults and without a slash at the end. A server that is not to be
/// understood has none.
#[must_use]
pub fn base_path(document: &Map<String, Value>) -> String {
    let server = document.get("servers").and_then(|servers| servers.get(0));
    let Some(url) = server.and_then(|server| server.get("url")?.as_str()) else {
        return String::new();
    };
    let url = with_defaults(url, server.and_then(|server| server.get("variables")));
    let after_host = match url.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |slash| &rest[slash..]),
        None => &url,
    };
    let path = after_host.split(['?', '#']).next().unwrap_or_default();
    let path = path.trim_start_matches("./").trim_matches('/');
    if path.is_empty() || path == "." || path.contains(['{', '}']) {
        String::new()
    } else {
        format!("/{path}")
    }
}

fn with_defaults(url: &str, variables: Option<&Value>) -> String {
    let mut url = url.to_owned();
    let variables = variables.and_then(Value::as_object);
    for (name, variable) in variables.into_iter().flatten() {
        if let Some(default) = variable.get("default").and_then(Value::as_str) {
            url = url.replace(&format!("{{{name}}}"), default);
        }
    }
    url
}

/// A path item, looked up where the document only refers to it. One that is elsewhere than in this
/// document, or none, is not found.
#[must_use]
pub fn path_item<'a>(
    document: &'a Map<String, Value>,
    item: &'a Value,
) -> Option<&'a Map<String, Value>> {
    let mut item = item.as_object()?;
    // A reference may lead to another one, and around in a circle.
    for _ in 0..4 {
        let Some(reference) = item.get("$ref") else {
            return Some(item);
        };
        let name = reference
            .as_str()?
            .strip_prefix("#/components/pathItems/")?;
        let name = name.replace("~1", "/").replace("~0", "~");
        item = document
            .get("components")?
            .get("pathItems")?
            .get(name)?
            .as_object()?;
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_server_says_the_base_path() {
        let check = |servers: Value, expect: &str| {
            let document = json!({ "servers": servers });
            assert_eq!(
                base_path(document.as_object().unwrap()),
                expect,
                "{servers}"
            );
        };
        check(json!([]), "");
        check(json!([{"url": "https://a.example"}]), "");
        check(json!([{"url": "https://a.example/"}]), "");
        check(
            json!([{"url": "https://a.example/v1/"}, {"url": "/x"}]),
            "/v1",
        );
        check(json!([{"url": "/api/v1"}]), "/api/v1");
        check(json!([{"url": "./v1?x"}]), "/v1");
        check(json!([{"url": "."}]), "");
        check(
            json!([{"url": "/{v}", "variables": {"v": {"default": "v2"}}}]),
            "/v2",
        );
        check(json!([{"url": "/{v}"}]), "");
        check(json!([{"url": 7}]), "");
        check(json!(7), "");
    }

    #[test]
    fn a_path_item_may_be_referred_to() {
        let document = json!({"components": {"pathItems": {
            "a/b": {"get": {}},
            "chain": {"$ref": "#/components/pathItems/a~1b"},
            "circle": {"$ref": "#/components/pathItems/circle"},
        }}});
        let document = document.as_object().unwrap();
        let found = |reference: &str| path_item(document, &json!({"$ref": reference})).is_some();
        assert!(path_item(document, &json!({"get": {}})).is_some());
        assert!(found("#/components/pathItems/a~1b"));
        assert!(found("#/components/pathItems/chain"));
        assert!(!found("#/components/pathItems/circle"));
        assert!(!found("#/components/pathItems/nothing"));
        assert!(!found("other.json#/a"));
        assert!(path_item(document, &json!([])).is_none());
    }
}
