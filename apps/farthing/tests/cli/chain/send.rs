//! Money that is sent: once for an id, and all that is told of it.

use std::io::{BufRead, BufReader};

use farthing::evm::Address;
use farthing_testkit::chain::Mining;
use serde_json::json;

use super::world::{ALPHA_USD, Market, PATH_USD, PAYEE, address, units};

const TO: &str = "0x4242424242424242424242424242424242424242";

#[test]
fn what_is_sent_arrives_to_the_unit_and_the_fee_is_told() {
    let Some((market, wallet)) = Market::with_wallet("send") else {
        return;
    };
    let memo = ["--memo", "invoice 7"];
    let args = [&["wallet", "send", TO, "$1.5", "--yes"][..], &memo].concat();
    let sent = market.json(&args);
    assert_eq!(sent["standing"], "done", "{sent}");
    assert_eq!(sent["moneyMoved"], true);
    assert_eq!(
        (&sent["amount"], &sent["symbol"]),
        (&json!("1500000"), &json!("pathUSD"))
    );
    assert_eq!(sent["price"], "1.5 USD");
    assert!(
        sent["memo"]
            .as_str()
            .unwrap()
            .starts_with("0x696e766f6963652037")
    );
    assert_eq!(market.balance(PATH_USD, PAYEE), 1_500_000);
    let fee = units(&sent["fee"]["amount"]);
    assert!(fee > 0);
    assert_eq!(
        market.balance(PATH_USD, wallet),
        100_000_000 - 1_500_000 - fee
    );

    let balance = market.json(&["wallet", "balance", "--token", "pathusd"]);
    let has = (100_000_000 - 1_500_000 - fee).to_string();
    assert_eq!(balance["balances"][0]["amount"], has, "{balance}");
    assert_eq!(address(&balance["address"]), wallet);
    assert_eq!(
        (&balance["network"], &balance["chainId"]),
        (&json!("dev"), &json!(1337))
    );
}

#[test]
fn an_id_moves_money_once() {
    let Some((market, wallet)) = Market::with_wallet("send once") else {
        return;
    };
    let once = ["wallet", "send", TO, "$2", "--yes", "--id", "rent-july"];
    let first = market.json(&once);
    let left = market.balance(PATH_USD, wallet);
    for _ in 0..2 {
        let again = market.json(&once);
        assert_eq!(again["transaction"], first["transaction"], "{again}");
        assert_eq!(again["standing"], "done");
    }
    // Several at once are one as well.
    let twins = ["wallet", "send", TO, "$3", "--yes", "--id", "twins"];
    let sent: Vec<_> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| market.json(&twins)))
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    let hashes: std::collections::BTreeSet<_> = sent
        .iter()
        .map(|one| one["transaction"].to_string())
        .collect();
    assert_eq!(hashes.len(), 1, "{sent:?}");
    assert_eq!(market.balance(PATH_USD, PAYEE), 5_000_000);
    assert!(market.balance(PATH_USD, wallet) < left - 3_000_000);

    // An id stands for what it was used for.
    let other = ["wallet", "send", TO, "$2.5", "--yes", "--id", "rent-july"];
    let refused = market.json(&other);
    assert_eq!(
        (&refused["error"], &refused["moneyMoved"]),
        (&json!("usage"), &json!(false))
    );
    assert_eq!(market.balance(PATH_USD, PAYEE), 5_000_000);
}

#[test]
fn what_cannot_be_sent_moves_nothing() {
    let Some((market, wallet)) = Market::with_wallet("send nothing") else {
        return;
    };
    let check = |args: &[&str], code: i32, what: &str| {
        let run = market.run(&[&["wallet", "send"], args].concat()).ends(code);
        assert!(run.stderr.contains(what), "{args:?}: {}", run.stderr);
    };
    // Without a terminal, nobody said that it is meant.
    check(&[TO, "$1"], 2, "--yes");
    check(&[TO, "$100", "--yes"], 4, "needs");
    check(&[TO, "$1", "--yes", "--token", "AlphaUSD"], 4, "AlphaUSD");
    check(
        &[TO, "$1", "--yes", "--token", "USDC.e"],
        2,
        "pathUSD, AlphaUSD",
    );
    check(&[TO, "1 EUR", "--yes"], 2, "EUR");
    check(&[TO, "$0.0000001", "--yes"], 2, "counted exactly");
    check(&[&TO[..41], "$1", "--yes"], 2, "40 hexadecimal digits");
    check(&[PATH_USD, "$1", "--yes"], 2, "token");
    check(
        &[TO, "$1", "--yes", "--network", "nowhere"],
        2,
        "dev, tempo, moderato",
    );
    check(
        &[TO, "$1", "--yes", "--rpc", "http://127.0.0.1:1"],
        9,
        "no endpoint",
    );
    assert_eq!(market.balance(PATH_USD, wallet), 100_000_000);
    assert_eq!(market.balance(ALPHA_USD, wallet), 0);
    assert_eq!(market.balance(PATH_USD, PAYEE), 0);
}

/// A key of each kind that signs on a chain.
#[test]
fn what_was_sent_before_is_not_called_unmoved_where_no_node_answers() {
    let Some((market, _)) = Market::with_wallet("send and silence") else {
        return;
    };
    let once = ["wallet", "send", TO, "$2", "--yes", "--id", "rent"];
    assert_eq!(market.json(&once)["standing"], "done");
    let deaf = ["--network", "dev", "--rpc", "http://127.0.0.1:1"];
    let unknown = market.json(&[&once[..], &deaf].concat());
    assert_eq!(
        (&unknown["error"], &unknown["moneyMoved"]),
        (&json!("unresolved"), &json!(null)),
        "{unknown}"
    );
    let next = unknown["next"].as_str().unwrap();
    assert!(next.contains("--id rent"), "{next}");
    // What was never sent moved nothing.
    let new = ["wallet", "send", TO, "$2", "--yes", "--id", "another"];
    let unsent = market.json(&[&new[..], &deaf].concat());
    assert_eq!(
        (&unsent["error"], &unsent["moneyMoved"]),
        (&json!("network"), &json!(false)),
        "{unsent}"
    );
    assert_eq!(market.balance(PATH_USD, PAYEE), 2_000_000);
}

#[test]
fn an_access_key_sends_no_more_than_it_may() {
    let Some((market, wallet)) = Market::with_wallet("send by an access key") else {
        return;
    };
    let grant = ["wallet", "keys", "grant", "agent", "--limit", "$1", "-y"];
    market.json(&grant);
    let left = market.balance(PATH_USD, wallet);
    let by = ["--wallet", "agent", "--yes", "--id", "much"];
    let refused = market.json(&[&["wallet", "send", TO, "$2"][..], &by].concat());
    assert_eq!(
        (&refused["error"], &refused["blame"], &refused["moneyMoved"]),
        (&json!("unpaid"), &json!("wallet"), &json!(false)),
        "{refused}"
    );
    let said = refused["message"].as_str().unwrap();
    assert!(said.contains("may spend 1 USD in pathUSD,"), "{said}");
    assert_eq!(said.matches("may spend").count(), 1, "{said}");
    // Nothing was sent, so there was no fee, and the id is free for what it may send.
    assert_eq!(market.balance(PATH_USD, wallet), left);
    let sent = market.json(&[&["wallet", "send", TO, "$0.5"][..], &by].concat());
    assert_eq!(sent["standing"], "done", "{sent}");
    assert_eq!(market.balance(PATH_USD, PAYEE), 500_000);
}

#[test]
fn every_kind_of_wallet_sends() {
    let Some(market) = Market::open("send by every kind") else {
        return;
    };
    let mut paid = 0;
    for kind in ["secp256k1", "p256"] {
        let create = ["wallet", "create", kind, "--key-type", kind];
        let made = market.json(&create);
        let wallet = ["--wallet", kind];
        market
            .run(&[&["wallet", "fund"][..], &wallet].concat())
            .ends(0);
        let args = [&["wallet", "send", TO, "$1", "--yes"][..], &wallet].concat();
        let sent = market.json(&args);
        paid += 1_000_000;
        assert_eq!(market.balance(PATH_USD, PAYEE), paid, "{sent}");
        let fee = units(&sent["fee"]["amount"]);
        let has = market.balance(PATH_USD, address(&made["address"]));
        assert_eq!(has, 99_000_000 - fee, "{kind}");
    }
    market
        .run(&["wallet", "create", "ed", "--key-type", "ed25519"])
        .ends(0);
    let run = market
        .run(&["wallet", "send", TO, "$1", "--yes", "--wallet", "ed"])
        .ends(8);
    assert!(
        run.stderr.contains("has no account on a chain"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_key_of_ethereum_is_the_same_account() {
    let Some(market) = Market::open("an ethereum key") else {
        return;
    };
    // The first account of the usual test mnemonic, as every wallet writes its key.
    let key = format!("0x{}", farthing_testkit::chain::ACCOUNTS[0].key);
    let import = ["wallet", "import", "eth", "--json"];
    let made = market
        .machine
        .run_with(&import, key.as_bytes())
        .ends(0)
        .json();
    let expect: Address = farthing_testkit::chain::ACCOUNTS[0]
        .address
        .parse()
        .unwrap();
    assert_eq!(address(&made["address"]), expect);
    assert!(
        made["account"]
            .as_str()
            .unwrap()
            .starts_with("did:key:zQ3s")
    );
    let export = ["wallet", "export", "eth", "--digits", "--yes", "--json"];
    assert_eq!(market.run(&export).ends(0).json()["secretKey"], key);
}

/// The process dies while its transfer waits for a block: the same command finds it, and sends no
/// other.
#[test]
fn a_transfer_whose_process_died_moves_once() {
    let Some(market) = Market::mining("a death while sending", Mining::Manual) else {
        return;
    };
    let made = market.json(&["wallet", "create"]);
    let wallet = address(&made["address"]);
    market.give(wallet, 100_000_000);
    let once = ["wallet", "send", TO, "$2", "--yes", "--id", "rent"];
    let mut child = market.machine.command(&once).spawn().unwrap();
    // It is told once the node has it.
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("waiting for its block") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "it ended");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!((market.waiting(), market.balance(PATH_USD, PAYEE)), (1, 0));
    market.mine();
    for _ in 0..2 {
        let again = market.json(&once);
        assert_eq!(again["standing"], "done", "{again}");
        let hash = again["transaction"].as_str().unwrap();
        assert!(line.contains(hash), "{line}: {again}");
    }
    assert_eq!(market.balance(PATH_USD, PAYEE), 2_000_000);
}
