//! What stops a start.

#![allow(clippy::unwrap_used, reason = "a test fails by them")]

mod common;

use std::{sync::Arc, time::Duration};

use common::key;
use farthing_core::{memory::MemoryBackend, value::Secret};
use farthing_ledger::Ledger;
use farthing_server::{Dynamic, Gate, GateBuilder, Options, Route, RouteError, SetupError};
use farthing_testkit::clock::FakeClock;

fn builder(backend: &Arc<MemoryBackend>, clock: &FakeClock, secret: u8) -> GateBuilder {
    let backend = Arc::clone(backend);
    Gate::builder()
        .realm("api.example.com")
        .secret(Secret::new(vec![secret; 32]))
        .store(backend)
        .clock(Arc::new(clock.clone()))
        .method(Arc::new(Ledger::new(key(2).account().clone())))
}

fn parts() -> (Arc<MemoryBackend>, FakeClock) {
    (
        Arc::new(MemoryBackend::new()),
        FakeClock::at(common::start_time()),
    )
}

#[test]
fn what_is_missing_or_wrong_stops_the_start() {
    let (backend, clock) = parts();
    let good = || builder(&backend, &clock, 7);
    assert!(good().build().is_ok());
    assert!(matches!(
        Gate::builder().build(),
        Err(SetupError::Missing("realm"))
    ));
    assert!(matches!(
        good().realm("a|b").build(),
        Err(SetupError::Realm(_))
    ));
    assert!(matches!(
        good().secret(Secret::new("short")).build(),
        Err(SetupError::Secrets(_))
    ));
    let twice = good().method(Arc::new(Ledger::new(key(3).account().clone())));
    assert!(matches!(twice.build(), Err(SetupError::DoubleMethod(_))));
    let bare = Gate::builder().realm("a").secret(Secret::new(vec![1; 32]));
    assert!(matches!(
        bare.clock(Arc::new(clock.clone())).build(),
        Err(SetupError::Missing("store"))
    ));
}

#[test]
fn a_route_that_cannot_be_priced_stops_the_start() {
    let (backend, clock) = parts();
    let gate = builder(&backend, &clock, 7).build().unwrap();
    let too_fine = gate.route(Route::priced("$0.0000001").unwrap());
    assert!(matches!(too_fine, Err(SetupError::Price { .. })));
    let elsewhere = Route::priced("$1")
        .unwrap()
        .price_on("tempo", "$1")
        .unwrap();
    assert!(matches!(
        gate.route(elsewhere),
        Err(SetupError::UnknownMethod(_))
    ));
    let unbound = Dynamic::new(|_| async { Ok("$1".parse()?) }).body();
    assert!(matches!(
        gate.route(Route::dynamic(unbound)),
        Err(SetupError::UnboundBody)
    ));
    assert!(Route::priced("1 dollar and a half").is_err());
    let both = Route::dynamic(Dynamic::new(|_| async { Ok("$1".parse()?) }));
    assert!(matches!(
        both.price_on("ledger", "$1"),
        Err(RouteError::Dynamic(_))
    ));
}

#[test]
fn options_that_no_gate_can_work_by_stop_the_start() {
    let (backend, clock) = parts();
    let build = |change: fn(&mut Options)| {
        let mut options = Options::default();
        change(&mut options);
        builder(&backend, &clock, 7).options(options).build()
    };
    assert!(build(|_| ()).is_ok());
    let wrong: [fn(&mut Options); 6] = [
        |options| options.challenge_lifetime = Duration::ZERO,
        |options| options.rail_deadline = Duration::ZERO,
        |options| options.ask_again = Duration::ZERO,
        // Whoever else serves the store would take over what is still being asked.
        |options| options.lease = options.rail_deadline,
        |options| options.payments_at_once = 0,
        |options| options.payments_at_once = usize::MAX,
    ];
    for change in wrong {
        assert!(matches!(build(change), Err(SetupError::Options(_))));
    }
}

#[tokio::test]
async fn two_gates_with_disjoint_secrets_do_not_share_a_store() {
    let (backend, clock) = parts();
    let first = builder(&backend, &clock, 7).build().unwrap();
    first.start().await.unwrap();
    let stranger = builder(&backend, &clock, 8).build().unwrap();
    assert!(matches!(
        stranger.start().await,
        Err(SetupError::DisjointSecrets)
    ));
    // A rotation overlaps, and is welcome.
    let until = common::start_time().saturating_add(Duration::from_secs(600));
    let rotated = builder(&backend, &clock, 8).retired_secret(Secret::new(vec![7; 32]), until);
    rotated.build().unwrap().start().await.unwrap();
    // The first went away without a word: a minute later it is forgotten.
    clock.advance(Duration::from_secs(61));
    builder(&backend, &clock, 9)
        .build()
        .unwrap()
        .start()
        .await
        .unwrap();
}

#[tokio::test]
async fn a_gate_that_drained_is_forgotten_at_once() {
    let (backend, clock) = parts();
    let first = builder(&backend, &clock, 7).build().unwrap();
    first.start().await.unwrap();
    first.drain().await;
    builder(&backend, &clock, 8)
        .build()
        .unwrap()
        .start()
        .await
        .unwrap();
}
