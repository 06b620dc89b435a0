//! Hashes of transactions that are not the payment, or not for this challenge, or not the presenter's.

use std::time::Duration;

use farthing_evm::{Address, TxHash};
use farthing_tempo::Transaction;
use serde_json::json;

use crate::{
    buyer::{Asked, Buyer, present, source},
    shop::{PATH_USD, PAYEE, PRICE, Shop, route, route_with},
};

/// Sends what pays a challenge.
async fn send(shop: &Shop, buyer: &Buyer, asked: &Asked) -> TxHash {
    let signed = buyer.sign(buyer.transaction(asked, shop.now()));
    let signed = signed.whole().unwrap();
    shop.send(&signed).await;
    signed.hash()
}

#[tokio::test]
async fn of_other_payments() {
    let terms = json!({"splits": [{"recipient": Address::repeat_byte(0x51), "amount": "500"}]});
    let Some(shop) = Shop::open("tempo: other hashes", route_with(&terms)).await else {
        return;
    };
    let (buyer, other) = (Buyer::number(0), Buyer::number(1));
    let invalid = "verification-failed";

    // A payment for another challenge, whoever presents it.
    let (first, second) = (shop.ask().await, shop.ask().await);
    let paid = send(&shop, &buyer, &first).await;
    let answer = shop.present(&buyer.push(&second, paid)).await;
    answer.assert_not_taken(invalid, "memo");
    let answer = shop.present(&other.push(&first, paid)).await;
    answer.assert_not_taken(invalid, "no transfer");

    // One that failed: the second transfer asks for more than there is.
    let mut fails = buyer.transaction(&second, shop.now());
    let mut input = fails.calls[1].input.to_vec();
    input[36..68].fill(0x7f);
    fails.calls[1].input = input.into();
    let fails = buyer.sign(fails).whole().unwrap();
    assert!(!shop.send(&fails).await.succeeded());
    let answer = shop.present(&buyer.push(&second, fails.hash())).await;
    answer.assert_not_taken(invalid, "failed");

    // One that leaves a part out.
    let less = Transaction {
        calls: second.legs().calls(None)[..1].to_vec(),
        ..buyer.transaction(&second, shop.now())
    };
    let less = buyer.sign(less).whole().unwrap();
    shop.send(&less).await;
    let answer = shop.present(&buyer.push(&second, less.hash())).await;
    answer.assert_not_taken(invalid, "no transfer of 500");

    // Without a source nobody could be told from others.
    let payload = json!({"type": "hash", "hash": paid}).to_string();
    let answer = shop.present(&present(&first, None, &payload)).await;
    answer.assert_not_taken("malformed-credential", "source");
    let zero = farthing_core::noun::Source::new(source(Address::ZERO, &first)).ok();
    let answer = shop.present(&present(&first, zero, &payload)).await;
    answer.assert_not_taken("malformed-credential", "source");

    // One that never was: nothing is claimed, so it may come still.
    let nowhere = shop
        .present(&buyer.push(&first, TxHash::repeat_byte(1)))
        .await;
    assert_eq!((nowhere.status, nowhere.kind()), (503, "rail-unavailable"));
    // It says that it was sent, and nobody has looked everywhere.
    assert!(nowhere.problem["moneyMoved"].is_null(), "{nowhere:?}");
    assert_eq!(shop.runs(), 0);

    // And all the while the payment that was made is good.
    assert_eq!(shop.present(&buyer.push(&first, paid)).await.hash(), paid);
    assert_eq!(shop.balance(PATH_USD, PAYEE).await, 2 * (PRICE - 500));
}

#[tokio::test]
async fn of_another_time() {
    let shop = Shop::open_with("tempo: old hashes", |setup| {
        setup.options.push.age = Duration::from_secs(60);
    });
    let Some(shop) = shop.await else {
        return;
    };
    let buyer = Buyer::number(0);
    // A challenge lives five minutes; what is older than its last one is too old here.
    let asked = shop.ask().await;
    let early = send(&shop, &buyer, &asked).await;
    let answer = shop.present(&buyer.push(&asked, early)).await;
    answer.assert_not_taken("verification-failed", "older");
    shop.later(Duration::from_secs(250)).await;
    let in_time = send(&shop, &buyer, &asked).await;
    let late = buyer.push(&asked, in_time);
    // It is presented after the challenge's end, and was made before.
    shop.later(Duration::from_secs(55)).await;
    assert_eq!(shop.present(&late).await.hash(), in_time);

    let asked = shop.ask().await;
    shop.later(Duration::from_secs(305)).await;
    let too_late = send(&shop, &buyer, &asked).await;
    let answer = shop.present(&buyer.push(&asked, too_late)).await;
    answer.assert_not_taken("verification-failed", "after the end");
    // What is signed when it is presented has no grace.
    let answer = shop.buy(&buyer, &asked).await;
    answer.assert_refused("payment-expired", "expired");
    assert_eq!(shop.runs(), 1);
}

#[tokio::test]
async fn the_same_from_a_hundred_clients_at_once() {
    let Some(shop) = Shop::open("tempo: a hundred", route()).await else {
        return;
    };
    let (buyer, asked) = (Buyer::number(0), shop.ask().await);
    let paid = send(&shop, &buyer, &asked).await;
    let credential = buyer.push(&asked, paid);
    let mut thieves = Vec::new();
    for _ in 0..50 {
        let own = shop.ask().await;
        thieves.push(buyer.push(&own, paid));
    }
    let all: Vec<_> = (0..50).map(|_| &credential).chain(&thieves).collect();
    let answers = futures_util::future::join_all(all.iter().map(|one| shop.present(one))).await;
    assert_eq!(shop.runs(), 1);
    assert_eq!(
        answers.iter().filter(|answer| answer.status == 200).count(),
        1
    );
    for answer in &answers[50..] {
        assert_eq!(answer.status, 402, "{answer:?}");
    }
    assert_eq!(shop.balance(PATH_USD, PAYEE).await, PRICE);
}

#[tokio::test]
async fn of_a_transaction_that_is_on_its_way() {
    let shop = Shop::open_with("tempo: on its way", |setup| {
        setup.mining = farthing_testkit::chain::Mining::Manual;
        setup.options.push.wait = Duration::from_millis(300);
    });
    let Some(shop) = shop.await else {
        return;
    };
    let (buyer, asked) = (Buyer::number(0), shop.ask().await);
    let signed = buyer.sign(buyer.transaction(&asked, shop.now()));
    let signed = signed.whole().unwrap();
    let bytes = json!([signed.raw().bytes()]).to_string();
    shop.chain.rpc("eth_sendRawTransaction", &bytes).await;
    let credential = buyer.push(&asked, signed.hash());
    let early = shop.present(&credential).await;
    assert_eq!((early.status, early.kind()), (503, "rail-unavailable"));
    shop.chain.mine(1).await;
    assert_eq!(shop.present(&credential).await.hash(), signed.hash());
    assert_eq!(shop.runs(), 1);
}
