//! Every check of a voucher, in its order.

use std::time::Duration;

use farthing_core::{
    intent::session::Protocol,
    noun::{Credential, Request},
    value::{Amount, Timestamp},
};
use farthing_server::{Route, layer::PaymentLayer, session::Metering};
use farthing_testkit::method::{FakeDescriptor, FakeSessionPayload, account};

use crate::world::{Answer, DEPOSIT, PRICE, Parts, Shop, payee, route};

fn check(answer: &Answer, status: u16, kind: &str) {
    let found = (answer.status, answer.kind());
    assert_eq!(found, (status, kind.to_owned()), "{:?}", answer.problem());
    assert_eq!(answer.header("payment-receipt"), None);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    if status == 402 {
        assert!(answer.asks_for_a_session());
    }
}

#[tokio::test]
async fn a_voucher_that_is_not_good_buys_nothing() {
    let shop = Shop::with(
        Parts::default(),
        Route::metered(
            Metering::per_request("$0.0001")
                .unwrap()
                .min_delta("$0.00005")
                .unwrap(),
        ),
    )
    .await;
    let buyer = shop.buyer("alice").await;
    assert_eq!(shop.buy(&buyer, 10 * PRICE).await.status, 200);
    let before = shop.balance(&buyer.id()).await;
    let say =
        |cumulative: u128| FakeSessionPayload::voucher(&buyer.channel, Amount::new(cumulative));

    let other_key = buyer
        .channel
        .sign_as(&account("mallory"), Amount::new(20 * PRICE));
    let forged = say(20 * PRICE).with_signature(&other_key);
    check(
        &shop.present(&buyer, &forged.raw()).await,
        402,
        "session/invalid-signature",
    );

    let other_amount = buyer.channel.sign(Amount::new(20 * PRICE));
    let forged = say(30 * PRICE).with_signature(&other_amount);
    check(
        &shop.present(&buyer, &forged.raw()).await,
        402,
        "session/invalid-signature",
    );

    // A bad signature is told before what else is wrong.
    let forged = say(DEPOSIT + 1).with_signature(&other_key);
    check(
        &shop.present(&buyer, &forged.raw()).await,
        402,
        "session/invalid-signature",
    );

    check(
        &shop.buy(&buyer, 9 * PRICE).await,
        402,
        "session/delta-too-small",
    );
    check(
        &shop.buy(&buyer, 10 * PRICE + 49).await,
        402,
        "session/delta-too-small",
    );
    check(
        &shop.buy(&buyer, DEPOSIT + 1).await,
        402,
        "session/amount-exceeds-deposit",
    );
    let after = shop.balance(&buyer.id()).await;
    assert_eq!(
        (after.accepted, after.spent, after.deposit),
        (before.accepted, before.spent, before.deposit)
    );
    assert_eq!(shop.runs(), 1);
    assert_eq!(shop.buy(&buyer, 10 * PRICE + 50).await.status, 200);
}

#[tokio::test]
async fn a_voucher_of_another_channel_is_of_another_channel() {
    let shop = Shop::open().await;
    let alice = shop.buyer("alice").await;
    let bob = shop.buyer("bob").await;
    // Bob's signature under Alice's channel.
    let forged = FakeSessionPayload::voucher(&alice.channel, Amount::new(PRICE))
        .with_signature(&bob.channel.sign(Amount::new(PRICE)));
    check(
        &shop.present(&alice, &forged.raw()).await,
        402,
        "session/invalid-signature",
    );
    // A channel that nobody opened.
    let nobody = shop.stranger("carol").await;
    check(
        &shop.buy(&nobody, PRICE).await,
        410,
        "session/channel-not-found",
    );
    assert!(shop.buy(&nobody, PRICE).await.asks_for_a_session());
    // A descriptor that is of another channel than it says.
    let mut mixed = FakeSessionPayload::voucher(&alice.channel, Amount::new(PRICE));
    mixed.descriptor = Some(bob.channel.clone());
    check(
        &shop.present(&alice, &mixed.raw()).await,
        402,
        "verification-failed",
    );
    assert_eq!(shop.runs(), 0);
}

/// A channel that pays somebody else, in another realm, is none of this route's, though it is in the
/// store.
#[tokio::test]
async fn a_channel_of_another_realm_or_payee_pays_nothing_here() {
    let shop = Shop::open().await;
    let buyer = shop.buyer("alice").await;
    let elsewhere = Shop::with(
        Parts {
            backend: shop.backend.clone(),
            reserve: Some(shop.reserve.clone()),
            configure: Box::new(|gate| gate.realm("localhost")),
            ..Parts::default()
        },
        route(),
    )
    .await;
    let mut there = buyer.clone();
    there.challenge = elsewhere.challenge("/paid").await;
    check(
        &elsewhere.buy(&there, PRICE).await,
        410,
        "session/channel-not-found",
    );
    assert_eq!(shop.buy(&buyer, PRICE).await.status, 200);

    let foreign = FakeDescriptor::new(&account("alice"), &account("other"), Protocol::V2, "x");
    let payload = FakeSessionPayload::voucher(&foreign, Amount::new(PRICE));
    check(
        &shop.present(&buyer, &payload.raw()).await,
        402,
        "verification-failed",
    );
    assert_ne!(foreign.payee.as_str(), payee().as_str());
}

#[tokio::test]
async fn an_expired_challenge_is_told_apart_and_the_same_voucher_is_good_with_a_fresh_one() {
    let shop = Shop::open().await;
    let mut buyer = shop.buyer("alice").await;
    shop.clock.advance(Duration::from_secs(3599));
    shop.look_around().await;
    assert_eq!(
        shop.buy(&buyer, PRICE).await.status,
        200,
        "it lives an hour"
    );
    shop.clock.advance(Duration::from_secs(1));
    let late = shop.buy(&buyer, 2 * PRICE).await;
    check(&late, 402, "session/challenge-not-found");
    assert_eq!(shop.runs(), 1);
    buyer.challenge = late.challenge();
    assert_eq!(shop.buy(&buyer, 2 * PRICE).await.status, 200);
}

#[tokio::test]
async fn a_challenge_that_is_not_ours_is_refused() {
    let shop = Shop::open().await;
    let buyer = shop.buyer("alice").await;
    let mut forged = buyer.clone();
    let mut request: serde_json::Value = buyer.challenge.request.decode().unwrap();
    request["amount"] = "1".into();
    forged.challenge.request = Request::new(&request).unwrap();
    check(&shop.buy(&forged, PRICE).await, 402, "invalid-challenge");
    let mut forged = buyer.clone();
    forged.challenge.expires = Some(farthing_core::noun::Expires::new(Timestamp::FAR));
    check(&shop.buy(&forged, PRICE).await, 402, "invalid-challenge");
    assert_eq!(shop.runs(), 0);
}

/// The challenge of a cheap route is good on a dear one, and the dear one's price is charged.
#[tokio::test]
async fn the_price_is_that_of_the_route_whatever_the_challenge_said() {
    let shop = Shop::made(Parts::default(), |gate, runs| {
        let serve = move || async move {
            runs.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            "sunny"
        };
        let cheap = PaymentLayer::new(gate, Route::session("$0.0001").unwrap()).unwrap();
        let dear = PaymentLayer::new(gate, Route::session("$0.0007").unwrap()).unwrap();
        axum::Router::new()
            .route("/paid", axum::routing::any(serve.clone()).layer(cheap))
            .route("/dear", axum::routing::get(serve).layer(dear))
    })
    .await;
    let buyer = shop.buyer("alice").await;
    let present = |cumulative: u128| {
        let credential = buyer.credential(&buyer.voucher(cumulative));
        let request = shop.http.get(shop.url("/dear"));
        shop.ask(request.header("authorization", credential))
    };
    let short = present(PRICE).await;
    check(&short, 402, "session/insufficient-balance");
    assert_eq!(
        short.problem().required_top_up,
        Some(Amount::new(6 * PRICE))
    );
    let served = present(7 * PRICE).await;
    assert_eq!(served.status, 200);
    assert_eq!(served.receipt().spent, Amount::new(7 * PRICE));
    assert_eq!(shop.runs(), 1);
}

#[tokio::test]
async fn what_cannot_be_read_and_two_credentials_are_refused() {
    let shop = Shop::open().await;
    let buyer = shop.buyer("alice").await;
    for payload in [
        r#"{"action":"voucher"}"#,
        r#"{"action":"steal"}"#,
        r#"{"action":"voucher","channelId":"fake-1","cumulativeAmount":"-1","signature":"AA"}"#,
    ] {
        let raw = serde_json::value::RawValue::from_string(payload.to_owned()).unwrap();
        check(
            &shop.present(&buyer, &raw).await,
            402,
            "malformed-credential",
        );
    }
    let credential = buyer.credential(&buyer.voucher(PRICE));
    let twice = shop
        .http
        .get(shop.url("/paid"))
        .header("authorization", &credential)
        .header("payment-authorization", &credential);
    assert_eq!(shop.ask(twice).await.status, 400);
    assert_eq!(shop.runs(), 0);
    // The intent is part of what the challenge binds.
    let mut other = Credential {
        challenge: buyer.challenge.clone(),
        payload: buyer.voucher(PRICE),
        source: None,
    };
    other.challenge.intent = farthing_core::intent::charge::id();
    let header = farthing_core::header::authorization::format(&other);
    let answer = shop
        .ask(
            shop.http
                .get(shop.url("/paid"))
                .header("authorization", header),
        )
        .await;
    check(&answer, 402, "invalid-challenge");
}

#[tokio::test]
async fn a_channel_whose_end_was_asked_for_serves_no_more() {
    let shop = Shop::open().await;
    let buyer = shop.buyer("alice").await;
    assert_eq!(shop.buy(&buyer, PRICE).await.status, 200);
    shop.reserve.request_close(&buyer.id());
    shop.look_around().await;
    check(
        &shop.buy(&buyer, 2 * PRICE).await,
        410,
        "session/channel-finalized",
    );
    assert_eq!(shop.runs(), 1);
}
