//! The three tests every dialect and every rail has to pass, over real HTTP.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by them")]

mod common;

use common::{Shop, challenges, kind, problem, receipt};
use farthing_core::payment::SettlePolicy;
use farthing_server::Route;

async fn shops() -> [Shop; 2] {
    let route = |policy| Route::priced("$0.002").unwrap().settle(policy);
    [
        Shop::open(route(SettlePolicy::First)).await,
        Shop::open(route(SettlePolicy::After)).await,
    ]
}

#[tokio::test]
async fn returns_402_without_payment() {
    for shop in shops().await {
        let response = shop.get("/paid").send().await.unwrap();
        assert_eq!(response.status(), 402);
        let [challenge] = challenges(&response).try_into().unwrap();
        assert_eq!(challenge.realm.as_str(), "127.0.0.1");
        assert_eq!(
            (challenge.method.as_str(), challenge.intent.as_str()),
            ("ledger", "charge")
        );
        assert!(challenge.expires.is_some() && challenge.opaque.is_some());
        let problem = problem(response).await;
        assert_eq!(kind(&problem), "payment-required");
        assert_eq!(problem["challengeId"], challenge.id.as_str());
        assert_eq!(
            (&problem["amount"], &problem["currency"]),
            (&"2000".into(), &"usd6".into())
        );
        assert_eq!(
            problem["offers"][0]["recipient"],
            shop.seller_key.account().did().as_str()
        );
        assert_eq!(shop.runs(), 0);
        shop.assert_paid(0).await;
    }
}

#[tokio::test]
async fn returns_resource_with_valid_payment() {
    for shop in shops().await {
        let credential = shop.sign_for(shop.get("/paid")).await;
        let response = shop
            .get("/paid")
            .header("authorization", credential)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["cache-control"], "private");
        let receipt = receipt(&response).expect("a paid answer has a receipt");
        assert_eq!(receipt.method().as_str(), "ledger");
        assert_eq!(response.text().await.unwrap(), "sunny");
        let kept = shop.gate.receipts().list(None, 10).await.unwrap();
        assert_eq!(kept.len(), 1);
        assert_eq!(
            (kept[0].amount.units(), kept[0].receipt.reference()),
            (common::PRICE, receipt.reference())
        );
        assert_eq!(shop.runs(), 1);
        shop.assert_paid(1).await;
    }
}

#[tokio::test]
async fn rejects_replayed_payment() {
    for shop in shops().await {
        let credential = shop.sign_for(shop.get("/paid")).await;
        let pay = || {
            shop.get("/paid")
                .header("authorization", &credential)
                .send()
        };
        assert_eq!(pay().await.unwrap().bytes().await.unwrap(), "sunny");
        let replay = pay().await.unwrap();
        assert_eq!(replay.status(), 402);
        assert_eq!(
            challenges(&replay).len(),
            1,
            "a refusal brings a fresh challenge"
        );
        let problem = problem(replay).await;
        assert_eq!(kind(&problem), "invalid-challenge");
        assert_eq!(problem["moneyMoved"], true);
        assert_eq!(shop.runs(), 1);
        shop.assert_paid(1).await;
    }
}
