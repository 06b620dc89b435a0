//! Networks of one's own: whom a wallet asks, and what it never shows.

use std::fs;

use farthing_testkit::{
    chain::{Chain, ChainOptions},
    peer,
};
use serde_json::json;

use super::world::{ALPHA_USD, Market};
use crate::world::{Machine, owner};

#[test]
fn a_network_is_named_checked_and_forgotten() {
    let Some(market) = Market::open("networks") else {
        return;
    };
    let url = market.chain.url();
    let listed = market.json(&["networks", "list"]);
    let names: Vec<_> = listed["networks"].as_array().unwrap().iter().collect();
    let names: Vec<_> = names
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["dev", "tempo", "moderato"]);
    assert_eq!(listed["default"], "dev");

    let wrong = [
        "networks",
        "add",
        "other",
        "--chain-id",
        "1338",
        "--rpc",
        &url,
    ];
    let refused = market.json(&wrong);
    assert_eq!(refused["error"], "usage", "{refused}");
    assert!(
        refused["message"]
            .as_str()
            .unwrap()
            .contains("is of chain 1337")
    );
    let public = ["networks", "add", "moderato", "--rpc", &url];
    assert_eq!(market.json(&public)["error"], "usage");
    let nameless = ["networks", "add", "mine", "--rpc", &url];
    assert!(market.run(&nameless).ends(2).stderr.contains("--chain-id"));

    // What the chain says of a token now is believed later.
    let token = ["--token", ALPHA_USD];
    let add = [
        "networks",
        "add",
        "mine",
        "--chain-id",
        "1337",
        "--rpc",
        &url,
    ];
    let added = market.json(&[&add[..], &token].concat());
    let mine = &added["networks"][1];
    assert_eq!(mine["name"], "mine");
    assert_eq!(
        mine["tokens"].as_array().unwrap().len(),
        4,
        "a known one is not twice there"
    );
    let none = ["--token", "0x20c00000000000000000000000000000000000ff"];
    assert_eq!(market.json(&[&add[..], &none].concat())["error"], "usage");

    market.run(&["networks", "remove", "dev"]).ends(0);
    assert_eq!(market.json(&["networks", "list"])["default"], "tempo");
    market.run(&["networks", "remove", "dev"]).ends(2);
}

/// A URL of a service that sells nodes is a secret.
#[test]
fn a_key_in_a_url_is_never_shown() {
    let secret = "https://user:KEY1@rpc.invalid/v2/KEY2?key=KEY3";
    let (machine, _) = owner();
    let machine = machine.with("FARTHING_RPC", secret);
    machine.run(&["wallet", "create"]).ends(0);
    for args in [
        &["wallet", "balance"][..],
        &["wallet", "balance", "--json"],
        &[
            "wallet",
            "send",
            "0x4242424242424242424242424242424242424242",
            "$1",
            "--yes",
        ],
        &[
            "networks",
            "add",
            "mine",
            "--chain-id",
            "7",
            "--rpc",
            secret,
        ],
        &[
            "networks",
            "add",
            "mine",
            "--chain-id",
            "7",
            "--rpc",
            "KEY1://rpc",
            "--json",
        ],
        &["networks", "list"],
    ] {
        let run = machine.run(args);
        let told = format!("{}{}", run.stderr, run.text());
        assert!(!told.contains("KEY"), "{args:?}: {told}");
    }
}

#[test]
fn a_chain_is_told_from_another_by_its_number() {
    let chain = Chain::start(&ChainOptions::tempo(4242));
    let Some(chain) = peer::or_skip("another chain", chain) else {
        return;
    };
    let (machine, _) = owner();
    machine.run(&["wallet", "create"]).ends(0);
    let url = chain.url();
    let at = |network| {
        [
            "wallet",
            "balance",
            "--json",
            "--network",
            network,
            "--rpc",
            &url,
        ]
    };
    let balance = machine.run(&at("4242")).ends(0).json();
    assert_eq!(
        (&balance["network"], &balance["chainId"]),
        (&json!("chain-4242"), &json!(4242))
    );
    // The public network's name is not this chain's.
    for network in ["tempo", "4217", "42431"] {
        let refused = machine.run(&at(network)).ends(2).json();
        assert_eq!(refused["error"], "usage", "{refused}");
    }
    // A number without anybody to ask is no network.
    machine
        .run(&["wallet", "balance", "--network", "4242"])
        .ends(2);
}

#[test]
fn a_file_that_cannot_be_is_told_with_its_place() {
    let (machine, _) = owner();
    machine.run(&["wallet", "create"]).ends(0);
    let path = machine.path(".local/share/farthing/networks.json");
    for (file, what) in [
        (
            "{\n  \"version\": 1,\n  \"networks\": {,}\n}\n",
            "line 3 column 16",
        ),
        ("{\"version\":1,\"chains\":{}}", "chains"),
        (
            "{\"version\":1,\"networks\":{\"tempo\":{\"chainId\":1,\"rpc\":[\"https://a.invalid\"]}}}",
            "another chain",
        ),
    ] {
        fs::write(&path, file).unwrap();
        let told = machine.run(&["networks", "list", "--json"]).ends(8).json();
        assert!(told["message"].as_str().unwrap().contains(what), "{told}");
    }
}

#[test]
fn real_money_is_not_given_away() {
    let (machine, _) = owner();
    let made = machine.run(&["wallet", "create", "--json"]).ends(0).json();
    // Nobody is asked: what is shown is where to send it.
    let told = machine.run(&["wallet", "fund", "--json"]).ends(0).json();
    assert_eq!(told["address"], made["address"]);
    assert_eq!(
        (&told["network"], &told["funded"]),
        (&json!("tempo"), &json!(false))
    );
    let _ = Machine::new();
}
