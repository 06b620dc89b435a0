//! Which offers are paid from channels, and what is trusted in them.

use farthing_core::{
    intent::session::Protocol,
    port::{method::Fault, session_payer::SessionPayer},
    value::Recipient,
};
use farthing_evm::{Address, ChainId};
use farthing_tempo::{
    PayerError,
    session::{Escrow, RESERVE_ADDRESS, SessionPayerOptions, TempoSessionPayer},
};
use serde_json::{Value, json};

use crate::world::{BOTH, World, account, currency, payer_key};

#[tokio::test]
async fn only_contracts_of_the_configuration_are_given_money() {
    let Some(world) = World::new("whom it trusts").await else {
        return;
    };
    let trusting = world.payer(payer_key());
    let plain = world.payer_with(payer_key(), |options| options.escrows.clear());
    let check = |payer: &TempoSessionPayer, protocol, contract: Value, expect: bool| {
        let offer = world.offer_with(protocol, json!({ "escrowContract": contract }));
        let quoted = payer.quote(&offer);
        assert_eq!(quoted.is_ok(), expect, "{protocol:?} {offer:?}");
        if let Err(refusal) = quoted {
            assert_eq!(refusal.fault, Fault::Unsupported);
        }
    };
    let deployed = json!(world.escrow.contract.to_string());
    let reserve = json!(RESERVE_ADDRESS.to_string());
    let hostile = json!(Address::repeat_byte(0x66).to_string());
    for (contract, v1, v2) in [
        (&deployed, true, false),
        (&reserve, false, true),
        (&hostile, false, false),
        // The one that is known.
        (&Value::Null, true, true),
        (&json!("0x66"), false, false),
    ] {
        check(&trusting, Protocol::V1, contract.clone(), v1);
        check(&trusting, Protocol::V2, contract.clone(), v2);
    }
    // Nobody deployed one of the first protocol on a development chain, that anybody would know.
    check(&plain, Protocol::V1, deployed, false);
    check(&plain, Protocol::V1, Value::Null, false);
    check(&plain, Protocol::V2, reserve, true);
}

#[tokio::test]
async fn what_is_not_understood_or_not_of_this_network_is_refused() {
    let Some(world) = World::new("offers").await else {
        return;
    };
    let payer = world.payer(payer_key());
    for protocol in BOTH {
        assert!(payer.quote(&world.offer(protocol)).is_ok());
        for changed in [
            json!({ "chainId": 1338 }),
            json!({ "chainId": "1337" }),
            json!({ "chainId": null }),
            json!({ "sessionProtocol": "v3" }),
            json!({ "feePayer": "yes" }),
        ] {
            let offer = world.offer_with(protocol, changed.clone());
            assert!(payer.quote(&offer).is_err(), "{protocol:?} {changed}");
        }
        let mut other = world.offer(protocol);
        other.request.currency = currency("0x20c00000000000000000000000000000000000ff");
        assert!(payer.quote(&other).is_err());
        for recipient in [
            account().to_string(),
            "bob".to_owned(),
            Address::ZERO.to_string(),
        ] {
            let mut other = world.offer(protocol);
            other.request.recipient = Recipient::new(recipient).unwrap();
            assert!(payer.quote(&other).is_err());
        }
        // What a seller knows beside that is passed over.
        let more = json!({ "later": 1, "minVoucherDelta": "5", "channelId": "0x1" });
        assert!(payer.quote(&world.offer_with(protocol, more)).is_ok());
    }
    let operator = world.offer_with(Protocol::V2, json!({ "operator": "me" }));
    assert!(payer.quote(&operator).is_err());
}

#[tokio::test]
async fn a_channel_is_spent_only_for_what_it_was_opened_for() {
    let Some(world) = World::new("scopes").await else {
        return;
    };
    let payer = world.payer(payer_key());
    let scope = |offer: &_| payer.quote(offer).unwrap().scope;
    let [first, second] = BOTH.map(|protocol| world.offer(protocol));
    assert_eq!(scope(&first), scope(&first.clone()));
    assert_ne!(scope(&first), scope(&second));
    let mut other = second.clone();
    other.request.recipient = Recipient::new(Address::repeat_byte(9).to_string()).unwrap();
    assert_ne!(scope(&second), scope(&other));
    let loud = Recipient::new(
        second
            .request
            .recipient
            .as_str()
            .to_uppercase()
            .replace("0X", "0x"),
    );
    let mut same = second.clone();
    same.request.recipient = loud.unwrap();
    assert_eq!(scope(&second), scope(&same));
}

#[tokio::test]
async fn a_contract_of_another_chain_stops_the_start() {
    let Some(world) = World::new("another chain").await else {
        return;
    };
    let elsewhere = Escrow::reserve(ChainId::new(1).unwrap());
    let options = SessionPayerOptions {
        escrows: vec![elsewhere],
        ..SessionPayerOptions::default()
    };
    let store = farthing_evm::Outbox::new(world.backend.clone());
    let with = (store, std::sync::Arc::new(world.clock.clone()) as _);
    let (network, node) = (world.network.clone(), world.node.clone());
    let made = TempoSessionPayer::new(payer_key(), network, node, with, options);
    assert_eq!(made.err(), Some(PayerError::Escrow(elsewhere.contract)));
}
