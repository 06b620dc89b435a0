//! Attacks that were thought of by somebody who did not write what they are against.

use std::time::Duration;

use farthing_core::{payment::SettlePolicy, value::Amount};
use farthing_evm::{SigningKey, U256};
use farthing_tempo::{Sponsor, token::known};
use farthing_testkit::chain::Mining;

use crate::{
    buyer::{Buyer, account},
    proxy::Deed,
    shop::{PATH_USD, PAYEE, PRICE, SPONSOR, Setup, Shop, route},
};

fn on_credit(setup: &mut Setup) {
    setup.mining = Mining::Manual;
    setup.route = route().credit("$0.01", "$1").unwrap();
    setup.options.patience = Duration::from_millis(200);
}

/// Credit is given on a transaction that the rail took. One that every node refuses costs whoever made it
/// nothing, so it is worth nothing.
#[tokio::test]
async fn credit_is_not_given_on_a_transaction_that_the_node_refused() {
    let Some(shop) = Shop::open_with("tempo: credit, refused", on_credit).await else {
        return;
    };
    let (buyer, asked) = (Buyer::number(0), shop.ask().await);
    let credential = buyer.pull(&asked, buyer.transaction(&asked, shop.now()));
    let no = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"insufficient funds"}}"#;
    shop.proxy
        .when("eth_sendRawTransaction", Deed::Say(no.to_owned()));
    let answer = shop.present(&credential).await;
    answer.assert_unresolved();
    assert_eq!(shop.runs(), 0, "served, and no node took the payment");
    // It may still come, so it is neither lost nor given up.
    shop.proxy.behave();
    shop.clock.advance(Duration::from_secs(6));
    shop.gate.reconcile().await.unwrap();
    shop.chain.mine(1).await;
    shop.clock.advance(Duration::from_secs(2));
    assert_eq!(shop.present(&credential).await.status, 200);
    assert_eq!(shop.runs(), 1);
    assert_eq!(shop.balance(PATH_USD, PAYEE).await, PRICE);
}

/// What every node refuses costs whoever made it nothing, and is asked about until it ends. So it is asked about
/// ever less often, whatever the route's policy.
#[tokio::test]
async fn what_the_node_refuses_is_asked_about_ever_less_often() {
    for policy in [SettlePolicy::First, SettlePolicy::After] {
        let shop = Shop::open_with("tempo: refused, again and again", |setup| {
            setup.route = route().settle(policy);
            setup.options.patience = Duration::from_millis(200);
        });
        let Some(shop) = shop.await else {
            return;
        };
        let (buyer, asked) = (Buyer::number(0), shop.ask().await);
        let credential = buyer.pull(&asked, buyer.transaction(&asked, shop.now()));
        let no =
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"insufficient funds"}}"#;
        for send in ["eth_sendRawTransactionSync", "eth_sendRawTransaction"] {
            shop.proxy.when(send, Deed::Say(no.to_owned()));
        }
        let answer = shop.present(&credential).await;
        assert_eq!((answer.status, answer.kind()), (503, "payment-unresolved"));
        let looked = shop.proxy.count("eth_getTransactionReceipt");
        for _ in 0..20 {
            shop.clock.advance(Duration::from_secs(1));
            shop.gate.reconcile().await.unwrap();
        }
        let looked = shop.proxy.count("eth_getTransactionReceipt") - looked;
        assert!((1..=4).contains(&looked), "{looked} times in 20 s");
        // Only the chain ends it: it is still sent when a node takes it.
        shop.proxy.behave();
        shop.clock.advance(Duration::from_secs(60));
        shop.gate.reconcile().await.unwrap();
        // The node has it now. Its own block and its receipt come when they come.
        shop.chain.mine(1).await;
        shop.clock.advance(Duration::from_secs(2));
        assert_eq!(shop.present(&credential).await.status, 200);
        assert_eq!(shop.balance(PATH_USD, PAYEE).await, PRICE);
    }
}

/// A node takes a transaction that waits for one before it in its lane, which need never come. Nobody can be
/// made to pay for that, so it waits for its block like any other.
#[tokio::test]
async fn credit_is_not_given_on_a_transaction_behind_a_gap_in_its_lane() {
    let Some(shop) = Shop::open_with("tempo: credit, a gap", on_credit).await else {
        return;
    };
    let (buyer, asked) = (Buyer::number(0), shop.ask().await);
    let mut transaction = buyer.transaction(&asked, shop.now());
    transaction.nonce_key = U256::from(77);
    transaction.nonce = 9;
    let answer = shop.present(&buyer.pull(&asked, transaction)).await;
    assert_ne!(answer.status, 200, "{answer:?}");
    assert_eq!(shop.runs(), 0, "served, and the payment never can be made");
}

/// Whoever has money for one payment presents many at once, each of which is good when it is looked at. All
/// but one of them fail in the block, and the sponsor pays for each.
#[tokio::test]
async fn one_who_has_money_for_one_payment_cannot_make_the_sponsor_pay_for_many_that_fail() {
    let shop = Shop::open_with("tempo: a drained sponsor", |setup| {
        let mut sponsor = Sponsor::new(account(SPONSOR), known::PATH_USD);
        sponsor.in_flight = 10;
        setup.options.sponsor = Some(sponsor);
        setup.mining = Mining::Manual;
        setup.options.patience = Duration::from_millis(200);
    });
    let Some(shop) = shop.await else {
        return;
    };
    let buyer = Buyer::with(SigningKey::from_bytes([9; 32]).unwrap().into());
    let giver = Buyer::number(2);
    let asked = shop.ask().await;
    let gift = farthing_tempo::Transaction {
        calls: vec![farthing_tempo::Call {
            to: Some(PATH_USD),
            value: U256::ZERO,
            input: farthing_tempo::tip20::calls::transfer(
                buyer.address(),
                Amount::new(PRICE.into()),
                None,
            ),
        }],
        sponsored: false,
        fee_token: Some(PATH_USD),
        ..giver.transaction(&asked, shop.now())
    };
    let gift = giver.sign(gift).whole().unwrap();
    let bytes = serde_json::json!([gift.raw().bytes()]).to_string();
    shop.chain.rpc("eth_sendRawTransaction", &bytes).await;
    shop.chain.mine(1).await;
    let mut credentials = Vec::new();
    for _ in 0..8 {
        let asked = shop.ask().await;
        credentials.push(buyer.pull(&asked, buyer.transaction(&asked, shop.now())));
    }
    let all = credentials.iter().map(|one| shop.present(one));
    let answers = futures_util::future::join_all(all).await;
    let sent = answers
        .iter()
        .filter(|answer| answer.kind() != "overloaded")
        .count();
    assert_eq!(sent, 1, "{answers:?}");
    assert_eq!(shop.proxy.count("eth_sendRawTransactionSync"), 1);
    // The one that was sent is paid for, and what it held is free again.
    shop.chain.mine(1).await;
    shop.clock.advance(Duration::from_secs(3));
    let mut served = 0;
    for (credential, answer) in credentials.iter().zip(&answers) {
        if answer.kind() != "overloaded" {
            served += usize::from(shop.present(credential).await.status == 200);
        }
    }
    assert_eq!((served, shop.runs()), (1, 1));
}

/// A transaction behind a gap in its lane can never be in a block and costs nothing, so it is neither sent nor
/// looked for, however long it is valid.
#[tokio::test]
async fn a_transaction_behind_a_gap_is_not_sent_nor_looked_for() {
    let Some(shop) = Shop::open("tempo: a gap", route()).await else {
        return;
    };
    let buyer = Buyer::number(0);
    for lane in [U256::ZERO, U256::from(77)] {
        let asked = shop.ask().await;
        let mut transaction = buyer.transaction(&asked, shop.now());
        transaction.nonce_key = lane;
        transaction.nonce = 1;
        let credential = buyer.pull(&asked, transaction);
        shop.proxy.take();
        let answer = shop.present(&credential).await;
        answer.assert_unavailable();
        assert_eq!(shop.proxy.take().len(), 1);
        // When its turn comes it is as good as any.
        let other = shop.ask().await;
        let mut first = buyer.transaction(&other, shop.now());
        first.nonce_key = lane;
        let answer = shop.present(&buyer.pull(&other, first)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(shop.present(&credential).await.status, 200);
    }
    assert_eq!(shop.balance(PATH_USD, PAYEE).await, 4 * PRICE);
}

/// Hashes cost nothing to make up. Those who wait for theirs are few, so that a node is not asked about each
/// of them again and again.
#[tokio::test]
async fn made_up_hashes_do_not_keep_the_node_busy() {
    let shop = Shop::open_with("tempo: made-up hashes", |setup| {
        setup.options.push.wait = Duration::from_secs(1);
    });
    let Some(shop) = shop.await else {
        return;
    };
    let (buyer, many) = (Buyer::number(0), 200);
    let mut credentials = Vec::new();
    for number in 0..many {
        let asked = shop.ask().await;
        credentials.push(buyer.push(&asked, farthing_evm::TxHash::from(U256::from(number))));
    }
    shop.proxy.take();
    let all = credentials.iter().map(|one| shop.present(one));
    for answer in futures_util::future::join_all(all).await {
        assert_eq!((answer.status, answer.kind()), (503, "rail-unavailable"));
    }
    // A second of looking each sixth of a block's tenth of one, and 32 who wait.
    let looks = shop.proxy.take().len();
    assert!(looks <= many + 32 * 62, "{looks}");
}

/// Whoever pays no fee may be generous with it. What a sponsor gives on top of the base fee is no more than
/// that fee again.
#[tokio::test]
async fn a_sponsor_is_not_generous_at_a_buyers_word() {
    let shop = Shop::open_with("tempo: a generous buyer", |setup| {
        setup.options.sponsor = Some(Sponsor::new(account(SPONSOR), known::PATH_USD));
    });
    let Some(shop) = shop.await else {
        return;
    };
    let sponsor = account(SPONSOR).address();
    let before = shop.balance(PATH_USD, sponsor).await;
    let buyer = Buyer::number(0);
    let mut answers = Vec::new();
    for tip in [90_000_000_000, 1_000_000_000] {
        let asked = shop.ask().await;
        let mut transaction = buyer.transaction(&asked, shop.now());
        transaction.gas_limit = 400_000;
        transaction.max_fee_per_gas = 100_000_000_000;
        transaction.max_priority_fee_per_gas = tip;
        answers.push(shop.present(&buyer.pull(&asked, transaction)).await);
    }
    answers[0].assert_refused("verification-failed", "is the most we pay");
    assert_eq!(answers[1].status, 200, "{:?}", answers[1]);
    assert!(before > shop.balance(PATH_USD, sponsor).await);
    assert_eq!(shop.runs(), 1);
}
