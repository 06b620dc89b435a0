//! Sellers that lie, and what they get.

use std::sync::atomic::Ordering;

use farthing_client::{CloseHow, Closing, Error, SessionFault, Standing};
use farthing_core::{intent::session::Protocol, value::Amount};

use super::{World, is};

#[tokio::test]
async fn nothing_is_signed_above_our_own_count() {
    for protocol in [Protocol::V1, Protocol::V2] {
        let world = World::new(protocol).await;
        world.get("/goods").await;
        world.shop.ways(|ways| ways.asks_more = 1);
        let error = world
            .client
            .get(world.shop.url("/goods"))
            .send()
            .await
            .unwrap_err();
        let asks = |fault: &SessionFault| {
            matches!(fault, SessionFault::AsksTooMuch { required, allowed }
                if (required.units(), allowed.units()) == (2_001, 2_000))
        };
        assert!(is(&error, asks), "{error:?}");
        assert_eq!(
            (world.shop.highest_shown(), world.used().await),
            (2_000, 2_000)
        );
        // It was not charged, so the next request needs no more than was signed for it.
        world.shop.ways(|ways| ways.asks_more = 0);
        world.get("/goods").await;
        assert_eq!(world.shop.book(), (2_000, 2_000));
        assert_eq!(world.counts().await, (2_000, 2_000, 0));
    }
}

#[tokio::test]
async fn a_unit_that_is_no_request_may_cost_several_up_to_the_cap() {
    let world = World::new(Protocol::V2).await;
    *world.shop.unit.lock().unwrap() = Some("word");
    world.get("/goods").await;
    world.shop.ways(|ways| ways.asks_more = 98_000);
    world.get("/goods").await;
    assert_eq!(world.shop.book(), (100_000, 100_000));
    world.shop.ways(|ways| ways.asks_more = 99_001);
    let error = world
        .client
        .get(world.shop.url("/goods"))
        .send()
        .await
        .unwrap_err();
    assert!(
        is(&error, |fault| matches!(fault, SessionFault::Cap { .. })),
        "{error:?}"
    );
    // Its voucher was taken, and left a balance.
    assert_eq!(world.shop.book(), (101_000, 100_000));
}

#[tokio::test]
async fn a_receipt_above_our_count_ends_the_channels_use() {
    type Lie = fn(&mut farthing_core::noun::session::SessionReceipt);
    let lies: [Lie; 2] = [
        |said| said.spent = said.spent.checked_add(Amount::new(1)).unwrap(),
        |said| said.accepted = said.accepted.checked_add(Amount::new(1)).unwrap(),
    ];
    for lie in lies {
        let world = World::new(Protocol::V2).await;
        world.get("/goods").await;
        world.shop.ways(|ways| ways.receipt = Some(lie));
        let answer = world.get("/goods").await;
        assert_eq!(answer.paid().unwrap().standing, Standing::Doubtful);
        assert!(answer.bill().unwrap().trouble().is_some());
        // What was bought is handed on; what comes next is not paid.
        assert_eq!(answer.text().await.unwrap(), "goods");
        assert!(world.purse().await.dispute.is_some());
        let error = world
            .client
            .get(world.shop.url("/goods"))
            .send()
            .await
            .unwrap_err();
        assert!(
            is(&error, |fault| matches!(fault, SessionFault::Disputed(_))),
            "{error:?}"
        );
        assert_eq!(
            (world.shop.highest_shown(), world.used().await),
            (2_000, 2_000)
        );
    }
}

#[tokio::test]
async fn a_receipt_for_another_channel_is_none() {
    let world = World::new(Protocol::V2).await;
    world.get("/goods").await;
    world.shop.ways(|ways| {
        ways.receipt = Some(|said| {
            said.channel = "fake-another".parse().unwrap();
            said.spent = Amount::new(1 << 60);
        });
    });
    let answer = world.get("/goods").await;
    assert_eq!(answer.paid().unwrap().standing, Standing::Unconfirmed);
    assert!(world.purse().await.dispute.is_none());
    assert_eq!(world.counts().await, (2_000, 2_000, 0));
}

#[tokio::test]
async fn a_seller_that_gives_no_receipt_is_paid_no_more_for_it() {
    let world = World::new(Protocol::V1).await;
    world.shop.ways(|ways| ways.no_receipt = true);
    for count in 1..=3 {
        let answer = world.get("/goods").await;
        assert_eq!(answer.paid().unwrap().standing, Standing::Unconfirmed);
        assert_eq!(world.counts().await, (1_000 * count, 1_000 * count, 0));
    }
    assert_eq!(world.shop.channels(), 1);
}

#[tokio::test]
async fn a_stream_that_asks_for_ever_is_answered_a_few_times() {
    let world = World::new(Protocol::V2).await;
    world.shop.ways(|ways| ways.asks_for_ever = true);
    let answer = world.get("/stream").await;
    let bill = answer.bill().unwrap().clone();
    answer.text().await.unwrap_err();
    assert!(bill.trouble().is_some());
    assert_eq!(
        (world.shop.book(), world.used().await),
        ((1_000, 1_000), 1_000)
    );
    assert!(world.shop.count("voucher") <= 8);
}

#[tokio::test]
async fn a_stream_that_asks_for_another_channel_is_not_answered() {
    let world = World::new(Protocol::V2).await;
    world.shop.ways(|ways| {
        ways.need = Some(|need| {
            need.channel = "fake-another".parse().unwrap();
        });
    });
    let mut answer = world.get("/stream").await;
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "data: the\n\n");
    let silent = tokio::time::timeout(std::time::Duration::from_millis(200), answer.chunk());
    assert!(silent.await.is_err());
    assert_eq!(
        (world.shop.count("voucher"), world.used().await),
        (0, 1_000)
    );
}

#[tokio::test]
async fn a_stream_that_wants_more_than_a_request_may_cost_gets_nothing() {
    let world = World::new(Protocol::V2).await;
    world.shop.ways(|ways| {
        ways.need = Some(|need| need.required = Amount::new(100_001));
    });
    let answer = world.get("/stream").await;
    answer.text().await.unwrap_err();
    assert_eq!(
        (world.shop.count("voucher"), world.used().await),
        (0, 1_000)
    );
}

#[tokio::test]
async fn a_channel_its_seller_denies_and_its_rail_has_is_closed_and_not_replaced() {
    let world = World::new(Protocol::V2).await;
    world.get("/goods").await;
    world.shop.ways(|ways| ways.forgets = true);
    for _ in 0..2 {
        let error = world
            .client
            .get(world.shop.url("/goods"))
            .send()
            .await
            .unwrap_err();
        let denied = |fault: &SessionFault| {
            matches!(fault, SessionFault::Denied | SessionFault::Disputed(_))
        };
        assert!(is(&error, denied), "{error:?}");
    }
    assert_eq!((world.shop.channels(), world.payer.signed()), (1, 1));
}

/// A seller that keeps back what opens a channel, says that there is none, and sends it all in the end, has
/// no more locked than one channel holds; and that one its owner can close.
#[tokio::test]
async fn openings_that_are_kept_back_are_not_signed_again_and_again() {
    for protocol in [Protocol::V1, Protocol::V2] {
        let world = World::new(protocol).await;
        world.shop.ways(|ways| {
            ways.keeps_openings = true;
            ways.forgets = true;
        });
        for _ in 0..4 {
            let _ = world.client.get(world.shop.url("/goods")).send().await;
        }
        assert_eq!(world.payer.signed(), 1, "{protocol:?}");
        assert_eq!(world.shop.send_kept().await, 1);
        assert_eq!(world.reserve.truth().locked(), 100_000);
        world.client.sessions().sync().await.unwrap();
        let purse = world.purse().await;
        let closing = world
            .client
            .sessions()
            .close(purse.id, CloseHow::Alone)
            .await;
        assert!(matches!(closing, Ok(Closing::Waits { .. })), "{closing:?}");
    }
}

/// A seller may want its vouchers to rise by steps, and a step may be no more than one request may cost.
#[tokio::test]
async fn a_step_that_a_seller_wants_is_no_way_around_the_cap_on_a_request() {
    for protocol in [Protocol::V1, Protocol::V2] {
        let world = World::new(protocol).await;
        *world.shop.advised.lock().unwrap() = Some(1_000_000);
        let step = |least| world.shop.least.store(least, Ordering::SeqCst);
        step(1_000_000);
        let refused = world.client.get(world.shop.url("/goods")).send().await;
        assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
        assert_eq!((world.shop.channels(), world.used().await), (0, 0));
        // Nor on the way, once it is trusted.
        step(0);
        world.get("/goods").await;
        step(100_001);
        world.shop.price.store(2_000, Ordering::SeqCst);
        let refused = world.client.get(world.shop.url("/goods")).send().await;
        assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
        assert!(world.shop.highest_shown() <= 2_000);
        assert!(world.used().await <= 2_000);
    }
}
