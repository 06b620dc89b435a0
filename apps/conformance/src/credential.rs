//! `credential.parse` and `credential.format`.

use farthing_core::{
    header::authorization,
    noun::{Credential, Source},
};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use crate::{
    Answer, Failure,
    challenge::{self, Object},
    header, or,
};

/// A credential as the suite writes it. The payload is kept as it stands, for its order is the
/// method's.
#[derive(Deserialize)]
struct Input<'a> {
    challenge: Object,
    source: Option<String>,
    #[serde(borrow)]
    payload: &'a RawValue,
}

pub(crate) fn parse(input: &str) -> Answer {
    let kind = "parse_error";
    let credential = authorization::parse(header(input)?).map_err(or(kind))?;
    let payload: Value = serde_json::from_str(credential.payload.get()).map_err(or(kind))?;
    let mut object = json!({
        "challenge": challenge::object(&credential.challenge).map_err(or(kind))?,
        "payload": payload,
    });
    if let Some(source) = &credential.source {
        object["source"] = json!(source);
    }
    Ok(object)
}

pub(crate) fn format(input: &str) -> Answer {
    let credential = from_object(input, "format_error")?;
    Ok(json!({ "header": authorization::format(&credential) }))
}

pub(crate) fn from_object(input: &str, kind: &'static str) -> Result<Credential, Failure> {
    let input: Input<'_> = serde_json::from_str(input).map_err(or(kind))?;
    let payload = RawValue::from_string(compact(input.payload.get())).map_err(or(kind))?;
    let source = input
        .source
        .map(Source::new)
        .transpose()
        .map_err(or(kind))?;
    Credential::new(input.challenge.into_challenge(kind)?, source, &payload).map_err(or(kind))
}

/// Takes out the whitespace between the tokens of JSON.
fn compact(json: &str) -> String {
    let (mut quoted, mut escaped) = (false, false);
    let keep = |c: &char| {
        let keep = quoted || !c.is_ascii_whitespace();
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        keep
    };
    json.chars().filter(keep).collect()
}
