//! Two processes over one file serve one channel, and one of them dies.

use farthing_client::{CloseHow, Closing};
use farthing_core::intent::session::Protocol;
use farthing_testkit::process;

use crate::{
    market::{Market, url},
    shop::PRICE,
};

const EACH: usize = 150;

async fn one_channel(protocol: Protocol) {
    let Some(market) = Market::open("two servers over one file", protocol).await else {
        return;
    };
    let shops = [market.shop(0), market.shop(0)];
    let pages = [0, 1].map(|at: usize| url(shops[at].address(), "/paid"));
    let buyer = market.buyer(0, 2).await;
    // Both at once, by each of the clients.
    let served = tokio::join!(
        buyer.buys(&pages[0], EACH, 4),
        buyer.buys(&pages[1], EACH, 4),
    );
    assert_eq!(served, (2 * EACH, 2 * EACH));
    let purse = buyer.purse().await;
    let id = purse.channel.clone().unwrap();
    let spent = 4 * EACH as u128 * PRICE;
    assert_eq!(purse.owed.units(), spent);
    let balance = market.books(&id).await.balance();
    assert_eq!(balance.spent.units(), spent, "{balance:?}");
    assert_eq!(balance.accepted.units(), spent, "{balance:?}");
    assert_eq!(process::runs(market.dir.path()), 4 * EACH);

    // The one that is left knows all of it, and closes: the one where the channel was opened.
    let opened_at = usize::from(!purse.url.contains(&shops[0].address().to_string()));
    let [first, second] = shops;
    let (shop, mut other) = match opened_at {
        0 => (first, second),
        _ => (second, first),
    };
    other.kill();
    other.died();
    assert_eq!(buyer.buys(&pages[opened_at], 5, 1).await, 10);
    let spent = spent + 10 * PRICE;
    let closed = buyer.close(&market, &shop, CloseHow::Together).await;
    assert!(matches!(closed, Closing::Closed(_)), "{closed:?}");
    market.is_paid(spent).await;
    market.drain(shop).await;
    market.all_is_even(&[(&buyer, &id)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_over_one_file_serve_one_channel_by_the_first_protocol() {
    one_channel(Protocol::V1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_over_one_file_serve_one_channel_by_the_second_protocol() {
    one_channel(Protocol::V2).await;
}
