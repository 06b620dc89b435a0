//! A challenge's request: what is asked for.

use farthing::{
    core::value::{Amount, CurrencyCode},
    ledger::{Currencies, method as ledger},
};
use serde_json::{Map, Value};

use super::{
    finding::Finding,
    report::{Field, Item, tree},
    rule::Rule,
    tempo,
};

/// Currencies of ISO 4217 that pay for requests, and their decimals. Others are shown as they are.
const ISO: [(&str, u8); 5] = [("usd", 2), ("eur", 2), ("gbp", 2), ("chf", 2), ("jpy", 0)];

/// Fields whose names say that they hold an end, which is the challenge's to say.
const ENDS: [&str; 3] = ["expires", "expiry", "expiresAt"];

/// Shows a request, and holds a charge's against its rules.
pub(super) fn inspect(
    members: Option<Map<String, Value>>,
    method: &str,
    intent: &str,
    item: &mut Item,
) {
    let Some(members) = members else {
        return;
    };
    let currency = members.get("currency").and_then(Value::as_str);
    let fields = members.iter().map(|(name, value)| {
        let field = tree(name, value, &|_, text| text.to_owned());
        let decimal = (name == "amount")
            .then(|| decimal(value.as_str()?, currency?, method))
            .flatten();
        match decimal {
            Some(decimal) => field.remark(decimal),
            None => field,
        }
    });
    item.fields.push(Field::of("request", fields.collect()));
    if intent == "charge" {
        charge(&members, item);
    }
}

/// The amount in whole units, where the currency is one this program knows. What it does not know
/// it does not guess.
pub(crate) fn decimal(amount: &str, currency: &str, method: &str) -> Option<String> {
    let amount: Amount = amount.parse().ok()?;
    if method == ledger().as_str() {
        let code = CurrencyCode::new(currency).ok()?;
        return Some(Currencies::default().find(&code)?.display(amount));
    }
    if method == farthing::tempo::METHOD {
        return tempo::decimal(amount, currency);
    }
    let (code, decimals) = ISO.iter().find(|(code, _)| *code == currency)?;
    Some(format!(
        "{} {}",
        amount.to_decimal(*decimals),
        code.to_ascii_uppercase()
    ))
}

/// The fields of the charge intent.
fn charge(members: &Map<String, Value>, item: &mut Item) {
    let rule = Rule::charge("5.1.1");
    match members.get("amount") {
        Some(Value::String(amount)) if amount.parse::<Amount>().is_ok() => {}
        None => item.findings.push(
            Finding::error(rule, "request.amount", "the charge has no amount")
                .right("base units as a text, for example \"2000\""),
        ),
        Some(_) => item.findings.push(
            Finding::error(
                rule,
                "request.amount",
                "the amount is no text of digits without sign, point or leading zero",
            )
            .right("base units as a text, for example \"2000\""),
        ),
    }
    match members.get("currency").map(Value::as_str) {
        Some(Some(code)) if CurrencyCode::new(code).is_ok() => currency(code, item),
        None => item.findings.push(
            Finding::error(rule, "request.currency", "the charge has no currency")
                .right("a currency's code or a token's address, as a text"),
        ),
        Some(_) => item.findings.push(
            Finding::error(rule, "request.currency", "the currency is no name")
                .right("a currency's code or a token's address, as a text"),
        ),
    }
    let rule = Rule::charge("5.1.2");
    for name in ["recipient", "description", "externalId"] {
        if members.get(name).is_some_and(|value| !value.is_string()) {
            let what = format!("{name} is no text");
            let about = format!("request.{name}");
            item.findings.push(Finding::error(rule, about, what));
        }
    }
    if members
        .get("methodDetails")
        .is_some_and(|value| !value.is_object())
    {
        let about = "request.methodDetails";
        item.findings
            .push(Finding::error(rule, about, "methodDetails is no object"));
    }
    for name in ENDS.into_iter().filter(|name| members.contains_key(*name)) {
        let about = format!("request.{name}");
        let finding = Finding::error(
            rule,
            about,
            format!("the request repeats the end, as {name}"),
        )
        .right("the challenge's expires alone");
        item.findings.push(finding);
    }
}

fn currency(code: &str, item: &mut Item) {
    let lower = code.to_ascii_lowercase();
    if lower != code && ISO.iter().any(|(known, _)| *known == lower) {
        let what = format!("the currency {code} is not in lower case");
        let finding = Finding::warning(Rule::charge("5.2"), "request.currency", what).right(lower);
        item.findings.push(finding);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_known_or_not_told() {
        let check = |amount, currency, method, expect: Option<&str>| {
            assert_eq!(decimal(amount, currency, method).as_deref(), expect);
        };
        check("2000", "usd6", "ledger", Some("0.002 USD"));
        check("5000", "usd", "stripe", Some("50 USD"));
        check("5000", "jpy", "stripe", Some("5000 JPY"));
        // The ledger has no such currency.
        check("5000", "usd", "ledger", None);
        let (path, other) = (
            "0x20c0000000000000000000000000000000000000",
            "0x20c0000000000000000000000000000000000009",
        );
        check("1000000", path, "tempo", Some("1 USD, pathUSD"));
        check("1000000", other, "tempo", None);
        check("1.5", "usd", "stripe", None);
    }
}
