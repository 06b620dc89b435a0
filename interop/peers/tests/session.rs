//! npm's `mppx` and channels of the second protocol version: with itself, which proves that the chain behind the proxy
//! is what it takes it for, and with us.
#![allow(clippy::unwrap_used, reason = "a test fails by them")]

use farthing::{
    client::{CloseHow, Closing},
    core::intent::session::Protocol,
};
use farthing_interop::{
    chain::{Mppx, PATH_USD, PAYEE, Rig},
    program,
    session_shop::{self, SessionShop},
};
use farthing_testkit::peer;
use serde_json::Value;

async fn rig(test: &str) -> Option<Rig> {
    peer::or_skip(&format!("interop: {test}"), Rig::with_channels().await)
}

fn mppx<'a>(test: &str, rig: &'a Rig) -> Option<Mppx<'a>> {
    peer::or_skip(&format!("interop: {test}"), Mppx::on(rig))
}

/// What was paid for a page, and for a stream of six words.
const PAGE: i128 = 2_000;
const WORDS: i128 = 600;

/// Where everything is locked.
const RESERVE: &str = "0x4d50500000000000000000000000000000000000";

/// Its client reads pages and a stream, tops up, and closes; the seller gets what they cost, and no more.
async fn it_buys(mppx: &Mppx<'_>, rig: &Rig, shop: &str) {
    let before = rig.dollars(PAYEE.address).await;
    let (page, words) = (format!("{shop}/page"), format!("{shop}/words"));
    let steps = ["get", &page, "get", &page, "get", &page, "close"];
    let seen = program::said(mppx.session_buyer(&steps)).await;
    for (at, got) in seen["said"].as_array().unwrap()[..3].iter().enumerate() {
        assert_eq!(got["status"], 200, "{seen}");
        assert_eq!(got["body"], "bought", "{seen}");
        let spent = (i128::try_from(at).unwrap() + 1) * PAGE;
        assert_eq!(got["receipt"]["spent"], spent.to_string(), "{seen}");
        assert_eq!(
            got["receipt"]["acceptedCumulative"],
            spent.to_string(),
            "{seen}"
        );
    }
    let closed = &seen["said"][3]["receipt"];
    assert!(closed["txHash"].is_string(), "{seen}");
    let paid = rig.dollars(PAYEE.address).await - before;
    assert_eq!(paid, 3 * PAGE - fee_of(rig, closed).await, "{seen}");

    let before = rig.dollars(PAYEE.address).await;
    let steps = ["stream", &words, "topup", "0.02", "stream", &words, "close"];
    let seen = program::said(mppx.session_buyer(&steps)).await;
    for at in [0, 2] {
        let got = &seen["said"][at];
        let all: Vec<_> = got["words"]
            .as_array()
            .unwrap()
            .iter()
            .map(Value::as_str)
            .collect();
        let words = ["one", "two", "three", "four", "five", "six"];
        assert_eq!(all, words.map(Some), "{seen}");
        assert!(!got["receipts"].as_array().unwrap().is_empty(), "{seen}");
    }
    let closed = &seen["said"][3]["receipt"];
    let paid = rig.dollars(PAYEE.address).await - before;
    assert_eq!(paid, 2 * WORDS - fee_of(rig, closed).await, "{seen}");
}

/// What the seller paid for closing.
async fn fee_of(rig: &Rig, closed: &Value) -> i128 {
    rig.fee(closed["txHash"].as_str().unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn its_client_pays_its_server_out_of_channels() {
    let test = "mppx pays mppx out of channels";
    let Some(rig) = rig(test).await else {
        return;
    };
    let Some(mppx) = mppx(test, &rig) else {
        return;
    };
    let shop = mppx.session_shop().unwrap();
    it_buys(&mppx, &rig, shop.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn its_client_pays_our_server_out_of_channels() {
    let test = "mppx pays us out of channels";
    let Some(rig) = rig(test).await else {
        return;
    };
    let Some(mppx) = mppx(test, &rig) else {
        return;
    };
    let shop = SessionShop::open(&rig, Protocol::V2).await;
    it_buys(&mppx, &rig, &shop.url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_client_pays_its_server_out_of_channels() {
    let test = "we pay mppx out of channels";
    let Some(rig) = rig(test).await else {
        return;
    };
    let Some(mppx) = mppx(test, &rig) else {
        return;
    };
    let shop = mppx.session_shop().unwrap();
    we_buy(&rig, shop.url(), RESERVE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_client_pays_our_server_out_of_channels() {
    let Some(rig) = rig("we pay us out of channels").await else {
        return;
    };
    for (protocol, place) in [(Protocol::V1, rig.escrow()), (Protocol::V2, RESERVE)] {
        let shop = SessionShop::open(&rig, protocol).await;
        we_buy(&rig, &shop.url, place).await;
    }
}

/// Our client reads pages and a stream out of one channel, and closes it; the seller gets what they cost.
async fn we_buy(rig: &Rig, shop: &str, place: &str) {
    for path in ["/page", "/sponsored"] {
        let client = session_shop::client(rig).await;
        let before = rig.dollars(PAYEE.address).await;
        let locked = rig.balance(PATH_USD, place).await;
        for _ in 0..3 {
            let answer = client.get(format!("{shop}{path}")).send().await.unwrap();
            assert_eq!(answer.status(), 200);
            assert_eq!(answer.text().await.unwrap(), "bought");
        }
        let answer = client.get(format!("{shop}/words")).send().await.unwrap();
        let bill = answer.bill().unwrap().clone();
        let said = answer.text().await.unwrap();
        let words: Vec<_> = said
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .collect();
        assert_eq!(words, session_shop::WORDS, "{said}");
        assert_eq!(bill.trouble(), None);
        assert_eq!(i128::try_from(bill.cost().units()).unwrap(), WORDS);

        let purses = client.sessions().list(None, 10).await.unwrap();
        assert_eq!(purses.len(), 1, "one channel is enough: {purses:?}");
        let closing = client
            .sessions()
            .close(purses[0].id, CloseHow::Together)
            .await;
        let purse = match closing.unwrap() {
            Closing::Closed(purse) => Some(purse),
            _ => None,
        };
        let purse = purse.unwrap();
        // What was locked is gone from the reserve; of it the seller has what was bought, but for what
        // closing cost it: some sellers have their sponsor pay for that too.
        assert_eq!(rig.balance(PATH_USD, place).await, locked);
        let due = 3 * PAGE + WORDS;
        let paid_out = purse.paid_out.map(|it| i128::try_from(it.units()).unwrap());
        assert_eq!(paid_out, Some(due), "{purse:?}");
        let closed = purse.reference.unwrap();
        let fee = rig.fee_by(closed.as_str(), PAYEE.address).await;
        let paid = rig.dollars(PAYEE.address).await - before;
        assert_eq!(paid, due - fee, "{path}: the fee of closing is {fee}");
    }
}
