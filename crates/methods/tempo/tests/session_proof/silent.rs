//! The chain is gone for an hour, and its payer asks for the end meanwhile.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use farthing_client::{CloseHow, Closing};
use farthing_core::intent::session::{Protocol, Standing};
use farthing_testkit::{
    chain::hostile::{Hostile, Reply},
    process,
};

use crate::{
    market::{Market, url},
    shop::PRICE,
};

const MINUTE: Duration = Duration::from_secs(60);

/// The seller's way to the chain, which can be cut.
async fn wire(market: &Market, is_gone: &Arc<AtomicBool>) -> Hostile {
    let node: SocketAddr = market.proxy.url()["http://".len()..].parse().unwrap();
    let is_gone = Arc::clone(is_gone);
    Hostile::start(move |_, _| match is_gone.load(Ordering::SeqCst) {
        true => Reply::Close,
        false => Reply::Forward(node),
    })
    .await
}

async fn gone_for_an_hour(protocol: Protocol) {
    let Some(market) = Market::open("a chain that is gone", protocol).await else {
        return;
    };
    let is_gone = Arc::new(AtomicBool::new(false));
    let wire = wire(&market, &is_gone).await;
    let shop = market.shop_by(&wire.url(), 0);
    let page = url(shop.address(), "/paid");
    let (leaver, stayer) = (market.buyer(0, 1).await, market.buyer(2, 1).await);
    assert_eq!(leaver.buys(&page, 60, 2).await, 60);
    assert_eq!(stayer.buys(&page, 30, 1).await, 30);
    let ids = [leaver.purse().await, stayer.purse().await].map(|purse| purse.channel.unwrap());

    is_gone.store(true, Ordering::SeqCst);
    let waits = leaver.close(&market, &shop, CloseHow::Alone).await;
    assert!(matches!(waits, Closing::Waits { .. }), "{waits:?}");
    // For a third of the quarter of an hour that there is to settle, what is served is at stake and no more.
    market.later(4 * MINUTE, &[&shop]).await;
    assert_eq!(stayer.buys(&page, 10, 1).await, 10);
    market.later(2 * MINUTE, &[&shop]).await;
    let runs = process::runs(market.dir.path());
    assert_eq!(runs, 100);
    let refused = stayer.clients[0].get(&page).send().await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(process::runs(market.dir.path()), runs, "it served on");
    let balance = market.books(&ids[1]).await.balance();
    assert_eq!(balance.spent.units(), 40 * PRICE, "{balance:?}");
    assert_eq!(
        market.books(&ids[0]).await.standing(),
        Standing::Open,
        "nobody knows"
    );
    assert_eq!(market.paid().await, 0);

    market.later(54 * MINUTE, &[&shop]).await;
    assert_eq!(market.paid().await, 0);
    is_gone.store(false, Ordering::SeqCst);
    // All that was served is had, of the one who leaves and of the one who stays.
    market.is_paid(100 * PRICE).await;
    assert_ne!(market.books(&ids[0]).await.standing(), Standing::Open);
    let withdrawn = leaver.close(&market, &shop, CloseHow::Alone).await;
    assert!(matches!(withdrawn, Closing::Closed(_)), "{withdrawn:?}");
    assert_eq!(stayer.buys(&page, 5, 1).await, 5);
    let closed = stayer.close(&market, &shop, CloseHow::Together).await;
    assert!(matches!(closed, Closing::Closed(_)), "{closed:?}");
    market.is_paid(105 * PRICE).await;
    market.are_over(&ids).await;
    market.drain(shop).await;
    market
        .all_is_even(&[(&leaver, &ids[0]), (&stayer, &ids[1])])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_that_is_gone_for_an_hour_costs_nothing_by_the_first_protocol() {
    gone_for_an_hour(Protocol::V1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_that_is_gone_for_an_hour_costs_nothing_by_the_second_protocol() {
    gone_for_an_hour(Protocol::V2).await;
}
