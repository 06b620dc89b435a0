//! The client dies before and after each of its writes, and somebody goes on.

use std::{sync::Arc, time::Duration};

use farthing_client::{Client, CloseHow, Error, Options, SessionFault, Stage};
use farthing_core::{intent::session::Protocol, memory::MemoryBackend, value::Amount};
use farthing_testkit::faulty::{Failure, Faults, Faulty, When};

use super::{World, generous, is};

/// The writes of a client that opens a channel and pays one request, in their order.
const BEGIN: u64 = 1;
const LEASE: u64 = 2;
const SIGN: u64 = 3;
const COUNT: u64 = 4;
const OPENED: u64 = 5;
const LANDED: u64 = 6;

async fn faulty(protocol: Protocol) -> (World, Faults) {
    let (backend, faults) = Faulty::new(MemoryBackend::new());
    let world = World::with(protocol, generous(), Arc::new(backend)).await;
    (world, faults)
}

/// Lets a client go as far as a write, and ends it there.
async fn dies(world: &World, client: &Client, faults: &Faults, write: u64, when: When) {
    let held = faults.hold_commit(write, when);
    let call = tokio::spawn(client.get(world.shop.url("/goods")).send());
    held.reached().await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
}

/// A client whose lease is not renewed between its writes.
fn patient(world: &World) -> Client {
    let options = Options {
        lease: Duration::from_secs(3),
        ..super::hasty()
    };
    super::client(
        world.payer.clone(),
        &world.backend,
        &world.clock,
        generous(),
        options,
    )
}

/// What is signed and what is spent after the next process paid for its request.
async fn check(write: u64, when: When, signed: u128, spent: u128) {
    for protocol in [Protocol::V1, Protocol::V2] {
        let what = format!("{protocol:?} {when:?} {write}");
        let (world, faults) = faulty(protocol).await;
        dies(&world, &patient(&world), &faults, write, when).await;
        world.clock.advance(Duration::from_secs(10));
        let next = world.again();
        let answer = next.get(world.shop.url("/goods")).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "goods", "{what}");
        // However it died, there is one channel, and nothing is signed that nobody counted.
        assert_eq!(world.shop.channels(), 1, "{what}");
        assert_eq!(world.shop.book().1, spent, "{what}");
        assert_eq!(world.purse().await.signed.units(), signed, "{what}");
        assert_eq!(world.used().await, signed, "{what}");
        assert!(world.shop.highest_shown() <= signed, "{what}");
        // The next one finds everything in order.
        let answer = next.get(world.shop.url("/goods")).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "goods", "{what}");
        assert!(world.purse().await.dispute.is_none(), "{what}");
        assert_eq!(world.shop.book().1, spent + 1_000, "{what}");
    }
}

#[tokio::test]
async fn dies_before_it_began() {
    check(BEGIN, When::Before, 1_000, 1_000).await;
}

#[tokio::test]
async fn dies_after_it_began() {
    check(BEGIN, When::After, 1_000, 1_000).await;
}

#[tokio::test]
async fn dies_after_it_took_the_work() {
    check(LEASE, When::After, 1_000, 1_000).await;
}

#[tokio::test]
async fn dies_after_it_signed_and_before_that_is_kept() {
    check(SIGN, When::Before, 1_000, 1_000).await;
}

#[tokio::test]
async fn dies_after_it_kept_what_opens_the_channel() {
    check(SIGN, When::After, 1_000, 1_000).await;
}

#[tokio::test]
async fn dies_after_it_counted_the_request_that_opens_the_channel() {
    // It may have been charged, so the next one may owe two.
    check(COUNT, When::After, 1_000, 1_000).await;
}

#[tokio::test]
async fn dies_after_it_was_served_by_the_opening() {
    check(OPENED, When::Before, 2_000, 2_000).await;
}

#[tokio::test]
async fn dies_before_what_it_learnt_is_written() {
    check(LANDED, When::Before, 2_000, 2_000).await;
}

#[tokio::test]
async fn an_opening_that_got_no_answer_is_presented_again_and_never_signed_anew() {
    let world = World::new(Protocol::V2).await;
    world.shop.ways(|ways| ways.drops_openings = 100);
    for _ in 0..2 {
        let error = world
            .client
            .get(world.shop.url("/goods"))
            .send()
            .await
            .unwrap_err();
        assert!(
            is(&error, |fault| matches!(fault, SessionFault::Waits { .. })),
            "{error:?}"
        );
    }
    assert_eq!(
        (world.payer.signed(), world.purse().await.stage),
        (1, Stage::Opening)
    );
    world.shop.ways(|ways| ways.drops_openings = 0);
    world.get("/goods").await;
    assert_eq!((world.payer.signed(), world.shop.channels()), (1, 1));
    assert_eq!(world.shop.book().1, 1_000);
}

#[tokio::test]
async fn an_opening_that_can_never_come_gives_everything_back() {
    let world = World::new(Protocol::V2).await;
    world.shop.ways(|ways| ways.drops_openings = 100);
    world
        .client
        .get(world.shop.url("/goods"))
        .send()
        .await
        .unwrap_err();
    assert_eq!(world.used().await, 1_000);
    world.clock.advance(Duration::from_secs(3_000));
    world.reserve.mine();
    world.client.sessions().sync().await.unwrap();
    assert_eq!(world.used().await, 0);
    assert!(
        world
            .client
            .sessions()
            .list(None, 9)
            .await
            .unwrap()
            .is_empty()
    );
    world.shop.ways(|ways| ways.drops_openings = 0);
    world.get("/goods").await;
    assert_eq!((world.payer.signed(), world.used().await), (2, 1_000));
}

#[tokio::test]
async fn an_opening_the_seller_sent_and_did_not_answer_is_found_on_the_rail() {
    let world = World::new(Protocol::V1).await;
    world.shop.ways(|ways| ways.swallows_openings = 100);
    let answer = world
        .client
        .get(world.shop.url("/goods"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.text().await.unwrap(), "goods");
    assert_eq!((world.shop.channels(), world.payer.signed()), (1, 1));
    assert_eq!(world.shop.book(), (1_000, 1_000));
}

#[tokio::test]
async fn a_client_that_dies_after_each_voucher_was_counted_signs_none_twice() {
    let (world, faults) = faulty(Protocol::V1).await;
    world.get("/goods").await;
    for count in 1..=3_u128 {
        dies(&world, &patient(&world), &faults, 1, When::After).await;
        assert_eq!(world.purse().await.signed.units(), 1_000 * (count + 1));
    }
    // The three were counted and never sent; a seller that has none of them is owed one more.
    let next = world.again();
    next.get(world.shop.url("/goods")).send().await.unwrap();
    let purse = world.purse().await;
    assert_eq!(purse.signed.units(), 5_000);
    assert_eq!(world.shop.book(), (5_000, 2_000));
}

/// The writes of a request that tops the channel up: the work is taken, what is signed is kept, what
/// came of it is written, and then the request is counted.
#[tokio::test]
async fn a_top_up_is_signed_once_wherever_the_client_dies() {
    for (write, when) in [
        (1, When::After),
        (2, When::After),
        (3, When::Before),
        (3, When::After),
    ] {
        let what = format!("{when:?} {write}");
        let (world, faults) = faulty(Protocol::V2).await;
        *world.shop.advised.lock().unwrap() = Some(1_000);
        world.get("/goods").await;
        let patient = patient(&world);
        dies(&world, &patient, &faults, write, when).await;
        world.clock.advance(Duration::from_secs(4));
        let next = world.again();
        let answer = next.get(world.shop.url("/goods")).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "goods", "{what}");
        // The first opened it, and one more was signed for what it lacked.
        let truth = world.reserve.truth();
        let locked: Vec<_> = truth
            .channels
            .values()
            .map(|channel| channel.deposit)
            .collect();
        assert_eq!(locked, [2_000], "{what}");
        let purse = world.purse().await;
        assert_eq!(
            (purse.deposit.units(), purse.adding),
            (2_000, None),
            "{what}"
        );
        assert_eq!(world.shop.book(), (2_000, 2_000), "{what}");
        assert_eq!(world.used().await, 2_000, "{what}");
    }
}

#[tokio::test]
async fn a_closing_is_finished_wherever_the_client_dies() {
    // The scope is freed; what the seller said is written; what the rail says is written.
    for (write, when) in [
        (1, When::Before),
        (1, When::After),
        (2, When::Before),
        (2, When::After),
        (3, When::Before),
        (3, When::After),
    ] {
        let what = format!("{when:?} {write}");
        let (world, faults) = faulty(Protocol::V1).await;
        world.get("/goods").await;
        // Signed for, and never charged: it is given back once.
        world.shop.ways(|ways| ways.asks_more = 1);
        let refused = world.client.get(world.shop.url("/goods")).send().await;
        refused.unwrap_err();
        world.shop.ways(|ways| ways.asks_more = 0);
        assert_eq!(world.used().await, 2_000, "{what}");
        let id = world.purse().await.id;
        let held = faults.hold_commit(write, when);
        let client = world.client.clone();
        let call = tokio::spawn(async move {
            let sessions = client.sessions();
            sessions.close(id, CloseHow::Together).await
        });
        held.reached().await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        let next = world.again();
        let sessions = next.sessions();
        if !matches!(
            sessions.show(id).await.unwrap().unwrap().stage,
            Stage::Closed
        ) {
            sessions.close(id, CloseHow::Together).await.unwrap();
        }
        let purse = sessions.show(id).await.unwrap().unwrap();
        assert_eq!(
            (purse.stage, purse.paid_out),
            (Stage::Closed, Some(Amount::new(1_000))),
            "{what}"
        );
        assert_eq!(world.reserve.truth().locked(), 0, "{what}");
        assert_eq!(world.used().await, 1_000, "{what}");
        // Another channel is opened for what comes next, and only then.
        next.get(world.shop.url("/goods")).send().await.unwrap();
        assert_eq!(world.shop.channels(), 2, "{what}");
    }
}

#[tokio::test]
async fn a_store_that_fails_sends_no_voucher() {
    for failure in [Failure::Full, Failure::Busy, Failure::InDoubt] {
        let (world, faults) = faulty(Protocol::V1).await;
        world.get("/goods").await;
        let vouchers = world.shop.count("voucher");
        faults.fail_commit(1, failure);
        let error = world
            .client
            .get(world.shop.url("/goods"))
            .send()
            .await
            .unwrap_err();
        assert!(
            matches!(error, Error::Store { .. }),
            "{failure:?} {error:?}"
        );
        assert_eq!(world.shop.count("voucher"), vouchers, "{failure:?}");
        world.get("/goods").await;
        assert_eq!(world.shop.book(), (2_000, 2_000), "{failure:?}");
        assert_eq!(world.counts().await, (2_000, 2_000, 0), "{failure:?}");
    }
}

#[tokio::test]
async fn a_lease_is_renewed_while_what_it_is_for_goes_on() {
    let (world, faults) = faulty(Protocol::V2).await;
    *world.shop.advised.lock().unwrap() = Some(1_000);
    world.get("/goods").await;
    // Each look into the store takes longer than it is until the lease is renewed.
    faults.slow_reads(super::hasty().lease / 2);
    let second = world.client.get(world.shop.url("/goods")).send();
    let second = tokio::time::timeout(Duration::from_secs(30), second).await;
    let second = second.expect("neither waits for the other").unwrap();
    assert_eq!(second.text().await.unwrap(), "goods");
    faults.slow_reads(Duration::ZERO);
    assert_eq!(world.shop.count("topUp"), 1);
    assert_eq!(world.purse().await.deposit, Amount::new(2_000));
    assert_eq!(world.shop.book(), (2_000, 2_000));
}
