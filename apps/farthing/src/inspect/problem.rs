//! Problems, the bodies of refusals (RFC 9457).

use farthing::core::noun::problem::ProblemKind;
use serde_json::{Map, Value};

use super::{
    finding::Finding,
    report::{Item, tree},
    request,
    rule::Rule,
};

/// Where the draft's own types live.
const BASE: &str = "https://paymentauth.org/problems/";

/// Looks at a problem. The status is that of the response it came with, where that is known.
pub(super) fn object(members: &Map<String, Value>, status: Option<u16>, item: &mut Item) {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    for (name, value) in members {
        let field = tree(name, value, &|_, text| text.to_owned());
        let decimal = (name == "amount")
            .then(|| {
                let method = members
                    .get("offers")
                    .and_then(|offers| offers.get(0)?.get("method")?.as_str());
                request::decimal(text("amount")?, text("currency")?, method?)
            })
            .flatten();
        item.fields.push(match decimal {
            Some(decimal) => field.remark(decimal),
            None => field,
        });
    }
    for name in ["type", "title", "detail", "instance"] {
        if members.get(name).is_some_and(|value| !value.is_string()) {
            let what = format!("{name} is no text");
            item.findings
                .push(Finding::error(Rule::rfc(9457, "3.1"), name, what).right("a JSON string"));
        }
    }
    kind(text("type"), status, item);
    let told = members.get("status");
    match (told.map(Value::as_u64), status) {
        (Some(None), _) => {
            let finding = Finding::error(Rule::rfc(9457, "3.1.2"), "status", "status is no number");
            item.findings
                .push(finding.right("the HTTP status, as a number"));
        }
        (Some(Some(told)), Some(status)) if told != u64::from(status) => {
            let what = format!("the problem says {told}, the response {status}");
            let finding = Finding::error(Rule::rfc(9457, "3.1.2"), "status", what);
            item.findings.push(finding.right("the same number in both"));
        }
        _ => {}
    }
}

fn kind(uri: Option<&str>, status: Option<u16>, item: &mut Item) {
    let rule = Rule::core("8.1");
    let Some(uri) = uri else {
        let what = "the problem has no type";
        let right = format!("{BASE}payment-required, or another of the draft's types");
        item.findings
            .push(Finding::warning(rule, "type", what).right(right));
        return;
    };
    match ProblemKind::from_uri(uri) {
        Some(kind) => {
            let expected = kind.status();
            if let Some(status) = status.filter(|status| *status != expected) {
                let what = format!("this type goes with status {expected}, and came with {status}");
                let finding = Finding::warning(Rule::core("8.2"), "type", what);
                item.findings
                    .push(finding.right(format!("status {expected}")));
            }
        }
        None if uri.starts_with(BASE) => {
            let what = format!("{uri:?} is no type this program knows");
            item.findings
                .push(Finding::note(Rule::core("8.2"), "type", what));
        }
        None if status == Some(402) => {
            let what = "a 402 whose type is not one of the draft's";
            let finding = Finding::warning(rule, "type", what);
            item.findings
                .push(finding.right(format!("a type under {BASE}")));
        }
        None => {}
    }
}
