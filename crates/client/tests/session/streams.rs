//! Streams that are paid for while they flow.

use std::sync::Arc;

use farthing_client::{Error, Standing};
use farthing_core::{intent::session::Protocol, memory::MemoryBackend, value::Amount};

use super::{World, common::price, generous, shop::WORDS};

/// What a reader sees: the shop's words, and nothing of the scheme's.
fn words() -> String {
    WORDS
        .iter()
        .map(|word| format!("data: {word}\n\n"))
        .collect()
}

#[tokio::test]
async fn a_stream_is_paid_by_the_word_while_it_flows() {
    for protocol in [Protocol::V1, Protocol::V2] {
        let world = World::new(protocol).await;
        *world.shop.unit.lock().unwrap() = Some("word");
        let answer = world.get("/stream").await;
        let bill = answer.bill().unwrap().clone();
        assert_eq!(answer.text().await.unwrap(), words());
        assert_eq!(bill.cost(), Amount::new(5_000));
        assert_eq!(bill.receipt().unwrap().units, Some(5));
        assert_eq!((world.shop.book(), bill.trouble()), ((5_000, 5_000), None));
        // Each voucher said what was owed by then, and went by HEAD.
        assert_eq!(
            (world.shop.highest_shown(), world.shop.count("voucher")),
            (5_000, 4)
        );
        world.get("/goods").await;
        assert_eq!(world.counts().await, (6_000, 6_000, 0));
        assert_eq!(world.used().await, 6_000);
    }
}

#[tokio::test]
async fn a_seller_that_takes_no_head_is_sent_a_post() {
    let world = World::new(Protocol::V2).await;
    world.shop.ways(|ways| ways.no_head = true);
    let answer = world.get("/stream").await;
    assert_eq!(answer.text().await.unwrap(), words());
    assert_eq!(world.shop.book(), (5_000, 5_000));
}

#[tokio::test]
async fn a_stream_ends_where_it_costs_more_than_one_request_may() {
    let policy = generous().max_per_request(price("$0.003"));
    let world = World::with(Protocol::V2, policy, Arc::new(MemoryBackend::new())).await;
    let mut answer = world.get("/stream").await;
    let bill = answer.bill().unwrap().clone();
    let mut read = Vec::new();
    let error = loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => read.extend(chunk),
            Ok(None) => panic!("it has no end"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Body { .. }), "{error:?}");
    assert!(
        bill.trouble().unwrap().contains("0.004 USD"),
        "{:?}",
        bill.trouble()
    );
    assert_eq!(
        read,
        &words().as_bytes()[.."data: the\n\ndata: quick\n\ndata: brown\n\n".len()]
    );
    assert_eq!(
        (world.shop.book(), world.used().await),
        ((3_000, 3_000), 3_000)
    );
}

#[tokio::test]
async fn a_deposit_that_is_out_is_topped_up_while_the_stream_waits() {
    let world = World::new(Protocol::V2).await;
    *world.shop.advised.lock().unwrap() = Some(2_000);
    let answer = world.get("/stream").await;
    assert_eq!(answer.text().await.unwrap(), words());
    assert_eq!(
        (world.shop.book(), world.shop.count("topUp")),
        ((5_000, 5_000), 2)
    );
}

#[tokio::test]
async fn a_stream_is_paid_to_its_end_though_the_program_dropped_its_client() {
    let world = World::new(Protocol::V2).await;
    *world.shop.unit.lock().unwrap() = Some("word");
    let client = world.again();
    let answer = client.get(world.shop.url("/stream")).send().await.unwrap();
    drop(client);
    assert_eq!(answer.text().await.unwrap(), words());
    assert_eq!(world.shop.book(), (5_000, 5_000));
    assert_eq!(world.counts().await, (5_000, 5_000, 0));
}

#[tokio::test]
async fn a_stream_nobody_reads_is_not_paid_for_any_further() {
    let world = World::new(Protocol::V2).await;
    let answer = world.get("/stream").await;
    drop(answer);
    // What comes next on the channel finds it in order.
    for _ in 0..3 {
        let next = world.get("/goods").await;
        assert_eq!(next.paid().unwrap().standing, Standing::Paid);
    }
    let (accepted, spent) = world.shop.book();
    assert!(
        (4_000..=8_000).contains(&spent) && spent <= accepted,
        "{accepted} {spent}"
    );
    assert!(world.shop.highest_shown() <= 8_000);
    assert!(world.purse().await.dispute.is_none());
}

#[tokio::test]
async fn requests_beside_a_stream_are_charged_to_the_same_channel() {
    let world = World::new(Protocol::V1).await;
    let mut stream = world.get("/stream").await;
    let first = stream.chunk().await.unwrap().unwrap();
    for _ in 0..4 {
        assert_eq!(world.get("/goods").await.text().await.unwrap(), "goods");
    }
    let rest = stream.text().await.unwrap();
    assert_eq!(
        [first.to_vec(), rest.into_bytes()].concat(),
        words().as_bytes()
    );
    assert_eq!(world.shop.book().1, 9_000);
    assert!(world.purse().await.dispute.is_none());
    // By itself again, the count is the seller's to the unit.
    world.get("/goods").await;
    let (signed, owed, unsure) = world.counts().await;
    assert_eq!((owed, unsure), (10_000, 0));
    assert!(signed <= 14_000, "{signed}");
}
