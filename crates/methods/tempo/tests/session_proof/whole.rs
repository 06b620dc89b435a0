//! Everything that a channel comes by, and thousands of vouchers between.

use std::time::Duration;

use farthing_client::{CloseHow, Closing};
use farthing_core::{
    intent::session::{Protocol, Standing},
    value::Amount,
};
use farthing_testkit::process;

use crate::{
    market::{Market, url},
    shop::{PRICE, WORD, WORDS},
};

/// Requests of each client, of which a buyer has two.
const EACH: usize = 360;

async fn thousands_of_vouchers_are_paid_out_to_the_unit(protocol: Protocol) {
    let Some(market) = Market::open("thousands of vouchers", protocol).await else {
        return;
    };
    let shop = market.shop(0);
    let page = url(shop.address(), "/paid");
    let mut buyers = Vec::new();
    for account in [0, 2, 3] {
        buyers.push(market.buyer(account, 2).await);
    }
    // Opened, charged, topped up and settled meanwhile.
    let served = tokio::join!(
        buyers[0].buys(&page, EACH, 8),
        buyers[1].buys(&page, EACH, 8),
        buyers[2].buys(&page, EACH, 8),
    );
    assert_eq!(served, (2 * EACH, 2 * EACH, 2 * EACH));
    assert_eq!(process::runs(market.dir.path()), 6 * EACH);
    let each = 2 * EACH as u128 * PRICE;
    let mut ids = Vec::new();
    for buyer in &buyers {
        let purse = buyer.purse().await;
        let first = Amount::new(20_000);
        assert!(purse.deposit > first, "it was topped up: {purse:?}");
        assert_eq!((purse.owed.units(), purse.unsure.units()), (each, 0));
        ids.push(purse.channel.unwrap());
    }
    // A cent makes it due.
    assert!(market.books(&ids[0]).await.balance().spent.units() >= 10_000);
    let settled = async {
        while market.paid().await == 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let settled = tokio::time::timeout(Duration::from_secs(60), settled).await;
    settled.expect("what is due is settled while the channel is open");
    assert!(market.paid().await <= 3 * each, "no more than was spent");

    // And by the word, out of the same channel.
    let said = buyers[0].clients[0].get(url(shop.address(), "/words"));
    let said = said.send().await.unwrap().text().await.unwrap();
    assert_eq!(said.matches("data: ").count(), WORDS, "{said}");

    // One closes with the seller, one without it, and one is closed by it.
    let closed = buyers[0].close(&market, &shop, CloseHow::Together).await;
    assert!(matches!(closed, Closing::Closed(_)), "{closed:?}");
    let waits = buyers[1].close(&market, &shop, CloseHow::Alone).await;
    assert!(matches!(waits, Closing::Waits { .. }), "{waits:?}");
    let heard = async {
        while market.books(&ids[1]).await.standing() == Standing::Open {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let heard = tokio::time::timeout(Duration::from_secs(60), heard).await;
    heard.expect("a request to close is heard of");
    assert_eq!(
        market.post(&shop, &format!("/close/{}", ids[2])).await,
        "closed"
    );
    let words = WORDS as u128 * WORD;
    market.is_paid(3 * each + words).await;
    market.later(Duration::from_secs(17 * 60), &[&shop]).await;
    let closed = buyers[1].close(&market, &shop, CloseHow::Alone).await;
    assert!(matches!(closed, Closing::Closed(_)), "{closed:?}");
    let synced = buyers[2].clients[0].sessions().sync().await.unwrap();
    assert!(synced[0].changed && synced[0].error.is_none(), "{synced:?}");
    for buyer in &buyers {
        let ended = buyer.clients[1].sessions().ended(None, 9).await.unwrap();
        let paid_out = each
            + if std::ptr::eq(buyer, &buyers[0]) {
                words
            } else {
                0
            };
        assert_eq!(ended[0].paid_out, Some(Amount::new(paid_out)));
    }
    market.are_over(&ids).await;
    market.drain(shop).await;
    let all: Vec<_> = buyers.iter().zip(&ids).collect();
    market.all_is_even(&all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_vouchers_by_the_first_protocol_are_paid_out_to_the_unit() {
    thousands_of_vouchers_are_paid_out_to_the_unit(Protocol::V1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_vouchers_by_the_second_protocol_are_paid_out_to_the_unit() {
    thousands_of_vouchers_are_paid_out_to_the_unit(Protocol::V2).await;
}
