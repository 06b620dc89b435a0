//! The adapter through which the protocol's conformance suite drives Farthing: one JSON request
//! in, one JSON response out.
//!
//! ```
//! use farthing_conformance::answer;
//! use farthing_core::value::Timestamp;
//!
//! let request = r#"{"schema":1,"op":"base64url.encode","input":{"text":"a"}}"#;
//! let response = answer(request, Timestamp::EPOCH);
//! assert_eq!(response, r#"{"ok":true,"value":{"text":"YQ"}}"#);
//! ```
//!
//! The HTTP client is not driven yet: its operation is an unsupported one here, which the suite reports as
//! such.

mod challenge;
mod credential;
mod encoding;
mod receipt;
mod tempo;
mod verify;

use farthing_core::value::Timestamp;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json, value::RawValue};

/// The version of the request format.
const SCHEMA: u64 = 1;

#[derive(Deserialize)]
struct Envelope<'a> {
    schema: u64,
    op: String,
    #[serde(borrow)]
    input: &'a RawValue,
}

/// Why an operation failed: the suite's name for it, and a word for people.
struct Failure {
    kind: &'static str,
    message: String,
}

type Answer = Result<Value, Failure>;

/// Answers a request. `now` is the time for what expires.
#[must_use]
pub fn answer(request: &str, now: Timestamp) -> String {
    let answered = match serde_json::from_str::<Envelope<'_>>(request) {
        Ok(envelope) if envelope.schema == SCHEMA => {
            operate(&envelope.op, envelope.input.get(), now)
        }
        Ok(envelope) => Err(fail(
            "invalid_request",
            format!("schema {}", envelope.schema),
        )),
        Err(error) => Err(fail("invalid_request", error)),
    };
    let response = match answered {
        Ok(value) => json!({ "ok": true, "value": value }),
        Err(Failure { kind, message }) => {
            json!({ "ok": false, "error": { "type": kind, "message": message } })
        }
    };
    response.to_string()
}

fn operate(op: &str, input: &str, now: Timestamp) -> Answer {
    match op {
        "challenge.parse" => challenge::parse(input),
        "challenge.format" => challenge::format(input),
        "challenge.id" => challenge::id(input),
        "credential.parse" => credential::parse(input),
        "credential.format" => credential::format(input),
        "receipt.parse" => receipt::parse(input),
        "receipt.format" => receipt::format(input),
        "base64url.encode" => encoding::encode(input),
        "base64url.decode" => encoding::decode(input),
        "tempo.fee_payer.cosign" => tempo::cosign::cosign(input, now),
        "tempo.proof.typed_data" => tempo::proof::typed_data(input),
        "tempo.receipt.verify" => tempo::receipt::verify(input),
        "server.verify" => verify::verify(input, now),
        _ => Err(fail(
            "unsupported_operation",
            format!("{op} is not supported"),
        )),
    }
}

/// The input of every operation that reads a header.
#[derive(Deserialize)]
struct HeaderInput {
    header: String,
}

fn header(input: &str) -> Result<String, Failure> {
    read::<HeaderInput>(input, "parse_error").map(|input| input.header)
}

fn read<T: DeserializeOwned>(input: &str, kind: &'static str) -> Result<T, Failure> {
    serde_json::from_str(input).map_err(or(kind))
}

fn fail(kind: &'static str, message: impl ToString) -> Failure {
    Failure {
        kind,
        message: message.to_string(),
    }
}

/// Names an error for the suite.
fn or<E: std::error::Error>(kind: &'static str) -> impl Fn(E) -> Failure {
    move |error| fail(kind, error)
}
