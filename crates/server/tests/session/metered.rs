//! Requests that are charged by use: what they begin with, and what of them is repeated under a key.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{any, get},
};
use bytes::Bytes;
use farthing_core::value::Amount;
use farthing_server::{
    Event, Route,
    layer::PaymentLayer,
    session::{Meter, Metering, Piece},
};
use futures_util::stream;

use crate::world::{Answer, Buyer, PRICE, Parts, Shop, route};

fn by_use(estimate: u64) -> Route {
    Route::metered(
        Metering::by_use("$0.0001", "word")
            .unwrap()
            .estimate(estimate),
    )
}

/// A shop with one more route, `/used`, that is charged by use.
async fn shop<H, T>(estimate: u64, handler: H) -> Shop
where
    H: axum::handler::Handler<T, ()>,
    T: 'static,
{
    Shop::made(Parts::default(), |gate, _| {
        let price = |route| PaymentLayer::new(gate, route).unwrap();
        Router::new()
            .route("/paid", any(|| async { "sunny" }).layer(price(route())))
            .route("/used", get(handler).layer(price(by_use(estimate))))
    })
    .await
}

async fn keyed(shop: &Shop, buyer: &Buyer, cumulative: u128, key: Option<&str>) -> Answer {
    let credential = buyer.credential(&buyer.voucher(cumulative));
    let mut request = shop.http.get(shop.url("/used"));
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    shop.ask(request.header("authorization", credential)).await
}

async fn spent(shop: &Shop, buyer: &Buyer) -> u128 {
    shop.balance(&buyer.id()).await.spent.units()
}

#[tokio::test]
async fn a_fresh_channel_serves_what_its_balance_covers_and_is_told_what_is_missing() {
    async fn handler(meter: Meter) -> Response {
        match meter.charge(7).await {
            Ok(_) => "sunny".into_response(),
            Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        }
    }
    let shop = shop(20, handler).await;
    let buyer = shop.buyer("alice").await;
    let short = keyed(&shop, &buyer, 19 * PRICE, None).await;
    assert_eq!(
        (short.status, short.kind().as_str()),
        (402, "session/insufficient-balance")
    );
    assert_eq!(spent(&shop, &buyer).await, 0);
    let served = keyed(&shop, &buyer, 20 * PRICE, None).await;
    assert_eq!((served.status, served.text()), (200, "sunny"));
    assert_eq!(served.receipt().units, Some(7));
    assert_eq!(served.receipt().spent, Amount::new(7 * PRICE));
    assert_eq!(spent(&shop, &buyer).await, 7 * PRICE);
}

/// A stream that breaks after three words the first time, and after five the second time.
#[tokio::test]
async fn a_stream_that_is_repeated_under_its_key_is_not_charged_for_what_was_charged_before() {
    let runs = Arc::new(AtomicUsize::new(0));
    let handler = {
        let runs = Arc::clone(&runs);
        move |meter: Meter| async move {
            let breaks_after = [3, 5, 9][runs.fetch_add(1, Ordering::SeqCst).min(2)];
            let words = (0..7).map(move |word| match word < breaks_after {
                true => Ok(Piece::new(1, Bytes::from(format!("{word} ")))),
                false => Err(std::io::Error::other("the source is gone")),
            });
            // More is charged ahead than is delivered, and goes back.
            meter.stream().ahead(2).bytes(stream::iter(words))
        }
    };
    let shop = shop(1, handler).await;
    let buyer = shop.buyer("alice").await;
    for (cumulative, expect) in [(7, 3), (7, 5), (8, 7)] {
        // What was given has an end; how much of a broken one arrives is the transport's.
        let credential = buyer.credential(&buyer.voucher(cumulative * PRICE));
        let request = shop.http.get(shop.url("/used"));
        let request = request.header("idempotency-key", "a");
        let response = request.header("authorization", credential).send().await;
        let response = response.unwrap();
        assert_eq!(response.status(), 200);
        let body = response.bytes().await;
        assert_eq!(body.is_ok(), expect == 7);
        shop.until_spent(&buyer, expect * PRICE).await;
    }
    assert_eq!(runs.load(Ordering::SeqCst), 3);
    // What is unsure is what nobody said to be served yet, and none of it is of another's.
    let balance = shop.balance(&buyer.id()).await;
    assert_eq!(balance.accepted, Amount::new(8 * PRICE));
    // Another request is charged as always.
    let other = keyed(&shop, &buyer, 15 * PRICE, Some("b")).await;
    assert_eq!(other.status, 200);
    shop.until_spent(&buyer, 14 * PRICE).await;
}

/// One whose handler fails after an earlier run was paid for keeps what that one paid.
#[tokio::test]
async fn a_run_that_fails_gives_back_its_own_and_the_next_has_what_was_paid_before() {
    let runs = Arc::new(AtomicUsize::new(0));
    let handler = {
        let runs = Arc::clone(&runs);
        move |meter: Meter| async move {
            match runs.fetch_add(1, Ordering::SeqCst) {
                0 => {
                    let pieces = [
                        Ok(Piece::new(2, Bytes::from("half "))),
                        Err(std::io::Error::other("gone")),
                    ];
                    meter.stream().bytes(stream::iter(pieces)).into_response()
                }
                1 => {
                    meter.charge(6).await.unwrap();
                    StatusCode::SERVICE_UNAVAILABLE.into_response()
                }
                _ => {
                    meter.charge(5).await.unwrap();
                    "whole".into_response()
                }
            }
        }
    };
    let shop = shop(1, handler).await;
    let buyer = shop.buyer("alice").await;
    let credential = buyer.credential(&buyer.voucher(6 * PRICE));
    let request = shop.http.get(shop.url("/used"));
    let request = request.header("idempotency-key", "a");
    let broken = request.header("authorization", credential).send().await;
    assert!(broken.unwrap().bytes().await.is_err());
    shop.until_spent(&buyer, 2 * PRICE).await;
    let failed = keyed(&shop, &buyer, 6 * PRICE, Some("a")).await;
    assert_eq!(failed.status, 503);
    assert_eq!(failed.header("money-moved"), Some("unknown"));
    assert_eq!(spent(&shop, &buyer).await, 2 * PRICE);
    for _ in 0..2 {
        let whole = keyed(&shop, &buyer, 6 * PRICE, Some("a")).await;
        assert_eq!((whole.status, whole.text()), (200, "whole"));
        assert_eq!(whole.receipt().units, Some(5));
        assert_eq!(spent(&shop, &buyer).await, 5 * PRICE);
    }
    assert_eq!(runs.load(Ordering::SeqCst), 3);
}

/// What is served under a key and has no answer to be kept is said to be served once, however often
/// it is served: what others were charged stays theirs to take back.
#[tokio::test]
async fn what_is_served_again_is_not_said_to_be_served_twice() {
    let shop = Shop::made(Parts::default(), |gate, _| {
        let price = |route| PaymentLayer::new(gate, route).unwrap();
        // An answer whose length is not known is not kept.
        let long = || async {
            let pieces = stream::iter([Ok::<_, Infallible>(Bytes::from("sunny"))]);
            axum::body::Body::from_stream(pieces)
        };
        Router::new()
            .route("/paid", any(|| async { "sunny" }).layer(price(route())))
            .route("/used", get(long).layer(price(route())))
    })
    .await;
    let buyer = shop.buyer("alice").await;
    for _ in 0..3 {
        let answer = keyed(&shop, &buyer, PRICE, Some("a")).await;
        assert_eq!((answer.status, answer.text()), (200, "sunny"));
    }
    // This one is said to be served with the next step only.
    assert_eq!(shop.buy(&buyer, 2 * PRICE).await.status, 200);
    let balance = shop.balance(&buyer.id()).await;
    assert_eq!(balance.spent, Amount::new(2 * PRICE));
    assert_eq!(balance.unsure, Amount::new(PRICE));
}

#[tokio::test]
async fn vouchers_and_charges_are_told_once_they_are_durable() {
    let [vouchers, charged, back] = [(); 3].map(|()| Arc::new(AtomicU64::new(0)));
    let told = Arc::new(Mutex::new(Vec::new()));
    let observer = {
        let (vouchers, charged, back) = (vouchers.clone(), charged.clone(), back.clone());
        let told = Arc::clone(&told);
        move |event: &Event| {
            let Event::Session(movement) = event else {
                return;
            };
            use farthing_server::What;
            let (count, amount) = match &movement.what {
                What::Voucher { added } => (&vouchers, *added),
                What::Charged { amount } => (&charged, *amount),
                What::GivenBack { amount } => (&back, *amount),
                _ => return,
            };
            told.lock().unwrap().push(movement.channel.clone());
            let units = u64::try_from(amount.units()).unwrap();
            count.fetch_add(units, Ordering::SeqCst);
        }
    };
    let parts = Parts {
        configure: Box::new(|gate| gate.observer(observer)),
        ..Parts::default()
    };
    let shop = Shop::made(parts, |gate, _| {
        let price = |route| PaymentLayer::new(gate, route).unwrap();
        let bad = |meter: Meter| async move {
            meter.charge(2).await.unwrap();
            StatusCode::SERVICE_UNAVAILABLE
        };
        Router::new()
            .route("/paid", any(|| async { "sunny" }).layer(price(route())))
            .route("/used", get(bad).layer(price(by_use(1))))
    })
    .await;
    let buyer = shop.buyer("alice").await;
    let counts = || {
        let all = [&vouchers, &charged, &back];
        all.map(|count| u128::from(count.load(Ordering::SeqCst)))
    };
    assert_eq!(shop.buy(&buyer, PRICE).await.status, 200);
    assert_eq!(counts(), [PRICE, PRICE, 0]);
    // An equal voucher raises nothing and buys nothing.
    assert_eq!(shop.buy(&buyer, PRICE).await.status, 402);
    assert_eq!(
        shop.manage(&buyer, &buyer.voucher(3 * PRICE)).await.status,
        204
    );
    assert_eq!(counts(), [3 * PRICE, PRICE, 0]);
    assert_eq!(keyed(&shop, &buyer, 4 * PRICE, None).await.status, 503);
    assert_eq!(counts(), [4 * PRICE, 3 * PRICE, 2 * PRICE]);
    assert!(told.lock().unwrap().iter().all(|id| *id == buyer.id()));
}
