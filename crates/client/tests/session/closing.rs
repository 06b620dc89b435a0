//! The end of a channel, and channels that are found again.

use std::{sync::Arc, time::Duration};

use farthing_client::{CloseHow, Closing, SessionFault, Stage};
use farthing_core::{
    intent::session::Protocol, memory::MemoryBackend, port::backend::Backend, value::Amount,
};
use farthing_testkit::method::{self, FakeReserve, FakeSessionPayer};

use super::{
    WEALTH, World, client,
    common::{hasty, price},
    generous, is,
};

#[tokio::test]
async fn its_seller_closes_it_and_the_rest_comes_back() {
    for protocol in [Protocol::V1, Protocol::V2] {
        let world = World::new(protocol).await;
        for _ in 0..3 {
            world.get("/goods").await;
        }
        let id = world.purse().await.id;
        let closed = world
            .client
            .sessions()
            .close(id, CloseHow::Together)
            .await
            .unwrap();
        let Closing::Closed(purse) = closed else {
            panic!("{closed:?}")
        };
        assert_eq!(
            (purse.stage, purse.paid_out),
            (Stage::Closed, Some(Amount::new(3_000)))
        );
        assert_eq!(purse.reference.unwrap().as_str(), "closing-1");
        assert_eq!(
            (world.buyer_has(), world.seller_has()),
            (WEALTH - 3_000, 3_000)
        );
        assert!(
            world
                .client
                .sessions()
                .list(None, 9)
                .await
                .unwrap()
                .is_empty()
        );
        assert_eq!(
            world.client.sessions().ended(None, 9).await.unwrap().len(),
            1
        );
        // What comes next opens another one.
        world.get("/goods").await;
        assert_eq!((world.shop.channels(), world.used().await), (2, 4_000));
    }
}

#[tokio::test]
async fn what_was_signed_ahead_and_not_spent_comes_back() {
    let policy = generous().sign_ahead(price("$0.01"));
    let world = World::with(Protocol::V2, policy, Arc::new(MemoryBackend::new())).await;
    world.get("/goods").await;
    world.get("/goods").await;
    let id = world.purse().await.id;
    world
        .client
        .sessions()
        .close(id, CloseHow::Together)
        .await
        .unwrap();
    assert_eq!(
        (world.buyer_has(), world.seller_has()),
        (WEALTH - 2_000, 2_000)
    );
    // And no budget counts it any more.
    assert_eq!(world.used().await, 2_000);
}

#[tokio::test]
async fn a_rail_that_forgets_closed_channels_leaves_the_word_to_the_receipt() {
    for lie in [None, Some(500), Some(1_500)] {
        let policy = generous().sign_ahead(price("$0.01"));
        let world = World::with(Protocol::V2, policy, Arc::new(MemoryBackend::new())).await;
        world.get("/goods").await;
        world.get("/goods").await;
        world.reserve.set_forgets_the_end(true);
        match lie {
            None => {}
            // What was owed for sure stays spent, whatever a seller says that it took.
            Some(500) => {
                world.shop.ways(|ways| {
                    ways.receipt = Some(|said| said.spent = Amount::new(500));
                });
            }
            Some(_) => world.shop.ways(|ways| ways.no_receipt = true),
        }
        assert_eq!(world.counts().await, (12_000, 2_000, 0));
        let id = world.purse().await.id;
        let sessions = world.client.sessions();
        sessions.close(id, CloseHow::Together).await.unwrap();
        let purse = sessions.show(id).await.unwrap().unwrap();
        let (paid_out, used) = match lie {
            Some(1_500) => (None, 12_000),
            _ => (Some(Amount::new(2_000)), 2_000),
        };
        assert_eq!((purse.stage, purse.paid_out), (Stage::Closed, paid_out));
        assert_eq!(world.used().await, used, "{lie:?}");
    }
}

#[tokio::test]
async fn what_a_seller_never_took_is_given_back_by_the_word_of_the_rail() {
    let world = World::new(Protocol::V2).await;
    world.get("/goods").await;
    let id = world.purse().await.id;
    let sessions = world.client.sessions();
    sessions.close(id, CloseHow::Alone).await.unwrap();
    assert_eq!(world.used().await, 1_000);
    world
        .clock
        .advance(FakeReserve::grace() + Duration::from_secs(60));
    world.reserve.mine();
    // However many look, it comes back once.
    for _ in 0..3 {
        sessions.sync().await.unwrap();
        assert_eq!(world.used().await, 0);
    }
}

#[tokio::test]
async fn a_first_channel_closes_with_no_more_than_is_owed() {
    let world = World::new(Protocol::V1).await;
    world.get("/goods").await;
    // It is refused, signed for and not charged.
    world.shop.ways(|ways| ways.asks_more = 1);
    world
        .client
        .get(world.shop.url("/goods"))
        .send()
        .await
        .unwrap_err();
    world.shop.ways(|ways| ways.asks_more = 0);
    assert_eq!(world.counts().await, (2_000, 1_000, 0));
    let id = world.purse().await.id;
    world
        .client
        .sessions()
        .close(id, CloseHow::Together)
        .await
        .unwrap();
    assert_eq!(
        (world.buyer_has(), world.seller_has()),
        (WEALTH - 1_000, 1_000)
    );
}

/// Nobody says what became of the request that opened the channel, and the receipts that follow may be of
/// before their requests: so one price may be owed or not, and the seller knows.
#[tokio::test]
async fn what_was_perhaps_not_charged_is_not_paid_at_the_close() {
    for protocol in [Protocol::V1, Protocol::V2] {
        for served in [1, 2] {
            let world = World::new(protocol).await;
            let sends = hasty().sends as usize;
            // The opening is shown so often, and then a voucher.
            world.shop.ways(|ways| ways.fails = 2 * sends);
            let error = world.client.get(world.shop.url("/goods")).send().await;
            let error = error.unwrap_err();
            assert!(
                is(&error, |fault| matches!(fault, SessionFault::Unanswered(_))),
                "{error:?}"
            );
            assert_eq!(world.counts().await, (1_000, 1_000, 1_000));
            for _ in 0..served {
                world.get("/goods").await;
            }
            let spent = served * 1_000;
            assert_eq!(world.shop.book().1, spent);
            let sessions = world.client.sessions();
            let id = world.purse().await.id;
            sessions.close(id, CloseHow::Together).await.unwrap();
            assert_eq!(
                (world.buyer_has(), world.seller_has()),
                (WEALTH - spent, spent)
            );
            let purse = sessions.show(id).await.unwrap().unwrap();
            assert_eq!(purse.paid_out, Some(Amount::new(spent)));
        }
    }
}

#[tokio::test]
async fn a_seller_that_will_not_close_is_not_needed() {
    let world = World::new(Protocol::V2).await;
    world.get("/goods").await;
    world.shop.ways(|ways| ways.will_not_close = true);
    let id = world.purse().await.id;
    let sessions = world.client.sessions();
    let error = sessions.close(id, CloseHow::Together).await.unwrap_err();
    assert!(
        is(&error, |fault| matches!(fault, SessionFault::Refused(_))),
        "{error:?}"
    );
    let waits = sessions.close(id, CloseHow::Alone).await.unwrap();
    assert!(matches!(waits, Closing::Waits { .. }), "{waits:?}");
    // Asking again, also in another process, is the same.
    let again = world.again();
    let waits = again.sessions().close(id, CloseHow::Alone).await.unwrap();
    assert!(matches!(waits, Closing::Waits { .. }), "{waits:?}");
    assert_eq!(world.buyer_has(), WEALTH - 100_000);
    world
        .clock
        .advance(FakeReserve::grace() + Duration::from_secs(60));
    world.reserve.mine();
    let synced = sessions.sync().await.unwrap();
    assert_eq!((synced.len(), synced[0].purse.stage), (1, Stage::Closed));
    // The seller handed nothing in, and what it was owed is its own loss.
    assert_eq!((world.buyer_has(), world.seller_has()), (WEALTH, 0));
}

#[tokio::test]
async fn a_seller_that_moved_is_asked_where_it_served_last() {
    let World {
        shop,
        client,
        reserve,
        ..
    } = World::new(Protocol::V2).await;
    let moved = shop.also().await;
    for at in [&shop, &moved] {
        let answer = client.get(at.url("/goods")).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "goods");
    }
    let listed = client.sessions().list(None, 9).await.unwrap();
    let [purse] = &listed[..] else {
        panic!("{listed:?}")
    };
    assert_eq!(*purse.url, *moved.url("/goods"));
    assert_eq!(purse.opened_at.as_deref(), Some(&*shop.url("/goods")));
    drop(shop);
    let sessions = client.sessions();
    let closed = sessions.close(purse.id, CloseHow::Together).await.unwrap();
    assert!(matches!(closed, Closing::Closed(_)), "{closed:?}");
    assert_eq!(
        reserve.truth().balance(method::account("shop").as_str()),
        2_000
    );
}

#[tokio::test]
async fn an_address_that_does_not_close_takes_the_way_to_the_first_one_from_nobody() {
    let world = World::new(Protocol::V2).await;
    world.get("/goods").await;
    let other = world.shop.also().await;
    let answer = world.client.get(other.url("/goods")).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "goods");
    drop(other);
    // Without a connection that is open still.
    let again = world.again();
    let id = world.purse().await.id;
    let closed = again.sessions().close(id, CloseHow::Together).await;
    assert!(matches!(closed, Ok(Closing::Closed(_))), "{closed:?}");
    assert_eq!(
        (world.buyer_has(), world.seller_has()),
        (WEALTH - 2_000, 2_000)
    );
}

#[tokio::test]
async fn what_ended_long_ago_is_forgotten_and_what_lives_is_not() {
    let world = World::new(Protocol::V2).await;
    world.get("/goods").await;
    let sessions = world.client.sessions();
    let first = world.purse().await.id;
    sessions.close(first, CloseHow::Together).await.unwrap();
    world.get("/goods").await;
    let keep = hasty().keep_ended;
    for (later, there) in [(keep, 1), (Duration::from_secs(1), 0)] {
        world.clock.advance(later);
        sessions.sync().await.unwrap();
        assert_eq!(sessions.ended(None, 9).await.unwrap().len(), there);
    }
    assert_eq!(sessions.show(first).await.unwrap(), None);
    assert_eq!(world.purse().await.signed, Amount::new(1_000));
    assert_eq!(world.used().await, 2_000);
}

#[tokio::test]
async fn a_channel_that_was_closed_behind_our_back_is_replaced_once() {
    let world = World::new(Protocol::V2).await;
    world.get("/goods").await;
    let channel = world.purse().await.channel.unwrap();
    world.reserve.request_close(&channel);
    world
        .clock
        .advance(FakeReserve::grace() + Duration::from_secs(60));
    world.reserve.mine();
    assert!(world.reserve.withdraw(&channel));
    world.shop.books.lock().unwrap().clear();
    world.shop.ways(|ways| ways.forgets = true);
    let error = world.client.get(world.shop.url("/goods")).send().await;
    // The new one is opened with the request, so that it pays although the shop forgets others.
    assert_eq!(error.unwrap().text().await.unwrap(), "goods");
    assert_eq!((world.shop.channels(), world.shop.count("open")), (2, 2));
    let ended = world.client.sessions().ended(None, 9).await.unwrap();
    assert_eq!((ended.len(), ended[0].stage), (1, Stage::Closed));
}

#[tokio::test]
async fn a_look_at_the_rail_takes_over_what_it_says() {
    let world = World::new(Protocol::V2).await;
    world.get("/goods").await;
    let channel = world.purse().await.channel.unwrap();
    let known = world.reserve.channel(&channel).unwrap();
    world.reserve.top_up(&known.descriptor, 5_000);
    let synced = world.client.sessions().sync().await.unwrap();
    assert!(synced[0].changed && synced[0].error.is_none());
    assert_eq!(synced[0].purse.deposit, Amount::new(105_000));
    world.reserve.set_silent(true);
    let synced = world.client.sessions().sync().await.unwrap();
    assert!(!synced[0].changed && synced[0].error.is_some());
}

#[tokio::test]
async fn a_channel_the_store_forgot_is_found_and_closed_and_pays_nothing() {
    let world = World::new(Protocol::V2).await;
    world.get("/goods").await;
    let empty: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    let account = method::account("buyer");
    let payer = FakeSessionPayer::new(Arc::clone(&world.reserve), &account).in_run("new");
    let new = client(
        Arc::new(payer),
        &empty,
        &world.clock,
        generous(),
        super::hasty(),
    );
    let found = new
        .sessions()
        .recover(&world.shop.url("/goods"))
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
    let purse = &found[0].purse;
    assert_eq!(
        (purse.stage, purse.signed, purse.deposit.units()),
        (Stage::Closing, Amount::ZERO, 100_000)
    );
    assert_eq!(found[0].spent, Amount::new(1_000));
    assert!(
        new.sessions()
            .recover(&world.shop.url("/goods"))
            .await
            .unwrap()
            .is_empty()
    );
    let waits = new
        .sessions()
        .close(purse.id, CloseHow::Alone)
        .await
        .unwrap();
    assert!(matches!(waits, Closing::Waits { .. }));
    // Somebody else's channel is nobody's here.
    let thief = method::account("thief");
    let payer = FakeSessionPayer::new(Arc::clone(&world.reserve), &thief);
    let other = client(
        Arc::new(payer),
        &empty,
        &world.clock,
        generous(),
        super::hasty(),
    );
    assert!(
        other
            .sessions()
            .recover(&world.shop.url("/goods"))
            .await
            .unwrap()
            .is_empty()
    );
}
