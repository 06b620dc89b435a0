//! The server is killed over and over while buyers buy; nothing that it acknowledged is lost, and nobody pays for what
//! was not delivered beyond what was in flight.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use farthing_client::{Client, CloseHow, Closing};
use farthing_core::{
    header::{PAYMENT_RECEIPT, payment_receipt},
    intent::session::Protocol,
    noun::session::SessionReceipt,
};
use farthing_testkit::process;

use crate::{
    market::{Market, url},
    shop::PRICE,
};

/// How often the server dies, and how many requests a buyer has under way.
const DEATHS: u64 = 6;
const AT_ONCE: usize = 4;

/// What buyers saw.
#[derive(Default)]
struct Seen {
    is_over: AtomicBool,
    served: AtomicUsize,
    /// Of those nobody said whether they were served.
    broken: AtomicUsize,
    /// The most that any receipt said was accepted.
    accepted: AtomicU64,
}

async fn shop_on(client: Client, url: String, seen: Arc<Seen>) {
    while !seen.is_over.load(Ordering::SeqCst) {
        let Ok(answer) = client.get(&url).send().await else {
            seen.broken.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let receipt = answer.headers().get(PAYMENT_RECEIPT).unwrap();
        let receipt = payment_receipt::parse(receipt.as_bytes()).unwrap();
        let receipt = SessionReceipt::read(&receipt).unwrap();
        let accepted = u64::try_from(receipt.accepted.units()).unwrap();
        seen.accepted.fetch_max(accepted, Ordering::SeqCst);
        if answer.text().await.is_ok_and(|text| text == "sunny") {
            seen.served.fetch_add(1, Ordering::SeqCst);
        } else {
            seen.broken.fetch_add(1, Ordering::SeqCst);
        }
    }
}

async fn killed_over_and_over(protocol: Protocol) {
    let Some(market) = Market::open("a server that is killed", protocol).await else {
        return;
    };
    let mut shop = market.shop(0);
    let at = shop.address();
    let page = url(at, "/paid");
    let buyer = market.buyer(0, 2).await;
    let seen = Arc::new(Seen::default());
    let mut buying = tokio::task::JoinSet::new();
    for client in &buyer.clients {
        for _ in 0..AT_ONCE {
            buying.spawn(shop_on(client.clone(), page.clone(), Arc::clone(&seen)));
        }
    }
    for death in 0..DEATHS {
        // Not before it serves: then what it was doing is what varies.
        let before = seen.served.load(Ordering::SeqCst);
        while seen.served.load(Ordering::SeqCst) < before + 10 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(death * 137 % 211)).await;
        shop.kill();
        shop.died();
        market.chain.mine(1).await;
        shop = market.shop(at.port());
        assert_eq!(shop.address(), at);
    }
    let before = seen.served.load(Ordering::SeqCst);
    while seen.served.load(Ordering::SeqCst) < before + 10 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    seen.is_over.store(true, Ordering::SeqCst);
    while let Some(ended) = buying.join_next().await {
        ended.unwrap();
    }
    // One that is alone tells what is true.
    assert_eq!(buyer.buys(&page, 1, 1).await, 2);
    let purse = buyer.purse().await;
    let id = purse.channel.clone().unwrap();
    assert_eq!(purse.dispute, None, "{purse:?}");

    // What a killed server left unsure is waited for a little, and is spent at the close.
    let closed = buyer.close(&market, &shop, CloseHow::Together).await;
    assert!(matches!(closed, Closing::Closed(_)), "{closed:?}");
    market.drain(shop).await;
    market.all_is_even(&[(&buyer, &id)]).await;

    let balance = market.books(&id).await.balance();
    let served = seen.served.load(Ordering::SeqCst) as u128 + 2;
    let in_flight = DEATHS as u128 * 2 * AT_ONCE as u128;
    let broken = seen.broken.load(Ordering::SeqCst);
    let told = format!("{served} served, {broken} broken, {balance:?}");
    assert!(
        balance.spent.units() >= served * PRICE,
        "served unpaid: {told}"
    );
    assert!(
        balance.spent.units() <= (served + in_flight) * PRICE,
        "charged and not served: {told}"
    );
    assert!(process::runs(market.dir.path()) as u128 >= served, "{told}");
    let acknowledged = u128::from(seen.accepted.load(Ordering::SeqCst));
    assert!(balance.accepted.units() >= acknowledged, "forgot: {told}");
    assert!(balance.accepted.units() <= purse.signed.units(), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_over_and_over_loses_nothing_by_the_first_protocol() {
    killed_over_and_over(Protocol::V1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_over_and_over_loses_nothing_by_the_second_protocol() {
    killed_over_and_over(Protocol::V2).await;
}

/// The payer asks for the end while nobody listens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_was_asked_for_while_the_server_was_dead_is_settled_by_the_next() {
    for protocol in [Protocol::V1, Protocol::V2] {
        let Some(market) = Market::open("a request to close while down", protocol).await else {
            return;
        };
        let mut shop = market.shop(0);
        let page = url(shop.address(), "/paid");
        let buyer = market.buyer(0, 1).await;
        assert_eq!(buyer.buys(&page, 30, 2).await, 30);
        let id = buyer.purse().await.channel.unwrap();
        shop.kill();
        shop.died();
        let waits = buyer.close_alone(&market).await;
        assert!(matches!(waits, Closing::Waits { .. }), "{waits:?}");
        assert_eq!(market.paid().await, 0);
        // Four of the fifteen minutes are over when somebody listens again: nothing is due by itself yet.
        market.chain.mine(12).await;
        market.later(Duration::from_secs(240), &[]).await;
        let shop = market.shop(0);
        market.is_paid(30 * PRICE).await;
        market.later(Duration::from_secs(780), &[&shop]).await;
        let closed = buyer.close_alone(&market).await;
        assert!(matches!(closed, Closing::Closed(_)), "{closed:?}");
        market.are_over(std::slice::from_ref(&id)).await;
        market.drain(shop).await;
        market.all_is_even(&[(&buyer, &id)]).await;
    }
}
