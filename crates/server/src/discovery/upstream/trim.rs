//! What of an upstream's document must not, or need not, be passed on.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Below these a document holds data of the upstream's API and not OpenAPI's own words.
const DATA: [&str; 8] = [
    "schema", "schemas", "example", "examples", "default", "enum", "const", "value",
];

/// The keys of these are names that the upstream chose, such as that of the response `default`.
const NAMED: [&str; 8] = [
    "callbacks",
    "content",
    "headers",
    "links",
    "parameters",
    "pathItems",
    "requestBodies",
    "responses",
];

/// Words by which a schema names another one without a plain reference.
const HIDDEN_NAMES: [&str; 5] = [
    "$id",
    "$anchor",
    "$dynamicRef",
    "$dynamicAnchor",
    "$recursiveRef",
];

/// Takes out every address that would lead around the gateway, and every word about payments.
pub(super) fn detours(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.remove("x-payment-info");
            if object.get("servers").is_some_and(is_a_list_of_servers) {
                object.remove("servers");
            }
            if let Some(Value::Object(links)) = object.get_mut("links") {
                for link in links.values_mut().filter_map(Value::as_object_mut) {
                    link.remove("server");
                }
            }
            for (name, value) in object {
                match value {
                    Value::Object(named) if NAMED.contains(&name.as_str()) => {
                        named.values_mut().for_each(detours);
                    }
                    _ if DATA.contains(&name.as_str()) => {}
                    _ => detours(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(detours),
        _ => {}
    }
}

fn is_a_list_of_servers(value: &Value) -> bool {
    value
        .as_array()
        .is_some_and(|servers| servers.iter().all(|server| server.get("url").is_some()))
}

/// Takes out tags and components that nothing uses any more: they speak of what is not exposed,
/// and registries read no more than 64 KiB.
pub(in crate::discovery) fn unused(document: &mut Map<String, Value>) {
    unused_tags(document);
    let Some(Value::Object(mut components)) = document.remove("components") else {
        return;
    };
    let whole = Value::Object(components.clone());
    if !has_key(&whole, &HIDDEN_NAMES) {
        let used = used(document, &components);
        for (kind, parts) in &mut components {
            if let Some(parts) = parts.as_object_mut() {
                parts.retain(|name, _| {
                    kind.starts_with("x-") || used.contains(&(kind.clone(), name.clone()))
                });
            }
        }
    }
    components.retain(|_, parts| parts.as_object().is_none_or(|parts| !parts.is_empty()));
    if !components.is_empty() {
        document.insert("components".into(), Value::Object(components));
    }
}

fn unused_tags(document: &mut Map<String, Value>) {
    let paths = document.get("paths").and_then(Value::as_object);
    let used: BTreeSet<String> = paths
        .into_iter()
        .flat_map(Map::values)
        .filter_map(Value::as_object)
        .flat_map(Map::values)
        .filter_map(|operation| operation.get("tags")?.as_array())
        .flatten()
        .filter_map(|tag| tag.as_str().map(ToOwned::to_owned))
        .collect();
    if let Some(Value::Array(tags)) = document.get_mut("tags") {
        tags.retain(|tag| {
            let name = tag.get("name").and_then(Value::as_str);
            name.is_some_and(|name| used.contains(name))
        });
        if tags.is_empty() {
            document.remove("tags");
        }
    }
}

/// A component, by its kind and name.
type Part = (String, String);

/// Every component that the document uses, and those that these use.
fn used(document: &Map<String, Value>, components: &Map<String, Value>) -> BTreeSet<Part> {
    let mut found = Vec::new();
    for value in document.values() {
        names(value, &mut found);
    }
    if let Some(security) = document.get("security") {
        required(security, &mut found);
    }
    // A discriminator may choose a schema by nothing but its name.
    let chosen = components
        .get("schemas")
        .filter(|schemas| has_key(schemas, &["discriminator"]));
    let chosen = chosen.and_then(Value::as_object);
    found.extend(
        chosen
            .into_iter()
            .flat_map(Map::keys)
            .map(|name| schema(name)),
    );
    let mut used = BTreeSet::new();
    while let Some(part) = found.pop() {
        let there = components.get(&part.0).and_then(|kind| kind.get(&part.1));
        if let Some(value) = there
            && used.insert(part)
        {
            names(value, &mut found);
        }
    }
    used
}

/// The components that a value names.
fn names(value: &Value, found: &mut Vec<Part>) {
    match value {
        Value::String(text) => found.extend(referred(text)),
        Value::Array(values) => values.iter().for_each(|value| names(value, found)),
        Value::Object(object) => {
            for (name, value) in object {
                match name.as_str() {
                    "security" => required(value, found),
                    "mapping" => {
                        let bare = value.as_object().into_iter().flat_map(Map::values);
                        found.extend(bare.filter_map(Value::as_str).map(schema));
                    }
                    _ => {}
                }
                names(value, found);
            }
        }
        _ => {}
    }
}

fn required(security: &Value, found: &mut Vec<Part>) {
    let alternatives = security.as_array().into_iter().flatten();
    let schemes = alternatives
        .filter_map(Value::as_object)
        .flat_map(Map::keys);
    found.extend(schemes.map(|name| ("securitySchemes".to_owned(), name.clone())));
}

fn schema(name: &str) -> Part {
    ("schemas".to_owned(), name.to_owned())
}

fn referred(text: &str) -> Option<Part> {
    let mut parts = text.strip_prefix("#/components/")?.split('/');
    let plain = |part: &str| part.replace("~1", "/").replace("~0", "~");
    Some((plain(parts.next()?), plain(parts.next()?)))
}

fn has_key(value: &Value, keys: &[&str]) -> bool {
    match value {
        Value::Object(object) => object
            .iter()
            .any(|(name, value)| keys.contains(&name.as_str()) || has_key(value, keys)),
        Value::Array(values) => values.iter().any(|value| has_key(value, keys)),
        _ => false,
    }
}
