//! Offers, as a seller could make them.

use farthing_core::{
    intent::charge::{self, ChargeRequest},
    noun::{Challenge, Expires, Request},
    port::payer::Offer,
    value::{Amount, ChallengeId, CurrencyCode, Realm, Recipient, Timestamp},
};
use farthing_evm::Address;
use farthing_tempo::{method, token::known};
use serde_json::{Value, json};

use crate::{market::CHAIN, node::TIME};

pub(crate) const SELLER: Address = Address::repeat_byte(0x42);

/// What an offer is made of, to be changed by a test.
pub(crate) struct Parts {
    pub(crate) id: String,
    pub(crate) amount: u128,
    pub(crate) currency: String,
    pub(crate) recipient: Option<String>,
    pub(crate) details: Value,
    pub(crate) expires: Option<u64>,
}

pub(crate) fn offer() -> Offer {
    offer_with(|_| {})
}

pub(crate) fn offer_with(change: impl FnOnce(&mut Parts)) -> Offer {
    let mut parts = Parts {
        id: "challenge-1".to_owned(),
        amount: 2_000,
        currency: known::PATH_USD.currency().code.as_str().to_owned(),
        recipient: Some(SELLER.to_string()),
        details: json!({ "chainId": CHAIN.get() }),
        expires: Some(TIME + 300),
    };
    change(&mut parts);
    let mut request = ChargeRequest::new(
        Amount::new(parts.amount),
        CurrencyCode::new(parts.currency).unwrap(),
        parts.recipient.map(|text| Recipient::new(text).unwrap()),
    );
    request.method_details = parts.details.as_object().unwrap().clone();
    let mut challenge = Challenge::new(
        ChallengeId::new(parts.id).unwrap(),
        Realm::new("api.example.com").unwrap(),
        method(),
        charge::id(),
        Request::new(&request).unwrap(),
    );
    challenge.expires = parts
        .expires
        .map(|at| Expires::new(Timestamp::from_secs(at)));
    Offer { challenge, request }
}
