//! One channel, many clients, several gates.

use std::{collections::BTreeSet, sync::Arc};

use farthing_core::{port::backend::Backend, value::Amount};
use farthing_server::session::SessionOptions;
use farthing_store::{SqliteBackend, SqliteOptions};

use crate::world::{DEPOSIT, PRICE, Parts, Shop, route};

/// A hundred clients with one credential that is good for thirty: thirty are served.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_clients_share_what_one_credential_is_good_for() {
    let shop = Shop::open().await;
    let buyer = shop.buyer("alice").await;
    let asked = (0..100).map(|_| shop.buy(&buyer, 30 * PRICE));
    let answers = futures_util::future::join_all(asked).await;
    let served = answers.iter().filter(|answer| answer.status == 200);
    let spent: BTreeSet<Amount> = served.map(|answer| answer.receipt().spent).collect();
    let expected: BTreeSet<Amount> = (1..=30).map(|n| Amount::new(n * PRICE)).collect();
    assert_eq!(spent, expected, "each was charged after another");
    let refused = answers.iter().filter(|answer| answer.status != 200);
    assert!(refused.clone().count() == 70);
    assert!(
        refused
            .clone()
            .all(|answer| answer.kind() == "session/insufficient-balance")
    );
    assert_eq!(shop.runs(), 30);
    assert_eq!(
        shop.balance(&buyer.id()).await.spent,
        Amount::new(30 * PRICE)
    );
}

/// Vouchers that come in any order: what was accepted never falls, and all of it is spent once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn vouchers_in_parallel_are_spent_to_the_unit() {
    let shop = Shop::open().await;
    let buyer = shop.buyer("alice").await;
    let asked = (1..=100).map(|n| shop.buy(&buyer, n * PRICE));
    let answers = futures_util::future::join_all(asked).await;
    let served = answers.iter().filter(|answer| answer.status == 200).count();
    let balance = shop.balance(&buyer.id()).await;
    assert_eq!(balance.accepted, Amount::new(100 * PRICE));
    assert_eq!(balance.spent, Amount::new(served as u128 * PRICE));
    // What was passed by a later one may be asked for again, and is paid for already.
    let left = 100 - served;
    for _ in 0..left {
        assert_eq!(shop.buy(&buyer, 100 * PRICE).await.status, 200);
    }
    assert_eq!(shop.buy(&buyer, 100 * PRICE).await.status, 402);
    assert_eq!(shop.runs(), 100);
}

/// Two gates on one SQLite file serve one channel, and neither believes only what it knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_gates_on_one_store_serve_one_channel() {
    let dir = tempfile::tempdir().unwrap();
    let store = || -> Arc<dyn Backend> {
        let options = SqliteOptions::new(dir.path().join("store.db"));
        Arc::new(SqliteBackend::open(options).unwrap())
    };
    let one = Shop::with(
        Parts {
            backend: store(),
            ..Parts::default()
        },
        route(),
    )
    .await;
    let two = Shop::with(
        Parts {
            backend: store(),
            reserve: Some(one.reserve.clone()),
            clock: one.clock.clone(),
            ..Parts::default()
        },
        route(),
    )
    .await;
    let buyer = one.buyer("alice").await;
    // In turns.
    for n in 1..=6_u128 {
        let shop = if n % 2 == 0 { &one } else { &two };
        let answer = shop.buy(&buyer, n * PRICE).await;
        assert_eq!(answer.receipt().spent, Amount::new(n * PRICE));
    }
    // A voucher that was used at one is used at the other.
    assert_eq!(one.buy(&buyer, 6 * PRICE).await.status, 402);
    assert_eq!(two.buy(&buyer, 6 * PRICE).await.status, 402);
    // All at once.
    let last = 46 * PRICE;
    assert_eq!(one.manage(&buyer, &buyer.voucher(last)).await.status, 204);
    let asked = (0..60).map(|n| {
        let shop = if n % 2 == 0 { &one } else { &two };
        shop.buy(&buyer, last)
    });
    let answers = futures_util::future::join_all(asked).await;
    let served = answers.iter().filter(|answer| answer.status == 200);
    let spent: BTreeSet<Amount> = served.map(|answer| answer.receipt().spent).collect();
    let expected: BTreeSet<Amount> = (7..=46).map(|n| Amount::new(n * PRICE)).collect();
    assert_eq!(spent, expected);
    assert_eq!(one.runs() + two.runs(), 46);
    assert_eq!(one.balance(&buyer.id()).await.spent, Amount::new(last));
}

/// More channels than memory has room for.
#[tokio::test]
async fn channels_that_left_the_memory_come_back_as_they_were() {
    let mut options = SessionOptions::default();
    options.channels_in_memory = 1;
    let shop = Shop::with(
        Parts {
            options,
            ..Parts::default()
        },
        route(),
    )
    .await;
    let mut buyers = Vec::new();
    for n in 0..150 {
        buyers.push(shop.buyer(&format!("buyer{n}")).await);
    }
    for round in 1..=2 {
        for buyer in &buyers {
            let answer = shop.buy(buyer, round * PRICE).await;
            assert_eq!(answer.receipt().spent, Amount::new(round * PRICE));
        }
    }
    assert_eq!(shop.reserve.truth().locked(), 150 * DEPOSIT);
}
