//! Proofs that pay nothing: well formed where this program knows the method, and by an account
//! that nobody has money in.

use farthing::{
    core::{
        intent::charge::ChargeRequest,
        noun::{Challenge, Request},
        port::payer::{Offer, Payer},
        value::Timestamp,
    },
    ledger::{AccountKey, KeyType, LedgerPayer},
};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json};

use super::seen::cheaper;

/// A proof for a challenge, and one for the same challenge at one base unit.
pub(super) struct Forged {
    pub(super) payload: Value,
    pub(super) cheaper: Option<Value>,
}

/// Makes both. Where the method is not known, the first is a proof of nothing.
pub(super) async fn forge(challenge: Option<&Challenge>, now: Timestamp) -> Forged {
    let nothing = || json!({ "type": "proof", "signature": "0x00" });
    let Some(challenge) = challenge else {
        return Forged {
            payload: nothing(),
            cheaper: None,
        };
    };
    let lower = || {
        let request = Request::parse(&cheaper(challenge.request.as_str())?).ok()?;
        let mut changed = challenge.clone();
        changed.request = request;
        Some(changed)
    };
    let cheaper = match lower() {
        Some(lower) => sign(&lower, now).await,
        None => None,
    };
    let payload = sign(challenge, now).await;
    Forged {
        payload: payload.unwrap_or_else(nothing),
        cheaper,
    }
}

async fn sign(challenge: &Challenge, now: Timestamp) -> Option<Value> {
    let mut seed = [0; 32];
    SystemRandom::new().fill(&mut seed).ok()?;
    let payer = LedgerPayer::new(AccountKey::from_seed(KeyType::Ed25519, seed).ok()?);
    let request: ChargeRequest = challenge.request.decode().ok()?;
    let offer = Offer {
        challenge: challenge.clone(),
        request,
    };
    let proof = payer.sign(&offer, now).await.ok()?;
    serde_json::from_str(proof.payload.get()).ok()
}
