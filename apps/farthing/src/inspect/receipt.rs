//! Receipts.

use farthing::core::{
    bounds,
    value::{MethodId, Timestamp},
};
use serde_json::{Map, Value};

use super::{
    Context, encoded,
    finding::Finding,
    report::{Item, tree},
    request,
    rule::Rule,
    time,
};

const RULE: Rule = Rule::core("5.3");

/// Looks at a header value.
pub(super) fn inspect(token: &str, context: &Context) -> Item {
    let mut item = Item::new("receipt", "receipt");
    if token.len() > bounds::RECEIPT {
        let what = format!("the receipt has {} bytes", token.len());
        let right = "less than 16 KB, which is what this program reads";
        let finding = Finding::warning(Rule::core("9.4"), "receipt", what).right(right);
        item.findings.push(finding);
    }
    if let Some(json) = encoded::decode(token, "receipt", RULE, &|finding| finding, &mut item)
        && let Some(members) = encoded::members(&json, "receipt", RULE, &mut item)
    {
        object(&members, context, &mut item);
    }
    item
}

/// Looks at the object inside.
pub(super) fn object(members: &Map<String, Value>, context: &Context, item: &mut Item) {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    for (name, value) in members {
        let field = tree(name, value, &|_, text| text.to_owned());
        let remark = match name.as_str() {
            "timestamp" => text(name).and_then(|text| ago(text, context)),
            "amount" => text(name)
                .zip(text("currency"))
                .and_then(|(amount, currency)| {
                    request::decimal(amount, currency, text("method").unwrap_or_default())
                }),
            _ => None,
        };
        item.fields.push(match remark {
            Some(remark) => field.remark(remark),
            None => field,
        });
    }
    match text("status") {
        Some("success") => {}
        Some(_) => {
            let what = "status is something else than success";
            let right = "success: there is no receipt of a failure";
            let finding = Finding::error(Rule::core("5.3.1"), "status", what).right(right);
            item.findings.push(finding);
        }
        None => missing("status", "success", item),
    }
    match text("method") {
        Some(method) if MethodId::new(method).is_err() => {
            let what = "method is no method identifier";
            let finding = Finding::error(Rule::core("6.1"), "method", what);
            item.findings
                .push(finding.right("lower-case letters a to z"));
        }
        Some(_) => {}
        None => missing("method", "the method that was paid by", item),
    }
    match text("timestamp") {
        Some(text) if text.parse::<Timestamp>().is_err() => {
            let what = "timestamp is no date-time of RFC 3339";
            let finding = Finding::error(RULE, "timestamp", what);
            item.findings.push(finding.right("2026-01-15T12:05:00Z"));
        }
        Some(_) => {}
        None => missing("timestamp", "when it was settled", item),
    }
    match text("reference") {
        Some("") | None => missing("reference", "what the rail calls the payment", item),
        Some(_) => {}
    }
}

fn missing(name: &str, right: &str, item: &mut Item) {
    let what = format!("{name} is missing, empty or no text");
    item.findings
        .push(Finding::error(RULE, name, what).right(right));
}

fn ago(text: &str, context: &Context) -> Option<String> {
    let at: Timestamp = text.parse().ok()?;
    Some(if at > context.now {
        format!("in {}", time::length(at.since(context.now)))
    } else {
        format!("{} ago", time::length(context.now.since(at)))
    })
}
