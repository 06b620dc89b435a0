//! When value moves: before the handler, after it, or on credit.

use std::time::Duration;

use farthing_core::payment::SettlePolicy;
use farthing_testkit::chain::Mining;

use crate::{
    buyer::Buyer,
    shop::{PATH_USD, PAYEE, PRICE, Shop, route},
};

const SEND: &str = "eth_sendRawTransactionSync";

#[tokio::test]
async fn nothing_is_sent_before_the_handler_served() {
    let after = route().settle(SettlePolicy::After);
    let Some(shop) = Shop::open("tempo: after", after).await else {
        return;
    };
    let (buyer, asked) = (Buyer::number(0), shop.ask().await);
    let credential = buyer.pull(&asked, buyer.transaction(&asked, shop.now()));
    shop.fail(true);
    let answer = shop.present(&credential).await;
    assert_eq!(answer.status, 500, "{answer:?}");
    assert_eq!((shop.runs(), shop.proxy.count(SEND)), (1, 0));
    assert_eq!(shop.balance(PATH_USD, PAYEE).await, 0);
    shop.fail(false);
    let asked = shop.ask().await;
    let answer = shop.buy(&buyer, &asked).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!((shop.runs(), shop.proxy.count(SEND)), (2, 1));
    assert_eq!(shop.balance(PATH_USD, PAYEE).await, PRICE);
}

#[tokio::test]
async fn what_the_buyer_sent_is_settled_first_and_owed_where_it_is_not_served() {
    let after = route()
        .settle(SettlePolicy::After)
        .redeliver_for(Duration::from_secs(60));
    let Some(shop) = Shop::open("tempo: after, push", after).await else {
        return;
    };
    let (buyer, asked) = (Buyer::number(0), shop.ask().await);
    let signed = buyer.sign(buyer.transaction(&asked, shop.now()));
    let signed = signed.whole().unwrap();
    shop.send(&signed).await;
    let credential = buyer.push(&asked, signed.hash());
    shop.fail(true);
    // It was paid, so that it is not served is no reason to forget it.
    let answer = shop.present(&credential).await;
    assert!(answer.status >= 500, "{answer:?}");
    shop.fail(false);
    assert_eq!(shop.present(&credential).await.hash(), signed.hash());
    assert_eq!(shop.balance(PATH_USD, PAYEE).await, PRICE);
}

#[tokio::test]
async fn what_ends_too_soon_to_be_served_first_is_not_taken() {
    let after = route().settle(SettlePolicy::After);
    let Some(shop) = Shop::open("tempo: after, too late", after).await else {
        return;
    };
    let (buyer, asked) = (Buyer::number(0), shop.ask().await);
    let mut transaction = buyer.transaction(&asked, shop.now());
    // A second more than has to be left when it is sent.
    transaction.valid_before = Some(shop.now() + 6);
    let answer = shop.present(&buyer.pull(&asked, transaction)).await;
    assert_eq!((answer.status, answer.kind()), (402, "payment-expired"));
    assert_eq!((shop.runs(), shop.proxy.count(SEND)), (0, 0));
}

#[tokio::test]
async fn on_credit_it_is_served_when_the_node_took_it() {
    let credit = route().credit("$0.002", "$1").unwrap();
    let shop = Shop::open_with("tempo: credit", |setup| {
        setup.mining = Mining::Manual;
        setup.route = credit;
        setup.options.patience = Duration::from_millis(200);
    });
    let Some(shop) = shop.await else {
        return;
    };
    let (buyer, asked) = (Buyer::number(0), shop.ask().await);
    let credential = buyer.pull(&asked, buyer.transaction(&asked, shop.now()));
    let answer = shop.present(&credential).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(
        answer.receipt.is_none(),
        "nobody knows yet that value moved"
    );
    assert_eq!(shop.balance(PATH_USD, PAYEE).await, 0);
    // No more than one for each payer: the next waits for its block.
    let asked = shop.ask().await;
    let second = buyer.pull(&asked, buyer.transaction(&asked, shop.now()));
    shop.present(&second).await.assert_unresolved();
    shop.chain.mine(1).await;
    shop.clock.advance(Duration::from_secs(10));
    shop.gate.reconcile().await.unwrap();
    assert_eq!(shop.present(&second).await.status, 200);
    assert_eq!(shop.balance(PATH_USD, PAYEE).await, 2 * PRICE);
    assert_eq!(shop.runs(), 2);
}
