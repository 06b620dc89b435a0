//! npm's `mppx` on a Tempo chain: first with itself, which proves that the chain is what it takes it for.
#![allow(clippy::unwrap_used, reason = "a test fails by them")]

use farthing_interop::{
    chain::{KINDS, Rig},
    program,
};
use farthing_testkit::peer;
use serde_json::json;

fn rig(test: &str) -> Option<Rig> {
    peer::or_skip(&format!("interop: {test}"), Rig::start())
}

#[tokio::test(flavor = "multi_thread")]
async fn its_client_pays_its_server_on_our_chain() {
    let Some(rig) = rig("mppx pays mppx on a chain") else {
        return;
    };
    let shop = rig.shop().unwrap();
    for kind in &KINDS {
        let before = rig.balances().await;
        let url = format!("{}{}", shop.url(), kind.path);
        let seen = program::said(rig.buyer(&url, kind.mode)).await;
        assert_eq!(seen["status"], 200, "{kind:?}: {seen}");
        assert_eq!(seen["sent"]["payload"]["type"], kind.payload, "{kind:?}");
        assert_eq!(seen["receipt"]["status"], json!("success"), "{kind:?}");
        let reference = seen["receipt"]["reference"].as_str().unwrap();
        rig.moved(kind, before, reference).await;
    }
}
