//! Challenges of a seller who takes something else today.

use farthing_core::{
    header::authorization,
    port::method::{Charge, Fault, Presented, Refusal, Step},
    value::{Realm, Timestamp},
};
use farthing_evm::Address;
use farthing_tempo::{Network, Sponsor, Tempo, TempoOptions, token::known};
use serde_json::json;

use crate::{
    buyer::{Asked, Buyer, account},
    shop::{CHAIN, PAYEE, Setup, Shop, route, route_with},
};

/// What a seller with these options says of a payment for somebody's challenge, without asking the chain.
fn look(shop: &Shop, asked: &Asked, options: TempoOptions) -> Option<Refusal> {
    let buyer = Buyer::number(0);
    let credential = buyer.pull(asked, buyer.transaction(asked, shop.now()));
    let mut buffer = Vec::new();
    let credential = authorization::decode(credential.as_bytes(), &mut buffer).unwrap();
    let tempo = Tempo::new(shop.node.clone(), options).unwrap();
    let now = Timestamp::from_secs(shop.now());
    let realm = Realm::new("127.0.0.1").unwrap();
    let verified = tempo.verify(Presented {
        challenge: &asked.challenge.id,
        realm: &realm,
        request: &asked.request,
        expires: now.saturating_add(std::time::Duration::from_secs(300)),
        source: None,
        payload: credential.payload(),
        now,
    });
    match verified {
        Step::Now(Err(refusal)) => Some(refusal),
        Step::Now(Ok(_)) => unreachable!("the chain was not asked"),
        Step::Later(_) => None,
    }
}

fn options() -> TempoOptions {
    let url = "http://127.0.0.1:1".parse().unwrap();
    TempoOptions::new(Network::dev(CHAIN, url), PAYEE)
}

#[tokio::test]
async fn who_is_paid_and_in_what_is_todays() {
    let sponsored = |setup: &mut Setup| {
        setup.options.sponsor = Some(Sponsor::new(account(4), known::PATH_USD));
    };
    let Some(shop) = Shop::open_with("tempo: withdrawn", sponsored).await else {
        return;
    };
    let asked = shop.ask().await;
    let with_sponsor = || TempoOptions {
        sponsor: Some(Sponsor::new(account(4), known::PATH_USD)),
        ..options()
    };
    assert!(look(&shop, &asked, with_sponsor()).is_none());
    let refused = |options, what: &str| {
        let refusal = look(&shop, &asked, options).unwrap();
        assert_eq!(refusal.fault, Fault::Invalid);
        assert!(refusal.public.contains(what), "{refusal}");
    };
    let recipient = Address::repeat_byte(0x43);
    refused(
        TempoOptions {
            recipient,
            ..with_sponsor()
        },
        "this recipient",
    );
    let tokens = vec![known::ALPHA_USD];
    refused(
        TempoOptions {
            tokens,
            ..with_sponsor()
        },
        "this token",
    );
    refused(options(), "its fee paid by the seller");
}

#[tokio::test]
async fn what_was_sent_by_another_pays_for_nobody_elses_memo() {
    let terms = json!({ "memo": format!("0x{}", "11".repeat(32)) });
    let Some(shop) = Shop::open("tempo: sent before", route_with(&terms)).await else {
        return;
    };
    // The memo is the same for all, so whoever sees the transaction on the chain has a payment that fits.
    let (buyer, first, second) = (Buyer::number(0), shop.ask().await, shop.ask().await);
    let transaction = buyer.transaction(&first, shop.now());
    let signed = buyer.sign(transaction.clone()).whole().unwrap();
    shop.send(&signed).await;
    let answer = shop.present(&buyer.pull(&second, transaction)).await;
    answer.assert_not_taken("verification-failed", "sent before it was presented");
    // It did move, and nobody here denies it.
    assert!(answer.problem["moneyMoved"].is_null(), "{answer:?}");
    assert_eq!(shop.runs(), 0);

    // Where the memo is the challenge's own, one that its buyer sent meanwhile is good.
    drop(shop);
    let Some(shop) = Shop::open("tempo: sent by the buyer", route()).await else {
        return;
    };
    let asked = shop.ask().await;
    let transaction = buyer.transaction(&asked, shop.now());
    let signed = buyer.sign(transaction.clone()).whole().unwrap();
    shop.send(&signed).await;
    let answer = shop.present(&buyer.pull(&asked, transaction)).await;
    assert_eq!(answer.hash(), signed.hash());
}
