//! Tampering with a header: what a broken or hostile peer may send.

use farthing_core::encoding::base64url;
use serde_json::{Map, Value, json};

use crate::{random::Random, values::Kind};

/// A header that was tampered with in one way, sometimes in two.
#[must_use]
pub fn mutate(kind: Kind, wire: Vec<u8>, random: &mut Random) -> Vec<u8> {
    let once = tamper(kind, wire, random);
    if random.once_in(4) {
        tamper(kind, once, random)
    } else {
        once
    }
}

fn tamper(kind: Kind, wire: Vec<u8>, random: &mut Random) -> Vec<u8> {
    if random.once_in(4) {
        return bytes(wire, random);
    }
    // Only the bytes of a header that no longer is text are worth more of it.
    match String::from_utf8(wire) {
        Err(error) => bytes(error.into_bytes(), random),
        Ok(text) => match kind {
            Kind::Challenge => parameters(&text, random),
            Kind::Credential => match text.split_once(' ') {
                Some((scheme, encoded)) => {
                    scheme_of(scheme, &encoded_json(encoded, random), random)
                }
                None => text,
            },
            Kind::Receipt => encoded_json(&text, random),
        }
        .into_bytes(),
    }
}

/// A character more, less or other, or the end cut off.
fn bytes(mut wire: Vec<u8>, random: &mut Random) -> Vec<u8> {
    if wire.is_empty() {
        return wire;
    }
    let at = random.below(wire.len());
    let other = *random.pick(b"aZ09-_+/= \t,;:|\"\\'.~!{}[]\xe9\xc3\x7f");
    match random.below(4) {
        0 => wire[at] = other,
        1 => wire.insert(at, other),
        2 => drop(wire.remove(at)),
        _ => wire.truncate(at),
    }
    wire
}

/// The scheme written in another way.
fn scheme_of(scheme: &str, rest: &str, random: &mut Random) -> String {
    match random.below(6) {
        0 => format!("{}   {rest}", scheme.to_ascii_uppercase()),
        1 => format!("\t{scheme} {rest}  "),
        2 => format!("Bearer {rest}"),
        _ => format!("{scheme} {rest}"),
    }
}

/// A challenge whose parameters are moved, lost, doubled, renamed or written in another way.
fn parameters(text: &str, random: &mut Random) -> String {
    let Some((scheme, rest)) = text.split_once(' ') else {
        return text.to_owned();
    };
    let mut parameters: Vec<String> = rest.split(", ").map(str::to_owned).collect();
    let at = random.below(parameters.len());
    let (name, value) = parameters[at]
        .split_once('=')
        .map_or(("x".to_owned(), "\"\"".to_owned()), |(name, value)| {
            (name.to_owned(), value.to_owned())
        });
    match random.below(16) {
        0 => drop(parameters.remove(at)),
        1 => parameters.reverse(),
        2 => parameters.push(parameters[at].clone()),
        3 => parameters[at] = format!("{}={value}", name.to_ascii_uppercase()),
        4 => parameters[at] = format!("{name} = {value}"),
        5 => parameters[at] = format!("{name}={}", value.trim_matches('"')),
        6 => parameters[at] = format!("{name}=\"\""),
        7 => parameters[at] = format!("{name}="),
        8 => parameters.push(
            random
                .pick(&["x-more=\"1\"", "more=token", "bare"])
                .to_string(),
        ),
        9 => parameters[at] = format!("{name}=\"{}\"", odd(&name, random)),
        10 => return format!("Basic realm=\"a, Payment b\", {text}"),
        11 => return format!("{text}, Bearer realm=\"x\""),
        12 => return format!("{scheme} {}", parameters.join(",")),
        13 => return format!("{scheme} {},", parameters.join(" , ")),
        14 => return scheme_of(scheme, rest, random),
        _ => {
            if let Some(request) = parameters
                .iter_mut()
                .find(|one| one.starts_with("request="))
            {
                let value = request["request=".len()..].trim_matches('"').to_owned();
                *request = format!("request=\"{}\"", encoded_json(&value, random));
            }
        }
    }
    format!("{scheme} {}", parameters.join(", "))
}

/// Values that a parameter should not have, or that are at the edge of what it may have.
fn odd(name: &str, random: &mut Random) -> &'static str {
    let values: &[&str] = match name {
        "method" => &["Ledger", "led-ger", "ledger2", "a:b", "l_", "-a"],
        "intent" => &["Charge", "char ge", "charge_1", "a.b"],
        "expires" => &[
            "soon",
            "2026-01-29T12:00:00+01:00",
            "2026-01-29 12:00:00Z",
            "2026-01-29T12:00:00.123456Z",
            "2026-01-29t12:00:00z",
            "2026-02-30T12:00:00Z",
            "2026-01-29T12:00:60Z",
            "2026-01-29",
            "1969-12-31T23:59:59Z",
        ],
        "digest" => &["sha-256=YQ", "md5=YQ==", "a b", "a|b"],
        "opaque" => &[
            "trace-123",
            "e30",
            "eyJiIjoiMTIiLCJhIjoiMiJ9",
            "eyJhIjoxfQ",
            "a|b",
            "W10",
        ],
        "header" => &[
            "Authorization",
            "Cookie",
            "X-Payment",
            "a b",
            "payment-authorization",
        ],
        "description" => &["\\u2014", "a\\\"b", "a\\\\b", "\\x"],
        "realm" => &["a|b", "a\\\"b", " "],
        _ => &["a b", "a|b", "\\a", "x"],
    };
    values[random.below(values.len())]
}

/// Base64url of JSON, decoded, changed, and encoded again, or spoilt as base64url.
fn encoded_json(encoded: &str, random: &mut Random) -> String {
    let json = base64url::decode(encoded)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let Some(json) = json else {
        return encoded.to_owned();
    };
    match random.below(8) {
        0 => format!("{encoded}="),
        1 => format!("{encoded}=="),
        2 => encoded.replace('-', "+").replace('_', "/"),
        3 | 4 => base64url::encode(spoilt(&json, random)),
        _ => match serde_json::from_str::<Value>(&json) {
            Ok(Value::Object(mut object)) => {
                change(&mut object, random);
                base64url::encode(Value::Object(object).to_string())
            }
            _ => base64url::encode(json),
        },
    }
}

/// JSON text with what no tree of values can show.
fn spoilt(json: &str, random: &mut Random) -> String {
    let inside = json.get(1..).unwrap_or_default();
    match random.below(9) {
        0 => format!("{{\"id\":\"x\",\"method\":\"x\",{inside}"),
        1 => format!("{{ \n\t{inside} "),
        2 => format!("{json} x"),
        3 => format!("{{\"x\":\"\\ud800\",{inside}"),
        4 => format!("{{\"x\":{}{},{inside}", "[".repeat(100), "]".repeat(100)),
        5 => format!("{{\"x\":1e400,{inside}"),
        6 => format!("{{\"x\":NaN,{inside}"),
        7 => format!("{{\"x\":\"\u{1}\",{inside}"),
        _ => format!("[{json}]"),
    }
}

/// A field that is gone, of another type, or unknown; of the object, or of the challenge in it.
fn change(object: &mut Map<String, Value>, random: &mut Random) {
    let inside = random.once_in(2);
    if let Some(Value::Object(challenge)) = object.get_mut("challenge").filter(|_| inside) {
        return change(challenge, random);
    }
    let names: Vec<String> = object.keys().cloned().collect();
    let name = if names.is_empty() {
        "x".to_owned()
    } else {
        random.pick(&names).clone()
    };
    let other = match random.below(9) {
        0 => Value::Null,
        1 => json!(7),
        2 => json!(true),
        3 => json!(""),
        4 => json!([]),
        5 => json!({}),
        6 => json!(odd(&name, random)),
        7 => {
            object.insert("unknown".to_owned(), json!({"a": [1, null]}));
            return;
        }
        _ => {
            object.remove(&name);
            return;
        }
    };
    object.insert(name, other);
}
