//! Requests that serve a channel and buy nothing.

use std::{sync::Arc, time::Duration};

use farthing_core::{
    intent::session::Standing,
    memory::MemoryBackend,
    port::backend::Backend,
    value::{Amount, Timestamp},
};
use farthing_server::layer::{PaymentLayer, Pricing};
use farthing_testkit::method::{FakeDescriptor, FakeSessionPayload, account, method};

use crate::world::{Buyer, DEPOSIT, PRICE, Parts, Shop, payee, route};

#[tokio::test]
async fn a_head_hands_in_its_voucher_and_is_charged_nothing() {
    let shop = Shop::open().await;
    let buyer = shop.buyer("alice").await;
    for _ in 0..2 {
        // An equal voucher changes nothing.
        let credential = buyer.credential(&buyer.voucher(5 * PRICE));
        let request = shop.http.head(shop.url("/paid"));
        let answer = shop.ask(request.header("authorization", credential)).await;
        assert_eq!((answer.status, answer.body.len()), (200, 0));
        let receipt = answer.receipt();
        assert_eq!(receipt.accepted, Amount::new(5 * PRICE));
        assert_eq!((receipt.spent, receipt.units), (Amount::ZERO, None));
        assert_eq!(answer.header("cache-control"), Some("private"));
    }
    assert_eq!(shop.runs(), 0);
    let lower = buyer.credential(&buyer.voucher(4 * PRICE));
    let request = shop.http.head(shop.url("/paid"));
    let answer = shop.ask(request.header("authorization", lower)).await;
    assert_eq!(answer.status, 402);
    // What was handed in pays for what is asked.
    let answer = shop.buy(&buyer, 5 * PRICE).await;
    assert_eq!(answer.receipt().spent, Amount::new(PRICE));
}

#[tokio::test]
async fn a_bare_post_hands_in_its_voucher_and_one_with_a_body_or_a_query_buys() {
    let shop = Shop::open().await;
    let buyer = shop.buyer("alice").await;
    let bare = shop.manage(&buyer, &buyer.voucher(PRICE)).await;
    assert_eq!(bare.status, 204);
    assert_eq!(bare.receipt().spent, Amount::ZERO);
    assert_eq!(shop.runs(), 0);
    let credential = |cumulative| buyer.credential(&buyer.voucher(cumulative));
    let with_body = shop
        .http
        .post(shop.url("/paid"))
        .body("hello")
        .header("authorization", credential(PRICE));
    assert_eq!(shop.ask(with_body).await.status, 200);
    let with_query = shop
        .http
        .post(shop.url("/paid?q=1"))
        .header("authorization", credential(2 * PRICE));
    assert_eq!(shop.ask(with_query).await.status, 200);
    assert_eq!(shop.runs(), 2);
    assert_eq!(
        shop.balance(&buyer.id()).await.spent,
        Amount::new(2 * PRICE)
    );
}

#[tokio::test]
async fn a_route_may_sell_to_a_bare_post() {
    let shop = Shop::selling(route().serves_empty_posts(true)).await;
    let buyer = shop.stranger("alice").await;
    shop.reserve.deposit(&buyer.channel.payer, DEPOSIT);
    let lock = buyer.channel.opening(Amount::new(DEPOSIT), Timestamp::FAR);
    let open = FakeSessionPayload::open(&buyer.channel, &lock, Amount::new(PRICE));
    let answer = shop.manage(&buyer, &open.raw()).await;
    assert_eq!((answer.status, answer.text()), (200, "sunny"));
    let receipt = answer.receipt();
    assert_eq!(receipt.spent, Amount::new(PRICE));
    assert!(receipt.transaction.is_some());
    assert_eq!(shop.runs(), 1);
}

/// The content request itself opens the channel, and its first voucher pays for it.
#[tokio::test]
async fn an_opening_serves_its_request_and_the_same_again_is_charged_again() {
    let shop = Shop::open().await;
    let buyer = shop.stranger("alice").await;
    shop.reserve.deposit(&buyer.channel.payer, DEPOSIT);
    let lock = buyer.channel.opening(Amount::new(DEPOSIT), Timestamp::FAR);
    let open = FakeSessionPayload::open(&buyer.channel, &lock, Amount::new(2 * PRICE)).raw();
    for request in 1..=2 {
        let answer = shop.present(&buyer, &open).await;
        assert_eq!((answer.status, answer.text()), (200, "sunny"));
        let receipt = answer.receipt();
        assert_eq!(receipt.accepted, Amount::new(2 * PRICE));
        assert_eq!(receipt.spent, Amount::new(request * PRICE));
        assert!(receipt.transaction.is_some());
    }
    let answer = shop.present(&buyer, &open).await;
    assert_eq!(answer.kind(), "session/insufficient-balance");
    assert_eq!(shop.reserve.truth().locked(), DEPOSIT);
    assert_eq!(shop.runs(), 2);
}

#[tokio::test]
async fn a_top_up_makes_room_for_a_voucher_that_was_too_high() {
    let shop = Shop::open().await;
    let buyer = shop.buyer_with("alice", 2 * PRICE).await;
    assert_eq!(shop.buy(&buyer, 2 * PRICE).await.status, 200);
    let high = shop.buy(&buyer, 3 * PRICE).await;
    assert_eq!(high.kind(), "session/amount-exceeds-deposit");
    assert_eq!(high.problem().extra["deposit"], (2 * PRICE).to_string());
    shop.reserve.deposit(&buyer.channel.payer, PRICE);
    let lock = buyer
        .channel
        .top_up(Amount::new(PRICE), "first", Timestamp::FAR);
    let top_up = FakeSessionPayload::top_up(&buyer.channel, &lock).raw();
    for _ in 0..2 {
        let answer = shop.manage(&buyer, &top_up).await;
        assert_eq!(answer.status, 204, "{answer:?}");
        assert!(answer.receipt().transaction.is_some());
    }
    assert_eq!(
        shop.balance(&buyer.id()).await.deposit,
        Amount::new(3 * PRICE)
    );
    assert_eq!(shop.buy(&buyer, 3 * PRICE).await.status, 200);
    assert_eq!(shop.reserve.truth().locked(), 3 * PRICE);
}

#[tokio::test]
async fn a_close_pays_out_what_was_spent_and_the_channel_serves_no_more() {
    let shop = Shop::open().await;
    let buyer = shop.buyer("alice").await;
    for request in 1..=3 {
        assert_eq!(shop.buy(&buyer, request * PRICE).await.status, 200);
    }
    let close = FakeSessionPayload::close(&buyer.channel, Amount::new(5 * PRICE)).raw();
    let answer = shop.manage(&buyer, &close).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    let receipt = answer.receipt();
    assert_eq!(
        receipt.accepted,
        Amount::new(5 * PRICE),
        "what it closed with"
    );
    assert_eq!(receipt.spent, Amount::new(3 * PRICE));
    assert!(receipt.transaction.is_some());
    let truth = shop.reserve.truth();
    assert_eq!(truth.channel(&buyer.id()).unwrap().settled, 3 * PRICE);
    assert_eq!(
        truth.balance(buyer.channel.payer.as_str()),
        DEPOSIT - 3 * PRICE
    );
    let late = shop.buy(&buyer, 6 * PRICE).await;
    assert_eq!(
        (late.status, late.kind().as_str()),
        (410, "session/channel-finalized")
    );
    assert!(late.asks_for_a_session());
    let live = farthing_core::domain::channels::Channels::new(shop.backend.clone());
    let held = live.load(&buyer.id()).await.unwrap().unwrap();
    assert_eq!(held.channel().standing(), Standing::Closed);
    assert_eq!(shop.runs(), 3);
}

#[tokio::test]
async fn a_close_below_what_was_spent_is_refused_and_says_what_is_owed() {
    let shop = Shop::open().await;
    let buyer = shop.buyer("alice").await;
    assert_eq!(shop.buy(&buyer, 2 * PRICE).await.status, 200);
    assert_eq!(shop.buy(&buyer, 2 * PRICE).await.status, 200);
    let close = FakeSessionPayload::close(&buyer.channel, Amount::new(PRICE)).raw();
    let answer = shop.manage(&buyer, &close).await;
    assert_eq!(
        (answer.status, answer.kind().as_str()),
        (402, "session/insufficient-balance")
    );
    assert_eq!(
        answer.problem().extra["requiredCumulative"],
        (2 * PRICE).to_string()
    );
    assert_eq!(shop.buy(&buyer, 3 * PRICE).await.status, 200);
}

/// Clients manage their channel with a POST to what they buy, whatever method that is asked by.
#[tokio::test]
async fn in_a_table_a_bare_post_finds_the_route_of_its_path() {
    let shop = Shop::made(Parts::default(), |gate, runs| {
        let serve = move || async move {
            runs.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            "sunny"
        };
        let paid = gate.route(route()).unwrap();
        let table = Pricing::table([("GET /paid", Some(paid))]).unwrap();
        axum::Router::new()
            .route("/paid", axum::routing::any(serve))
            .layer(PaymentLayer::table(gate, table))
    })
    .await;
    let buyer = shop.buyer("alice").await;
    let bare = shop.manage(&buyer, &buyer.voucher(PRICE)).await;
    assert_eq!(bare.status, 204);
    assert_eq!(shop.runs(), 0);
    // Without a credential, or with a body, a POST is what it was: free.
    assert_eq!(
        shop.ask(shop.http.post(shop.url("/paid"))).await.status,
        200
    );
    assert_eq!(shop.buy(&buyer, PRICE).await.status, 200);
    assert_eq!(shop.runs(), 2);
}

/// Which channel a payer uses is noted for as long as there is that channel, and the end of an older one
/// takes no note of a newer.
#[tokio::test]
async fn a_payer_whose_channel_is_forgotten_is_forgotten_with_it() {
    let store = Arc::new(MemoryBackend::new());
    let parts = Parts {
        backend: Arc::clone(&store) as Arc<dyn Backend>,
        ..Parts::default()
    };
    let shop = Shop::with(parts, route()).await;
    let noted = || {
        let counts = store.counts();
        let row = counts.iter().find(|(it, _)| it.name() == "server.payers");
        row.map_or(0, |(_, rows)| *rows)
    };
    let older = shop.buyer("alice").await;
    assert_eq!(noted(), 1);
    ends_long_ago(&shop, &older).await;

    let newer = Buyer {
        channel: FakeDescriptor::new(&account("alice"), &payee(), shop.protocol, "newer"),
        challenge: shop.challenge("/paid").await,
    };
    shop.reserve.deposit(&newer.channel.payer, DEPOSIT);
    let lock = newer.channel.opening(Amount::new(DEPOSIT), Timestamp::FAR);
    let open = FakeSessionPayload::open(&newer.channel, &lock, Amount::ZERO);
    assert_eq!(shop.manage(&newer, &open.raw()).await.status, 204);
    let till = shop.gate.sessions().unwrap().till();
    assert_eq!(till.prune().await.unwrap().channels, 1);
    assert_eq!(noted(), 1);

    ends_long_ago(&shop, &newer).await;
    assert_eq!(till.prune().await.unwrap().channels, 1);
    assert_eq!(noted(), 0);
}

/// Closes a channel, and waits until it is kept no more.
async fn ends_long_ago(shop: &Shop, buyer: &Buyer) {
    assert_eq!(shop.buy(buyer, PRICE).await.status, 200);
    let close = FakeSessionPayload::close(&buyer.channel, Amount::new(PRICE)).raw();
    assert_eq!(shop.manage(buyer, &close).await.status, 204);
    shop.look_around().await;
    let till = shop.gate.sessions().unwrap().till();
    till.settle(&method()).await.unwrap();
    let month = Duration::from_secs(31 * 24 * 60 * 60);
    shop.clock.advance(month);
    shop.look_around().await;
}
