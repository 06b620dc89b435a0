//! Proofs that have to be sent soon, and methods that ask in several ways.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by them")]

mod common;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use common::{PRICE, challenges, fake::FakeShop, key, kind, problem};
use farthing_core::{
    memory::MemoryBackend,
    noun::{Challenge, Credential, Source},
    payment::{SettlePolicy, State},
    port::{
        backend::Backend,
        method::{Charge, PrepareError},
        payer::Offer,
    },
    value::Secret,
};
use farthing_ledger::Ledger;
use farthing_server::{Dynamic, Gate, Route, SetupError};
use farthing_testkit::{
    clock::FakeClock,
    method::{Answer, FakeCharge, FakeRail, Latch, account},
};
use serde_json::{Map, json};

fn route(policy: SettlePolicy) -> Route {
    Route::priced("$0.002").unwrap().settle(policy)
}

/// A shop whose proofs have to be sent within so many milliseconds, and whose handler takes so
/// many of them.
async fn shop(policy: SettlePolicy, window: u64, takes: u64) -> FakeShop {
    shop_on(Arc::new(MemoryBackend::new()), policy, window, takes).await
}

async fn shop_on(
    backend: Arc<dyn Backend>,
    policy: SettlePolicy,
    window: u64,
    takes: u64,
) -> FakeShop {
    let clock: Arc<Mutex<Option<FakeClock>>> = Arc::default();
    let handlers = Arc::clone(&clock);
    let handle = move |_: &axum::extract::Request| {
        if let Some(clock) = &*handlers.lock().unwrap() {
            clock.advance(Duration::from_millis(takes));
        }
        None
    };
    let within = |charge: FakeCharge| charge.sending_within(Duration::from_millis(window));
    let fake = FakeShop::selling(backend, within, route(policy), handle).await;
    *clock.lock().unwrap() = Some(fake.shop.clock.clone());
    fake
}

#[tokio::test]
async fn an_answer_in_time_is_paid_for() {
    for policy in [SettlePolicy::First, SettlePolicy::After] {
        let fake = shop(policy, 5_000, 4_999).await;
        let credential = fake.credential().await;
        fake.served(&credential).await;
    }
}

#[tokio::test]
async fn what_has_to_be_sent_too_soon_is_refused_before_the_handler() {
    let fake = shop(SettlePolicy::After, 1_000, 0).await;
    let credential = fake.credential().await;
    let refused = fake.present(&credential).await;
    assert_eq!(refused.status(), 402);
    assert_eq!(challenges(&refused).len(), 2, "another challenge may do");
    let problem = problem(refused).await;
    assert_eq!(kind(&problem), "payment-expired");
    assert_eq!(problem["moneyMoved"], false);
    assert_eq!((fake.shop.runs(), fake.rail.truth().settles), (0, 0));
    assert!(fake.shop.states().is_empty(), "nothing is claimed");
    // What is sent at once needs no time before.
    let fake = shop(SettlePolicy::First, 1_000, 0).await;
    fake.served(&fake.credential().await).await;
    let fake = shop(SettlePolicy::First, 0, 0).await;
    let credential = fake.credential().await;
    fake.refused(&credential, 402, "payment-expired", Some(false))
        .await;
    assert_eq!(fake.rail.truth().settles, 0);
}

#[tokio::test]
async fn an_answer_that_is_too_late_to_be_paid_for_is_withheld_and_never_sent() {
    let fake = shop(SettlePolicy::After, 5_000, 5_000).await;
    let credential = fake.credential().await;
    let late = fake.present(&credential).await;
    assert_eq!(late.status(), 504);
    let problem = problem(late).await;
    assert_eq!(kind(&problem), "not-served-in-time");
    assert_eq!(problem["moneyMoved"], false);
    assert_eq!(fake.shop.states().last(), Some(&State::Voided));
    for _ in 0..2 {
        fake.refused(&credential, 402, "invalid-challenge", Some(false))
            .await;
        fake.shop.clock.advance(Duration::from_secs(60));
        fake.shop.gate.reconcile().await.unwrap();
    }
    let truth = fake.rail.truth();
    assert_eq!((truth.settles, truth.resolves), (0, 0));
    assert_eq!(fake.shop.runs(), 1);
    fake.assert_moved(0);
}

#[tokio::test]
async fn a_held_answer_is_not_sent_for_once_its_time_is_over() {
    for presented in [true, false] {
        let fake = shop(SettlePolicy::After, 5_000, 0).await;
        let credential = fake.credential().await;
        fake.rail.script([Answer::Refuse]);
        fake.refused(&credential, 402, "verification-failed", Some(false))
            .await;
        assert_eq!(fake.shop.states().last(), Some(&State::Answered));
        fake.shop.clock.advance(Duration::from_secs(5));
        if presented {
            fake.refused(&credential, 402, "invalid-challenge", Some(false))
                .await;
        } else {
            fake.shop.gate.reconcile().await.unwrap();
        }
        assert_eq!(fake.shop.states().last(), Some(&State::Voided));
        let truth = fake.rail.truth();
        assert_eq!((truth.settles, truth.resolves), (1, 0));
        fake.assert_moved(0);
    }
}

/// Whoever takes over what a dead process may have sent asks, and sends nothing for the first time.
#[tokio::test]
async fn what_may_have_been_sent_is_only_asked_about_once_its_time_is_over() {
    let fake = shop(SettlePolicy::First, 5_000, 0).await;
    let credential = fake.credential().await;
    let route = fake.shop.gate.route(route(SettlePolicy::First)).unwrap();
    let request = http::Request::get("/paid").header("authorization", &credential);
    let (parts, ()) = request.body(()).unwrap().into_parts();
    fake.rail.script([Answer::Hang(Latch::default())]);
    type Body = http_body_util::Full<bytes::Bytes>;
    {
        let admission = fake.shop.gate.admit::<Body>(&route, &parts, None, None);
        let mut admission = std::pin::pin!(admission);
        tokio::select! {
            biased;
            () = fake.shop.reached(State::Sent) => {}
            _ = &mut admission => panic!("the rail does not answer"),
        }
        // Its call arrives, and nobody waits for the answer any more.
        let called = async {
            while fake.rail.truth().settles == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = called => {}
            _ = admission => panic!("the rail does not answer"),
        }
    }
    fake.shop.clock.advance(Duration::from_secs(60));
    fake.shop.gate.reconcile().await.unwrap();
    let truth = fake.rail.truth();
    assert_eq!((truth.settles, truth.resolves), (1, 1));
    assert_eq!(fake.shop.states().last(), Some(&State::Settled));
    fake.assert_moved(1);
}

#[tokio::test]
async fn a_pending_payment_says_what_it_waits_for_apart_from_what_moved() {
    for policy in [SettlePolicy::First, SettlePolicy::After] {
        let fake = shop(policy, 60_000, 0).await;
        let credential = fake.credential().await;
        fake.rail.script([Answer::Pending(Duration::from_secs(3))]);
        let pending = fake.present(&credential).await;
        assert_eq!(pending.status(), 503);
        assert!(pending.headers().contains_key("retry-after"));
        let told = problem(pending).await;
        assert_eq!(kind(&told), "payment-pending");
        assert_eq!(told["awaits"], "fake-buyer-0");
        assert_eq!(told["moneyMoved"], serde_json::Value::Null);
        assert_eq!(
            told.get("reference"),
            None,
            "nothing moved that is known of"
        );
        fake.shop.clock.advance(Duration::from_secs(4));
        fake.shop.gate.reconcile().await.unwrap();
        fake.served(&credential).await;
        let told = problem(fake.present(&credential).await).await;
        assert_eq!(told["reference"], "fake-buyer-0");
        assert_eq!(told.get("awaits"), None);
    }
}

#[tokio::test]
async fn a_limit_of_the_sellers_is_nobodys_bad_proof_and_is_named() {
    let limited = |charge: FakeCharge| charge.limited("in flight", PRICE, false);
    let backend = Arc::new(MemoryBackend::new());
    let route = route(SettlePolicy::First);
    let fake = FakeShop::selling(backend, limited, route, |_| None).await;
    let (first, second) = (fake.credential().await, fake.credential().await);
    fake.rail.script([Answer::Pending(Duration::from_secs(3))]);
    fake.refused(&first, 503, "payment-pending", None).await;
    let refused = fake.present(&second).await;
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    let told = problem(refused).await;
    assert_eq!(kind(&told), "overloaded");
    assert_eq!(told["moneyMoved"], false);
    assert_eq!(told["detail"], "As much as may be is in flight.");
    fake.shop.clock.advance(Duration::from_secs(4));
    assert_eq!(fake.present(&first).await.status(), 200);
    assert_eq!(fake.present(&second).await.status(), 200);
    fake.assert_moved(2);
}

/// A credential for a challenge of the fake rail in whatever currency.
fn prove(fake: &FakeShop, challenge: &Challenge, nonce: &str) -> String {
    let offer = Offer {
        challenge: challenge.clone(),
        request: challenge.request.decode().unwrap(),
    };
    let proof = fake.payer.prove(&offer, nonce.to_owned());
    let source = Some(Source::from(fake.payer.account().clone()));
    let credential = Credential::new(challenge.clone(), source, &proof).unwrap();
    farthing_core::header::authorization::format(&credential)
}

#[tokio::test]
async fn a_method_asks_in_several_currencies_and_is_paid_in_any() {
    let two = |charge: FakeCharge| charge.also_in("dime6");
    let backend = Arc::new(MemoryBackend::new());
    let route = Route::priced("$1").unwrap().price_on("fake", "$0.002");
    let fake = FakeShop::selling(backend, two, route.unwrap(), |_| None).await;
    let response = fake.shop.get("/paid").send().await.unwrap();
    let offered = challenges(&response);
    let asked: Vec<_> = offered
        .iter()
        .map(|challenge| {
            let request: farthing_core::intent::charge::ChargeRequest =
                challenge.request.decode().unwrap();
            (challenge.method.to_string(), request.currency.to_string())
        })
        .collect();
    let expect = [("ledger", "usd6"), ("fake", "fake6"), ("fake", "dime6")];
    assert_eq!(asked, expect.map(|(by, of)| (by.into(), of.into())));
    let told = problem(response).await;
    assert_eq!(told["offers"].as_array().unwrap().len(), 3);
    assert_eq!(told["offers"][2]["currency"], "dime6");
    for (at, nonce) in [(1, "a"), (2, "b")] {
        let answer = fake.present(&prove(&fake, &offered[at], nonce)).await;
        assert_eq!(answer.status(), 200);
    }
    fake.assert_moved(2);
    let kept = fake.shop.gate.receipts().list(None, 10).await.unwrap();
    let mut currencies: Vec<_> = kept.iter().map(|kept| kept.currency.as_str()).collect();
    currencies.sort_unstable();
    assert_eq!(currencies, ["dime6", "fake6"]);
    // What is asked in one is not proven by what was signed for the other.
    let response = fake.shop.get("/paid").send().await.unwrap();
    let offered = challenges(&response);
    let other = Challenge {
        request: offered[2].request.clone(),
        ..offered[1].clone()
    };
    let mixed = fake.present(&prove(&fake, &other, "c")).await;
    assert_eq!(mixed.status(), 402);
    fake.assert_moved(2);
}

#[tokio::test]
async fn a_document_tells_every_currency_and_a_dynamic_price_is_asked_in_each() {
    let clock = FakeClock::at(common::start_time());
    let rail = Arc::new(FakeRail::new(Arc::new(clock.clone())));
    let charge = FakeCharge::new(rail, &account("seller")).also_in("dime6");
    let gate = gate(&clock, Arc::new(charge));
    let told = gate.route(Route::priced("$0.002").unwrap()).unwrap();
    let told = json!(told.payment_info());
    let offers = told["offers"].as_array().unwrap();
    assert_eq!(offers.len(), 2, "{told}");
    assert_eq!(offers[1]["currency"], "dime6");
    let price = Dynamic::new(|_| async { Ok("$0.002".parse()?) });
    let route = gate.route(Route::dynamic(price)).unwrap();
    let (parts, ()) = http::Request::get("/paid").body(()).unwrap().into_parts();
    type Body = http_body_util::Full<bytes::Bytes>;
    let admission = gate.admit::<Body>(&route, &parts, None, None).await;
    let farthing_server::Admission::Offer(response) = admission else {
        panic!("it has to be paid for");
    };
    let lines = response.headers().get_all("www-authenticate").iter();
    assert_eq!(lines.count(), 2);
}

fn gate(clock: &FakeClock, charge: Arc<dyn Charge>) -> Gate {
    Gate::builder()
        .realm("127.0.0.1")
        .secret(Secret::new(vec![7; 32]))
        .store(Arc::new(MemoryBackend::new()))
        .clock(Arc::new(clock.clone()))
        .method(charge)
        .build()
        .unwrap()
}

#[test]
fn terms_that_nobody_would_read_stop_the_start() {
    let clock = FakeClock::at(common::start_time());
    let gate = gate(&clock, Arc::new(Ledger::new(key(2).account().clone())));
    let terms = |method: &str| {
        let mut terms = Map::new();
        terms.insert("splits".to_owned(), json!([]));
        Route::priced("$1").unwrap().terms(method, terms).unwrap()
    };
    let stopped = gate.route(terms("tempo"));
    assert!(matches!(stopped, Err(SetupError::UnknownMethod(_))));
    let stopped = gate.route(terms("ledger"));
    let Err(SetupError::Price { source, .. }) = stopped else {
        panic!("the ledger has no terms: {stopped:?}");
    };
    assert_eq!(source, PrepareError::NoTerms);
    assert!(
        Route::priced("$1")
            .unwrap()
            .terms("Tempo", Map::new())
            .is_err()
    );
}

#[test]
fn more_offers_than_anybody_reads_stop_the_start() {
    let clock = FakeClock::at(common::start_time());
    let with = |others: usize| {
        let rail = Arc::new(FakeRail::new(Arc::new(clock.clone())));
        let mut charge = FakeCharge::new(rail, &account("seller"));
        for number in 0..others {
            charge = charge.also_in(&format!("other{number}"));
        }
        gate(&clock, Arc::new(charge)).route(Route::priced("$1").unwrap())
    };
    assert!(with(farthing_core::bounds::OFFERS - 1).is_ok());
    let stopped = with(farthing_core::bounds::OFFERS);
    assert!(matches!(stopped, Err(SetupError::Offer(_))), "{stopped:?}");
}
