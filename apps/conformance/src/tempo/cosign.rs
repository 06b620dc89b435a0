//! `tempo.fee_payer.cosign`: what a sponsor signs, and what it must refuse.

use farthing_core::{
    intent::charge::ChargeRequest,
    port::method::{Presented, Refusal},
    value::{ChallengeId, Realm, Timestamp},
};
use farthing_evm::{Address, B256, Bytes, ChainId, SigningKey, U256};
use farthing_tempo::{
    AccessListEntry, AccountKey, Call, Details, EXPIRING_NONCE_KEY, Mismatch, Network, Received,
    Sponsor, TempoOptions, Transaction, token,
};
use serde::Deserialize;
use serde_json::{Value, json, value::to_raw_value};

use crate::{Answer, Failure, challenge, fail, or, read};

const ERROR: &str = "verification_error";

/// How long a challenge lives where the suite does not say.
const LIVES: std::time::Duration = std::time::Duration::from_secs(300);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    payer_private_key: B256,
    fee_payer_private_key: B256,
    fee_token: Address,
    challenge: Option<Challenge>,
    request: Value,
    transaction: Envelope,
}

#[derive(Deserialize)]
struct Challenge {
    id: ChallengeId,
    realm: Realm,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    chain_id: ChainId,
    max_priority_fee_per_gas: u128,
    max_fee_per_gas: u128,
    gas_limit: u64,
    calls: Vec<Written>,
    access_list: Vec<(Address, Vec<B256>)>,
    nonce_key: Value,
    nonce: u64,
    valid_before: Value,
    fee_token: Option<Address>,
}

#[derive(Deserialize)]
struct Written {
    to: Option<Address>,
    value: u64,
    data: Bytes,
}

pub(crate) fn cosign(input: &str, now: Timestamp) -> Answer {
    let input: Input = read(input, ERROR)?;
    let half = half(input.transaction, input.payer_private_key, now)?;
    let request = challenge::request(&input.request, ERROR)?;
    let request: ChargeRequest = serde_json::from_value(request.value()).map_err(or(ERROR))?;
    let options = options(&request, input.fee_token, input.fee_payer_private_key)?;
    let Challenge { id, realm } = match input.challenge {
        Some(challenge) => challenge,
        // What these scenarios are about is refused whatever the challenge.
        None => Challenge {
            id: "unnamed".parse().map_err(or(ERROR))?,
            realm: "unnamed".parse().map_err(or(ERROR))?,
        },
    };
    let payload = json!({ "type": "transaction", "signature": half.encode() });
    let presented = Presented {
        challenge: &id,
        realm: &realm,
        request: &request,
        expires: now.saturating_add(LIVES),
        source: None,
        payload: &to_raw_value(&payload).map_err(or(ERROR))?,
        now,
    };
    let received = options.look_over(presented).map_err(|no| refused(&no))?;
    let half = received
        .half()
        .ok_or_else(|| fail(ERROR, "nobody is asked to pay its fee"))?;
    let sponsor = key(input.fee_payer_private_key)?;
    let signed = half.cosign(input.fee_token, &sponsor);
    // As whoever is sent it reads it.
    let read = Received::decode(signed.raw().bytes()).map_err(or(ERROR))?;
    let whole = read.whole().ok_or_else(|| fail(ERROR, "it is a half"))?;
    let transaction = whole.authored().transaction();
    Ok(json!({
        "type": format!("{:#x}", whole.raw().bytes()[0]),
        "feeToken": transaction.fee_token.map(|token| format!("{token:#x}")),
        "feePayerSignaturePresent": whole.sponsor() == Some(sponsor.address()),
        "accessListLength": transaction.access_list.len(),
        "callCount": transaction.calls.len(),
    }))
}

/// The sender's half, as a buyer hands it over.
fn half(envelope: Envelope, payer: B256, now: Timestamp) -> Result<Received, Failure> {
    let calls = envelope.calls.into_iter().map(|call| Call {
        to: call.to,
        value: U256::from(call.value),
        input: call.data,
    });
    let entries = envelope.access_list.into_iter();
    let transaction = Transaction {
        max_priority_fee_per_gas: envelope.max_priority_fee_per_gas,
        max_fee_per_gas: envelope.max_fee_per_gas,
        gas_limit: envelope.gas_limit,
        access_list: entries
            .map(|(address, storage_keys)| AccessListEntry {
                address,
                storage_keys,
            })
            .collect(),
        nonce_key: match envelope.nonce_key {
            Value::String(max) if max == "max" => EXPIRING_NONCE_KEY,
            key => U256::from(key.as_u64().ok_or_else(|| fail(ERROR, "no nonce key"))?),
        },
        nonce: envelope.nonce,
        valid_before: time(&envelope.valid_before, now)?,
        fee_token: envelope.fee_token,
        sponsored: true,
        ..Transaction::new(envelope.chain_id, calls.collect())
    };
    transaction
        .sign(&AccountKey::from(key(payer)?))
        .map_err(or(ERROR))
}

/// A time, as a number or as `now+60`.
fn time(value: &Value, now: Timestamp) -> Result<Option<u64>, Failure> {
    match value {
        Value::Null => Ok(None),
        Value::Number(at) => Ok(at.as_u64()),
        text => {
            let text = text.as_str().and_then(|text| text.strip_prefix("now+"));
            let after = text.and_then(|digits| digits.parse::<u64>().ok());
            let after = after.ok_or_else(|| fail(ERROR, "no time"))?;
            Ok(now.as_secs().checked_add(after))
        }
    }
}

fn key(bytes: B256) -> Result<SigningKey, Failure> {
    SigningKey::from_bytes(bytes.0).map_err(or(ERROR))
}

/// A seller who sponsors, with the bounds that our sellers have.
fn options(
    request: &ChargeRequest,
    fee_token: Address,
    sponsor: B256,
) -> Result<TempoOptions, Failure> {
    let details = Details::read(&request.method_details).map_err(or(ERROR))?;
    let network = Network::of(details.chain).ok_or_else(|| fail(ERROR, "an unknown chain"))?;
    let known = |address| {
        let token = network.token_at(address).cloned();
        token.ok_or_else(|| fail(ERROR, format!("{address} is no token that is known here")))
    };
    let paid = known(token::address(request.currency.as_str()).map_err(or(ERROR))?)?;
    let fee = known(fee_token)?;
    let recipient = request.recipient.as_ref().map(|to| to.as_str());
    let recipient = token::address(recipient.unwrap_or_default()).map_err(or(ERROR))?;
    Ok(TempoOptions {
        tokens: vec![paid],
        sponsor: Some(Sponsor::new(key(sponsor)?, fee)),
        ..TempoOptions::new(network, recipient)
    })
}

/// The suite looks for words of its own in what is said; ours are for people, so both are.
fn refused(refusal: &Refusal) -> Failure {
    let said = refusal.public.as_ref();
    let mismatch = refusal.source.as_ref().and_then(|source| source.source());
    let theirs = match mismatch.and_then(|source| source.downcast_ref::<Mismatch>()) {
        Some(Mismatch::Count { expected, found }) if found > expected => {
            "it contains unauthorized extra calls"
        }
        Some(_) => "no matching payment call found",
        None if said.contains("gas") => "its gas limit exceeds sponsor policy",
        None if said.contains("access list") => "an access list is not allowed",
        None if said.contains("lane") => "it must use expiring nonce key",
        None if said.contains("valid for longer") => "its validity window exceeds sponsor policy",
        None => "it is refused",
    };
    fail(ERROR, format!("{theirs}: {said}"))
}
