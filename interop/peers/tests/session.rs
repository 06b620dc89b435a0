//! npm's `mppx` and channels of the second protocol version: with itself, which proves that the chain behind the proxy
//! is what it takes it for, and with us.
#![allow(clippy::unwrap_used, reason = "a test fails by them")]

use farthing_interop::{
    chain::{Mppx, PAYEE, Rig},
    program,
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
