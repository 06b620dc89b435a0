//! What somebody does who wants more than it pays for, or wants others to get less.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, routing::any};
use farthing_core::{
    binding::Secrets,
    memory::MemoryBackend,
    port::{clock::Clock, session::Session},
    value::{Amount, Secret, Timestamp},
};
use farthing_ledger::{AccountKey, KeyType, Ledger, LedgerSessions};
use farthing_server::{
    Options, Route,
    layer::PaymentLayer,
    session::{Meter, Metering, SessionOptions, Till, TillOptions, TillParts},
};
use farthing_testkit::{
    clock::FakeClock,
    faulty::{Failure, Faulty},
    method::{FakeSessionPayload, account},
};
use tokio::sync::Notify;

use crate::world::{DEPOSIT, PRICE, Parts, START, Shop, route};

fn number(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

/// A rail that is the seller's own books says nothing while nothing happens. It is there all the same.
#[tokio::test]
async fn a_quiet_night_on_the_ledger_stops_no_service() {
    let clock = FakeClock::at(START);
    let backend = Arc::new(MemoryBackend::new());
    let shop = AccountKey::from_seed(KeyType::Ed25519, [1; 32]).unwrap();
    let ledger = Ledger::new(shop.account().clone());
    let sessions = LedgerSessions::new(ledger, backend.clone(), Arc::new(clock.clone()));
    let (method, grace) = (Session::method(&sessions).clone(), sessions.grace());
    let till = Till::new(TillParts {
        store: backend,
        clock: Arc::new(clock.clone()),
        secrets: Secrets::new(&Secret::new(vec![7; 32])).unwrap(),
        rails: vec![Arc::new(sessions)],
        memory: None,
        observer: None,
        options: TillOptions::default(),
    })
    .unwrap();
    till.look_around(&method).await.unwrap();
    let until = clock.now().saturating_add(grace);
    while clock.now() < until {
        clock.advance(Duration::from_secs(60 * 60));
        till.look_around(&method).await.unwrap();
        assert_eq!(till.heard(&method), Ok(()), "{}", clock.now());
    }
}

/// Everybody knows what opened a channel: it stands on the rail. Shown again with a voucher that is not
/// its signer's, it is refused and leaves nothing behind.
#[tokio::test]
async fn an_opening_that_a_stranger_shows_again_writes_nothing() {
    let (store, faults) = Faulty::new(MemoryBackend::new());
    let parts = Parts {
        backend: Arc::new(store),
        ..Parts::default()
    };
    let shop = Shop::with(parts, route()).await;
    let alice = shop.buyer("alice").await;
    let before = faults.commits();
    let lock = alice.channel.opening(Amount::new(DEPOSIT), Timestamp::FAR);
    let forged = alice
        .channel
        .sign_as(&account("mallory"), Amount::new(PRICE));
    let open = FakeSessionPayload::open(&alice.channel, &lock, Amount::new(PRICE));
    let open = open.with_signature(&forged).raw();
    for _ in 0..3 {
        let answer = shop.present(&alice, &open).await;
        assert_eq!(answer.status, 402, "{answer:?}");
    }
    assert_eq!((faults.commits(), shop.runs()), (before, 0));
    // Its owner may show it again, and is served.
    let open = FakeSessionPayload::open(&alice.channel, &lock, Amount::new(PRICE));
    assert_eq!(shop.present(&alice, &open.raw()).await.status, 200);
}

/// A gate that has just begun looks at its rail with its first request. Where what fails then is the
/// store, nobody is sent to look at the rail; and where it is the rail, nobody to the store.
#[tokio::test]
async fn a_store_that_fails_with_the_first_request_is_not_told_as_a_silent_rail() {
    let one = Shop::open().await;
    let buyer = one.buyer("alice").await;
    let (store, faults) = Faulty::over(one.backend.clone());
    let parts = || Parts {
        reserve: Some(one.reserve.clone()),
        clock: one.clock.clone(),
        ..Parts::default()
    };
    let backend = Arc::new(store);
    let two = Shop::with(
        Parts {
            backend: backend.clone(),
            ..parts()
        },
        route(),
    )
    .await;
    // What happened on the rail meanwhile is noted with the first request.
    for _ in 0..64 {
        one.reserve.mine();
    }
    faults.fail_commits(Some(Failure::Unavailable));
    let answer = two.buy(&buyer, PRICE).await;
    assert_eq!((answer.status, &*answer.kind()), (503, "store-unavailable"));
    // It is well again, and nobody asks it before a while: the reason is still the same.
    faults.fail_commits(None);
    let answer = two.buy(&buyer, PRICE).await;
    assert_eq!((answer.status, &*answer.kind()), (503, "store-unavailable"));
    one.clock.advance(Duration::from_secs(10));
    assert_eq!(two.buy(&buyer, PRICE).await.status, 200);

    let three = Shop::with(Parts { backend, ..parts() }, route()).await;
    one.reserve.set_silent(true);
    for _ in 0..2 {
        let answer = three.buy(&buyer, 2 * PRICE).await;
        assert_eq!((answer.status, &*answer.kind()), (503, "rail-unavailable"));
    }
    one.reserve.set_silent(false);
    one.clock.advance(Duration::from_secs(10));
    assert_eq!(three.buy(&buyer, 2 * PRICE).await.status, 200);
    assert_eq!(one.balance(&buyer.id()).await.spent, Amount::new(2 * PRICE));
}

/// One unit in the balance lets many requests by use in, for it is only looked at. Whoever never pays for
/// more is limited as with any voucher that pays for nothing.
#[tokio::test]
async fn one_unit_of_balance_does_not_begin_requests_by_use_without_end() {
    let mut options = SessionOptions::default();
    options.vouchers_per_second = number(1);
    options.voucher_burst = number(4);
    let parts = Parts {
        options,
        ..Parts::default()
    };
    let charges = Arc::new(AtomicUsize::new(0));
    let units = Arc::clone(&charges);
    let shop = Shop::made(parts, |gate, runs| {
        let handler = move |meter: Meter| async move {
            runs.fetch_add(1, Ordering::SeqCst);
            let units = units.load(Ordering::SeqCst) as u64;
            meter.charge(units).await.unwrap();
            "sunny"
        };
        let metered = Route::metered(Metering::by_use("$0.0001", "word").unwrap().estimate(0));
        let price = PaymentLayer::new(gate, metered).unwrap();
        Router::new().route("/paid", any(handler).layer(price))
    })
    .await;
    let alice = shop.buyer("alice").await;
    let mut answers = Vec::new();
    for _ in 0..8 {
        answers.push(shop.buy(&alice, PRICE).await.status);
    }
    // The opening took one of four.
    assert_eq!(answers, [200, 200, 200, 429, 429, 429, 429, 429]);
    assert_eq!(shop.runs(), 3);
    // Those that pay are not counted.
    charges.store(1, Ordering::SeqCst);
    let bob = shop.buyer("bob").await;
    for request in 1..=20 {
        assert_eq!(shop.buy(&bob, request * PRICE).await.status, 200);
    }
    assert_eq!(shop.balance(&bob.id()).await.spent.units(), 20 * PRICE);
}

/// A close waits for its rail. However many wait, others are served.
#[tokio::test]
async fn closes_that_wait_take_no_place_from_those_who_pay() {
    let mut options = Options::default();
    options.payments_at_once = 3;
    let parts = Parts {
        configure: Box::new(move |gate| gate.options(options)),
        ..Parts::default()
    };
    let (begun, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (begun, release) = (begun.clone(), release.clone());
        move |uri: http::Uri| async move {
            if uri.query() == Some("slow") {
                begun.notify_one();
                release.notified().await;
            }
            "sunny"
        }
    };
    let shop = Shop::made(parts, |gate, _| {
        let price = PaymentLayer::new(gate, route()).unwrap();
        Router::new().route("/paid", any(handler).layer(price))
    })
    .await;
    let (alice, bob) = (shop.buyer("alice").await, shop.buyer("bob").await);
    // A request of hers that never ends holds up what closes her channel.
    let slow = shop.http.get(shop.url("/paid?slow"));
    let slow = slow.header("authorization", alice.credential(&alice.voucher(PRICE)));
    let slow = tokio::spawn(slow.send());
    begun.notified().await;
    let close = FakeSessionPayload::close(&alice.channel, Amount::new(PRICE)).raw();
    let closing: Vec<_> = (0..8)
        .map(|_| {
            let request = shop.http.post(shop.url("/paid"));
            let request = request.header("authorization", alice.credential(&close));
            tokio::spawn(request.send())
        })
        .collect();
    let id = alice.id();
    let store = farthing_core::domain::channels::Channels::new(shop.backend.clone());
    loop {
        let held = store.load(&id).await.unwrap().unwrap();
        if held.channel().standing() == farthing_core::intent::session::Standing::Closing {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(shop.buy(&bob, PRICE).await.status, 200);
    assert_eq!(shop.buy(&bob, 2 * PRICE).await.status, 200);
    release.notify_one();
    assert_eq!(slow.await.unwrap().unwrap().status(), 200);
    for close in closing {
        close.abort();
    }
}

/// The name of a channel is no secret. Whoever knows it and not its key uses up nothing of what its owner may
/// send.
#[tokio::test]
async fn what_strangers_sign_for_a_channel_does_not_shut_its_owner_out() {
    let mut options = SessionOptions::default();
    options.vouchers_per_second = number(1);
    options.voucher_burst = number(4);
    let parts = Parts {
        options,
        ..Parts::default()
    };
    let shop = Shop::with(parts, route()).await;
    let alice = shop.buyer("alice").await;
    let amount = Amount::new(PRICE);
    let forged = alice.channel.sign_as(&account("mallory"), amount);
    let voucher = FakeSessionPayload::voucher(&alice.channel, amount).with_signature(&forged);
    let close = FakeSessionPayload::close(&alice.channel, amount).with_signature(&forged);
    for payload in [voucher.raw(), close.raw()] {
        for _ in 0..8 {
            assert_eq!(shop.present(&alice, &payload).await.status, 402);
        }
    }
    assert_eq!(shop.buy(&alice, PRICE).await.status, 200);
}
