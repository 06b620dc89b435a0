//! What is refused before anybody is asked: what a payload says of its channel.

use farthing_core::{
    intent::session::Protocol,
    noun::problem::ProblemKind,
    port::{method::Fault, session::Action},
};
use serde_json::json;

use crate::{
    buyer::Buyer,
    world::{BOTH, OPERATOR, PATH, PAYER, STRANGER, World, account, with},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_actions_are_read_for_the_channel_they_are_about() {
    let Some(world) = World::new("payloads that are read").await else {
        return;
    };
    let buyer = Buyer::number(PAYER);
    for protocol in BOTH {
        let opening = buyer.opening(&world, protocol, 5_000);
        let id = opening.channel.channel_id();
        let read = world.read(protocol, &opening.payload).unwrap();
        assert!(matches!(&read, Action::Open(funding) if funding.voucher.is_some()));
        assert_eq!(*read.channel(), id);
        // Loud digits are the same channel.
        let loud = opening.payload["channelId"].as_str().unwrap()[2..].to_uppercase();
        let loud = with(&opening.payload, "channelId", format!("0x{loud}"));
        assert_eq!(*world.read(protocol, &loud).unwrap().channel(), id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_descriptor_has_to_hash_to_its_channel_and_to_be_what_was_asked_for() {
    let Some(world) = World::new("descriptors").await else {
        return;
    };
    let buyer = Buyer::number(PAYER);
    let opening = buyer.opening(&world, Protocol::V2, 5_000);
    let good = &opening.payload;
    // What is known already is no help to what is not it.
    world.read(Protocol::V2, good).unwrap();
    let stranger = json!(account(STRANGER));
    let word = json!(format!("0x{}", "11".repeat(32)));
    let parts = [
        ("payer", &stranger),
        ("payee", &stranger),
        ("operator", &stranger),
        ("token", &json!(PATH)),
        ("salt", &word),
        ("authorizedSigner", &stranger),
        ("expiringNonceHash", &word),
    ];
    for (part, value) in parts {
        let mut bad = good.clone();
        bad["descriptor"][part] = value.clone();
        let refusal = world.read(Protocol::V2, &bad).unwrap_err();
        assert_eq!(refusal.fault, Fault::Invalid, "{part}");
        assert!(refusal.public.contains("hash"), "{part}: {refusal}");
    }
    // One that does hash, to a channel of somebody else's.
    let escrow = world.escrow(Protocol::V2);
    let asked = buyer.open(&world, Protocol::V2, 5_000);
    let other = |change: fn(&mut farthing_tempo::session::Open)| {
        let mut open = asked;
        change(&mut open);
        buyer.opening_of(&world, &escrow, &open).payload
    };
    let others = [
        ("payee", other(|open| open.payee = account(STRANGER))),
        ("operator", other(|open| open.operator = account(OPERATOR))),
        ("token", other(|open| open.token = PATH)),
    ];
    for (part, payload) in others {
        let refusal = world.read(Protocol::V2, &payload).unwrap_err();
        assert!(refusal.public.contains(part), "{part}: {refusal}");
    }
    let mut missing = good.clone();
    missing.as_object_mut().unwrap().remove("descriptor");
    let refusal = world.read(Protocol::V2, &missing).unwrap_err();
    assert_eq!(refusal.kind(), ProblemKind::MalformedCredential);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_not_asked_any_more_is_not_answered() {
    let Some(world) = World::new("withdrawn requests").await else {
        return;
    };
    let buyer = Buyer::number(PAYER);
    let payload = buyer.opening(&world, Protocol::V2, 5_000).payload;
    let request = world.request(Protocol::V2);
    let ask = |change: &dyn Fn(&mut farthing_core::intent::session::SessionRequest)| {
        use farthing_core::port::session::Session;
        let mut request = request.clone();
        change(&mut request);
        let shop = crate::world::Shop::new(request, &payload);
        world.session.read(&shop.shown(world.now()))
    };
    assert!(ask(&|_| {}).is_ok());
    let stranger = format!("{:#x}", account(STRANGER));
    let detail = |name: &'static str, value: serde_json::Value| {
        ask(&move |request| {
            request
                .method_details
                .insert(name.to_owned(), value.clone());
        })
    };
    let withdrawn = [
        detail("chainId", json!(42_431)),
        detail("escrowContract", json!(stranger)),
        detail("sessionProtocol", json!("v1")),
        detail("sessionProtocol", json!("v3")),
        detail("operator", json!(stranger)),
        detail("feePayer", json!(true)),
        ask(&|request| request.currency = farthing_tempo::token::code(PATH)),
        ask(&|request| request.recipient = stranger.parse().unwrap()),
    ];
    for (at, refused) in withdrawn.into_iter().enumerate() {
        assert_eq!(refused.unwrap_err().fault, Fault::Unsupported, "{at}");
    }
}
