//! Attacks: what somebody tries who is not the operator.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by them")]

mod common;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{Router, routing::any};
use bytes::Bytes;
use common::{PRICE, Shop, kind, problem};
use farthing_core::{
    memory::MemoryBackend,
    payment::{SettlePolicy, State},
    port::backend::{Backend, Batch, Commit, Key, Partition, Range, Row, StoreError, Table},
    value::Price,
};
use farthing_server::{
    Dynamic, Event, Options, Route,
    layer::{PaymentLayer, Pricing},
};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Barrier,
};
use tower::{Layer, Service, ServiceExt, service_fn};

fn priced(price: &str) -> Route {
    Route::priced(price).unwrap()
}

#[tokio::test]
async fn a_cheap_mount_does_not_open_a_dear_one() {
    let shop = Shop::open_with(|shop| {
        let mounted = |price| {
            let files = any(|| async { "a file" });
            files.layer(PaymentLayer::new(&shop.gate, priced(price)).unwrap())
        };
        let named = |price| {
            let route = priced(price).named("file").unwrap();
            let files = any(|| async { "a file" });
            Router::new().route(
                "/file",
                files.layer(PaymentLayer::new(&shop.gate, route).unwrap()),
            )
        };
        Router::new()
            .nest_service("/cheap", mounted("$0.001"))
            .nest_service("/dear", mounted("$5"))
            .nest("/tenants/{tenant}", named("$0.001"))
            .nest("/vault", named("$5"))
    })
    .await;
    for (cheap, dear) in [
        ("/cheap/file", "/dear/file"),
        ("/tenants/a/file", "/vault/file"),
        ("/tenants/a/file", "/tenants/b/file"),
    ] {
        let credential = shop.sign_for(shop.get(cheap)).await;
        let request = shop.get(dear).header("authorization", credential);
        let refused = request.send().await.unwrap();
        assert_eq!(refused.status(), 402, "{cheap} opened {dear}");
        assert_eq!(kind(&problem(refused).await), "invalid-challenge");
    }
    shop.assert_moved(0).await;
}

/// A store on which two who read one row both read it before either writes.
struct InStep {
    inner: MemoryBackend,
    reads: Barrier,
    on: std::sync::atomic::AtomicBool,
}

impl Backend for InStep {
    fn get<'a>(
        &'a self,
        partition: &'a Partition,
        table: Table,
        key: &'a Key,
    ) -> farthing_core::port::BoxFuture<'a, Result<Option<Row>, StoreError>> {
        Box::pin(async move {
            let row = self.inner.get(partition, table, key).await;
            if self.on.load(Ordering::SeqCst) {
                self.reads.wait().await;
            }
            row
        })
    }

    fn range(
        &self,
        range: Range,
    ) -> farthing_core::port::BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        self.inner.range(range)
    }

    fn commit(
        &self,
        batch: Batch,
    ) -> farthing_core::port::BoxFuture<'_, Result<Commit, StoreError>> {
        self.inner.commit(batch)
    }
}

#[tokio::test]
async fn two_refunds_at_once_send_the_value_back_once() {
    let store = Arc::new(InStep {
        inner: MemoryBackend::new(),
        reads: Barrier::new(2),
        on: false.into(),
    });
    let backend: Arc<dyn Backend> = Arc::clone(&store) as _;
    let shop = Shop::open_on(
        backend,
        |gate| gate,
        |shop| {
            let layer = PaymentLayer::new(&shop.gate, priced("$0.002")).unwrap();
            Router::new().route("/paid", any(|| async { "sunny" }).layer(layer))
        },
    )
    .await;
    for _ in 0..2 {
        let answer = shop.pay(|| shop.get("/paid")).await;
        assert_eq!(answer.text().await.unwrap(), "sunny");
    }
    shop.reached(State::Delivered).await;
    let payment = {
        let events = shop.events.lock().unwrap();
        events
            .iter()
            .find_map(|event| match event {
                Event::Payment(p) if p.state == State::Delivered => Some(p.payment),
                _ => None,
            })
            .unwrap()
    };
    store.on.store(true, Ordering::SeqCst);
    let (one, other) = tokio::join!(shop.gate.refund(payment), shop.gate.refund(payment));
    store.on.store(false, Ordering::SeqCst);
    assert_ne!(one.is_ok(), other.is_ok(), "{one:?} {other:?}");
    shop.assert_moved(PRICE).await;
}

#[tokio::test]
async fn bodies_that_never_come_keep_nobody_out() {
    let options = |gate: farthing_server::GateBuilder| {
        let mut options = Options::default();
        options.body_bytes_at_once = 4 * 1024;
        gate.options(options)
    };
    let shop = Shop::open_on(Arc::new(MemoryBackend::new()), options, |shop| {
        let route = priced("$0.002").bind_body(1024);
        let layer = PaymentLayer::new(&shop.gate, route).unwrap();
        Router::new().route("/paid", any(|| async { "sunny" }).layer(layer))
    })
    .await;
    let mut slow = Vec::new();
    for head in ["content-length: 1024", "transfer-encoding: chunked"].repeat(8) {
        let mut stream = tokio::net::TcpStream::connect(shop.address).await.unwrap();
        let request = format!("POST /paid HTTP/1.1\r\nhost: x\r\n{head}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let honest = || shop.http.post(shop.url("/paid")).body("city=rome");
    assert_eq!(honest().send().await.unwrap().status(), 402);
    assert_eq!(shop.pay(honest).await.status(), 200);
    drop(slow);
}

#[tokio::test]
async fn a_body_that_trickles_in_is_given_up() {
    let options = |gate: farthing_server::GateBuilder| {
        let mut options = Options::default();
        options.body_within = Duration::from_millis(200);
        gate.options(options)
    };
    let shop = Shop::open_on(Arc::new(MemoryBackend::new()), options, |shop| {
        let layer = PaymentLayer::new(&shop.gate, priced("$0.002")).unwrap();
        Router::new().route("/paid", any(|| async { "sunny" }).layer(layer))
    })
    .await;
    let credential = shop.sign_for(shop.get("/paid")).await;
    let mut stream = tokio::net::TcpStream::connect(shop.address).await.unwrap();
    let head = format!(
        "GET /paid HTTP/1.1\r\nhost: x\r\nauthorization: {credential}\r\nidempotency-key: k\r\n\
         connection: close\r\ncontent-length: 1000\r\n\r\nabc"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 400");
    shop.assert_moved(0).await;
}

#[tokio::test]
async fn a_clock_that_is_set_back_locks_nobody_out() {
    let rates = |gate: farthing_server::GateBuilder| {
        let number = |n| std::num::NonZeroU32::new(n).unwrap();
        gate.per_peer(number(2), number(2))
    };
    let shop = Shop::open_on(Arc::new(MemoryBackend::new()), rates, |shop| {
        let layer = PaymentLayer::new(&shop.gate, priced("$0.002")).unwrap();
        Router::new().route("/paid", any(|| async { "sunny" }).layer(layer))
    })
    .await;
    let status = || async { shop.get("/paid").send().await.unwrap().status().as_u16() };
    shop.clock
        .set(common::start_time().saturating_add(Duration::from_secs(3600)));
    assert_eq!(
        [status().await, status().await, status().await],
        [402, 402, 429]
    );
    shop.clock.set(common::start_time());
    let _ = status().await;
    shop.clock.advance(Duration::from_secs(5));
    assert_eq!(status().await, 402);
}

#[tokio::test]
async fn a_reader_that_stops_keeps_out_nobody_and_no_drain_waiting() {
    let options = |gate: farthing_server::GateBuilder| {
        let mut options = Options::default();
        options.lease = Duration::from_millis(300);
        options.rail_deadline = Duration::from_millis(200);
        options.payments_at_once = 1;
        gate.options(options)
    };
    let shop = Shop::open_on(Arc::new(MemoryBackend::new()), options, |shop| {
        let route = priced("$0.002")
            .settle(SettlePolicy::First)
            .store_up_to(64 << 20);
        let layer = PaymentLayer::new(&shop.gate, route).unwrap();
        let handler = any(|| async { Bytes::from(vec![7; 32 << 20]) });
        Router::new().route("/paid", handler.layer(layer))
    })
    .await;
    let credential = shop.sign_for(shop.get("/paid")).await;
    let mut stream = tokio::net::TcpStream::connect(shop.address).await.unwrap();
    let request = format!("GET /paid HTTP/1.1\r\nhost: x\r\nauthorization: {credential}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 1024];
    stream.read_exact(&mut first).await.unwrap();
    assert!(first.starts_with(b"HTTP/1.1 200"));
    let other = shop.sign_for(shop.get("/paid")).await;
    let mut status = 503;
    for _ in 0..100 {
        let request = shop.get("/paid").header("authorization", &other);
        let answer = request.send().await.unwrap();
        status = answer.status().as_u16();
        if status != 503 {
            assert_eq!(answer.bytes().await.unwrap().len(), 32 << 20);
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(
        status, 200,
        "whoever does not read keeps nobody from paying"
    );
    tokio::time::timeout(Duration::from_secs(30), shop.gate.drain())
        .await
        .expect("the drain ends though the reader does not read");
    shop.assert_paid(2).await;
    drop(stream);
}

#[tokio::test]
async fn a_price_is_not_shown_what_the_payment_is_not_bound_to() {
    let shop = Shop::open_with(|shop| {
        let price = Dynamic::new(|inputs| async move {
            let cheap = inputs.uri.host() == Some("cheap.example");
            Ok(if cheap { "$0.001" } else { "$5" }.parse::<Price>()?)
        });
        let layer = PaymentLayer::new(&shop.gate, Route::dynamic(price)).unwrap();
        Router::new().route("/paid", any(|| async { "sunny" }).layer(layer))
    })
    .await;
    let mut stream = tokio::net::TcpStream::connect(shop.address).await.unwrap();
    let request = "GET http://cheap.example/paid HTTP/1.1\r\nhost: cheap.example\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 402"), "{answer}");
    assert!(answer.contains("\"amount\":\"5000000\""), "{answer}");
}

#[tokio::test]
async fn no_other_spelling_of_a_priced_path_is_free() {
    let shop = Shop::open(priced("$0.002")).await;
    let route = |price| Some(shop.gate.route(priced(price)).unwrap());
    let table = Pricing::table([
        ("GET /files/{*file}", None),
        ("GET /files/secret.txt", route("$0.002")),
        ("GET /paid/{*name}", route("$0.003")),
    ])
    .unwrap();
    // Like a service of files: it decodes and cleans up the path by itself.
    let files = service_fn(|_: Request<Full<Bytes>>| async {
        Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from("a file"))))
    });
    let mut service = PaymentLayer::table(&shop.gate, table).layer(files);
    for (path, expect) in [
        ("/files/secret.txt", 402),
        ("/files/%73ecret.txt", 402),
        ("/files/secret%2etxt", 402),
        ("/files//secret.txt", 402),
        ("/files/./secret.txt", 402),
        ("/files/x/../secret.txt", 402),
        ("/files/x/%2e%2e/secret.txt", 402),
        ("/files%2fsecret.txt", 402),
        ("/files/secret.txt/", 402),
        ("//files/secret.txt", 402),
        ("/%70aid/x", 402),
        ("/paid/x/", 402),
        ("/paid//x", 402),
        ("http://other.example/paid/x", 402),
        ("/paid/../files/secret.txt", 400),
        ("/files/secret.txt/%2e./%2e./paid/x", 402),
        ("/files/other.txt", 200),
        ("/files/other%20one.txt", 200),
        ("/else", 200),
    ] {
        let request = Request::get(path).body(Full::new(Bytes::new())).unwrap();
        let answer = service.ready().await.unwrap().call(request).await.unwrap();
        assert_eq!(
            answer.status(),
            StatusCode::from_u16(expect).unwrap(),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_key_whose_payment_is_owed_is_not_said_to_be_in_flight() {
    let shop = Shop::open_with(|shop| {
        let route = priced("$0.002").settle(SettlePolicy::First);
        let layer = PaymentLayer::new(&shop.gate, route).unwrap();
        let broken = any(|| async { StatusCode::INTERNAL_SERVER_ERROR });
        Router::new().route("/paid", broken.layer(layer))
    })
    .await;
    let post = || {
        let request = shop.http.post(shop.url("/paid"));
        request.header("idempotency-key", "k").body("x")
    };
    let _ = shop.pay(post).await;
    shop.reached(State::Owed).await;
    let again = shop.pay(post).await;
    assert_eq!(kind(&problem(again).await), "payment-owed");
    shop.assert_paid(1).await;
    let owed = shop.gate.payments().owed(1).await.unwrap();
    shop.gate.refund(owed[0].record.id).await.unwrap();
    let again = shop.pay(post).await;
    assert_eq!(kind(&problem(again).await), "invalid-challenge");
    shop.assert_paid(0).await;
}

#[tokio::test]
async fn a_clock_that_jumps_ahead_gives_nothing_away() {
    for policy in [SettlePolicy::After, SettlePolicy::First] {
        let go_on = Arc::new(tokio::sync::Notify::new());
        let shop = Shop::open_with(|shop| {
            let route = priced("$0.002").settle(policy);
            let layer = PaymentLayer::new(&shop.gate, route).unwrap();
            let (runs, go_on) = (Arc::clone(&shop.runs), Arc::clone(&go_on));
            let handler = any(move || async move {
                runs.fetch_add(1, Ordering::SeqCst);
                go_on.notified().await;
                "sunny"
            });
            Router::new().route("/paid", handler.layer(layer))
        })
        .await;
        let post = shop.http.post(shop.url("/paid"));
        let credential = shop.sign_for(post.try_clone().unwrap()).await;
        let request = post.header("authorization", &credential);
        let again = request.try_clone().unwrap();
        let working = tokio::spawn(async move { request.send().await.unwrap() });
        while shop.runs() == 0 {
            tokio::task::yield_now().await;
        }
        shop.clock.advance(Duration::from_secs(20 * 60));
        shop.gate.reconcile().await.unwrap();
        go_on.notify_one();
        let late = working.await.unwrap();
        assert!(!late.status().is_success(), "{policy:?}");
        let told = problem(again.send().await.unwrap()).await;
        assert_eq!(shop.runs(), 1);
        match policy {
            // Given up while it ran: nothing moved, and nothing was served.
            SettlePolicy::After => {
                assert_eq!(told["moneyMoved"], false, "{told}");
                shop.assert_paid(0).await;
            }
            SettlePolicy::First => {
                assert_eq!(kind(&told), "payment-owed");
                shop.assert_paid(1).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_credential_at_two_gates_of_one_file_is_served_once() {
    for policy in [SettlePolicy::After, SettlePolicy::First] {
        let folder = tempfile::tempdir().unwrap();
        let options = farthing_store::SqliteOptions::new(folder.path().join("shop.db"));
        let mut shops = Vec::new();
        for _ in 0..2 {
            let store = farthing_store::SqliteBackend::open(options.clone()).unwrap();
            let shop = Shop::open_on(
                Arc::new(store),
                |gate| gate,
                |shop| {
                    let route = priced("$0.002").settle(policy);
                    let layer = PaymentLayer::new(&shop.gate, route).unwrap();
                    let runs = Arc::clone(&shop.runs);
                    let handler = any(move || async move {
                        runs.fetch_add(1, Ordering::SeqCst);
                        "sunny"
                    });
                    Router::new().route("/paid", handler.layer(layer))
                },
            );
            shops.push(shop.await);
        }
        for round in 0..4 {
            let credential = shops[round % 2]
                .sign_for(shops[round % 2].get("/paid"))
                .await;
            let mut copies = tokio::task::JoinSet::new();
            for at in 0..40 {
                let shop = &shops[at % 2];
                let request = shop.get("/paid").header("authorization", &credential);
                copies.spawn(async move { request.send().await.unwrap().status().as_u16() });
            }
            for _ in 0..3 {
                for shop in &shops {
                    shop.gate.reconcile().await.unwrap();
                }
            }
            let statuses = copies.join_all().await;
            let served = statuses.iter().filter(|status| **status == 200).count();
            assert_eq!(served, 1, "{policy:?} {statuses:?}");
            assert_eq!(shops[0].runs() + shops[1].runs(), round + 1);
            shops[0].assert_paid(round as u128 + 1).await;
        }
    }
}
