//! Base64url that holds JSON: what is wrong with it, and what it says all the same.

use farthing::core::encoding::{
    base64url::{self, Base64UrlFault},
    jcs,
    json::{self, JsonError},
};
use serde_json::{Map, Value};

use super::{finding::Finding, report::Item, rule::Rule};

/// Decodes an object that has to be canonical, as a challenge's `request` and `opaque` have.
pub(super) fn object(
    text: &str,
    about: &str,
    rule: Rule,
    place: &dyn Fn(Finding) -> Finding,
    item: &mut Item,
) -> Option<Map<String, Value>> {
    let json = decode(text, about, rule, place, item)?;
    let members = members(&json, about, rule, item)?;
    match jcs::to_string(&members) {
        Ok(canonical) if canonical == json => {}
        Ok(canonical) => {
            let what = format!("{about} is not canonical JSON");
            let finding = Finding::error(rule, about, what)
                .right(canonical)
                .tolerated("readers take it; the id still binds the text as it stands");
            item.findings.push(finding);
        }
        Err(error) => {
            let what = format!("{about} has no canonical form: {error}");
            item.findings.push(Finding::error(rule, about, what));
        }
    }
    Some(members)
}

/// Decodes a text, strictly or, where that fails, as other readers would.
pub(super) fn decode(
    text: &str,
    about: &str,
    rule: Rule,
    place: &dyn Fn(Finding) -> Finding,
    item: &mut Item,
) -> Option<String> {
    if let Some(fault) = base64url::fault(text) {
        item.findings.push(place(broken(text, about, fault, rule)));
    }
    let bytes = tolerant(text)?;
    match String::from_utf8(bytes) {
        Ok(json) => Some(json),
        Err(_) => {
            let what = format!("{about} decodes to bytes that are not UTF-8");
            let finding = Finding::error(Rule::core("10.1"), about, what).right("JSON in UTF-8");
            item.findings.push(place(finding));
            None
        }
    }
}

/// Decodes an object of which everything that is wrong is told elsewhere.
pub(super) fn quietly(text: &str) -> Option<Map<String, Value>> {
    let json = String::from_utf8(tolerant(text)?).ok()?;
    json::parse_object(&json).ok()
}

/// Reads an object, and says what is wrong with its JSON.
pub(super) fn members(
    json: &str,
    about: &str,
    rule: Rule,
    item: &mut Item,
) -> Option<Map<String, Value>> {
    match json::parse_object(json) {
        Ok(members) => Some(members),
        Err(error) => {
            let what = match error {
                JsonError::Malformed { line, column } => format!(
                    "{about} is not JSON, or repeats a key, at line {line}, column {column} of what it decodes to"
                ),
                other => format!("{about} is {other}"),
            };
            let finding = Finding::error(rule, about, what).right("a JSON object, each key once");
            item.findings.push(finding);
            // A reader that is less strict may still see something.
            serde_json::from_str(json)
                .ok()
                .filter(|_| error != JsonError::TooDeep)
        }
    }
}

fn broken(text: &str, about: &str, fault: Base64UrlFault, rule: Rule) -> Finding {
    let column = |at: usize| format!(", at character {} of it", at + 1);
    let (place, right) = match fault {
        Base64UrlFault::Padding { at } => (column(at), "base64url without ="),
        Base64UrlFault::Standard { at } => (column(at), "the URL-safe alphabet: - for +, _ for /"),
        Base64UrlFault::Alphabet { at } => (column(at), "letters, digits, - and _"),
        Base64UrlFault::Length => (String::new(), "all of it: a part seems to be missing"),
        _ => (String::new(), "the text an encoder writes"),
    };
    let finding = Finding::error(
        rule,
        about,
        format!("{about} is not base64url: {fault}{place}"),
    )
    .right(right);
    match fault {
        Base64UrlFault::Padding { .. } | Base64UrlFault::Standard { .. }
            if tolerant(text).is_some() =>
        {
            finding.tolerated("some SDKs read it; this program does not")
        }
        _ => finding,
    }
}

/// Base64 of either alphabet, padded or not.
pub(super) fn tolerant(text: &str) -> Option<Vec<u8>> {
    let plain = text
        .trim_end_matches('=')
        .replace('+', "-")
        .replace('/', "_");
    base64url::decode(plain).ok()
}
