//! What a log may not have. Everything the gate says at every level is kept, and searched for the
//! secrets that went by.

#![allow(clippy::unwrap_used, reason = "a test fails by them")]

mod common;

use std::{
    io::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, routing::any};
use common::Shop;
use farthing_core::{memory::MemoryBackend, payment::SettlePolicy, value::Secret};
use farthing_server::{Route, layer::PaymentLayer};
use farthing_testkit::faulty::{Failure, Faulty};
use tracing_subscriber::{filter::LevelFilter, fmt::MakeWriter};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

const SECRET: &str = "planted-challenge-secret-of-32-bytes-and-more";

#[tokio::test]
async fn no_secret_is_in_the_trace_of_a_gates_life() {
    let log = Log::default();
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(log.clone())
        .init();
    let mut planted = vec![
        SECRET.to_owned(),
        "planted-idempotency-key".to_owned(),
        "planted-token".to_owned(),
    ];
    for policy in [SettlePolicy::First, SettlePolicy::After] {
        planted.extend(live(policy).await);
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for expect in [
        "payment",
        "Settled",
        "Delivered",
        "the store is full",
        "owed",
    ] {
        assert!(
            log.contains(expect),
            "the trace of this life has no {expect:?}:\n{log}"
        );
    }
    for secret in planted {
        assert!(!log.contains(&secret), "the trace has {secret:?}");
    }
}

/// Pays, replays, tampers, fails and reconciles. What it returns is secret.
async fn live(policy: SettlePolicy) -> Vec<String> {
    let (backend, faults) = Faulty::new(MemoryBackend::new());
    let shop = Shop::open_on(
        Arc::new(backend),
        |gate| gate.secret(Secret::new(SECRET)),
        |shop| {
            let route = |price: &str| {
                PaymentLayer::new(&shop.gate, Route::priced(price).unwrap().settle(policy)).unwrap()
            };
            let broken = || async { http::StatusCode::BAD_GATEWAY };
            Router::new()
                .route("/paid", any(|| async { "sunny" }).layer(route("$0.002")))
                .route("/broken", any(broken).layer(route("$0.002")))
        },
    )
    .await;
    let mut secrets = Vec::new();
    let ask = |path: &'static str| {
        let request = shop.http.post(shop.url(path));
        request
            .header("idempotency-key", format!("planted-idempotency-key{path}"))
            .header("authorization", "Bearer planted-token")
    };
    for path in ["/paid", "/broken", "/paid"] {
        let credential = shop.sign_for(shop.http.post(shop.url(path))).await;
        for _ in 0..2 {
            ask(path)
                .header("authorization", &credential)
                .send()
                .await
                .unwrap();
        }
        let cut = credential[..credential.len() - 40].to_owned();
        shop.http
            .post(shop.url(path))
            .header("authorization", &cut)
            .send()
            .await
            .unwrap();
        faults.fail_commit(1, Failure::Full);
        let again = shop.sign_for(shop.http.post(shop.url(path))).await;
        shop.http
            .post(shop.url(path))
            .header("authorization", &again)
            .send()
            .await
            .unwrap();
        secrets.extend([
            payload(&credential),
            payload(&again),
            credential,
            again,
            cut,
        ]);
    }
    shop.clock.advance(Duration::from_secs(3600));
    shop.gate.reconcile().await.unwrap();
    // Whatever stands behind the scheme's name is what nobody may read.
    secrets
        .iter()
        .map(|secret| secret.trim_start_matches("Payment ").to_owned())
        .collect()
}

/// The signature of a credential, as it stands in its JSON.
fn payload(credential: &str) -> String {
    let credential = farthing_core::header::authorization::parse(credential).unwrap();
    let payload: serde_json::Value = serde_json::from_str(credential.payload.get()).unwrap();
    payload["signature"].as_str().unwrap().to_owned()
}
