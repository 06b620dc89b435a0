//! Keys that may spend a part: granted, kept to their limits by the chain, revoked.

use serde_json::json;

use super::world::{Market, PATH_USD, PAYEE, address, units};
use crate::world::private;

const TO: &str = "0x4242424242424242424242424242424242424242";
const OTHER: &str = "0x4343434343434343434343434343434343434343";

#[test]
fn an_access_key_spends_within_its_limits_until_it_is_revoked() {
    let Some((market, wallet)) = Market::with_wallet("access keys") else {
        return;
    };
    let grant = ["wallet", "keys", "grant", "agent", "--limit", "$2 per day"];
    let rest = ["--expires", "1d", "--recipient", TO, "--wallet", "default"];
    let grant = [&grant[..], &rest].concat();
    // It moves nothing but a fee, and still nobody said that it is meant.
    market.run(&grant).ends(2);
    let yes = ["--yes"];
    let granted = market.json(&[&grant[..], &yes].concat());
    let fee = units(&granted["fee"]["amount"]);
    assert_eq!(
        market.balance(PATH_USD, wallet),
        100_000_000 - fee,
        "{granted}"
    );
    assert_eq!(address(&granted["access"]["account"]), wallet);
    assert_eq!(granted["access"]["limits"][0]["amount"], "2000000");
    assert_eq!(granted["access"]["limits"][0]["every"], 86_400);

    let list = ["wallet", "keys", "list", "--wallet", "default"];
    let key = &market.json(&list)["keys"][0];
    assert_eq!(
        (&key["name"], &key["state"]),
        (&json!("agent"), &json!("active"))
    );
    assert_eq!(key["limits"][0]["left"], "2000000");

    // The account's money, by the agent's key.
    let send = |to, amount| {
        let args = ["wallet", "send", to, amount, "--yes", "--wallet", "agent"];
        market.json(&args)
    };
    let before = market.balance(PATH_USD, wallet);
    let sent = send(TO, "$1");
    assert_eq!(sent["standing"], "done", "{sent}");
    let fee = units(&sent["fee"]["amount"]);
    assert_eq!(market.balance(PATH_USD, wallet), before - 1_000_000 - fee);
    assert_eq!(market.balance(PATH_USD, PAYEE), 1_000_000);
    let left = units(&market.json(&list)["keys"][0]["limits"][0]["left"]);
    assert!(left <= 1_000_000, "{left}");

    // Not to others, and not more.
    for (to, amount) in [(OTHER, "$0.5"), (TO, "$1.5")] {
        let refused = send(to, amount);
        assert_ne!(refused["standing"], "done", "{refused}");
    }
    assert_eq!(market.balance(PATH_USD, PAYEE), 1_000_000);
    assert_eq!(market.balance(PATH_USD, OTHER.parse().unwrap()), 0);

    // A key lets no other key spend, and takes none away.
    let more = [
        "wallet", "keys", "grant", "third", "--limit", "$1", "--wallet", "agent", "-y",
    ];
    market.run(&more).ends(2);
    let revoke = [
        "wallet", "keys", "revoke", "agent", "--wallet", "default", "-y",
    ];
    let revoked = market.json(&revoke);
    assert_eq!(revoked["state"], "revoked", "{revoked}");
    assert!(revoked["transaction"].is_string());
    assert_eq!(market.json(&list)["keys"][0]["state"], "revoked");
    let refused = send(TO, "$0.1");
    assert_ne!(refused["standing"], "done", "{refused}");
    assert_eq!(market.balance(PATH_USD, PAYEE), 1_000_000);
    // Once is enough.
    assert!(market.json(&revoke)["transaction"].is_null());
}

#[test]
fn a_key_is_revoked_where_its_wallet_is_elsewhere() {
    let Some((market, _)) = Market::with_wallet("a key elsewhere") else {
        return;
    };
    let kind = ["--key-type", "p256"];
    let grant = ["wallet", "keys", "grant", "phone", "--limit", "$5", "-y"];
    market.run(&[&grant[..], &kind].concat()).ends(0);
    // Its file went to whoever spends.
    let keystore = market.machine.path(".local/share/farthing");
    std::fs::remove_file(keystore.join("phone.wallet.json")).unwrap();
    let listed = market.json(&["wallet", "keys", "list"]);
    assert_eq!(
        (&listed["keys"][0]["name"], &listed["keys"][0]["state"]),
        (&json!("phone"), &json!("active"))
    );
    let key = listed["keys"][0]["key"].as_str().unwrap().to_owned();
    market
        .run(&["wallet", "keys", "revoke", &key, "-y"])
        .ends(0);
    assert_eq!(
        market.json(&["wallet", "keys", "list"])["keys"][0]["state"],
        "revoked"
    );
}

/// The process died after the key was written and before the chain was told of it.
#[test]
fn a_grant_that_was_left_unfinished_is_taken_up_again() {
    let Some((market, wallet)) = Market::with_wallet("an unfinished grant") else {
        return;
    };
    let grant = [
        "wallet", "keys", "grant", "agent", "--limit", "$2", "--wallet", "default", "-y",
    ];
    // Whoever answers takes the grant's questions and loses its transaction.
    let snapshot = market.runtime.block_on(market.chain.snapshot());
    let granted = market.json(&grant);
    market.runtime.block_on(market.chain.revert(snapshot));
    let list = ["wallet", "keys", "list", "--wallet", "default"];
    assert_eq!(market.json(&list)["keys"][0]["state"], "not granted");
    let again = market.json(&grant);
    assert_eq!(again["access"]["key"], granted["access"]["key"], "{again}");
    assert_eq!(market.json(&list)["keys"][0]["state"], "active");
    let fee = units(&again["fee"]["amount"]);
    assert_eq!(market.balance(PATH_USD, wallet), 100_000_000 - fee);
    // Now it is there.
    assert_eq!(market.json(&grant)["error"], "storage");
}

/// Whoever gets a wallet and the owner's passphrase with it can open the owner's wallets.
#[test]
fn a_key_for_somebody_else_gets_a_passphrase_of_its_own() {
    let Some((market, _)) = Market::with_wallet("passphrases of keys") else {
        return;
    };
    let grant = |name, more: &[&str]| {
        let args = ["wallet", "keys", "grant", name, "--limit", "$2", "-y"];
        let of = ["--wallet", "default"];
        market.run(&[&args[..], &of, more].concat()).ends(0).stderr
    };
    let told = grant("mine", &[]);
    assert!(told.contains("has your own passphrase"), "{told}");
    assert!(!told.contains("to whoever is to spend"), "{told}");

    let file = market.machine.path("agents-passphrase");
    private(&file, "battery staple\n");
    let named = ["--passphrase-file", file.to_str().unwrap()];
    let told = grant("agent", &named);
    assert!(!told.contains("your own passphrase"), "{told}");
    assert!(told.contains("and its passphrase to whoever"), "{told}");
    // The owner's does not open it.
    let send = ["wallet", "send", TO, "$1", "--yes", "--wallet"];
    market.run(&[&send[..], &["mine"]].concat()).ends(0);
    let shut = market.run(&[&send[..], &["agent"]].concat());
    assert_ne!(shut.code, 0, "{}", shut.stderr);
    assert!(shut.stderr.contains("passphrase"), "{}", shut.stderr);
    assert_eq!(market.balance(PATH_USD, PAYEE), 1_000_000);

    // What cannot be counted is said of the token by its name.
    let tiny = ["wallet", "keys", "grant", "tiny", "--limit", "$0.0000001"];
    let refused = market
        .run(&[&tiny[..], &["--wallet", "default"]].concat())
        .ends(2);
    let says = "pathUSD has 6 decimals and cannot say $0.0000001 exactly";
    assert!(refused.stderr.contains(says), "{}", refused.stderr);
}
