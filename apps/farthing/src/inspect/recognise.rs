//! What a bare text is.

use farthing::core::{
    encoding::json,
    header::{SCHEME, accept_payment::AcceptPayment},
};
use serde_json::{Map, Value};

use super::{
    Context, challenge, credential, encoded,
    finding::Finding,
    problem, receipt,
    report::{Field, Item, Report, tree},
    request,
    rule::Rule,
    x402,
};

/// Looks at a text that is no message. `None` where nothing in it is known.
pub(super) fn inspect(text: &[u8], context: &Context) -> Option<Report> {
    if challenge::is_challenge(text) {
        let found = challenge::inspect(text, context);
        let items = found.into_iter().map(|one| one.item).collect();
        return Some(Report { items });
    }
    let text = String::from_utf8_lossy(text);
    let text = text.trim();
    let item = if is_payment(text) {
        credential::header(text, context).0
    } else if text.starts_with('{') {
        json_text(text, context)?
    } else {
        token(text, context)?
    };
    Some(Report { items: vec![item] })
}

/// Whether a header's value is of the `Payment` scheme.
pub(super) fn is_payment(text: &str) -> bool {
    let scheme = text.split([' ', '\t']).next().unwrap_or_default();
    scheme.eq_ignore_ascii_case(SCHEME)
}

/// Whether an object looks like a problem.
pub(super) fn is_problem(members: &Map<String, Value>) -> bool {
    let is_text = |name: &str| members.get(name).is_some_and(Value::is_string);
    let is_number = members.get("status").is_some_and(Value::is_number);
    is_text("title") || is_text("type") && (is_text("detail") || is_number)
}

/// A text of JSON.
fn json_text(text: &str, context: &Context) -> Option<Item> {
    match json::parse_object(text) {
        Ok(members) => of_object(&members, context),
        Err(_) => {
            let mut item = Item::new("json", "JSON");
            let rule = Rule::rfc(8259, "2");
            encoded::members(text, "the text", rule, &mut item);
            Some(item)
        }
    }
}

/// One word of base64: what is inside tells what it is.
fn token(text: &str, context: &Context) -> Option<Item> {
    let bytes = encoded::tolerant(text).filter(|bytes| !bytes.is_empty())?;
    let inner = String::from_utf8(bytes).ok()?;
    let members = json::parse_object(&inner).ok()?;
    match of_object(&members, context)?.kind {
        "credential" => Some(credential::inspect(text, context).0),
        "receipt" => Some(receipt::inspect(text, context)),
        "request" => {
            let mut item = Item::new("request", "request of a challenge");
            let rule = Rule::core("5.1.1");
            let members = encoded::object(text, "request", rule, &|finding| finding, &mut item);
            request::inspect(members, "", "charge", &mut item);
            Some(item)
        }
        _ => {
            let kind = x402::Kind::of(&members)?;
            let version = members.get("x402Version").and_then(Value::as_u64);
            let version = if version == Some(1) { 1 } else { 2 };
            Some(x402::header(kind, version, text, context))
        }
    }
}

/// What an object is, by what it holds.
fn of_object(members: &Map<String, Value>, context: &Context) -> Option<Item> {
    let has = |name: &str| members.contains_key(name);
    if let Some(kind) = x402::Kind::of(members) {
        return Some(x402::bare(kind, members, context));
    }
    let mut item;
    if has("challenge") && (has("payload") || has("source")) {
        item = Item::new("credential", "credential");
        credential::object(members, context, &mut item);
    } else if has("status") && (has("reference") || has("timestamp")) && !has("type") {
        item = Item::new("receipt", "receipt");
        receipt::object(members, context, &mut item);
    } else if is_problem(members) {
        item = Item::new("problem", "problem");
        problem::object(members, None, &mut item);
    } else if has("amount") && has("currency") {
        item = Item::new("request", "request of a challenge");
        request::inspect(Some(members.clone()), "", "charge", &mut item);
    } else {
        return None;
    }
    Some(item)
}

/// An `Accept-Payment` header.
pub(super) fn accept(value: &[u8]) -> Item {
    let mut item = Item::new("acceptPayment", "preferences");
    let text = String::from_utf8_lossy(value);
    item.fields
        .push(tree("ranges", &Value::from(&*text), &|_, text| {
            text.to_owned()
        }));
    match AcceptPayment::parse([value]) {
        Ok(accept) => item.fields.push(Field::new("read", accept.to_string())),
        Err(error) => {
            let finding = Finding::error(Rule::core("7.4"), "accept-payment", error.to_string());
            item.findings.push(
                finding
                    .right("method/intent;q=0.5, with * for any of either")
                    .tolerated("servers may ignore a malformed one"),
            );
        }
    }
    item
}
