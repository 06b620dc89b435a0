//! Paying on a chain: the price arrives, the fee is told, and what is not allowed is not signed.

use farthing::{server::Route, tempo::Modes};
use serde_json::{Value, json};

use super::world::{Market, PATH_USD, PAYEE, units};

fn route() -> Route {
    Route::priced("$0.002").unwrap()
}

fn terms(terms: &Value) -> Route {
    let terms = terms.as_object().unwrap().clone();
    route().terms("tempo", terms).unwrap()
}

#[test]
fn a_page_is_paid_for_on_the_chain() {
    let Some((market, wallet)) = Market::with_wallet("pay") else {
        return;
    };
    let url = market.shop(route(), |_| {});
    let plan = market.json(&["pay", &url, "--dry-run"]);
    let plan = &plan["wouldPay"];
    assert_eq!(
        (&plan["method"], &plan["price"]),
        (&json!("tempo"), &json!("0.002 USD"))
    );
    assert_eq!(plan["network"], "eip155:1337");
    assert_eq!(plan["currency"], PATH_USD);
    assert!(units(&plan["fee"]["most"]) > 0, "{plan}");
    assert_eq!(market.balance(PATH_USD, PAYEE), 0, "a dry run pays nothing");

    for (push, paid) in [(false, 2_000), (true, 4_000)] {
        let args = ["pay", &url, "--yes", "--push"];
        let args = if push { &args[..] } else { &args[..3] };
        let answer = market.json(args);
        assert_eq!(answer["body"], "sunny\n", "{answer}");
        assert_eq!(answer["paid"]["price"], "0.002 USD");
        assert_eq!(answer["receipt"]["method"], "tempo");
        let hash = answer["receipt"]["reference"].as_str().unwrap();
        assert!(hash.starts_with("0x") && hash.len() == 66, "{hash}");
        assert_eq!(market.balance(PATH_USD, PAYEE), paid);
        let shown = market.json(&[
            "receipts",
            "show",
            answer["paid"]["payment"].as_str().unwrap(),
        ]);
        assert_eq!(shown["receipt"]["reference"], hash);
        assert_eq!(shown["price"], "0.002 USD");
    }
    let history = market.json(&["wallet", "history"]);
    assert_eq!(history["totals"][0]["paid"], "4000", "{history}");
    assert_eq!(history["payments"].as_array().unwrap().len(), 2);
    let spent = 100_000_000 - market.balance(PATH_USD, wallet);
    assert!(
        spent > 4_000 && spent < 104_000,
        "the price and two fees: {spent}"
    );
}

#[test]
fn a_seller_who_pays_the_fee_and_one_who_splits() {
    let Some((market, wallet)) = Market::with_wallet("pay in parts") else {
        return;
    };
    let other = "0x4343434343434343434343434343434343434343";
    let url = market.shop(
        terms(&json!({ "splits": [{ "recipient": other, "amount": "500" }] })),
        |_| {},
    );
    let plan = market.run(&["pay", &url, "--dry-run"]).ends(0);
    assert!(
        plan.text().contains("0.0015 USD") && plan.text().contains("0.0005 USD"),
        "{}",
        plan.text()
    );
    market.run(&["pay", &url, "--yes"]).ends(0);
    assert_eq!(market.balance(PATH_USD, PAYEE), 1_500);
    assert_eq!(market.balance(PATH_USD, other.parse().unwrap()), 500);

    let has = market.balance(PATH_USD, wallet);
    let url = market.shop(route(), |options| options.modes = Modes::Both);
    market
        .run(&["pay", &url, "--yes", "--method", "tempo"])
        .ends(0);
    assert!(market.balance(PATH_USD, wallet) < has - 2_000);
}

#[test]
fn what_is_not_allowed_is_not_signed() {
    let Some((market, wallet)) = Market::with_wallet("pay nothing") else {
        return;
    };
    let url = market.shop(route(), |_| {});
    let check = |args: &[&str], code: i32| {
        let run = market
            .run(&[&["pay", &url, "--yes"], args].concat())
            .ends(code);
        assert_eq!(
            market.balance(PATH_USD, wallet),
            100_000_000,
            "{args:?}: {run:?}"
        );
        run
    };
    check(&["--max", "$0.001"], 3);
    check(&["--method", "ledger"], 4);
    // Another chain is not paid on, whatever its seller says.
    check(&["--network", "moderato"], 4);
    // A wallet of a kind that has no account there.
    market
        .run(&["wallet", "create", "ed", "--key-type", "ed25519"])
        .ends(0);
    check(&["--wallet", "ed"], 4);
    // One that has nothing there.
    market.run(&["wallet", "create", "empty"]).ends(0);
    let run = check(&["--wallet", "empty"], 4);
    assert!(
        run.stderr.contains("farthing wallet fund"),
        "{}",
        run.stderr
    );
    // A node that is down is told as such.
    let run = check(&["--network", "dev", "--rpc", "http://127.0.0.1:1"], 4);
    assert!(run.stderr.contains("the payment rail"), "{}", run.stderr);
}

#[test]
fn an_agent_pays_with_its_access_key() {
    let Some((market, wallet)) = Market::with_wallet("an agent pays") else {
        return;
    };
    let to = PAYEE.to_string();
    let grant = [
        "wallet",
        "keys",
        "grant",
        "agent",
        "--limit",
        "$1 per day",
        "--recipient",
        &to,
        "-y",
    ];
    market.run(&grant).ends(0);
    let has = market.balance(PATH_USD, wallet);
    let url = market.shop(route(), |_| {});
    let answer = market.json(&["pay", &url, "--yes", "--wallet", "agent"]);
    assert_eq!(answer["body"], "sunny\n", "{answer}");
    assert_eq!(market.balance(PATH_USD, PAYEE), 2_000);
    assert!(
        market.balance(PATH_USD, wallet) < has - 2_000,
        "the account pays"
    );
    // Somebody whom it may not pay.
    let elsewhere = market.shop(route(), |options| options.recipient = wallet);
    let refused = market.json(&["pay", &elsewhere, "--yes", "--wallet", "agent"]);
    assert_eq!(refused["moneyMoved"], false, "{refused}");
}

/// A seller who takes what was signed and says nothing of it: it is pending, and the chain is asked before
/// its owner gets the reservation back.
#[test]
fn what_is_written_off_is_asked_of_the_chain_first() {
    let Some((market, wallet)) = Market::with_wallet("write off") else {
        return;
    };
    let url = market.mute_shop(route());
    let told = market.json(&["pay", &url, "--yes"]);
    assert!(told["moneyMoved"].is_null(), "{told}");
    let id = told["payment"].as_str().unwrap();
    assert_eq!(market.balance(PATH_USD, wallet), 100_000_000);
    // It may still be sent by whoever has it.
    market.run(&["receipts", "write-off", id]).ends(2);
    market.later(std::time::Duration::from_secs(60));
    let written = market.json(&["receipts", "write-off", id]);
    assert_eq!(written["moneyMoved"], false, "{written}");
    let pending = market.json(&["receipts", "list", "--pending"]);
    assert_eq!(pending["pending"].as_array().unwrap().len(), 0);
}

/// A seller that gives credit serves before the payment is in a block, so there is no receipt: the chain
/// says afterwards what became of it.
#[test]
fn what_was_served_on_credit_is_asked_of_the_chain() {
    let Some((market, _)) = Market::with_wallet("credit") else {
        return;
    };
    let url = market.shop(route().credit("$1", "$10").unwrap(), |_| {});
    market.run(&["pay", &url, "--yes"]).ends(0);
    let listed = market.json(&["receipts", "list", "--pending"]);
    let served = &listed["pending"][0];
    assert_eq!(served["standing"], "unconfirmed", "{listed}");
    let id = served["payment"].as_str().unwrap();
    // The next block has it. Until then the chain does not say.
    while market.balance(PATH_USD, PAYEE) == 0 {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let asked = market.run(&["receipts", "write-off", id]).ends(2);
    assert!(
        asked.stderr.contains("the payment is paid"),
        "{}",
        asked.stderr
    );
    let paid = market.json(&["receipts", "show", id]);
    assert_eq!(
        (&paid["standing"], &paid["moneyMoved"]),
        (&json!("paid"), &json!(true))
    );
    let hash = paid["reference"].as_str().unwrap();
    assert!(hash.starts_with("0x") && hash.len() == 66, "{paid}");
    let left = market.json(&["receipts", "list", "--pending"]);
    assert_eq!(left["pending"].as_array().unwrap().len(), 0);
}
