//! The life of a payment: invariants 1, 2 and 6, and what redelivery promises.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by them")]

mod common;

use std::{
    num::NonZeroU32,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{Router, routing::any};
use common::{FUNDS, PRICE, Shop, kind, problem, receipt};
use farthing_core::{
    memory::MemoryBackend,
    payment::{SettlePolicy, State},
};
use farthing_server::{Judgement, Route, Served, layer::PaymentLayer};
use farthing_testkit::faulty::{Failure, Faulty};
use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn priced(policy: SettlePolicy) -> Route {
    Route::priced("$0.002").unwrap().settle(policy)
}

const POLICIES: [SettlePolicy; 2] = [SettlePolicy::First, SettlePolicy::After];

/// A shop whose handler does what the test says, run by run.
async fn shop_with<F, T>(route: Route, handler: F) -> Shop
where
    F: Fn(usize) -> T + Clone + Send + Sync + 'static,
    T: Future<Output: axum::response::IntoResponse> + Send + 'static,
{
    Shop::open_with(|shop| {
        let runs = Arc::clone(&shop.runs);
        let handler = move || handler(runs.fetch_add(1, Ordering::SeqCst));
        Router::new().route(
            "/paid",
            any(handler).layer(PaymentLayer::new(&shop.gate, route).unwrap()),
        )
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_copies_of_one_credential_are_served_once() {
    for policy in POLICIES {
        let shop = Arc::new(Shop::open(priced(policy)).await);
        let credential = shop.sign_for(shop.get("/paid")).await;
        let mut copies = tokio::task::JoinSet::new();
        for _ in 0..200 {
            let request = shop.get("/paid").header("authorization", &credential);
            copies.spawn(async move { request.send().await.unwrap().status().as_u16() });
        }
        let statuses = copies.join_all().await;
        assert_eq!(
            statuses.iter().filter(|status| **status == 200).count(),
            1,
            "{policy:?}"
        );
        assert!(
            statuses
                .iter()
                .all(|status| matches!(status, 200 | 402 | 409)),
            "{statuses:?}"
        );
        assert_eq!(shop.runs(), 1);
        shop.assert_paid(1).await;
    }
}

#[tokio::test]
async fn what_is_not_served_after_is_not_charged() {
    let answers = [
        StatusCode::INTERNAL_SERVER_ERROR,
        StatusCode::NOT_FOUND,
        StatusCode::FOUND,
    ];
    let shop = shop_with(priced(SettlePolicy::After), move |run| async move {
        (answers[run], "oh")
    })
    .await;
    for status in answers {
        let response = shop.pay(|| shop.get("/paid")).await;
        assert_eq!(response.status(), status, "the service's own answer");
        assert_eq!(response.headers()["money-moved"], "false");
        assert!(receipt(&response).is_none());
        assert_eq!(response.text().await.unwrap(), "oh");
        shop.assert_paid(0).await;
    }
}

#[tokio::test]
async fn a_panic_and_a_hang_move_nothing_under_after() {
    let route = priced(SettlePolicy::After).deadline(Duration::from_millis(50));
    let shop = shop_with(route, |run| async move {
        assert!(run > 0, "the handler's own panic");
        std::future::pending::<()>().await;
    })
    .await;
    for expect in ["not-served", "not-served-in-time"] {
        let credential = shop.sign_for(shop.get("/paid")).await;
        let response = shop
            .get("/paid")
            .header("authorization", &credential)
            .send()
            .await
            .unwrap();
        let problem = problem(response).await;
        assert_eq!(
            (kind(&problem), &problem["moneyMoved"]),
            (expect, &false.into())
        );
        shop.assert_paid(0).await;
        // The credential is used up: it cannot make the handler run again.
        let again = shop
            .get("/paid")
            .header("authorization", &credential)
            .send()
            .await
            .unwrap();
        assert_eq!(kind(&common::problem(again).await), "invalid-challenge");
    }
    assert_eq!(shop.runs(), 2);
}

#[tokio::test]
async fn what_was_settled_first_and_not_served_can_be_presented_again() {
    let shop = shop_with(priced(SettlePolicy::First), |run| async move {
        if run < 2 {
            (StatusCode::BAD_GATEWAY, "down")
        } else {
            (StatusCode::OK, "sunny")
        }
    })
    .await;
    let credential = shop.sign_for(shop.get("/paid")).await;
    let pay = || {
        shop.get("/paid")
            .header("authorization", &credential)
            .send()
    };
    for _ in 0..2 {
        let problem = problem(pay().await.unwrap()).await;
        assert_eq!(
            (kind(&problem), &problem["moneyMoved"]),
            ("not-served", &true.into())
        );
        assert!(
            problem["reference"].is_string() && problem["owedUntil"].is_string(),
            "{problem}"
        );
    }
    let response = pay().await.unwrap();
    assert!(receipt(&response).is_some());
    assert_eq!(response.text().await.unwrap(), "sunny");
    assert_eq!(shop.runs(), 3);
    shop.assert_paid(1).await;
}

#[tokio::test]
async fn after_three_attempts_it_is_owed_and_refundable() {
    let shop = shop_with(priced(SettlePolicy::First), |_| async {
        StatusCode::BAD_GATEWAY
    })
    .await;
    let credential = shop.sign_for(shop.get("/paid")).await;
    let pay = || {
        shop.get("/paid")
            .header("authorization", &credential)
            .send()
    };
    for _ in 0..3 {
        pay().await.unwrap();
    }
    let response = pay().await.unwrap();
    assert_eq!(response.status(), 410);
    let problem = problem(response).await;
    assert_eq!(
        (kind(&problem), &problem["moneyMoved"]),
        ("payment-owed", &true.into())
    );
    assert_eq!(shop.runs(), 3);
    shop.assert_paid(1).await;
    let owed = shop.gate.payments().owed(10).await.unwrap();
    assert_eq!(owed.len(), 1);
    shop.gate.refund(owed[0].record.id).await.unwrap();
    shop.assert_paid(0).await;
    shop.gate.refund(owed[0].record.id).await.unwrap_err();
    shop.assert_paid(0).await;
}

#[tokio::test]
async fn a_post_does_not_run_twice_unless_its_route_says_so() {
    for (retryable, expect) in [(false, 1), (true, 2)] {
        let route = priced(SettlePolicy::First).retryable(retryable);
        let shop = shop_with(route, |run| async move {
            if run == 0 {
                StatusCode::BAD_GATEWAY
            } else {
                StatusCode::OK
            }
        })
        .await;
        let post = || shop.http.post(shop.url("/paid"));
        let credential = shop.sign_for(post()).await;
        for _ in 0..2 {
            post()
                .header("authorization", &credential)
                .send()
                .await
                .unwrap();
        }
        assert_eq!(shop.runs(), expect);
        shop.assert_paid(1).await;
        assert_eq!(
            shop.gate.payments().owed(10).await.unwrap().len(),
            usize::from(!retryable)
        );
    }
}

/// Sends a paid request, by hand.
async fn send(shop: &Shop, credential: &str) -> tokio::net::TcpStream {
    let mut stream = tokio::net::TcpStream::connect(shop.address).await.unwrap();
    let request = format!("GET /paid HTTP/1.1\r\nhost: x\r\nauthorization: {credential}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Goes away after so many bytes of the answer.
async fn drop_after(shop: &Shop, credential: &str, bytes: usize) {
    let mut stream = send(shop, credential).await;
    let mut buffer = vec![0; bytes];
    stream.read_exact(&mut buffer).await.unwrap();
    assert!(
        buffer.starts_with(b"HTTP/1.1 200"),
        "{}",
        buffer.escape_ascii()
    );
}

/// Goes away as soon as the payment came into a state.
async fn drop_when(shop: &Shop, credential: &str, state: State) {
    let stream = send(shop, credential).await;
    shop.reached(state).await;
    drop(stream);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_dropped_a_hundred_times_costs_one_run_and_one_payment() {
    for policy in POLICIES {
        // More than the socket takes at once, so that the last byte is not handed over unread.
        let body = "x".repeat(16 * 1024 * 1024);
        let route = priced(policy)
            .store_up_to(32 * 1024 * 1024)
            .hold_up_to(32 * 1024 * 1024);
        let answer = body.clone();
        let shop = shop_with(route, move |_| {
            let answer = answer.clone();
            async move { answer }
        })
        .await;
        let credential = shop.sign_for(shop.get("/paid")).await;
        for n in 0..20 {
            drop_after(&shop, &credential, 200 + n * 100).await;
            settle_down(&shop).await;
        }
        let response = shop
            .get("/paid")
            .header("authorization", &credential)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200, "{policy:?}");
        assert!(receipt(&response).is_some());
        assert_eq!(response.bytes().await.unwrap().len(), body.len());
        assert_eq!(shop.runs(), 1, "{policy:?}");
        shop.assert_paid(1).await;
    }
}

/// Waits until nobody works on the one payment there is.
async fn settle_down(shop: &Shop) {
    let far = farthing_core::value::Timestamp::FAR;
    for _ in 0..500 {
        let due = shop.gate.payments().due(far, 10).await.unwrap();
        if !due.is_empty()
            && due
                .iter()
                .all(|held| !held.record.is_leased(shop.clock_now()))
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the payment stays in somebody's hands");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_before_the_answer_loses_nothing() {
    for policy in POLICIES {
        let shop = shop_with(priced(policy), |_| async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            "sunny"
        })
        .await;
        let credential = shop.sign_for(shop.get("/paid")).await;
        let begun = if policy == SettlePolicy::First {
            State::Settled
        } else {
            State::Claimed
        };
        drop_when(&shop, &credential, begun).await;
        settle_down(&shop).await;
        let response = shop
            .get("/paid")
            .header("authorization", &credential)
            .send()
            .await
            .unwrap();
        assert_eq!(response.text().await.unwrap(), "sunny", "{policy:?}");
        assert_eq!(shop.runs(), 1, "{policy:?}: the answer was kept");
        shop.assert_paid(1).await;
    }
}

#[tokio::test]
async fn an_error_inside_a_200_is_not_served() {
    let served =
        Served::when(|_, _, body| body.is_none_or(|body| !body.starts_with(b"{\"error\"")));
    let shop = shop_with(priced(SettlePolicy::After).served(served), |_| async {
        "{\"error\":1}"
    })
    .await;
    let response = shop.pay(|| shop.get("/paid")).await;
    assert!(receipt(&response).is_none());
    assert_eq!(response.text().await.unwrap(), "{\"error\":1}");
    shop.assert_paid(0).await;
}

#[tokio::test]
async fn what_is_unclear_is_looked_at_and_goes_to_nobody_where_it_stays_so() {
    let judged = |clear: bool| {
        Served::judged(move |_, _, body| match body {
            Some(_) if clear => Judgement::Served,
            Some(_) | None => Judgement::Unclear,
        })
    };
    // Under `first` what is not stored is not looked at, but for this.
    for policy in POLICIES {
        for clear in [true, false] {
            let route = priced(policy).served(judged(clear)).store_up_to(1);
            let shop = shop_with(route, |_| async { "sunny" }).await;
            let response = shop.pay(|| shop.get("/paid")).await;
            assert_eq!(receipt(&response).is_some(), clear, "{policy:?}");
            if clear {
                assert_eq!(response.text().await.unwrap(), "sunny", "{policy:?}");
                shop.assert_paid(1).await;
            } else {
                assert_eq!(kind(&problem(response).await), "not-served", "{policy:?}");
                shop.assert_paid(u32::from(policy == SettlePolicy::First).into())
                    .await;
            }
        }
    }
}

#[tokio::test]
async fn an_empty_account_is_told_so_and_nothing_runs() {
    for policy in POLICIES {
        let shop = Shop::open(Route::priced("$11").unwrap().settle(policy)).await;
        let response = shop.pay(|| shop.get("/paid")).await;
        assert_eq!(kind(&problem(response).await), "payment-insufficient");
        assert_eq!(shop.runs(), 0);
        assert_eq!(shop.balances().await, (FUNDS, 0, 0));
    }
}

#[tokio::test]
async fn a_failing_store_moves_nothing_before_the_claim_and_says_what_moved_after() {
    for policy in POLICIES {
        let (backend, faults) = Faulty::new(MemoryBackend::new());
        let shop = Shop::open_on(
            Arc::new(backend),
            |gate| gate,
            |shop| {
                let runs = Arc::clone(&shop.runs);
                let handler = move || async move {
                    runs.fetch_add(1, Ordering::SeqCst);
                    "sunny"
                };
                Router::new().route(
                    "/paid",
                    any(handler).layer(PaymentLayer::new(&shop.gate, priced(policy)).unwrap()),
                )
            },
        )
        .await;
        let credential = shop.sign_for(shop.get("/paid")).await;
        let pay = || {
            shop.get("/paid")
                .header("authorization", &credential)
                .send()
        };
        faults.fail_commit(1, Failure::Full);
        let response = pay().await.unwrap();
        assert_eq!(response.status(), 503);
        let body = problem(response).await;
        assert_eq!(
            (kind(&body), &body["moneyMoved"]),
            ("store-unavailable", &false.into())
        );
        assert_eq!(shop.runs(), 0);
        shop.assert_paid(0).await;
        // The same credential is as good as before.
        assert_eq!(pay().await.unwrap().text().await.unwrap(), "sunny");
        shop.assert_paid(1).await;
    }
}

#[tokio::test]
async fn an_idempotency_key_fetches_the_answer_and_is_not_charged_again() {
    for policy in POLICIES {
        let shop = shop_with(priced(policy), |run| async move {
            ([("set-cookie", "a=1")], format!("order {run}"))
        })
        .await;
        let shop = &shop;
        let pay = |body: &'static str| async move {
            let post = || {
                shop.http
                    .post(shop.url("/paid"))
                    .header("idempotency-key", "k1")
                    .body(body)
            };
            shop.pay(post).await
        };
        assert_eq!(pay("a").await.text().await.unwrap(), "order 0");
        shop.reached(State::Delivered).await;
        settle_down(shop).await;
        let again = pay("a").await;
        assert!(again.headers().get("set-cookie").is_none());
        assert_eq!(again.text().await.unwrap(), "order 0", "{policy:?}");
        shop.assert_paid(1).await;
        let other = pay("b").await;
        assert_eq!(other.status(), 422);
        assert_eq!(kind(&problem(other).await), "idempotency-mismatch");
        assert_eq!(shop.runs(), 1);
        shop.assert_paid(1).await;
    }
}

/// A client that lost the answer has the credential it paid with, and its key.
#[tokio::test]
async fn a_used_credential_fetches_its_answer_by_its_key_and_not_without() {
    for policy in POLICIES {
        let shop = shop_with(priced(policy), |run| async move { format!("order {run}") }).await;
        let post = |key: Option<&str>, body: &'static str| {
            let request = shop.http.post(shop.url("/paid")).body(body);
            match key {
                Some(key) => request.header("idempotency-key", key),
                None => request,
            }
        };
        let credential = shop.sign_for(post(Some("k1"), "a")).await;
        let pay = async |key, body| {
            let request = post(key, body).header("authorization", &credential);
            let response = request.send().await.unwrap();
            (response.status().as_u16(), response.text().await.unwrap())
        };
        assert_eq!(pay(Some("k1"), "a").await, (200, "order 0".to_owned()));
        shop.reached(State::Delivered).await;
        settle_down(&shop).await;
        assert_eq!(pay(Some("k1"), "a").await, (200, "order 0".to_owned()));
        for (key, body) in [(None, "a"), (Some("k2"), "a"), (Some("k1"), "b")] {
            assert_eq!(pay(key, body).await.0, 402, "{policy:?} {key:?} {body}");
        }
        assert_eq!(shop.runs(), 1);
        shop.assert_paid(1).await;
    }
}

#[tokio::test]
async fn limits_come_before_money() {
    let one = NonZeroU32::MIN;
    let shop = Shop::open_on(
        Arc::new(MemoryBackend::new()),
        |gate| gate.per_peer(one, NonZeroU32::new(2).unwrap()),
        |shop| {
            Router::new()
                .route(
                    "/paid",
                    any(|| async { "sunny" })
                        .layer(PaymentLayer::new(&shop.gate, priced(SettlePolicy::First)).unwrap()),
                )
                .route("/free", any(|| async { "free" }))
        },
    )
    .await;
    let credential = shop.sign_for(shop.get("/paid")).await;
    shop.get("/paid").send().await.unwrap();
    let response = shop
        .get("/paid")
        .header("authorization", &credential)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(kind(&problem(response).await), "rate-limited");
    assert_eq!(shop.get("/free").send().await.unwrap().status(), 200);
    shop.assert_paid(0).await;
    shop.clock.advance(Duration::from_secs(2));
    let response = shop
        .get("/paid")
        .header("authorization", &credential)
        .send()
        .await
        .unwrap();
    assert_eq!(response.text().await.unwrap(), "sunny");
    shop.assert_moved(PRICE).await;
}

#[tokio::test]
async fn a_drain_finishes_what_was_claimed_and_takes_nothing_new() {
    let shop = shop_with(priced(SettlePolicy::After), |_| async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        "sunny"
    })
    .await;
    let (first, second) = (
        shop.sign_for(shop.get("/paid")).await,
        shop.sign_for(shop.get("/paid")).await,
    );
    let request = shop.get("/paid").header("authorization", first);
    let working = tokio::spawn(async move { request.send().await.unwrap().text().await.unwrap() });
    shop.reached(State::Claimed).await;
    shop.gate.drain().await;
    assert_eq!(working.await.unwrap(), "sunny");
    shop.assert_paid(1).await;
    let late = shop
        .get("/paid")
        .header("authorization", second)
        .send()
        .await
        .unwrap();
    assert_eq!(kind(&problem(late).await), "overloaded");
    shop.assert_paid(1).await;
}

#[tokio::test]
async fn a_head_is_delivered_by_its_head() {
    for policy in POLICIES {
        let shop = Shop::open(priced(policy)).await;
        let head = || shop.http.head(shop.url("/paid"));
        let credential = shop.sign_for(head()).await;
        let get = shop.get("/paid").header("authorization", &credential);
        assert_eq!(
            kind(&problem(get.send().await.unwrap()).await),
            "invalid-challenge"
        );
        let response = head()
            .header("authorization", &credential)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        assert!(receipt(&response).is_some());
        shop.reached(State::Delivered).await;
        let again = head()
            .header("authorization", &credential)
            .send()
            .await
            .unwrap();
        assert_eq!(again.status(), 402, "{policy:?}");
        assert_eq!(shop.runs(), 1);
        shop.assert_paid(1).await;
    }
}

#[tokio::test]
async fn a_second_payment_under_a_key_in_flight_waits_and_is_not_charged() {
    for policy in POLICIES {
        let shop = shop_with(priced(policy), |run| async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            format!("order {run}")
        })
        .await;
        let post = || {
            shop.http
                .post(shop.url("/paid"))
                .header("idempotency-key", "k1")
                .body("a")
        };
        let (first, second) = (shop.sign_for(post()).await, shop.sign_for(post()).await);
        let request = post().header("authorization", first);
        let working =
            tokio::spawn(async move { request.send().await.unwrap().text().await.unwrap() });
        shop.reached(if policy == SettlePolicy::First {
            State::Settled
        } else {
            State::Claimed
        })
        .await;
        let response = post()
            .header("authorization", &second)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 409);
        assert_eq!(kind(&problem(response).await), "idempotency-in-flight");
        assert_eq!(working.await.unwrap(), "order 0");
        settle_down(&shop).await;
        let response = post()
            .header("authorization", &second)
            .send()
            .await
            .unwrap();
        assert_eq!(response.text().await.unwrap(), "order 0");
        assert_eq!(shop.runs(), 1, "{policy:?}");
        shop.assert_paid(1).await;
    }
}

#[tokio::test]
async fn the_key_of_a_payment_that_was_given_up_is_free_again() {
    let shop = shop_with(priced(SettlePolicy::After), |run| async move {
        if run == 0 {
            Err(StatusCode::BAD_GATEWAY)
        } else {
            Ok("sunny")
        }
    })
    .await;
    let post = || {
        shop.http
            .post(shop.url("/paid"))
            .header("idempotency-key", "k1")
            .body("a")
    };
    assert_eq!(shop.pay(post).await.status(), 502);
    shop.assert_paid(0).await;
    assert_eq!(shop.pay(post).await.text().await.unwrap(), "sunny");
    shop.assert_paid(1).await;
}

#[tokio::test]
async fn only_the_gate_says_what_was_paid() {
    for policy in POLICIES {
        let shop = shop_with(priced(policy), |run| async move {
            let headers = [("payment-receipt", "e30"), ("cache-control", "no-store")];
            (
                if run == 0 {
                    StatusCode::NOT_FOUND
                } else {
                    StatusCode::OK
                },
                headers,
                "sunny",
            )
        })
        .await;
        let unserved = shop.pay(|| shop.get("/paid")).await;
        assert!(unserved.headers().get("payment-receipt").is_none());
        let served = shop.pay(|| shop.get("/paid")).await;
        assert_eq!(
            served.headers().get_all("payment-receipt").iter().count(),
            1
        );
        assert_eq!(receipt(&served).unwrap().method().as_str(), "ledger");
        assert_eq!(served.headers()["cache-control"], "private, no-store");
    }
}
