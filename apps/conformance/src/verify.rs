//! `server.verify`: what a server says to a credential.

use farthing_core::{
    binding::raw,
    header::{authorization, payment_receipt},
    noun::{Credential, Expires, Receipt},
    value::{Reference, Timestamp},
};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use crate::{Answer, Failure, challenge, credential, or};

const ERROR: &str = "verification_error";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input<'a> {
    realm: String,
    secret_key: String,
    method: String,
    intent: String,
    request: Value,
    expires: Option<String>,
    /// The header's value, or the object inside.
    #[serde(borrow)]
    credential: &'a RawValue,
    /// Makes the method refuse a proof whose challenge is good.
    verification_error: Option<Value>,
}

pub(crate) fn verify(input: &str, now: Timestamp) -> Answer {
    let input: Input<'_> = serde_json::from_str(input).map_err(or(ERROR))?;
    Ok(match check(&input, now)? {
        Ok(credential) => {
            let receipt = receipt(&credential)?;
            json!({ "ok": true, "receipt": receipt })
        }
        Err(refusal) => json!({ "ok": false, "errorType": refusal }),
    })
}

/// Goes the way of a server: is it a credential, is its challenge ours and for this, is it still
/// good, and is the proof. The first that is not so is the answer.
fn check(input: &Input<'_>, now: Timestamp) -> Result<Result<Credential, &'static str>, Failure> {
    let Ok(credential) = read_credential(input.credential.get()) else {
        return Ok(Err("malformed_credential"));
    };
    let challenge = &credential.challenge;
    let asked = challenge::request(&input.request, ERROR)?;
    let is_for_this = challenge.realm.as_str() == input.realm
        && challenge.method.as_str() == input.method
        && challenge.intent.as_str() == input.intent
        && challenge.request.value() == asked.value();
    let slots = challenge.slots().map_err(or(ERROR))?;
    let is_ours = raw::verify(input.secret_key.as_bytes(), &slots, challenge.id.as_str()).is_ok();
    if !is_ours || !is_for_this {
        return Ok(Err("invalid_challenge"));
    }
    let configured: Option<Expires> = input
        .expires
        .as_deref()
        .map(str::parse)
        .transpose()
        .map_err(or(ERROR))?;
    let end = challenge.expires.as_ref().or(configured.as_ref());
    if end.is_some_and(|end| end.at() <= now) {
        return Ok(Err("payment_expired"));
    }
    let refuses = input
        .verification_error
        .as_ref()
        .is_some_and(|error| *error != json!(false));
    Ok(if refuses {
        Err("verification_failed")
    } else {
        Ok(credential)
    })
}

pub(crate) fn read_credential(json: &str) -> Result<Credential, Failure> {
    match serde_json::from_str::<String>(json) {
        Ok(header) => authorization::parse(header).map_err(or(ERROR)),
        Err(_) => credential::from_object(json, ERROR),
    }
}

/// The receipt the suite expects of its method that always settles.
fn receipt(credential: &Credential) -> Result<Value, Failure> {
    let reference = Reference::new("conformance-receipt").map_err(or(ERROR))?;
    let at = "2026-01-29T12:00:00Z".parse().map_err(or(ERROR))?;
    let receipt = Receipt::new(credential.challenge.method.clone(), at, reference);
    // Through its header, as a client would see it.
    let read = payment_receipt::parse(payment_receipt::format(&receipt)).map_err(or(ERROR))?;
    serde_json::from_str(&read.to_json()).map_err(or(ERROR))
}
