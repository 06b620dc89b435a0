//! Credentials: the challenge echoed, and the payload that answers it.
//!
//! Whoever holds a credential can use it, so what proves the payment is shown shortened, and no
//! finding quotes a piece of it.

use farthing::core::{bounds, value::Did};
use serde_json::{Map, Value};

use super::{
    Context, encoded,
    finding::Finding,
    report::{Field, Item, tree},
    rule::Rule,
    slots::{self, Texts},
    tempo,
};

const RULE: Rule = Rule::core("5.2");

/// Fields of payloads that identify and authorize nothing by themselves.
const OPEN: [&str; 16] = [
    "type",
    "action",
    "scheme",
    "network",
    "version",
    "from",
    "to",
    "value",
    "amount",
    "validAfter",
    "validBefore",
    "asset",
    "chainId",
    "channelId",
    "cumulativeAmount",
    "payer",
];

/// Looks at a header value of the `Payment` scheme.
pub(super) fn header(value: &str, context: &Context) -> (Item, Option<Texts>) {
    let token = value.split_once([' ', '\t']).map_or("", |(_, rest)| rest);
    inspect(token.trim(), context)
}

/// Looks at the base64url of a credential.
pub(super) fn inspect(token: &str, context: &Context) -> (Item, Option<Texts>) {
    let mut item = Item::new("credential", "credential");
    if token.is_empty() {
        let finding = Finding::error(RULE, "credential", "there is nothing after the scheme");
        item.findings.push(finding.right("Payment BASE64URL"));
        return (item, None);
    }
    if token.len() > bounds::CREDENTIAL {
        let what = format!("the credential has {} bytes", token.len());
        let right = "less than 32 KB, which is what this program reads";
        let finding = Finding::warning(Rule::core("9.4"), "credential", what).right(right);
        item.findings.push(finding);
    }
    let json = encoded::decode(token, "credential", RULE, &|finding| finding, &mut item);
    let texts = json.and_then(|json| {
        let members = encoded::members(&json, "credential", RULE, &mut item)?;
        object(&members, context, &mut item)
    });
    (item, texts)
}

/// Looks at the object inside.
pub(super) fn object(
    members: &Map<String, Value>,
    context: &Context,
    item: &mut Item,
) -> Option<Texts> {
    source(members.get("source"), item);
    payload(members.get("payload"), context, item);
    let Some(Value::Object(echo)) = members.get("challenge") else {
        let what = "the credential has no challenge, or one that is no object";
        let finding = Finding::error(RULE, "challenge", what).right("the challenge, echoed");
        item.findings.push(finding);
        return None;
    };
    let mut texts = Texts::default();
    for (name, value) in echo {
        match value {
            Value::String(text) => texts.add(name, text.clone(), None),
            Value::Null => {}
            _ => {
                let what = format!("challenge.{name} is no text");
                let finding = Finding::error(RULE, format!("challenge.{name}"), what);
                item.findings
                    .push(finding.right("the text of the challenge, as it stood"));
            }
        }
    }
    let mut inner = Item::new("challenge", "challenge");
    slots::inspect(&texts, context, &mut inner);
    for mut finding in inner.findings {
        finding.about = format!("challenge.{}", finding.about);
        item.findings.push(finding);
    }
    item.fields.insert(0, Field::of("challenge", inner.fields));
    tempo::payload(members, &texts, context, item);
    Some(texts)
}

fn source(source: Option<&Value>, item: &mut Item) {
    let Some(source) = source.filter(|source| !source.is_null()) else {
        return;
    };
    item.fields.push(Field::new("source", source.clone()));
    match source.as_str() {
        None => {
            let finding = Finding::error(RULE, "source", "source is no text");
            item.findings.push(finding.right("a DID"));
        }
        Some(text) if Did::new(text).is_err() => {
            let finding = Finding::warning(RULE, "source", "source is no DID");
            item.findings
                .push(finding.right("did:METHOD:ID, which is what the draft recommends"));
        }
        Some(_) => {}
    }
}

fn payload(payload: Option<&Value>, context: &Context, item: &mut Item) {
    match payload {
        Some(payload @ Value::Object(_)) => {
            item.fields.push(secret("payload", payload, context));
        }
        _ => {
            let what = "the credential has no payload, or one that is no object";
            let finding = Finding::error(RULE, "payload", what);
            item.findings
                .push(finding.right("the method's proof, a JSON object"));
        }
    }
}

/// JSON that may prove a payment: its texts are shortened unless they are to be revealed.
pub(super) fn secret(name: &str, value: &Value, context: &Context) -> Field {
    tree(name, value, &|name, text| {
        if context.reveal || OPEN.contains(&name) || Did::new(text).is_ok() {
            text.to_owned()
        } else {
            shorten(text)
        }
    })
}

/// The first characters, and how many there are.
fn shorten(text: &str) -> String {
    let length = text.chars().count();
    let shown: String = text.chars().take(if length > 24 { 6 } else { 0 }).collect();
    format!("{shown}… ({length} characters)")
}

/// Holds an echo against the challenge it answers.
pub(super) fn compare(echo: &Texts, challenge: &Texts, item: &mut Item) {
    for name in slots::KNOWN {
        let rule = match name {
            "id" => continue,
            "opaque" => Rule::core("5.1.2"),
            "description" => RULE,
            _ => Rule::core("5.1.2.1"),
        };
        let (here, there) = (echo.get(name), challenge.get(name));
        if here == there {
            continue;
        }
        let what = match (here, there) {
            (None, _) => format!("the echo leaves {name} out"),
            (_, None) => format!("the echo adds {name}, which the challenge does not have"),
            (Some(one), Some(other)) if name == "request" && slots::is_same_request(one, other) => {
                "the echo writes the same request in another way".to_owned()
            }
            _ => format!("the echo has another {name} than the challenge"),
        };
        let about = format!("challenge.{name}");
        let finding = Finding::error(rule, about, what);
        item.findings
            .push(finding.right("every text of the challenge, unchanged"));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_proves_a_payment_is_shortened() {
        assert_eq!(super::shorten("0xabc"), "… (5 characters)");
        let long = "s".repeat(86);
        assert_eq!(super::shorten(&long), "ssssss… (86 characters)");
    }
}
