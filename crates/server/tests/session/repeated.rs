//! Requests that are repeated under an `Idempotency-Key`.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router,
    http::StatusCode,
    routing::{any, get},
};
use farthing_core::value::Amount;
use farthing_server::layer::PaymentLayer;

use crate::world::{Answer, Buyer, PRICE, Parts, Shop, route};

async fn keyed(shop: &Shop, buyer: &Buyer, cumulative: u128, path: &str, key: &str) -> Answer {
    let credential = buyer.credential(&buyer.voucher(cumulative));
    let request = shop.http.get(shop.url(path));
    let request = request
        .header("authorization", credential)
        .header("idempotency-key", key);
    shop.ask(request).await
}

#[tokio::test]
async fn a_repeated_request_is_served_once_and_charged_once() {
    let shop = Shop::open().await;
    let buyer = shop.buyer("alice").await;
    for _ in 0..3 {
        let answer = keyed(&shop, &buyer, PRICE, "/paid", "a").await;
        assert_eq!((answer.status, answer.text()), (200, "sunny"));
        let receipt = answer.receipt();
        assert_eq!(receipt.spent, Amount::new(PRICE));
        assert_eq!(receipt.units, Some(1));
        assert_eq!(answer.header("cache-control"), Some("private"));
    }
    assert_eq!(shop.runs(), 1);
    // Also with a voucher that is higher by now, or was passed by others.
    assert_eq!(shop.buy(&buyer, 2 * PRICE).await.status, 200);
    for cumulative in [PRICE, 3 * PRICE] {
        let answer = keyed(&shop, &buyer, cumulative, "/paid", "a").await;
        assert_eq!((answer.status, answer.text()), (200, "sunny"));
    }
    assert_eq!(shop.runs(), 2);
    assert_eq!(
        shop.balance(&buyer.id()).await.spent,
        Amount::new(2 * PRICE)
    );
}

#[tokio::test]
async fn another_request_or_another_payer_under_the_key_is_another_matter() {
    let shop = Shop::open().await;
    let (alice, bob) = (shop.buyer("alice").await, shop.buyer("bob").await);
    assert_eq!(keyed(&shop, &alice, PRICE, "/paid", "a").await.status, 200);
    let other = keyed(&shop, &alice, 2 * PRICE, "/paid?city=b", "a").await;
    assert_eq!(
        (other.status, other.kind().as_str()),
        (422, "idempotency-mismatch")
    );
    assert_eq!(keyed(&shop, &bob, PRICE, "/paid", "a").await.status, 200);
    assert_eq!(
        keyed(&shop, &alice, 2 * PRICE, "/paid", "b").await.status,
        200
    );
    assert_eq!(shop.runs(), 3);
}

#[tokio::test]
async fn many_at_once_under_one_key_are_one_request() {
    let shop = Shop::open().await;
    let buyer = shop.buyer("alice").await;
    assert_eq!(
        shop.manage(&buyer, &buyer.voucher(50 * PRICE)).await.status,
        204
    );
    let asked = (0..30).map(|_| keyed(&shop, &buyer, 50 * PRICE, "/paid", "a"));
    for answer in futures_util::future::join_all(asked).await {
        match answer.status {
            200 => assert_eq!(answer.text(), "sunny"),
            409 => assert_eq!(answer.kind(), "idempotency-in-flight"),
            other => panic!("{other}"),
        }
    }
    assert_eq!(shop.runs(), 1);
    assert_eq!(shop.balance(&buyer.id()).await.spent, Amount::new(PRICE));
}

#[tokio::test]
async fn what_was_not_served_leaves_no_trace_of_its_key() {
    let tries = Arc::new(AtomicUsize::new(0));
    let handler = {
        let tries = tries.clone();
        move || async move {
            match tries.fetch_add(1, Ordering::SeqCst) {
                0 => (StatusCode::SERVICE_UNAVAILABLE, "later"),
                _ => (StatusCode::OK, "sunny"),
            }
        }
    };
    let shop = Shop::made(Parts::default(), |gate, _| {
        let price = |route| PaymentLayer::new(gate, route).unwrap();
        Router::new()
            .route("/paid", any(|| async { "sunny" }).layer(price(route())))
            .route("/once", get(handler).layer(price(route())))
    })
    .await;
    let buyer = shop.buyer("alice").await;
    let first = keyed(&shop, &buyer, PRICE, "/once", "a").await;
    assert_eq!((first.status, first.text()), (503, "later"));
    assert_eq!(shop.balance(&buyer.id()).await.spent, Amount::ZERO);
    let second = keyed(&shop, &buyer, PRICE, "/once", "a").await;
    assert_eq!((second.status, second.text()), (200, "sunny"));
    let third = keyed(&shop, &buyer, PRICE, "/once", "a").await;
    assert_eq!((third.status, third.text()), (200, "sunny"));
    assert_eq!(tries.load(Ordering::SeqCst), 2);
    assert_eq!(shop.balance(&buyer.id()).await.spent, Amount::new(PRICE));
}
