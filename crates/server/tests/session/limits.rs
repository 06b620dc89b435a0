//! Limits come before money.

use std::{
    num::NonZeroU32,
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use farthing_core::value::Amount;
use farthing_server::{Options, session::SessionOptions};

use crate::world::{PRICE, Parts, Shop, route};

fn number(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

#[tokio::test]
async fn vouchers_that_pay_for_nothing_are_limited_and_those_that_pay_are_not() {
    let mut options = SessionOptions::default();
    options.vouchers_per_second = number(1);
    options.voucher_burst = number(3);
    let parts = Parts {
        options,
        ..Parts::default()
    };
    let shop = Shop::with(parts, route()).await;
    let buyer = shop.buyer("alice").await;
    for request in 1..=20 {
        assert_eq!(shop.buy(&buyer, request * PRICE).await.status, 200);
    }
    // The opening took one of three.
    for _ in 0..2 {
        let answer = shop.buy(&buyer, 20 * PRICE).await;
        assert_eq!(answer.kind(), "session/insufficient-balance");
    }
    let limited = shop.buy(&buyer, 21 * PRICE).await;
    assert_eq!(
        (limited.status, limited.kind().as_str()),
        (429, "rate-limited")
    );
    assert!(limited.header("retry-after").is_some());
    // Another channel has its own.
    let other = shop.buyer("bob").await;
    assert_eq!(shop.buy(&other, PRICE).await.status, 200);
    shop.clock.advance(Duration::from_secs(1));
    assert_eq!(shop.buy(&buyer, 21 * PRICE).await.status, 200);
    let balance = shop.balance(&buyer.id()).await;
    assert_eq!(balance.spent, Amount::new(21 * PRICE));
}

#[tokio::test]
async fn a_service_that_is_down_takes_no_payment() {
    let is_up = Arc::new(AtomicBool::new(true));
    let ready = Arc::clone(&is_up);
    let shop = Shop::selling(route().ready_when(move || ready.load(Ordering::SeqCst))).await;
    let buyer = shop.buyer("alice").await;
    is_up.store(false, Ordering::SeqCst);
    let answer = shop.buy(&buyer, PRICE).await;
    assert_eq!(
        (answer.status, answer.kind().as_str()),
        (503, "upstream-unavailable")
    );
    assert_eq!(shop.balance(&buyer.id()).await.accepted, Amount::ZERO);
    // A voucher alone needs no service.
    assert_eq!(shop.manage(&buyer, &buyer.voucher(PRICE)).await.status, 204);
    is_up.store(true, Ordering::SeqCst);
    assert_eq!(shop.buy(&buyer, PRICE).await.status, 200);
}

#[tokio::test]
async fn a_gate_that_is_full_or_closing_takes_no_payment() {
    let mut options = Options::default();
    options.payments_at_once = 1;
    let (begun, release) = (
        Arc::new(tokio::sync::Notify::new()),
        Arc::new(tokio::sync::Notify::new()),
    );
    let parts = Parts {
        configure: Box::new(move |gate| gate.options(options)),
        ..Parts::default()
    };
    let handler = {
        let (begun, release) = (begun.clone(), release.clone());
        move || async move {
            begun.notify_one();
            release.notified().await;
            "sunny"
        }
    };
    let shop = Shop::made(parts, |gate, _| {
        let price = farthing_server::layer::PaymentLayer::new(gate, route()).unwrap();
        axum::Router::new().route("/paid", axum::routing::any(handler).layer(price))
    })
    .await;
    let buyer = shop.buyer("alice").await;
    let first = shop.buy(&buyer, PRICE);
    let second = async {
        begun.notified().await;
        let full = shop.buy(&buyer, 2 * PRICE).await;
        release.notify_one();
        full
    };
    let (first, full) = tokio::join!(first, second);
    assert_eq!(first.status, 200);
    assert_eq!((full.status, full.kind().as_str()), (503, "overloaded"));
    assert_eq!(shop.balance(&buyer.id()).await.accepted, Amount::new(PRICE));
    shop.gate.drain().await;
    let closing = shop.buy(&buyer, 2 * PRICE).await;
    assert_eq!(closing.status, 503);
    assert_eq!(shop.balance(&buyer.id()).await.accepted, Amount::new(PRICE));
}

/// What a payer was served and did not settle is bounded, and so is what all were.
#[tokio::test]
async fn exposure_is_capped_per_payer_and_in_total() {
    let mut options = SessionOptions::default();
    options.exposure_per_payer = "$0.0003".parse().unwrap();
    options.exposure_in_total = "$0.0005".parse().unwrap();
    let parts = Parts {
        options,
        ..Parts::default()
    };
    let shop = Shop::with(parts, route()).await;
    let (alice, bob) = (shop.buyer("alice").await, shop.buyer("bob").await);
    for request in 1..=3 {
        assert_eq!(shop.buy(&alice, request * PRICE).await.status, 200);
    }
    let full = shop.buy(&alice, 4 * PRICE).await;
    assert_eq!((full.status, full.kind().as_str()), (503, "overloaded"));
    assert_eq!(
        shop.balance(&alice.id()).await.spent,
        Amount::new(3 * PRICE)
    );
    for request in 1..=2 {
        assert_eq!(shop.buy(&bob, request * PRICE).await.status, 200);
    }
    assert_eq!(shop.buy(&bob, 3 * PRICE).await.status, 503);
    assert_eq!(shop.runs(), 5);
}

#[tokio::test]
async fn a_rail_that_is_silent_for_a_third_of_its_grace_stops_the_service() {
    let shop = Shop::open().await;
    let buyer = shop.buyer("alice").await;
    assert_eq!(shop.buy(&buyer, PRICE).await.status, 200);
    shop.reserve.set_silent(true);
    let third = farthing_testkit::method::FakeReserve::grace() / 3;
    shop.clock.advance(third + Duration::from_secs(2));
    let silent = shop.buy(&buyer, 2 * PRICE).await;
    assert_eq!(
        (silent.status, silent.kind().as_str()),
        (503, "rail-unavailable")
    );
    assert!(silent.header("retry-after").is_some());
    let balance = shop.balance(&buyer.id()).await;
    assert_eq!(balance.accepted, Amount::new(PRICE));
    assert_eq!(shop.runs(), 1);
}
