//! The x402 dialect, as far as it is needed to read it: its headers of both versions, and the
//! JSON of a version 1 refusal. It uses padded standard base64.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use super::{
    Context, credential, encoded,
    finding::Finding,
    report::{Field, Item, tree},
    rule::Rule,
};

/// What an object of x402 is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Required,
    Payload,
    Settlement,
}

impl Kind {
    /// The kind a header carries, and the version that header belongs to.
    pub(super) fn of_header(name: &str) -> Option<(Self, u8)> {
        Some(match name {
            "x-payment" => (Self::Payload, 1),
            "x-payment-response" => (Self::Settlement, 1),
            "payment-required" => (Self::Required, 2),
            "payment-signature" => (Self::Payload, 2),
            "payment-response" => (Self::Settlement, 2),
            _ => return None,
        })
    }

    /// The kind an object looks like.
    pub(super) fn of(members: &Map<String, Value>) -> Option<Self> {
        let has = |name: &str| members.contains_key(name);
        if has("x402Version") && has("accepts") {
            Some(Self::Required)
        } else if has("x402Version") && has("payload") {
            Some(Self::Payload)
        } else if members.get("success").is_some_and(Value::is_boolean) && has("network") {
            Some(Self::Settlement)
        } else {
            None
        }
    }

    const fn named(self) -> (&'static str, &'static str) {
        match self {
            Self::Required => ("x402Required", "x402 payment required"),
            Self::Payload => ("x402Payment", "x402 payment"),
            Self::Settlement => ("x402Settlement", "x402 settlement"),
        }
    }
}

/// Looks at a header value.
pub(super) fn header(kind: Kind, version: u8, value: &str, context: &Context) -> Item {
    let (name, title) = kind.named();
    let mut item = Item::new(name, title);
    let rule = Rule::x402_http(version, section(kind));
    if STANDARD.decode(value).is_err() {
        let what = "the header is not padded standard base64";
        let finding = Finding::error(rule, "header", what).right("base64 with + / and =");
        item.findings.push(match encoded::tolerant(value) {
            Some(_) => finding.tolerated("some libraries read it"),
            None => finding,
        });
    }
    let json = encoded::tolerant(value).and_then(|bytes| String::from_utf8(bytes).ok());
    match json {
        None => {
            let finding = Finding::error(rule, "header", "the header decodes to no text");
            item.findings.push(finding.right("base64 of a JSON object"));
        }
        Some(json) => {
            if let Some(members) = encoded::members(&json, "header", rule, &mut item) {
                object(kind, &members, Some(version), context, &mut item);
            }
        }
    }
    item
}

/// Looks at an object that was found by itself, or in a body.
pub(super) fn bare(kind: Kind, members: &Map<String, Value>, context: &Context) -> Item {
    let (name, title) = kind.named();
    let mut item = Item::new(name, title);
    object(kind, members, None, context, &mut item);
    item
}

const fn section(kind: Kind) -> &'static str {
    match kind {
        Kind::Required => "Payment Required Signaling",
        Kind::Payload => "Payment Payload Transmission",
        Kind::Settlement => "Settlement Response Delivery",
    }
}

fn object(
    kind: Kind,
    members: &Map<String, Value>,
    carried_by: Option<u8>,
    context: &Context,
    item: &mut Item,
) {
    let told = members.get("x402Version").and_then(Value::as_u64);
    let version = match (told, carried_by) {
        (Some(2), _) => 2,
        (Some(1), _) => 1,
        (_, carried) => carried.unwrap_or(2),
    };
    if let (Some(carried), Some(told)) = (carried_by, told)
        && told != u64::from(carried)
    {
        let what = format!("x402Version is {told} in a header of version {carried}");
        let rule = Rule::x402_http(carried, section(kind));
        item.findings
            .push(Finding::error(rule, "x402Version", what).right(carried.to_string()));
    }
    let fields = members.iter().map(|(name, value)| match name.as_str() {
        "payload" => credential::secret(name, value, context),
        _ => tree(name, value, &|_, text| text.to_owned()),
    });
    item.fields.extend(fields.collect::<Vec<Field>>());
    match kind {
        Kind::Required => required(members, version, item),
        Kind::Payload => payload(members, version, item),
        Kind::Settlement => settlement(members, version, item),
    }
}

/// What a field has to be.
type Shape = (&'static str, fn(&Value) -> bool, &'static str);

const VERSION: Shape = ("x402Version", Value::is_number, "a number");

fn shapes(members: &Map<String, Value>, at: &str, shapes: &[Shape], rule: Rule, item: &mut Item) {
    for (name, fits, right) in shapes {
        let about = format!("{at}{name}");
        let what = match members.get(*name) {
            Some(value) if fits(value) => continue,
            Some(_) => format!("{about} is not {right}"),
            None => format!("{about} is missing"),
        };
        item.findings
            .push(Finding::error(rule, about, what).right(*right));
    }
}

fn is_amount(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
}

fn required(members: &Map<String, Value>, version: u8, item: &mut Item) {
    let rule = Rule::x402(version, "5.1.2");
    let accepts: Shape = ("accepts", Value::is_array, "a list of requirements");
    let own: &[Shape] = match version {
        1 => &[VERSION, ("error", Value::is_string, "a text"), accepts],
        _ => &[
            VERSION,
            ("resource", Value::is_object, "an object"),
            accepts,
        ],
    };
    shapes(members, "", own, rule, item);
    let offers = members.get("accepts").and_then(Value::as_array);
    for (offer, n) in offers.into_iter().flatten().zip(1..) {
        match offer {
            Value::Object(offer) => requirement(offer, &format!("accepts.{n}."), version, item),
            _ => item.findings.push(Finding::error(
                rule,
                format!("accepts.{n}"),
                format!("requirement {n} is no object"),
            )),
        }
    }
}

fn requirement(offer: &Map<String, Value>, at: &str, version: u8, item: &mut Item) {
    let amount: Shape = match version {
        1 => ("maxAmountRequired", is_amount, "digits, as a text"),
        _ => ("amount", is_amount, "digits, as a text"),
    };
    let resource: &[Shape] = match version {
        1 => &[
            ("resource", Value::is_string, "a URL"),
            ("description", Value::is_string, "a text"),
        ],
        _ => &[],
    };
    let own: [Shape; 6] = [
        ("scheme", Value::is_string, "a text"),
        ("network", Value::is_string, "a text"),
        ("asset", Value::is_string, "a text"),
        ("payTo", Value::is_string, "a text"),
        ("maxTimeoutSeconds", Value::is_number, "a number"),
        amount,
    ];
    let rule = Rule::x402(version, "5.1.2");
    shapes(offer, at, &own, rule, item);
    shapes(offer, at, resource, rule, item);
    network(offer, at, version, item);
}

/// Version 2 names networks as CAIP-2 does.
fn network(members: &Map<String, Value>, at: &str, version: u8, item: &mut Item) {
    let network = members.get("network").and_then(Value::as_str);
    if let Some(network) = network.filter(|name| version == 2 && !name.contains(':')) {
        let what = format!("the network {network:?} is not written as CAIP-2 has it");
        let rule = Rule::x402(2, "5.1.2");
        let finding = Finding::error(rule, format!("{at}network"), what);
        item.findings
            .push(finding.right("for example eip155:84532"));
    }
}

fn payload(members: &Map<String, Value>, version: u8, item: &mut Item) {
    let rule = Rule::x402(version, "5.2.2");
    let object: Shape = ("payload", Value::is_object, "an object");
    let own: &[Shape] = match version {
        1 => &[
            VERSION,
            ("scheme", Value::is_string, "a text"),
            ("network", Value::is_string, "a text"),
            object,
        ],
        _ => &[
            VERSION,
            (
                "accepted",
                Value::is_object,
                "the requirement that was chosen",
            ),
            object,
        ],
    };
    shapes(members, "", own, rule, item);
    if let Some(Value::Object(accepted)) = members.get("accepted") {
        requirement(accepted, "accepted.", version, item);
    }
}

fn settlement(members: &Map<String, Value>, version: u8, item: &mut Item) {
    let own: &[Shape] = &[
        ("success", Value::is_boolean, "true or false"),
        ("transaction", Value::is_string, "a hash, or an empty text"),
        ("network", Value::is_string, "a text"),
    ];
    shapes(members, "", own, Rule::x402(version, "5.3.2"), item);
    network(members, "", version, item);
}
