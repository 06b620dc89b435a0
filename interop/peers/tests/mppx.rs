//! npm's `mppx` over sockets: its client pays our server, its checks try our server, our client reads its
//! offers and pays its server.
#![allow(clippy::unwrap_used, reason = "a test fails by them")]

use std::{path::PathBuf, sync::Arc};

use farthing::{
    client::{self, Client, Error, PayerFault, Policy},
    clock::SystemClock,
    core::{header::www_authenticate, memory::MemoryBackend, noun::Challenge},
    ledger::LedgerPayer,
};
use farthing_interop::{
    program::said,
    shop::{self, OPENING, PRICE, Shop},
    verdicts,
};
use farthing_testkit::peer::{self, Upstream};
use serde_json::{Value, json};

fn mppx(test: &str) -> Option<PathBuf> {
    client::provide_crypto();
    peer::or_skip(&format!("interop: {test}"), peer::npm("mppx"))
}

/// The one challenge of an answer.
fn challenge(answer: &reqwest::Response) -> Challenge {
    let lines = answer.headers().get_all("www-authenticate").iter();
    let mut read = www_authenticate::parse(lines.map(|line| line.as_bytes()));
    assert_eq!(read.len(), 1);
    read.remove(0).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn its_client_reads_our_offer_and_pays_it() {
    let Some(folder) = mppx("mppx pays us") else {
        return;
    };
    let shop = Shop::open().await;
    let url = format!("{}/weather", shop.url);
    let mut buy = peer::node(&folder, "buy.mjs");
    let buyer = shop::buyer();
    buy.args([&url, &shop::buyer_seed(), buyer.account().did().as_str()]);
    let seen = said(buy).await;

    // Another 402 has another id, expiry and opaque data; the rest is the same.
    let ours = challenge(&reqwest::get(&url).await.unwrap());
    let [offer] = seen["offers"].as_array().unwrap().as_slice() else {
        unreachable!("one offer: {seen}");
    };
    for minted in ["id", "expires", "opaque"] {
        assert!(offer[minted].is_string(), "{minted}");
    }
    let request = json!({
        "amount": "2000",
        "currency": "usd6",
        "recipient": shop::seller().did(),
    });
    assert_eq!(offer["request"], request);
    assert_eq!(offer["request"], ours.request.value());
    assert_eq!(offer["realm"], ours.realm.as_str());
    assert_eq!(
        (&offer["method"], &offer["intent"]),
        (&json!("ledger"), &json!("charge"))
    );
    assert_eq!(offer["description"], "The weather, today");

    assert_eq!(seen["problem"]["type"], "application/problem+json");
    let problem = &seen["problem"]["body"];
    assert_eq!(
        problem["type"],
        "https://paymentauth.org/problems/payment-required"
    );
    assert_eq!(
        (&problem["status"], &problem["challengeId"]),
        (&json!(402), &offer["id"])
    );

    assert_eq!(seen["paid"]["status"], 200);
    assert_eq!(seen["paid"]["body"], "sunny for 2000 usd6");
    let receipt = &seen["paid"]["receipt"];
    assert_eq!(
        (&receipt["status"], &receipt["method"]),
        (&json!("success"), &json!("ledger"))
    );
    assert!(
        receipt["reference"]
            .as_str()
            .is_some_and(|text| !text.is_empty())
    );
    assert!(receipt["timestamp"].is_string());
    assert_eq!(shop.balance(buyer.account()).await, OPENING - PRICE);
    assert_eq!(shop.balance(&shop::seller()).await, PRICE);
}

#[tokio::test(flavor = "multi_thread")]
async fn its_checks_find_nothing_wrong() {
    let Some(folder) = mppx("mppx validates us") else {
        return;
    };
    let shop = Shop::open().await;
    let mut validate = peer::node(&folder, "node_modules/mppx/dist/bin.js");
    validate.args(["validate", &shop.url, "--output-json"]);
    verdicts::check(validate, "mppx-validate").await;
    assert_eq!(shop.balance(&shop::seller()).await, 0, "checks pay nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn our_client_reads_its_offers_and_pays_what_it_can() {
    let Some(folder) = mppx("we pay mppx") else {
        return;
    };
    let mut program = peer::node(&folder, "shop.mjs");
    let payee = shop::seller();
    program.args([&shop::buyer_seed(), payee.did().as_str()]);
    let started = peer::or_skip("interop: we pay mppx", Upstream::start(&mut program));
    let theirs = started.expect("node is there, for npm is");
    let client = Client::builder()
        .payer(LedgerPayer::new(shop::buyer()))
        .policy(Policy::new().max_per_request("$0.002".parse().unwrap()))
        .backend(Arc::new(MemoryBackend::new()))
        .clock(Arc::new(SystemClock))
        .build()
        .unwrap();

    let url = format!("{}/tempo", theirs.url());
    let read = challenge(&reqwest::get(&url).await.unwrap());
    let asked = json!({
        "amount": "1000000",
        "currency": "0x20c0000000000000000000000000000000000000",
        "methodDetails": { "chainId": 4217 },
        "recipient": "0x742d35Cc6634C0532925a3b844Bc9e7595f8fE00",
    });
    assert_eq!(read.request.value(), asked);
    assert_eq!(
        (read.realm.as_str(), read.method.as_str()),
        ("127.0.0.1", "tempo")
    );
    assert_eq!(
        (read.intent.as_str(), read.id.as_str().len()),
        ("charge", 43)
    );
    assert!(read.expires.is_some() && read.description.is_some());
    assert!(read.digest.is_none() && read.header.is_none());
    let declined = client.get(&url).send().await.unwrap_err();
    assert!(
        matches!(&declined, Error::Payer(PayerFault::Method(_))),
        "{declined:?}"
    );
    assert_eq!(declined.to_string(), "nothing in the wallet pays by tempo");

    for bought in 1..=2 {
        let answer = client
            .get(format!("{}/ledger", theirs.url()))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.paid().unwrap().price(), "0.002 USD");
        let reference = answer.receipt().unwrap().reference().to_string();
        assert_eq!(reference, format!("entry-{bought}"));
        assert_eq!(answer.text().await.unwrap(), "bought");
    }
    let entries = reqwest::get(format!("{}/entries", theirs.url()))
        .await
        .unwrap();
    let entry = json!({
        "amount": "2000",
        "currency": "usd6",
        "recipient": payee.did(),
        "source": shop::buyer().account().did(),
    });
    let entries: Value = serde_json::from_str(&entries.text().await.unwrap()).unwrap();
    assert_eq!(entries, json!([entry, entry]));
}
