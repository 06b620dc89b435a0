//! npm's `mppx` on a Tempo chain: with itself, which proves that the chain is what it takes it for, and with us.
#![allow(clippy::unwrap_used, reason = "a test fails by them")]

use farthing_interop::{
    chain::{KINDS, Mppx, Rig},
    program,
    tempo_shop::{self, TempoShop},
    verdicts,
};
use farthing_testkit::peer;

fn rig(test: &str) -> Option<Rig> {
    peer::or_skip(&format!("interop: {test}"), Rig::start())
}

fn mppx<'a>(test: &str, rig: &'a Rig) -> Option<Mppx<'a>> {
    peer::or_skip(&format!("interop: {test}"), Mppx::on(rig))
}

/// Its client pays a shop in every way.
async fn it_buys(mppx: &Mppx<'_>, rig: &Rig, shop: &str) {
    for kind in &KINDS {
        let before = rig.balances().await;
        let url = format!("{shop}{}", kind.path);
        let seen = program::said(mppx.buyer(&url, kind.mode)).await;
        assert_eq!(seen["status"], 200, "{kind:?}: {seen}");
        assert_eq!(seen["body"], "bought", "{kind:?}");
        assert_eq!(seen["sent"]["payload"]["type"], kind.payload, "{kind:?}");
        let receipt = &seen["receipt"];
        assert_eq!(receipt["status"], "success", "{kind:?}");
        assert_eq!(receipt["method"], "tempo", "{kind:?}");
        rig.moved(kind, before, receipt["reference"].as_str().unwrap())
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn its_client_pays_its_server_on_our_chain() {
    let test = "mppx pays mppx on a chain";
    let Some(rig) = rig(test) else {
        return;
    };
    let Some(mppx) = mppx(test, &rig) else {
        return;
    };
    let shop = mppx.shop().unwrap();
    it_buys(&mppx, &rig, shop.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn its_client_pays_our_server() {
    let test = "mppx pays us on a chain";
    let Some(rig) = rig(test) else {
        return;
    };
    let Some(mppx) = mppx(test, &rig) else {
        return;
    };
    let shop = TempoShop::open(&rig).await;
    it_buys(&mppx, &rig, &shop.url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_client_pays_its_server() {
    let test = "we pay mppx on a chain";
    let Some(rig) = rig(test) else {
        return;
    };
    let Some(mppx) = mppx(test, &rig) else {
        return;
    };
    let shop = mppx.shop().unwrap();
    for kind in &KINDS {
        let client = tempo_shop::client(&rig, kind.mode).await;
        let before = rig.balances().await;
        let answer = client.get(format!("{}{}", shop.url(), kind.path));
        let answer = answer.send().await.unwrap();
        assert_eq!(answer.status(), 200, "{kind:?}");
        let reference = answer.receipt().unwrap().reference().to_string();
        assert_eq!(answer.text().await.unwrap(), "bought", "{kind:?}");
        rig.moved(kind, before, &reference).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn its_checks_pay_and_find_nothing_wrong() {
    let test = "mppx validates us on a chain";
    let Some(rig) = rig(test) else {
        return;
    };
    let Some(mppx) = mppx(test, &rig) else {
        return;
    };
    let shop = TempoShop::open(&rig).await;
    let before = rig.balances().await;
    let mut validate = mppx.script("node_modules/mppx/dist/bin.js");
    validate.args(["validate", &shop.url, "--output-json"]);
    verdicts::check(validate, "mppx-validate-tempo").await;
    // It makes a wallet of its own, asks a faucet for money, and pays every route that costs something once.
    let once = KINDS.iter().filter(|kind| kind.mode.is_none());
    let paid: i128 = once.map(|kind| kind.seller).sum();
    assert_eq!(rig.balances().await.seller - before.seller, paid);
}
