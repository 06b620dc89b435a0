//! What is not served is not charged.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    http::StatusCode,
    response::IntoResponse,
    routing::{any, get},
};
use farthing_core::value::Amount;
use farthing_server::{Judgement, Route, Served, layer::PaymentLayer, session::Meter};

use crate::world::{Answer, Buyer, PRICE, Parts, Shop, route};

/// A shop with `/paid`, and `/bad` that does what a test says.
async fn shop<H, T>(bad: Route, handler: H) -> Shop
where
    H: axum::handler::Handler<T, ()>,
    T: 'static,
{
    Shop::made(Parts::default(), |gate, runs| {
        let good = move || async move {
            runs.fetch_add(1, Ordering::SeqCst);
            "sunny"
        };
        let price = PaymentLayer::new(gate, route()).unwrap();
        let bad = PaymentLayer::new(gate, bad).unwrap();
        Router::new()
            .route("/paid", any(good).layer(price))
            .route("/bad", get(handler).layer(bad))
    })
    .await
}

async fn ask_bad(shop: &Shop, buyer: &Buyer, cumulative: u128) -> Answer {
    let credential = buyer.credential(&buyer.voucher(cumulative));
    let request = shop.http.get(shop.url("/bad"));
    shop.ask(request.header("authorization", credential)).await
}

/// The voucher is kept, its price is free again, and the same voucher buys something else.
async fn nothing_was_charged(shop: &Shop, buyer: &Buyer) {
    let balance = shop.balance(&buyer.id()).await;
    assert_eq!(balance.accepted, Amount::new(PRICE));
    assert_eq!(
        (balance.spent, balance.unsure),
        (Amount::ZERO, Amount::ZERO)
    );
    assert_eq!(shop.buy(buyer, PRICE).await.status, 200);
    assert_eq!(shop.balance(&buyer.id()).await.spent, Amount::new(PRICE));
}

#[tokio::test]
async fn a_handler_that_fails_gives_the_price_back_and_its_own_answer_goes_out() {
    let shop = shop(route(), || async { (StatusCode::NOT_FOUND, "gone") }).await;
    let buyer = shop.buyer("alice").await;
    let answer = ask_bad(&shop, &buyer, PRICE).await;
    assert_eq!((answer.status, answer.text()), (404, "gone"));
    assert_eq!(answer.header("money-moved"), Some("false"));
    assert_eq!(answer.header("payment-receipt"), None);
    nothing_was_charged(&shop, &buyer).await;
}

#[tokio::test]
async fn a_handler_that_panics_gives_the_price_back() {
    async fn fails() -> &'static str {
        panic!("the handler was told to")
    }
    let shop = shop(route(), fails).await;
    let buyer = shop.buyer("alice").await;
    let answer = ask_bad(&shop, &buyer, PRICE).await;
    assert_eq!((answer.status, answer.kind().as_str()), (502, "not-served"));
    assert_eq!(
        answer.problem().moved,
        Some(farthing_core::payment::Moved::No)
    );
    nothing_was_charged(&shop, &buyer).await;
}

#[tokio::test]
async fn a_handler_that_is_late_gives_the_price_back() {
    let shop = shop(route().deadline(Duration::from_millis(20)), || async {
        std::future::pending::<()>().await;
    })
    .await;
    let buyer = shop.buyer("alice").await;
    let answer = ask_bad(&shop, &buyer, PRICE).await;
    assert_eq!(
        (answer.status, answer.kind().as_str()),
        (504, "not-served-in-time")
    );
    nothing_was_charged(&shop, &buyer).await;
}

#[tokio::test]
async fn what_a_route_does_not_call_served_is_not_charged() {
    let judged = Served::judged(move |status, headers, body| {
        let _ = (status, headers);
        match body {
            None => Judgement::Unclear,
            Some(body) if body.starts_with(b"error") => Judgement::NotServed,
            Some(_) => Judgement::Served,
        }
    });
    let shop = shop(route().served(judged), || async { "error: no such city" }).await;
    let buyer = shop.buyer("alice").await;
    let answer = ask_bad(&shop, &buyer, PRICE).await;
    assert_eq!((answer.status, answer.text()), (200, "error: no such city"));
    assert_eq!(answer.header("money-moved"), Some("false"));
    assert_eq!(answer.header("payment-receipt"), None);
    nothing_was_charged(&shop, &buyer).await;
}

#[tokio::test]
async fn what_a_handler_charged_by_its_meter_goes_back_with_the_price() {
    async fn handler(meter: Meter) -> impl IntoResponse {
        meter.charge(2).await.unwrap();
        StatusCode::INTERNAL_SERVER_ERROR
    }
    let shop = shop(route(), handler).await;
    let buyer = shop.buyer("alice").await;
    let answer = ask_bad(&shop, &buyer, 3 * PRICE).await;
    assert_eq!(answer.status, 500);
    let balance = shop.balance(&buyer.id()).await;
    assert_eq!(balance.spent, Amount::ZERO);
    assert_eq!(balance.accepted, Amount::new(3 * PRICE));
}

/// A caller that goes away takes nothing with it: its request is served, and paid for.
#[tokio::test]
async fn a_dropped_connection_costs_the_one_request_in_flight() {
    let (begun, release) = (
        Arc::new(tokio::sync::Notify::new()),
        Arc::new(tokio::sync::Notify::new()),
    );
    let done = Arc::new(AtomicUsize::new(0));
    let handler = {
        let (begun, release, done) = (begun.clone(), release.clone(), done.clone());
        move || async move {
            begun.notify_one();
            release.notified().await;
            done.fetch_add(1, Ordering::SeqCst);
            "sunny"
        }
    };
    let shop = shop(route(), handler).await;
    let buyer = shop.buyer("alice").await;
    let credential = buyer.credential(&buyer.voucher(PRICE));
    let request = shop.http.get(shop.url("/bad"));
    let asking = tokio::spawn(request.header("authorization", credential).send());
    begun.notified().await;
    asking.abort();
    let _ = asking.await;
    release.notify_one();
    shop.gate.drain().await;
    assert_eq!(done.load(Ordering::SeqCst), 1);
    let balance = shop.balance(&buyer.id()).await;
    assert_eq!(balance.spent, Amount::new(PRICE));
}

/// What was delivered is noted in memory, and written with the channel's next step. A gate that closes
/// writes it itself: the next process has nothing to wait for when the channel is closed.
#[tokio::test]
async fn a_gate_that_closed_leaves_nothing_unsure() {
    let shop = Shop::open().await;
    let buyers = [shop.buyer("alice").await, shop.buyer("bob").await];
    for buyer in &buyers {
        assert_eq!(shop.buy(buyer, PRICE).await.status, 200);
        let balance = shop.balance(&buyer.id()).await;
        assert_eq!(
            (balance.spent, balance.unsure),
            (Amount::new(PRICE), Amount::new(PRICE))
        );
    }
    shop.gate.drain().await;
    for buyer in &buyers {
        let balance = shop.balance(&buyer.id()).await;
        assert_eq!(
            (balance.spent, balance.unsure),
            (Amount::new(PRICE), Amount::ZERO)
        );
    }
}
