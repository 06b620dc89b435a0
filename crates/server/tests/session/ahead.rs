//! Vouchers that say more than is owed.

use std::time::Duration;

use farthing_core::{
    intent::session::{Protocol, Standing},
    value::{Amount, Timestamp},
};
use farthing_server::session::SessionOptions;
use farthing_testkit::method::{FakeSessionPayload, method};

use crate::world::{Answer, DEPOSIT, PRICE, Parts, Shop, route};

/// A shop where a voucher may be eight requests ahead.
async fn shop(protocol: Protocol) -> Shop {
    let mut options = SessionOptions::default();
    options.v1_ahead = None;
    options.v1_requests_ahead = 8;
    let parts = Parts {
        options,
        protocol,
        ..Parts::default()
    };
    Shop::with(parts, route()).await
}

fn is_ahead(answer: &Answer, needed: u128, most: u128) {
    assert_eq!(
        (answer.status, answer.kind().as_str()),
        (402, "verification-failed")
    );
    let (problem, wanted) = (answer.problem(), |amount: u128| amount.to_string());
    assert_eq!(problem.extra["requiredCumulative"], wanted(needed));
    assert_eq!(problem.extra["mostCumulative"], wanted(most));
    assert!(answer.asks_for_a_session(), "it may sign another");
}

#[tokio::test]
async fn a_voucher_far_ahead_is_refused_with_what_is_enough_and_nothing_is_written() {
    let shop = shop(Protocol::V1).await;
    let buyer = shop.buyer("alice").await;
    let most = 9 * PRICE;
    is_ahead(&shop.buy(&buyer, DEPOSIT).await, PRICE, most);
    is_ahead(&shop.buy(&buyer, most + 1).await, PRICE, most);
    // One that comes without a request as well.
    let alone = shop.manage(&buyer, &buyer.voucher(most + 1)).await;
    is_ahead(&alone, PRICE, most);
    let balance = shop.balance(&buyer.id()).await;
    assert_eq!((balance.accepted, balance.spent), Default::default());
    assert_eq!(shop.runs(), 0);
    // The furthest that one buyer's requests at once may be, the last of them first.
    for _ in 0..9 {
        assert_eq!(shop.buy(&buyer, most).await.status, 200);
    }
    assert_eq!(shop.buy(&buyer, most + 9 * PRICE).await.status, 200);
}

#[tokio::test]
async fn a_channel_is_not_opened_with_a_voucher_far_ahead() {
    let shop = shop(Protocol::V1).await;
    let buyer = shop.stranger("alice").await;
    shop.reserve.deposit(&buyer.channel.payer, DEPOSIT);
    let lock = buyer.channel.opening(Amount::new(DEPOSIT), Timestamp::FAR);
    let opening =
        |cumulative| FakeSessionPayload::open(&buyer.channel, &lock, Amount::new(cumulative)).raw();
    is_ahead(
        &shop.present(&buyer, &opening(DEPOSIT)).await,
        PRICE,
        9 * PRICE,
    );
    assert!(shop.reserve.truth().sent.is_empty(), "nothing was sent");
    let opened = shop.present(&buyer, &opening(9 * PRICE)).await;
    assert_eq!(opened.status, 200, "{opened:?}");
}

#[tokio::test]
async fn by_the_second_protocol_a_voucher_may_say_all_of_the_deposit() {
    let shop = shop(Protocol::V2).await;
    let buyer = shop.buyer("alice").await;
    assert_eq!(shop.buy(&buyer, DEPOSIT).await.status, 200);
}

/// Somebody who signs for all and is served up to the cap keeps others out until it is closed, and not
/// until it closes.
#[tokio::test]
async fn a_full_cap_is_freed_by_closing_what_nothing_else_can_settle() {
    let mut options = SessionOptions::default();
    options.exposure_per_payer = "$0.0005".parse().unwrap();
    options.exposure_in_total = "$0.0005".parse().unwrap();
    let idle = options.settle.idle;
    let parts = Parts {
        options,
        ..Parts::default()
    };
    let shop = Shop::with(parts, route()).await;
    let (alice, bob) = (shop.buyer("alice").await, shop.buyer("bob").await);
    for _ in 0..5 {
        assert_eq!(shop.buy(&alice, DEPOSIT).await.status, 200);
    }
    let full = shop.buy(&bob, PRICE).await;
    assert_eq!((full.status, full.kind().as_str()), (503, "overloaded"));
    let till = shop.gate.sessions().unwrap().till();
    for _ in 0..4 {
        shop.clock.advance(idle / 2 + Duration::from_secs(1));
        shop.look_around().await;
        till.settle(&method()).await.unwrap();
    }
    let held = till.channels().load(&alice.id()).await.unwrap().unwrap();
    assert_eq!(held.channel().standing(), Standing::Closed);
    assert_eq!(held.channel().balance().settled, Amount::new(5 * PRICE));
    assert_eq!(shop.buy(&bob, PRICE).await.status, 200);
}
