//! Requests that are paid for.

use std::{sync::Arc, time::Duration};

use farthing_client::{Client, Error, Limit, Policy, SessionFault, Stage, Standing, UseSessions};
use farthing_core::{intent::session::Protocol, memory::MemoryBackend, value::Amount};
use farthing_store::{SqliteBackend, SqliteOptions};
use farthing_testkit::method::{self, FakeSessionPayer};

use super::{World, common::price, generous, is};

#[tokio::test]
async fn one_channel_pays_for_many_requests_and_each_to_the_unit() {
    for protocol in [Protocol::V1, Protocol::V2] {
        let world = World::new(protocol).await;
        for count in 1..=5_u128 {
            let answer = world.get("/goods").await;
            let paid = answer.paid().unwrap();
            assert_eq!(
                (paid.amount, paid.standing),
                (Amount::new(1_000), Standing::Paid)
            );
            assert_eq!(answer.bill().unwrap().cost(), Amount::new(1_000));
            assert_eq!(answer.text().await.unwrap(), "goods");
            // Nothing is signed ahead of what is owed.
            assert_eq!(world.shop.book(), (1_000 * count, 1_000 * count));
            assert_eq!(world.counts().await, (1_000 * count, 1_000 * count, 0));
            assert_eq!(world.used().await, 1_000 * count);
        }
        assert_eq!((world.shop.channels(), world.shop.count("open")), (1, 1));
        // Only the first request asked what it costs.
        assert_eq!(
            (world.shop.count("unpaid"), world.shop.count("voucher")),
            (1, 4)
        );
        let purse = world.purse().await;
        assert_eq!((purse.stage, purse.deposit.units()), (Stage::Open, 100_000));
        assert_eq!(purse.locked(), Amount::new(95_000));
        assert_eq!(world.reserve.truth().locked(), 100_000);
    }
}

#[tokio::test]
async fn sixty_four_at_once_share_one_channel_and_all_are_served() {
    for protocol in [Protocol::V1, Protocol::V2] {
        let world = World::new(protocol).await;
        fetch_all(
            std::slice::from_ref(&world.client),
            &world.shop.url("/goods"),
            64,
        )
        .await;
        assert_eq!((world.shop.channels(), world.shop.served()), (1, 64));
        assert_eq!(world.shop.book(), (64_000, 64_000), "{protocol:?}");
        assert_eq!(world.counts().await, (64_000, 64_000, 0));
        assert_eq!(world.used().await, 64_000);
        // Nobody was sent a voucher above what all of them cost.
        assert_eq!(world.shop.highest_shown(), 64_000);
    }
}

#[tokio::test]
async fn slow_answers_hold_nobody_up() {
    let world = World::new(Protocol::V2).await;
    world.get("/goods").await;
    world
        .shop
        .ways(|ways| ways.slow = Duration::from_millis(30));
    fetch_all(
        std::slice::from_ref(&world.client),
        &world.shop.url("/goods"),
        16,
    )
    .await;
    assert_eq!(world.shop.book(), (17_000, 17_000));
    assert_eq!(world.counts().await, (17_000, 17_000, 0));
}

#[tokio::test]
async fn processes_on_one_store_share_one_channel() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("buyer.db");
    let open = || {
        let backend = SqliteBackend::open(SqliteOptions::new(&path)).unwrap();
        Arc::new(backend)
    };
    let world = World::with(Protocol::V2, generous(), open()).await;
    let mut clients = vec![world.client.clone()];
    for run in ["second", "third"] {
        let account = farthing_testkit::method::account("buyer");
        let payer =
            farthing_testkit::method::FakeSessionPayer::new(world.reserve.clone(), &account);
        let backend: Arc<dyn farthing_core::port::backend::Backend> = open();
        clients.push(super::client(
            Arc::new(payer.in_run(run)),
            &backend,
            &world.clock,
            generous(),
            super::hasty(),
        ));
    }
    fetch_all(&clients, &world.shop.url("/goods"), 48).await;
    assert_eq!((world.shop.channels(), world.shop.served()), (1, 48));
    assert_eq!(world.shop.book(), (48_000, 48_000));
    assert_eq!(world.used().await, 48_000);
    assert_eq!(world.shop.highest_shown(), 48_000);
}

async fn fetch_all(clients: &[Client], url: &str, count: usize) {
    let mut calls = tokio::task::JoinSet::new();
    for at in 0..count {
        let call = clients[at % clients.len()].get(url).send();
        calls.spawn(async move { call.await.unwrap().text().await.unwrap() });
    }
    while let Some(done) = calls.join_next().await {
        assert_eq!(done.unwrap(), "goods");
    }
}

#[tokio::test]
async fn a_deposit_that_is_out_is_topped_up_within_its_cap() {
    let policy = generous().max_deposit(price("$0.005"));
    let backend = Arc::new(MemoryBackend::new());
    let world = World::with(Protocol::V2, policy, backend).await;
    *world.shop.advised.lock().unwrap() = Some(2_000);
    for _ in 0..5 {
        world.get("/goods").await;
    }
    assert_eq!(world.purse().await.deposit, Amount::new(5_000));
    assert_eq!(world.shop.count("topUp"), 2);
    let error = world
        .client
        .get(world.shop.url("/goods"))
        .send()
        .await
        .unwrap_err();
    assert!(
        is(&error, |fault| matches!(
            fault,
            SessionFault::Deposit { .. }
        )),
        "{error:?}"
    );
    assert_eq!(
        (world.shop.book(), world.counts().await),
        ((5_000, 5_000), (5_000, 5_000, 0))
    );
}

#[tokio::test]
async fn a_budget_bounds_what_is_signed_and_what_is_locked() {
    let policy = Policy::new().budget(Limit::total(price("$0.003")));
    let backend = Arc::new(MemoryBackend::new());
    let world = World::with(Protocol::V1, policy, backend).await;
    for _ in 0..3 {
        world.get("/goods").await;
    }
    assert_eq!(world.reserve.truth().locked(), 3_000);
    world
        .client
        .get(world.shop.url("/goods"))
        .send()
        .await
        .unwrap_err();
    assert_eq!(
        (world.used().await, world.shop.highest_shown()),
        (3_000, 3_000)
    );
}

#[tokio::test]
async fn vouchers_go_ahead_only_where_a_close_takes_less_than_they_say() {
    for (protocol, signed) in [
        (Protocol::V1, 1_000 + 1_000),
        (Protocol::V2, 11_000 + 1_000),
    ] {
        let policy = generous().sign_ahead(price("$0.01"));
        let world = World::with(protocol, policy, Arc::new(MemoryBackend::new())).await;
        world.get("/goods").await;
        world.get("/goods").await;
        assert_eq!(world.counts().await, (signed, 2_000, 0), "{protocol:?}");
        assert_eq!(world.used().await, signed);
    }
}

#[tokio::test]
async fn vouchers_rise_by_the_steps_a_seller_wants() {
    let world = World::new(Protocol::V2).await;
    world
        .shop
        .least
        .store(2_500, std::sync::atomic::Ordering::SeqCst);
    for _ in 0..6 {
        world.get("/goods").await;
    }
    assert_eq!((world.shop.served(), world.shop.book().1), (6, 6_000));
    assert_eq!(world.counts().await.0, 7_500);
}

#[tokio::test]
async fn a_price_that_changed_is_paid_within_the_policy() {
    let world = World::new(Protocol::V2).await;
    world.get("/goods").await;
    world
        .shop
        .price
        .store(2_000, std::sync::atomic::Ordering::SeqCst);
    world.get("/goods").await;
    assert_eq!(world.shop.book(), (3_000, 3_000));
    world
        .shop
        .price
        .store(200_000, std::sync::atomic::Ordering::SeqCst);
    let error = world
        .client
        .get(world.shop.url("/goods"))
        .send()
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Refused(_)), "{error:?}");
    // The voucher at the former price was signed, refused and not charged.
    assert_eq!(
        (world.counts().await, world.used().await),
        ((5_000, 3_000, 0), 5_000)
    );
}

#[tokio::test]
async fn sessions_can_be_switched_off_and_a_dry_run_signs_nothing() {
    let never = generous().sessions(UseSessions::Never);
    let world = World::with(Protocol::V2, never, Arc::new(MemoryBackend::new())).await;
    world
        .client
        .get(world.shop.url("/goods"))
        .send()
        .await
        .unwrap_err();
    assert_eq!(world.payer.signed(), 0);
    let dry = world.process("dry", generous().dry_run(true));
    let answer = dry.get(world.shop.url("/goods")).send().await.unwrap();
    assert_eq!(answer.would_use().unwrap().price(), "0.001 USD");
    assert_eq!(world.shop.channels(), 0);
}

#[tokio::test]
async fn an_answer_that_is_none_of_the_payments_may_have_cost_and_the_next_receipt_tells() {
    let world = World::new(Protocol::V1).await;
    world.get("/goods").await;
    let answer = world.get("/broken").await;
    assert_eq!(answer.status(), 418);
    assert_eq!(answer.paid().unwrap().standing, Standing::Doubtful);
    assert_eq!(world.counts().await, (2_000, 2_000, 1_000));
    // It was charged: the next request is short by it, and our count allows that much.
    world.get("/goods").await;
    assert_eq!(world.shop.book(), (3_000, 3_000));
    assert_eq!(world.counts().await, (3_000, 3_000, 0));
}

#[tokio::test]
async fn a_request_whose_answer_broke_off_is_charged_once() {
    let world = World::new(Protocol::V1).await;
    world.get("/goods").await;
    world.shop.ways(|ways| ways.breaks = 1);
    let answer = world.get("/goods").await;
    assert_eq!(answer.text().await.unwrap(), "goods");
    assert_eq!(
        (world.shop.book(), world.shop.served()),
        ((2_000, 2_000), 2)
    );
    assert_eq!(world.counts().await, (2_000, 2_000, 0));
}

#[tokio::test]
async fn a_voucher_that_was_overtaken_is_sent_again_uncharged() {
    for protocol in [Protocol::V1, Protocol::V2] {
        let world = World::new(protocol).await;
        world.get("/goods").await;
        world.shop.ways(|ways| ways.holds = 2);
        let mut calls = tokio::task::JoinSet::new();
        for sent in 1..=3 {
            let call = world.client.get(world.shop.url("/goods")).send();
            calls.spawn(async move { call.await.unwrap().text().await.unwrap() });
            // Each is on its way before the next is counted.
            while world.shop.count("voucher") < sent {
                tokio::task::yield_now().await;
            }
        }
        while let Some(done) = calls.join_next().await {
            assert_eq!(done.unwrap(), "goods");
        }
        // Two of the three came too late, and were sent again with the highest.
        assert_eq!(world.shop.count("voucher"), 5);
        assert_eq!(
            (world.shop.book(), world.shop.highest_shown()),
            ((4_000, 4_000), 4_000)
        );
        assert_eq!(world.counts().await, (4_000, 4_000, 0));
    }
}

#[tokio::test]
async fn a_head_takes_the_voucher_and_costs_nothing() {
    let world = World::new(Protocol::V1).await;
    world.get("/goods").await;
    let asked = world
        .client
        .request(http::Method::HEAD, world.shop.url("/goods"));
    let answer = asked.send().await.unwrap();
    assert_eq!(answer.paid().unwrap().amount, Amount::ZERO);
    assert_eq!(world.shop.book().1, 1_000);
    world.get("/goods").await;
    assert_eq!(
        (world.shop.book(), world.counts().await),
        ((2_000, 2_000), (2_000, 2_000, 0))
    );
}

#[tokio::test]
async fn who_is_asked_is_asked_for_the_deposit_and_a_no_leaves_nothing() {
    let world = World::new(Protocol::V2).await;
    let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
    let asking = |yes: bool| {
        let asked = Arc::clone(&asked);
        Client::builder()
            .session_payer(world.payer.clone())
            .policy(generous())
            .backend(Arc::clone(&world.backend))
            .clock(world.clock.clone())
            .options(super::hasty())
            .approve(move |ask| {
                asked
                    .lock()
                    .unwrap()
                    .push((ask.amount.units(), ask.is_deposit));
                async move { yes }
            })
            .build()
            .unwrap()
    };
    let error = asking(false)
        .get(world.shop.url("/goods"))
        .send()
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Refused(_)), "{error:?}");
    let sessions = world.client.sessions();
    assert!(sessions.list(None, 9).await.unwrap().is_empty());
    assert!(sessions.ended(None, 9).await.unwrap().is_empty());
    assert_eq!((world.payer.signed(), world.used().await), (0, 0));
    let yes = asking(true);
    for _ in 0..3 {
        yes.get(world.shop.url("/goods")).send().await.unwrap();
    }
    assert_eq!(*asked.lock().unwrap(), [(100_000, true), (100_000, true)]);
}

#[tokio::test]
async fn a_receipt_from_before_the_charge_is_not_taken_for_one_that_says_it_was_free() {
    for protocol in [Protocol::V1, Protocol::V2] {
        let world = World::new(protocol).await;
        world.shop.ways(|ways| ways.late = true);
        for count in 1..=4 {
            assert_eq!(world.get("/goods").await.text().await.unwrap(), "goods");
            assert_eq!(world.shop.book(), (1_000 * count, 1_000 * count));
            assert_eq!(
                world.counts().await,
                (1_000 * count, 1_000 * count, 0),
                "{protocol:?}"
            );
        }
        // No voucher was refused on the way.
        assert_eq!(world.shop.count("voucher"), 3);
        assert_eq!(world.used().await, 4_000);
    }
}

#[tokio::test]
async fn a_seller_that_takes_no_voucher_twice_gets_one_price_more_than_is_owed_and_never_two() {
    let world = World::new(Protocol::V1).await;
    world.shop.ways(|ways| ways.late = true);
    world.get("/goods").await;
    // It is refused, signed for and not charged.
    world.shop.ways(|ways| ways.asks_more = 1);
    let refused = world.client.get(world.shop.url("/goods")).send().await;
    refused.unwrap_err();
    world.shop.ways(|ways| ways.asks_more = 0);
    assert_eq!(world.counts().await, (2_000, 1_000, 0));
    for count in 2..=5 {
        assert_eq!(world.get("/goods").await.text().await.unwrap(), "goods");
        assert_eq!(world.shop.book().1, 1_000 * count);
        let (signed, owed, _) = world.counts().await;
        assert!(signed <= owed + 1_000, "{signed} {owed}");
        assert_eq!(world.used().await, signed);
    }
}

/// One process asks its owner whether to open a channel, and another wants the same one: it says what it
/// waits for, once, and then both are served out of one.
#[tokio::test]
async fn who_waits_for_another_to_open_the_channel_is_told_so_once() {
    let world = World::new(Protocol::V2).await;
    let told = Arc::new(tokio::sync::Semaphore::new(0));
    let builder = |run: &str| {
        let account = method::account("buyer");
        let payer = FakeSessionPayer::new(Arc::clone(&world.reserve), &account).in_run(run);
        Client::builder()
            .session_payer(Arc::new(payer))
            .policy(generous())
            .backend(Arc::clone(&world.backend))
            .clock(world.clock.clone())
            .options(super::hasty())
    };
    let (asked, begun) = (Arc::new(tokio::sync::Notify::new()), told.clone());
    let asking = Arc::clone(&asked);
    let first = builder("first").approve(move |_| {
        let (asking, begun) = (Arc::clone(&asking), Arc::clone(&begun));
        async move {
            asking.notify_one();
            // Its owner says yes once the other one said what it waits for.
            begun.acquire().await.is_ok()
        }
    });
    let (first, tell) = (first.build().unwrap(), Arc::clone(&told));
    let second = builder("second").while_another_opens(move |realm| {
        assert!(!realm.as_str().is_empty());
        tell.add_permits(1);
    });
    let second = second.build().unwrap();
    let url = world.shop.url("/goods");
    let (one, two) = tokio::join!(first.get(url.clone()).send(), async {
        asked.notified().await;
        second.get(url.clone()).send().await
    });
    for answer in [one, two] {
        assert_eq!(answer.unwrap().text().await.unwrap(), "goods");
    }
    assert_eq!(told.available_permits(), 1);
    assert_eq!(
        (world.shop.channels(), world.shop.book()),
        (1, (2_000, 2_000))
    );
}
