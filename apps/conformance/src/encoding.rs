//! `base64url.encode` and `base64url.decode`.

use farthing_core::encoding::base64url;
use serde::Deserialize;
use serde_json::json;

use crate::{Answer, or, read};

const ERROR: &str = "encoding_error";

#[derive(Deserialize)]
struct Input {
    text: String,
}

pub(crate) fn encode(input: &str) -> Answer {
    let input: Input = read(input, ERROR)?;
    Ok(json!({ "text": base64url::encode(input.text) }))
}

pub(crate) fn decode(input: &str) -> Answer {
    let input: Input = read(input, ERROR)?;
    let bytes = base64url::decode(&input.text).map_err(or(ERROR))?;
    let text = String::from_utf8(bytes).map_err(or(ERROR))?;
    Ok(json!({ "text": text }))
}
