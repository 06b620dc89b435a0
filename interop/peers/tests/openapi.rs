//! What we tell of ourselves is OpenAPI, says a validator that was not written here.
#![allow(clippy::unwrap_used, reason = "a test fails by them")]

use std::{path::Path, process::Command};

use farthing_interop::shop::Shop;
use farthing_testkit::peer;

/// A validator's verdict, and what it said.
async fn verdict(mut command: Command, document: impl AsRef<std::ffi::OsStr>) -> (bool, String) {
    command.arg(document);
    let run = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = run.await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success(), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_of_a_shop_is_open_api() {
    let validator = peer::or_skip("interop: an OpenAPI validator", peer::npm("openapi"));
    let mppx = peer::or_skip("interop: mppx reads our discovery", peer::npm("mppx"));
    let shop = Shop::open().await;
    let url = format!("{}/openapi.json", shop.url);
    if let Some(folder) = validator {
        let (valid, said) = verdict(peer::node(&folder, "validate.mjs"), &url).await;
        assert!(valid, "{said}");
        assert_eq!(said.trim(), "OpenAPI 3.1");
    }
    if let Some(folder) = mppx {
        let mut command = peer::node(&folder, "node_modules/mppx/dist/bin.js");
        command.args(["discover", "validate"]);
        let (valid, said) = verdict(command, &url).await;
        assert!(valid, "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_document_that_is_kept_is_open_api() {
    let Some(folder) = peer::or_skip("interop: an OpenAPI validator", peer::npm("openapi")) else {
        return;
    };
    let golden =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/server/tests/golden/discovery");
    let mut documents = 0;
    for entry in std::fs::read_dir(golden).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|kind| kind != "json") {
            continue;
        }
        documents += 1;
        let (valid, said) = verdict(peer::node(&folder, "validate.mjs"), &path).await;
        assert!(valid, "{}: {said}", path.display());
    }
    assert!(documents > 0, "no document is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_open_api_is_found() {
    let Some(folder) = peer::or_skip("interop: an OpenAPI validator", peer::npm("openapi")) else {
        return;
    };
    let place = std::env::temp_dir().join(format!("farthing-openapi-{}.json", std::process::id()));
    let response = r#"{"200": {"description": "fine"}}"#;
    for (paths, expect) in [
        (
            format!(r#"{{"/a": {{"get": {{"responses": {response}}}}}}}"#),
            true,
        ),
        (
            format!(r#"{{"/a": {{"get": {{"answers": {response}, "responses": []}}}}}}"#),
            false,
        ),
        (
            r#"{"/a": {"get": {"parameters": [{"name": "x"}]}}}"#.to_owned(),
            false,
        ),
    ] {
        let info = r#"{"title": "t", "version": "1"}"#;
        let text = format!(r#"{{"openapi": "3.1.0", "info": {info}, "paths": {paths}}}"#);
        std::fs::write(&place, &text).unwrap();
        let (valid, said) = verdict(peer::node(&folder, "validate.mjs"), &place).await;
        assert_eq!(valid, expect, "{text}: {said}");
    }
    std::fs::remove_file(place).unwrap();
}
