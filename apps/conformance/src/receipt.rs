//! `receipt.parse` and `receipt.format`.

use farthing_core::{header::payment_receipt, noun::Receipt};
use serde_json::{Value, json};

use crate::{Answer, header, or, read};

pub(crate) fn parse(input: &str) -> Answer {
    let kind = "parse_error";
    let receipt = payment_receipt::parse(header(input)?).map_err(or(kind))?;
    serde_json::from_str(&receipt.to_json()).map_err(or(kind))
}

pub(crate) fn format(input: &str) -> Answer {
    let kind = "format_error";
    let object: Value = read(input, kind)?;
    let receipt = Receipt::from_json(&object.to_string()).map_err(or(kind))?;
    Ok(json!({ "header": payment_receipt::format(&receipt) }))
}
