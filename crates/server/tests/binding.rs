//! Invariant 3: a credential buys only what it was issued for. And invariant 8: whoever does not
//! pay changes nothing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by them")]

mod common;

use std::{sync::Arc, time::Duration};

use axum::{Router, routing::any};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use common::{Shop, challenges, kind, problem};
use farthing_core::{memory::MemoryBackend, value::Secret};
use farthing_server::{Dynamic, Route, layer::PaymentLayer};
use farthing_testkit::faulty::{Failure, Faults, Faulty};
use serde_json::{Value, json};

fn layer(shop: &Shop, route: Route) -> PaymentLayer {
    PaymentLayer::new(&shop.gate, route).unwrap()
}

fn priced(price: &str) -> Route {
    Route::priced(price).unwrap()
}

/// A cheap route, a dear one at another path, and both methods of each.
async fn two_prices() -> Shop {
    Shop::open_with(|shop| {
        Router::new()
            .route(
                "/cheap",
                any(|| async { "cheap" }).layer(layer(shop, priced("$0.001"))),
            )
            .route(
                "/dear",
                any(|| async { "dear" }).layer(layer(shop, priced("$5"))),
            )
    })
    .await
}

async fn refused(shop: &Shop, request: reqwest::RequestBuilder, credential: &str, expect: &str) {
    let response = request
        .header("authorization", credential)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 402);
    let problem = problem(response).await;
    assert_eq!(kind(&problem), expect, "{problem}");
    assert_eq!(problem["moneyMoved"], false);
    shop.assert_moved(0).await;
}

#[tokio::test]
async fn a_cheap_route_never_opens_a_dear_one() {
    let shop = two_prices().await;
    let credential = shop.sign_for(shop.get("/cheap")).await;
    refused(&shop, shop.get("/dear"), &credential, "invalid-challenge").await;
    refused(
        &shop,
        shop.http.post(shop.url("/cheap")),
        &credential,
        "invalid-challenge",
    )
    .await;
    refused(
        &shop,
        shop.get("/cheap?all=1"),
        &credential,
        "invalid-challenge",
    )
    .await;
    refused(
        &shop,
        shop.get("/cheap").header("range", "bytes=0-1"),
        &credential,
        "invalid-challenge",
    )
    .await;
    let response = shop
        .get("/cheap")
        .header("authorization", &credential)
        .send()
        .await
        .unwrap();
    assert_eq!(response.text().await.unwrap(), "cheap");
    shop.assert_moved(1_000).await;
}

/// Rewrites the JSON of a credential.
fn tampered(credential: &str, change: impl FnOnce(&mut Value)) -> String {
    let encoded = credential.strip_prefix("Payment ").unwrap();
    let mut json: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).unwrap()).unwrap();
    change(&mut json);
    format!("Payment {}", URL_SAFE_NO_PAD.encode(json.to_string()))
}

#[tokio::test]
async fn no_echoed_slot_can_be_changed() {
    let shop = two_prices().await;
    let credential = shop.sign_for(shop.get("/dear")).await;
    let cheaper = URL_SAFE_NO_PAD.encode(json!({"amount": "1", "currency": "usd6"}).to_string());
    let changes = [
        ("realm", json!("127.0.0.2"), "invalid-challenge"),
        ("request", json!(cheaper), "invalid-challenge"),
        (
            "expires",
            json!("2099-01-01T00:00:00Z"),
            "invalid-challenge",
        ),
        ("digest", json!("sha-256=:AAAA:"), "invalid-challenge"),
        ("intent", json!("session"), "invalid-challenge"),
        ("method", json!("tempo"), "invalid-challenge"),
        ("id", json!("A".repeat(43)), "invalid-challenge"),
        (
            "header",
            json!("Payment-Authorization"),
            "invalid-challenge",
        ),
        // The eighth slot stands before `opaque`: an opaque with a pipe would forge it.
        (
            "opaque",
            json!("Payment-Authorization|e30"),
            "malformed-credential",
        ),
        ("realm", json!("127.0.0.1|ledger"), "malformed-credential"),
        ("expires", json!("tomorrow"), "malformed-credential"),
    ];
    for (slot, value, expect) in changes {
        let changed = tampered(&credential, |json| json["challenge"][slot] = value.clone());
        refused(&shop, shop.get("/dear"), &changed, expect).await;
    }
    let unsigned = tampered(&credential, |json| {
        json["payload"]["signature"] = json!("A".repeat(86))
    });
    refused(&shop, shop.get("/dear"), &unsigned, "verification-failed").await;
}

#[tokio::test]
async fn a_challenge_of_another_secret_is_not_ours() {
    let (ours, route) = (Shop::open(priced("$0.002")).await, priced("$0.002"));
    let theirs = Shop::open_on(
        Arc::new(farthing_core::memory::MemoryBackend::new()),
        |gate| gate.secret(Secret::new(vec![8; 32])),
        |shop| Router::new().route("/paid", any(|| async { "" }).layer(layer(shop, route))),
    )
    .await;
    let credential = theirs.sign_for(theirs.get("/paid")).await;
    refused(&ours, ours.get("/paid"), &credential, "invalid-challenge").await;
}

#[tokio::test]
async fn a_retired_secret_verifies_until_its_time_is_over() {
    let until = common::start_time().saturating_add(Duration::from_secs(60));
    let rotated = Shop::open_on(
        Arc::new(farthing_core::memory::MemoryBackend::new()),
        |gate| {
            gate.secret(Secret::new(vec![9; 32]))
                .retired_secret(Secret::new(vec![7; 32]), until)
        },
        |shop| {
            Router::new().route(
                "/paid",
                any(|| async { "" }).layer(layer(shop, priced("$0.002"))),
            )
        },
    )
    .await;
    let before = Shop::open(priced("$0.002")).await;
    let (first, second) = (
        before.sign_for(before.get("/paid")).await,
        before.sign_for(before.get("/paid")).await,
    );
    let response = rotated
        .get("/paid")
        .header("authorization", first)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    rotated.clock.advance(Duration::from_secs(61));
    let response = rotated
        .get("/paid")
        .header("authorization", second)
        .send()
        .await
        .unwrap();
    assert_eq!(kind(&problem(response).await), "invalid-challenge");
    rotated.assert_paid(1).await;
}

#[tokio::test]
async fn an_expired_challenge_is_refused() {
    let shop = Shop::open(priced("$0.002")).await;
    let credential = shop.sign_for(shop.get("/paid")).await;
    shop.clock.advance(Duration::from_secs(5 * 60));
    refused(&shop, shop.get("/paid"), &credential, "payment-expired").await;
    assert_eq!(shop.runs(), 0);
}

#[tokio::test]
async fn challenge_ids_are_unique_within_a_second() {
    let shop = Shop::open(priced("$0.002")).await;
    let mut ids = std::collections::HashSet::new();
    for _ in 0..50 {
        let response = shop.get("/paid").send().await.unwrap();
        ids.insert(challenges(&response).remove(0).id);
    }
    assert_eq!(ids.len(), 50);
}

/// A shop whose store counts its commits and fails when it is told to.
async fn counting_shop() -> (Shop, Faults) {
    let (store, faults) = Faulty::new(MemoryBackend::new());
    let shop = Shop::open_on(
        Arc::new(store),
        |gate| gate,
        |shop| {
            let route = layer(shop, priced("$0.002"));
            Router::new().route("/paid", any(|| async { "" }).layer(route))
        },
    )
    .await;
    (shop, faults)
}

#[tokio::test]
async fn unpaid_requests_write_nothing() {
    let (shop, faults) = counting_shop().await;
    let before = faults.commits();
    // Nor do they read: a store that is down keeps nobody from the price.
    faults.fail_reads(Some(Failure::Unavailable));
    for request in [
        shop.get("/paid"),
        shop.http.head(shop.url("/paid")),
        shop.http.post(shop.url("/paid")).body("x"),
        shop.get("/paid").header("idempotency-key", "k"),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 402);
        assert_eq!(challenges(&response).len(), 1);
    }
    assert_eq!(faults.commits(), before);
}

#[tokio::test]
async fn what_cannot_be_read_gets_a_fresh_challenge_and_writes_nothing() {
    let (shop, faults) = counting_shop().await;
    let good = shop.sign_for(shop.get("/paid")).await;
    let before = faults.commits();
    faults.fail_reads(Some(Failure::Unavailable));
    let bad = [
        "Payment".to_owned(),
        "Payment !".to_owned(),
        "Payment e30".to_owned(),
        "Payment eyJjaGFsbGVuZ2UiOnt9fQ".to_owned(),
        good[..good.len() / 2].to_owned(),
        format!("{good}="),
        good.replacen("Payment ", "Payment  +", 1),
        format!("{good}{}", "A".repeat(farthing_core::bounds::CREDENTIAL)),
    ];
    for credential in &bad {
        let request = shop.get("/paid").header("authorization", credential);
        let response = request.send().await.unwrap();
        assert_eq!(challenges(&response).len(), 1, "{credential}");
        assert_eq!(response.status(), 402);
        assert_eq!(kind(&problem(response).await), "malformed-credential");
    }
    assert_eq!(faults.commits(), before);
    faults.fail_reads(None);
    let request = shop.get("/paid").header("authorization", good);
    assert_eq!(request.send().await.unwrap().status(), 200);
    assert!(faults.commits() > before, "a payment is counted");
}

#[tokio::test]
async fn a_bound_body_is_the_one_that_was_priced() {
    let shop = Shop::open_with(|shop| {
        let echo = |body: String| async move { body };
        Router::new().route(
            "/render",
            any(echo).layer(layer(shop, priced("$0.002").bind_body(64))),
        )
    })
    .await;
    let post = |body: &'static str| shop.http.post(shop.url("/render")).body(body);
    let response = post("a cat").send().await.unwrap();
    let challenge = challenges(&response).remove(0);
    assert!(challenge.digest.is_some());
    let credential = shop.sign(&challenge).await;
    refused(&shop, post("a dog"), &credential, "invalid-challenge").await;
    let response = post("a cat")
        .header("authorization", &credential)
        .send()
        .await
        .unwrap();
    assert_eq!(response.text().await.unwrap(), "a cat");
    let large = shop.http.post(shop.url("/render")).body("x".repeat(65));
    let response = large
        .header("authorization", &credential)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 413);
    assert_eq!(kind(&problem(response).await), "body-too-large");
    shop.assert_paid(1).await;
}

#[tokio::test]
async fn a_dynamic_price_is_bound_to_what_it_depends_on() {
    let shop = Shop::open_with(|shop| {
        let price = Dynamic::new(|inputs| async move {
            assert!(
                !inputs.headers.contains_key("x-secret"),
                "undeclared inputs are withheld"
            );
            let gold = inputs
                .headers
                .get("x-tier")
                .is_some_and(|tier| tier == "gold");
            Ok(if gold { "$0.01" } else { "$0.002" }.parse()?)
        });
        let route = Route::dynamic(price.header(http::HeaderName::from_static("x-tier")));
        Router::new().route("/paid", any(|| async { "sunny" }).layer(layer(shop, route)))
    })
    .await;
    let plain = || shop.get("/paid").header("x-secret", "1");
    let gold = || shop.get("/paid").header("x-tier", "gold");
    let credential = shop.sign_for(plain()).await;
    refused(&shop, gold(), &credential, "invalid-challenge").await;
    assert_eq!(shop.pay(gold).await.status(), 200);
    shop.assert_moved(10_000).await;
    let response = plain()
        .header("authorization", credential)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    shop.assert_moved(12_000).await;
}

#[tokio::test]
async fn a_price_that_never_comes_keeps_nobody_waiting() {
    let shop = Shop::open_with(|shop| {
        let route = Route::dynamic(Dynamic::new(|_| std::future::pending()))
            .deadline(Duration::from_millis(20));
        Router::new().route("/paid", any(|| async { "sunny" }).layer(layer(shop, route)))
    })
    .await;
    let response = shop.get("/paid").send().await.unwrap();
    assert_eq!(response.status(), 500);
    assert_eq!(kind(&problem(response).await), "internal");
    // Nor does the shop wait for it when it closes.
    shop.gate.drain().await;
}

#[tokio::test]
async fn two_credentials_are_a_bad_request_and_a_bearer_is_left_alone() {
    let shop = Shop::open_with(|shop| {
        let handler = |headers: http::HeaderMap| async move {
            let all: Vec<_> = headers
                .get_all("authorization")
                .iter()
                .map(|v| v.to_str().unwrap().to_owned())
                .collect();
            all.join(",")
        };
        Router::new().route("/paid", any(handler).layer(layer(shop, priced("$0.002"))))
    })
    .await;
    let credential = shop.sign_for(shop.get("/paid")).await;
    let twice = shop
        .get("/paid")
        .header("authorization", &credential)
        .header("authorization", &credential);
    let response = twice.send().await.unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(kind(&problem(response).await), "multiple-credentials");
    shop.assert_paid(0).await;
    // The handler sees the token, and not the payment.
    let both = shop
        .get("/paid")
        .header("authorization", "Bearer abc")
        .header("authorization", &credential);
    assert_eq!(
        both.send().await.unwrap().text().await.unwrap(),
        "Bearer abc"
    );
    shop.assert_paid(1).await;
}

#[tokio::test]
async fn accept_payment_ranks_and_a_preflight_is_free() {
    let shop = Shop::open(priced("$0.002")).await;
    let response = shop
        .get("/paid")
        .header("accept-payment", "tempo/charge, ledger/*;q=0.5")
        .send()
        .await
        .unwrap();
    assert_eq!(challenges(&response).len(), 1);
    let preflight = shop
        .http
        .request(reqwest::Method::OPTIONS, shop.url("/paid"))
        .header("origin", "https://app.example")
        .header("access-control-request-method", "GET");
    assert_eq!(preflight.send().await.unwrap().status(), 204);
    assert_eq!(shop.runs(), 0, "a handler never runs for nothing");
    let response = shop
        .get("/paid")
        .header("origin", "https://app.example")
        .send()
        .await
        .unwrap();
    let exposed = response.headers()["access-control-expose-headers"]
        .to_str()
        .unwrap();
    assert!(
        exposed.contains("WWW-Authenticate") && exposed.contains("Payment-Receipt"),
        "{exposed}"
    );
}

#[tokio::test]
async fn a_service_may_keep_authorization_to_itself() {
    let shop = Shop::open_on(
        Arc::new(farthing_core::memory::MemoryBackend::new()),
        |gate| gate.payment_authorization(),
        |shop| {
            let handler = |headers: http::HeaderMap| async move {
                assert!(!headers.contains_key("payment-authorization"));
                headers["authorization"].to_str().unwrap().to_owned()
            };
            Router::new().route("/paid", any(handler).layer(layer(shop, priced("$0.002"))))
        },
    )
    .await;
    let asked = || shop.get("/paid").header("authorization", "Basic YTpi");
    let response = asked().send().await.unwrap();
    let challenge = challenges(&response).remove(0);
    let header = challenge.credential_header().unwrap();
    assert_eq!(header, "payment-authorization");
    let credential = shop.sign(&challenge).await;
    let response = asked().header(header, credential).send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), "Basic YTpi");
    shop.assert_paid(1).await;
}

#[tokio::test]
async fn a_table_prices_by_method_and_path_and_leaves_the_rest_free() {
    let shop = Shop::open_with(|shop| {
        let route = |price| Some(shop.gate.route(priced(price)).unwrap());
        let table = [
            ("GET /weather/{city}", route("$0.002")),
            ("GET /weather/free", None),
            ("POST /render", route("$0.05")),
        ];
        let table = farthing_server::layer::Pricing::table(table).unwrap();
        let city = |path: http::Uri| async move { path.path().to_owned() };
        Router::new()
            .route("/weather/{city}", any(city))
            .route("/render", any(city))
            .route("/health", any(city))
            .layer(PaymentLayer::table(&shop.gate, table))
    })
    .await;
    for free in ["/weather/free", "/health", "/render"] {
        assert_eq!(
            shop.get(free).send().await.unwrap().text().await.unwrap(),
            free
        );
    }
    assert_eq!(
        shop.http
            .head(shop.url("/weather/rome"))
            .send()
            .await
            .unwrap()
            .status(),
        402
    );
    assert_eq!(
        shop.pay(|| shop.get("/weather/rome"))
            .await
            .text()
            .await
            .unwrap(),
        "/weather/rome"
    );
    shop.assert_moved(2_000).await;
    let post = || shop.http.post(shop.url("/render"));
    assert_eq!(shop.pay(post).await.status(), 200);
    shop.assert_moved(52_000).await;
    // The routes are told apart by their names: a city paid for is not another city.
    let credential = shop.sign_for(shop.get("/weather/rome")).await;
    let other = shop
        .get("/weather/oslo")
        .header("authorization", credential);
    assert_eq!(
        kind(&problem(other.send().await.unwrap()).await),
        "invalid-challenge"
    );
    shop.assert_moved(52_000).await;
}
