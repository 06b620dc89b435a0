//! `tempo.receipt.verify`: whether a transaction that is in a block paid for a challenge.

use std::fmt;

use farthing_core::{intent::charge::ChargeRequest, noun::Credential};
use farthing_evm::{Address, Receipt, TxHash};
use farthing_tempo::{Details, Legs, METHOD, Mode, Received, match_logs, source};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use crate::{Answer, Failure, challenge, fail, or, verify::read_credential};

const ERROR: &str = "verification_error";

#[derive(Deserialize)]
struct Input<'a> {
    /// The header's value, or the object inside.
    #[serde(borrow)]
    credential: &'a RawValue,
    /// What a node answers to `eth_getTransactionReceipt`, or what a library made of it.
    #[serde(alias = "transactionReceipt")]
    receipt: Value,
    /// What was asked for, where the credential's challenge does not say it.
    request: Option<Value>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Payload {
    Hash { hash: TxHash },
    Transaction { signature: farthing_evm::Bytes },
    Proof {},
}

pub(crate) fn verify(input: &str) -> Answer {
    let input: Input<'_> = serde_json::from_str(input).map_err(or(ERROR))?;
    let credential = read_credential(input.credential.get())?;
    let receipt: Receipt = serde_json::from_value(plain(input.receipt)).map_err(or(ERROR))?;
    let asked = match &input.request {
        Some(request) => challenge::request(request, ERROR)?,
        None => credential.challenge.request.clone(),
    };
    let request: ChargeRequest =
        serde_json::from_value(asked.value().clone()).map_err(or(ERROR))?;
    if credential.challenge.method.as_str() != METHOD {
        return Err(refuse("the challenge is of another method"));
    }
    let details = Details::read(&request.method_details).map_err(or(ERROR))?;
    let challenge = &credential.challenge;
    let legs = Legs::new(&request, &details, &challenge.id, &challenge.realm);
    let legs = legs.map_err(or(ERROR))?;
    let payer = payer(&credential, &receipt, &details)?;
    if !receipt.succeeded() {
        return Err(refuse("the transaction failed"));
    }
    match_logs(&receipt.logs, payer, &legs).map_err(or(ERROR))?;
    Ok(json!({ "status": "success", "reference": receipt.transaction_hash }))
}

/// Whose money has to have moved. The suite's credentials may name nobody; then it is the sender's.
fn payer(
    credential: &Credential,
    receipt: &Receipt,
    details: &Details,
) -> Result<Address, Failure> {
    let payload: Payload = serde_json::from_str(credential.payload.get()).map_err(or(ERROR))?;
    let named = credential.source.as_ref().map(|source| source.as_str());
    let named = named
        .map(|named| source(Some(named), details.chain))
        .transpose()
        .map_err(or(ERROR))?;
    let mode = match payload {
        Payload::Hash { hash } if !receipt.is_of(hash) => {
            return Err(refuse("the receipt is of another transaction"));
        }
        Payload::Hash { .. } => Mode::Push,
        Payload::Transaction { signature } => {
            let received = Received::decode(&signature).map_err(or(ERROR))?;
            let sender = received.authored().sender();
            let is_another = match &received {
                Received::Whole(whole) => !receipt.is_of(whole.hash()),
                // Its hash is known when its sponsor signed.
                Received::Half(_) => false,
            };
            if is_another || named.is_some_and(|named| named != sender) {
                return Err(refuse("the receipt is of another transaction"));
            }
            Mode::Pull
        }
        Payload::Proof {} => return Err(refuse("a proof has no transaction")),
    };
    if !details.allows(mode) {
        return Err(refuse("the challenge is not paid in this way"));
    }
    Ok(named.unwrap_or(receipt.from))
}

fn refuse(why: impl fmt::Display) -> Failure {
    fail(ERROR, why)
}

/// Writes a receipt as a node does. Libraries write numbers as numbers and the status as a word, and the
/// suite's receipts have no more than what is looked at.
fn plain(mut receipt: Value) -> Value {
    let Some(object) = receipt.as_object_mut() else {
        return receipt;
    };
    match object.get("status").and_then(Value::as_str) {
        Some("success") => object.insert("status".to_owned(), json!("0x1")),
        Some("reverted") => object.insert("status".to_owned(), json!("0x0")),
        _ => None,
    };
    let zero = json!(TxHash::ZERO);
    for (name, default) in [("blockNumber", json!("0x0")), ("gasUsed", json!("0x0"))] {
        number(object.entry(name).or_insert(default));
    }
    number(object.entry("status").or_insert(Value::Null));
    object.entry("blockHash").or_insert(zero);
    let logs = object.get_mut("logs").and_then(Value::as_array_mut);
    for (at, log) in logs.into_iter().flatten().enumerate() {
        if let Some(log) = log.as_object_mut() {
            number(log.entry("logIndex").or_insert(json!(at)));
        }
    }
    receipt
}

/// A number in decimal digits becomes one in hexadecimal digits.
fn number(value: &mut Value) {
    if let Some(number) = value.as_u64() {
        *value = json!(format!("0x{number:x}"));
    }
}
