//! What is locked in all channels together.

use std::sync::Arc;

use farthing_client::{Client, CloseHow, Purse, SessionFault};
use farthing_core::{intent::session::Protocol, memory::MemoryBackend, value::Amount};
use farthing_testkit::{
    faulty::{Failure, Faulty},
    method,
};

use super::{World, common::price, generous, is, shop::Shop};

/// What a channel's seller advises to lock.
const DEPOSIT: u128 = 100_000;

/// Sellers that each have to be paid out of a channel of their own.
async fn street(world: &World, sellers: usize) -> Vec<Shop> {
    let mut shops = Vec::new();
    for number in 0..sellers {
        let name = format!("shop-{number}");
        shops.push(Shop::open_as(&name, &world.reserve, &world.clock, Protocol::V2).await);
    }
    shops
}

async fn pays(client: &Client, shop: &Shop) -> bool {
    match client.get(shop.url("/goods")).send().await {
        Ok(answer) => answer.text().await.unwrap() == "goods",
        Err(error) => {
            let full = |fault: &SessionFault| match fault {
                SessionFault::Deposit { cap, .. } => cap.contains("other channels"),
                _ => false,
            };
            assert!(is(&error, full), "{error:?}");
            false
        }
    }
}

async fn purses(client: &Client) -> Vec<Purse> {
    client.sessions().list(None, 50).await.unwrap()
}

#[tokio::test]
async fn sellers_that_change_their_names_lock_no_more_than_all_may() {
    let policy = || generous().max_locked(price("$0.25"));
    let backend = Arc::new(MemoryBackend::new());
    let world = World::with(Protocol::V2, policy(), backend).await;
    let shops = street(&world, 6).await;
    let mut served = 0;
    for shop in &shops {
        served += usize::from(pays(&world.client, shop).await);
    }
    // Two of them are advised in full, and the third gets what is left.
    let all = purses(&world.client).await;
    let mut deposits: Vec<_> = all.iter().map(|purse| purse.deposit.units()).collect();
    deposits.sort_unstable();
    assert_eq!((served, deposits), (3, vec![DEPOSIT / 2, DEPOSIT, DEPOSIT]));
    assert_eq!(world.reserve.truth().locked(), 250_000);

    // What is closed leaves room for others.
    let first = purses(&world.client).await.remove(0);
    let sessions = world.client.sessions();
    sessions.close(first.id, CloseHow::Together).await.unwrap();
    assert!(pays(&world.client, &shops[4]).await);
    assert!(!pays(&world.client, &shops[5]).await);
    assert_eq!(world.reserve.truth().locked(), 250_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_open_at_once_lock_no_more_than_all_may() {
    let world = World::new(Protocol::V2).await;
    let shops = Arc::new(street(&world, 8).await);
    let mut at_once = tokio::task::JoinSet::new();
    for number in 0..4 {
        let policy = generous().max_locked(price("$0.25"));
        let client = world.process(&format!("process {number}"), policy);
        for at in 0..shops.len() {
            // Each begins at another one.
            let (client, shops) = (client.clone(), Arc::clone(&shops));
            at_once.spawn(async move { pays(&client, &shops[(at + number * 2) % 8]).await });
        }
    }
    let mut served = 0;
    while let Some(done) = at_once.join_next().await {
        served += usize::from(done.unwrap());
    }
    let all = purses(&world.client).await;
    let locked: u128 = all.iter().map(|purse| purse.deposit.units()).sum();
    assert_eq!((locked, world.reserve.truth().locked()), (250_000, 250_000));
    assert!(served >= all.len(), "{served}");
}

#[tokio::test]
async fn a_top_up_takes_no_more_than_other_channels_leave() {
    let policy = generous().max_locked(price("$0.205"));
    let backend = Arc::new(MemoryBackend::new());
    let world = World::with(Protocol::V2, policy, backend).await;
    let shops = street(&world, 1).await;
    *world.shop.advised.lock().unwrap() = Some(DEPOSIT);
    assert!(pays(&world.client, &shops[0]).await);
    for _ in 0..105 {
        assert!(pays(&world.client, &world.shop).await);
    }
    assert!(!pays(&world.client, &world.shop).await);
    assert_eq!(world.shop.count("topUp"), 1);
    assert_eq!(world.reserve.truth().locked(), 205_000);
}

#[tokio::test]
async fn what_was_never_locked_leaves_its_room() {
    let (backend, faults) = Faulty::new(MemoryBackend::new());
    let policy = generous().max_locked(price("$0.10"));
    let world = World::with(Protocol::V2, policy, Arc::new(backend)).await;
    let shops = street(&world, 1).await;
    // What opens it is signed, and is kept nowhere.
    faults.fail_commit(3, Failure::Full);
    let failed = world.client.get(shops[0].url("/goods")).send().await;
    failed.unwrap_err();
    // It is signed and kept, and never comes.
    shops[0].ways(|ways| ways.drops_openings = 100);
    let lost = world.client.get(shops[0].url("/goods")).send().await;
    lost.unwrap_err();
    assert!(!pays(&world.client, &world.shop).await);
    world.clock.advance(std::time::Duration::from_secs(120));
    world.client.sessions().sync().await.unwrap();
    assert!(pays(&world.client, &world.shop).await);
    let buyer = method::account("buyer");
    let truth = world.reserve.truth();
    assert_eq!(truth.locked(), DEPOSIT);
    assert_eq!(truth.balance(buyer.as_str()), super::WEALTH - DEPOSIT);
    let left = purses(&world.client).await;
    assert_eq!(left[0].deposit, Amount::new(DEPOSIT));
}

/// Each top-up that its seller keeps back can be sent until its time is over, whatever its seller said of
/// it: so there is one at a time.
#[tokio::test]
async fn a_seller_that_keeps_top_ups_back_locks_no_more_than_one_of_them() {
    let policy = generous().max_deposit(price("$0.10"));
    let backend = Arc::new(MemoryBackend::new());
    let world = World::with(Protocol::V2, policy, backend).await;
    *world.shop.advised.lock().unwrap() = Some(3_000);
    world.shop.ways(|ways| ways.keeps_top_ups = true);
    for _ in 0..40 {
        let _ = world.client.get(world.shop.url("/goods")).send().await;
    }
    world.shop.send_kept().await;
    let locked = world.reserve.truth().locked();
    assert!(locked <= DEPOSIT, "{locked}");
    // What came after all is found.
    world.client.sessions().sync().await.unwrap();
    assert_eq!(purses(&world.client).await[0].deposit.units(), locked);
}

/// The same where nothing of it ever comes: what its seller said that it added is not there.
#[tokio::test]
async fn what_a_seller_said_that_it_added_counts_until_it_cannot_come() {
    let policy = generous().max_deposit(price("$0.10"));
    let backend = Arc::new(MemoryBackend::new());
    let world = World::with(Protocol::V2, policy, backend).await;
    *world.shop.advised.lock().unwrap() = Some(3_000);
    world.shop.ways(|ways| ways.keeps_top_ups = true);
    for _ in 0..10 {
        let _ = world.client.get(world.shop.url("/goods")).send().await;
    }
    assert_eq!(world.shop.served(), 3);
    world.shop.ways(|ways| ways.keeps_top_ups = false);
    world.clock.advance(std::time::Duration::from_secs(600));
    world.reserve.mine();
    world.client.sessions().sync().await.unwrap();
    assert_eq!(purses(&world.client).await[0].deposit.units(), 3_000);
    assert!(pays(&world.client, &world.shop).await);
    assert_eq!(
        world.reserve.truth().locked(),
        purses(&world.client).await[0].deposit.units()
    );
}
