//! Nodes that do not do what a node should: the seller is never unpaid, and the payer never pays twice.

use std::time::Duration;

use farthing_evm::TxHash;
use farthing_testkit::chain::Mining;
use serde_json::{Value, json};

use crate::{
    buyer::{Asked, Buyer},
    proxy::Deed,
    shop::{PATH_USD, PAYEE, PRICE, Setup, Shop, route},
};

const SEND: &str = "eth_sendRawTransactionSync";

fn hasty(setup: &mut Setup) {
    setup.options.patience = Duration::from_millis(500);
}

/// A credential, and the hash of what it holds.
async fn signed(shop: &Shop) -> (String, TxHash) {
    let (buyer, asked) = (Buyer::number(0), shop.ask().await);
    let transaction = buyer.transaction(&asked, shop.now());
    let hash = buyer.sign(transaction.clone()).whole().unwrap().hash();
    (buyer.pull(&asked, transaction), hash)
}

/// That the payment was made once, by this transaction, and served once.
async fn paid_once(shop: &Shop, hash: TxHash) {
    assert_eq!(shop.balance(PATH_USD, PAYEE).await, PRICE);
    assert!(shop.receipt(hash).await.unwrap().succeeded());
    assert_eq!(shop.runs(), 1);
}

async fn unpaid(shop: &Shop) {
    shop.proxy.behave();
    assert_eq!(shop.balance(PATH_USD, PAYEE).await, 0);
    assert_eq!(shop.runs(), 0);
}

#[tokio::test]
async fn a_node_that_cannot_be_asked_takes_nothing_from_anybody() {
    let Some(shop) = Shop::open_with("tempo: a node that fails", hasty).await else {
        return;
    };
    let (credential, hash) = signed(&shop).await;
    let nobody = |_: &str, answer: &mut Value| answer["result"] = json!("0x");
    let deeds = [
        Deed::Hang,
        Deed::Drop,
        Deed::Say("<html>".to_owned()),
        Deed::Say("[]".to_owned()),
        Deed::Say(r#"{"jsonrpc":"2.0","id":1,"result":null}"#.to_owned()),
        Deed::Change(nobody),
    ];
    for deed in deeds {
        shop.proxy.when("eth_call", deed.clone());
        shop.present(&credential).await.assert_unavailable();
        unpaid(&shop).await;
    }
    // A node that comes back as one of another chain is not believed anything.
    shop.proxy.when("eth_call", Deed::Drop);
    let other = |_: &str, answer: &mut Value| answer["result"] = json!("0x1");
    shop.proxy.when("eth_chainId", Deed::Change(other));
    shop.present(&credential).await.assert_unavailable();
    shop.present(&credential).await.assert_unavailable();
    unpaid(&shop).await;
    assert_eq!(shop.proxy.count(SEND), 0);
    // The same credential is as good as before.
    assert_eq!(shop.present(&credential).await.hash(), hash);
    paid_once(&shop, hash).await;
}

#[tokio::test]
async fn a_node_that_takes_it_and_does_not_say_so() {
    for deed in [Deed::Drop, Deed::Hang] {
        let Some(shop) = Shop::open("tempo: a lost answer", route()).await else {
            return;
        };
        let (credential, hash) = signed(&shop).await;
        shop.proxy.when(SEND, deed);
        // It is looked for, and sent again where nobody knows it.
        let answer = shop.present(&credential).await;
        assert_eq!(answer.hash(), hash);
        paid_once(&shop, hash).await;
    }
}

#[tokio::test]
async fn a_node_that_goes_away_after_it_took_it() {
    for deed in [Deed::Drop, Deed::Say("<html>".to_owned())] {
        let Some(shop) = Shop::open_with("tempo: a node that goes", hasty).await else {
            return;
        };
        let (credential, hash) = signed(&shop).await;
        shop.proxy.when(SEND, Deed::Drop);
        shop.proxy.when("eth_getTransactionReceipt", deed);
        let answer = shop.present(&credential).await;
        answer.assert_unresolved();
        // Both can see what happened.
        assert_eq!(answer.problem["awaits"], json!(hash));
        assert_eq!(shop.runs(), 0);
        shop.proxy.behave();
        shop.later(Duration::from_secs(5)).await;
        assert_eq!(shop.present(&credential).await.hash(), hash);
        paid_once(&shop, hash).await;
    }
}

#[tokio::test]
async fn a_node_that_says_no() {
    let Some(shop) = Shop::open_with("tempo: a node that says no", hasty).await else {
        return;
    };
    let (credential, hash) = signed(&shop).await;
    let no = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"insufficient funds"}}"#;
    shop.proxy.when(SEND, Deed::Say(no.to_owned()));
    shop.proxy
        .when("eth_sendRawTransaction", Deed::Say(no.to_owned()));
    let answer = shop.present(&credential).await;
    answer.assert_unresolved();
    assert_eq!(shop.balance(PATH_USD, PAYEE).await, 0);
    // It was not taken, and could still be: the same bytes are sent until they end.
    shop.proxy.behave();
    shop.clock.advance(Duration::from_secs(6));
    shop.gate.reconcile().await.unwrap();
    shop.clock.advance(Duration::from_secs(2));
    assert_eq!(shop.present(&credential).await.hash(), hash);
    paid_once(&shop, hash).await;
}

#[tokio::test]
async fn a_payment_that_nobody_takes_ends_with_its_transaction() {
    let Some(shop) = Shop::open_with("tempo: never taken", hasty).await else {
        return;
    };
    let (credential, _) = signed(&shop).await;
    let no = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"try later"}}"#;
    shop.proxy.when(SEND, Deed::Say(no.to_owned()));
    shop.proxy
        .when("eth_sendRawTransaction", Deed::Say(no.to_owned()));
    shop.present(&credential).await.assert_unresolved();
    shop.proxy.behave();
    shop.later(Duration::from_secs(30)).await;
    let answer = shop.present(&credential).await;
    answer.assert_refused("payment-expired", "ended before it was in a block");
    unpaid(&shop).await;
}

#[tokio::test]
async fn a_node_that_lies_of_receipts() {
    let lies: [fn(&str, &mut Value); 3] = [
        |_, answer| answer["result"]["logs"] = json!([]),
        |_, answer| answer["result"]["logs"][0]["address"] = json!(PAYEE),
        |_, answer| answer["result"]["transactionHash"] = json!(TxHash::ZERO),
    ];
    for lie in lies {
        let Some(shop) = Shop::open_with("tempo: lies", hasty).await else {
            return;
        };
        let (credential, hash) = signed(&shop).await;
        let lie = Deed::Change(lie);
        shop.proxy.when(SEND, lie);
        let told = |name: &str, answer: &mut Value| {
            if name == "eth_getTransactionReceipt" {
                answer["result"] = json!("yes");
            }
        };
        shop.proxy
            .when("eth_getTransactionReceipt", Deed::Change(told));
        // What shows no payment is no payment, and nobody's word that there was none.
        shop.present(&credential).await.assert_unresolved();
        assert_eq!(shop.runs(), 0);
        shop.proxy.behave();
        shop.later(Duration::from_secs(5)).await;
        assert_eq!(shop.present(&credential).await.hash(), hash);
        paid_once(&shop, hash).await;
    }
}

#[tokio::test]
async fn a_chain_that_takes_a_payment_back() {
    let Some(shop) = Shop::open_with("tempo: reorganised, pull", hasty).await else {
        return;
    };
    let (credential, hash) = signed(&shop).await;
    let before = shop.chain.snapshot().await;
    shop.proxy.when(SEND, Deed::Drop);
    shop.proxy.when("eth_getTransactionReceipt", Deed::Hang);
    shop.present(&credential).await.assert_unresolved();
    assert!(shop.mined(hash).await.succeeded());
    shop.chain.revert(before).await;
    assert!(shop.receipt(hash).await.is_none());
    shop.proxy.behave();
    // Nobody knows it any more, so the same bytes are sent again.
    shop.clock.advance(Duration::from_secs(5));
    let answer = shop.present(&credential).await;
    answer.assert_unresolved();
    assert!(shop.mined(hash).await.succeeded());
    shop.clock.advance(Duration::from_secs(5));
    assert_eq!(shop.present(&credential).await.hash(), hash);
    paid_once(&shop, hash).await;
}

#[tokio::test]
async fn a_chain_that_takes_back_what_the_buyer_sent() {
    let Some(shop) = Shop::open_with("tempo: reorganised, push", hasty).await else {
        return;
    };
    let (buyer, asked) = (Buyer::number(0), shop.ask().await);
    let before = shop.chain.snapshot().await;
    let signed = buyer.sign(buyer.transaction(&asked, shop.now()));
    let signed = signed.whole().unwrap();
    shop.send(&signed).await;
    let credential = buyer.push(&asked, signed.hash());
    // Seen once, and not looked at again.
    shop.proxy.when("eth_getBlockByNumber", Deed::Hang);
    shop.present(&credential).await.assert_unresolved();
    shop.proxy.behave();
    shop.chain.revert(before).await;
    shop.clock.advance(Duration::from_secs(5));
    shop.present(&credential).await.assert_unresolved();
    unpaid(&shop).await;
    // It is the buyer's to send again.
    shop.send(&signed).await;
    shop.clock.advance(Duration::from_secs(5));
    assert_eq!(shop.present(&credential).await.hash(), signed.hash());
    paid_once(&shop, signed.hash()).await;
}

#[tokio::test]
async fn a_payment_that_is_gone_for_good_is_refused() {
    let Some(shop) = Shop::open_with("tempo: gone, push", hasty).await else {
        return;
    };
    let (buyer, asked) = (Buyer::number(0), shop.ask().await);
    let before = shop.chain.snapshot().await;
    let signed = buyer.sign(buyer.transaction(&asked, shop.now()));
    let signed = signed.whole().unwrap();
    shop.send(&signed).await;
    let credential = buyer.push(&asked, signed.hash());
    shop.proxy.when("eth_getBlockByNumber", Deed::Hang);
    shop.present(&credential).await.assert_unresolved();
    shop.chain.revert(before).await;
    shop.later(Duration::from_secs(30)).await;
    shop.proxy.behave();
    // Its time is over: the chain itself never will take it again.
    let answer = shop.present(&credential).await;
    answer.assert_refused("payment-expired", "ended before it was in a block");
    unpaid(&shop).await;
}

#[tokio::test]
async fn a_block_that_takes_its_time() {
    let shop = Shop::open_with("tempo: pending", |setup| {
        hasty(setup);
        setup.mining = Mining::Manual;
    });
    let Some(shop) = shop.await else {
        return;
    };
    let (credential, hash) = signed(&shop).await;
    let answer = shop.present(&credential).await;
    assert_eq!((answer.status, answer.kind()), (503, "payment-pending"));
    assert_eq!(answer.problem["awaits"], json!(hash));
    assert_eq!(shop.runs(), 0);
    shop.chain.mine(1).await;
    // Whoever comes first finds it: the reconciler, and then the buyer is served.
    shop.clock.advance(Duration::from_secs(5));
    shop.gate.reconcile().await.unwrap();
    assert_eq!(shop.runs(), 0);
    assert_eq!(shop.present(&credential).await.hash(), hash);
    paid_once(&shop, hash).await;
}

#[tokio::test]
async fn one_transaction_pays_once_in_whatever_form_it_comes() {
    let memo = format!("0x{}", "11".repeat(32));
    let terms = json!({ "memo": memo });
    let shop = Shop::open_with("tempo: two encodings", |setup| {
        hasty(setup);
        setup.mining = Mining::Manual;
        setup.route = crate::shop::route_with(&terms);
    });
    let Some(shop) = shop.await else {
        return;
    };
    // The seller's own memo is the same for all, so that only the claim keeps it from paying twice.
    let buyer = Buyer::number(0);
    let asked = shop.ask().await;
    let transaction = buyer.transaction(&asked, shop.now());
    let received = buyer.sign(transaction.clone());
    let hash = received.clone().whole().unwrap().hash();
    let credential = buyer.pull(&asked, transaction);
    shop.present(&credential).await.assert_unresolved();

    let bytes = received.encode();
    let mut other_parity = bytes.to_vec();
    let last = other_parity.last_mut().unwrap();
    *last -= 27;
    let upper = |bytes: &[u8]| {
        let text = farthing_evm::Bytes::copy_from_slice(bytes).to_string();
        format!("0x{}", text[2..].to_uppercase())
    };
    let payload = |text: String| json!({"type": "transaction", "signature": text}).to_string();
    let encodings = [
        payload(bytes.to_string()),
        payload(upper(&bytes)),
        payload(upper(&other_parity)),
        json!({"signature": bytes, "type": "transaction"}).to_string(),
    ];
    for encoding in &encodings {
        let second: Asked = shop.ask().await;
        let answer = shop.present(&buyer.present(&second, encoding)).await;
        answer.assert_refused("verification-failed", "already used");
    }
    shop.chain.mine(1).await;
    for encoding in &encodings {
        let second: Asked = shop.ask().await;
        let answer = shop.present(&buyer.present(&second, encoding)).await;
        answer.assert_not_taken("verification-failed", "sent before");
    }
    shop.clock.advance(Duration::from_secs(5));
    assert_eq!(shop.present(&credential).await.hash(), hash);
    paid_once(&shop, hash).await;
}

#[tokio::test]
async fn a_payer_whose_money_is_gone_by_the_time_of_the_block() {
    let shop = Shop::open_with("tempo: gone by then", |setup| {
        hasty(setup);
        setup.mining = Mining::Manual;
        setup.options.tokens = vec![farthing_tempo::token::known::ALPHA_USD];
    });
    let Some(shop) = shop.await else {
        return;
    };
    let (buyer, asked) = (Buyer::number(0), shop.ask().await);
    let transaction = farthing_tempo::Transaction {
        fee_token: Some(PATH_USD),
        ..buyer.transaction(&asked, shop.now())
    };
    let credential = buyer.pull(&asked, transaction);
    shop.present(&credential).await.assert_unresolved();
    shop.drain(asked.token(), buyer.address()).await;
    shop.chain.mine(1).await;
    shop.clock.advance(Duration::from_secs(5));
    let answer = shop.present(&credential).await;
    answer.assert_refused("verification-failed", "it failed");
    assert_eq!(shop.balance(asked.token(), PAYEE).await, 0);
    assert_eq!(shop.runs(), 0);
}

/// A node that has never heard of a method.
fn unknown(name: &str, answer: &mut Value) {
    if matches!(name, SEND | "eth_call") {
        // The balances are calls as well, and of those it knows; what it cannot is try a transfer.
        let is_balance = answer["result"].as_str().is_some_and(|said| {
            name == "eth_call" && said.len() == 66 && !said.ends_with("0000001")
        });
        if !is_balance {
            answer.as_object_mut().unwrap().remove("result");
            answer["error"] = json!({"code": -32601, "message": "the method does not exist"});
        }
    }
}

#[tokio::test]
async fn a_node_without_the_sync_send_is_sent_to_and_looked_at() {
    let Some(shop) = Shop::open("tempo: no sync send", route()).await else {
        return;
    };
    let (credential, hash) = signed(&shop).await;
    shop.proxy.when(SEND, Deed::Change(unknown));
    assert_eq!(shop.present(&credential).await.hash(), hash);
    assert_eq!(shop.proxy.count("eth_sendRawTransaction"), 1);
    paid_once(&shop, hash).await;
}

#[tokio::test]
async fn what_cannot_be_tried_is_sent_only_where_the_seller_says_so() {
    for send_untried in [false, true] {
        let shop = Shop::open_with("tempo: untried", |setup| {
            setup.options.send_untried = send_untried;
        });
        let Some(shop) = shop.await else {
            return;
        };
        let (buyer, asked) = (Buyer::number(0), shop.ask().await);
        let transaction = buyer.transaction(&asked, shop.now());
        let hash = buyer.sign(transaction.clone()).whole().unwrap().hash();
        let credential = buyer.pull(&asked, transaction);
        shop.proxy.when("eth_call", Deed::Change(unknown));
        let answer = shop.present(&credential).await;
        if send_untried {
            assert_eq!(answer.hash(), hash);
            paid_once(&shop, hash).await;
        } else {
            answer.assert_unavailable();
            assert_eq!(shop.proxy.count(SEND), 0);
        }
    }
}

#[tokio::test]
async fn a_node_that_is_not_there() {
    let Some(shop) = Shop::open_with("tempo: down", hasty).await else {
        return;
    };
    let (credential, _) = signed(&shop).await;
    let free = shop.ask().await;
    let Shop { proxy, .. } = &shop;
    proxy.close().await;
    shop.present(&credential).await.assert_unavailable();
    assert_eq!(shop.runs(), 0);
    // What is offered does not depend on it.
    assert_ne!(shop.ask().await.challenge.id, free.challenge.id);
}
