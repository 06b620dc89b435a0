//! Paying the demo: what it costs to the unit, and curl's flags.

use std::{fs, thread};

use serde_json::Value;

use crate::world::{Dev, Machine};

const FUNDS: u128 = 10_000_000;

#[test]
fn a_paid_request_moves_its_price_and_nothing_else() {
    let dev = Dev::start();
    assert_eq!(dev.balances(), (FUNDS, 0));

    let paid = dev.pay(&[dev.says("paid_url"), "--json", "--yes"]).ends(0);
    let told = paid.json();
    assert_eq!(paid.stderr, "");
    assert_eq!(told["status"], 200);
    assert_eq!(told["paid"]["amount"], "2000");
    assert_eq!(told["paid"]["currency"], "usd6");
    assert_eq!(told["paid"]["price"], "0.002 USD");
    assert_eq!(told["paid"]["method"], "ledger");
    assert_eq!(told["paid"]["standing"], "paid");
    assert_eq!(told["paid"]["recorded"], true);
    assert_eq!(told["paid"]["reference"], told["receipt"]["reference"]);
    assert_eq!(told["receipt"]["status"], "success");
    assert_eq!(told["headers"]["content-type"], "application/json");
    let body: Value = serde_json::from_str(told["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["paid"]["amount"], "2000");
    assert_eq!(dev.balances(), (FUNDS - 2000, 2000));

    let listed = dev
        .buyer
        .run(&["receipts", "list", "--json"])
        .ends(0)
        .json();
    assert_eq!(listed["receipts"].as_array().unwrap().len(), 1);
    assert_eq!(listed["receipts"][0]["payment"], told["paid"]["payment"]);
    assert_eq!(listed["receipts"][0]["amount"], "2000");
    let id = told["paid"]["payment"].as_str().unwrap();
    let shown = dev
        .buyer
        .run(&["receipts", "show", id, "--json"])
        .ends(0)
        .json();
    assert_eq!(shown["receipt"], told["receipt"]);
    let pending = dev.buyer.run(&["receipts", "list", "--pending", "--json"]);
    assert_eq!(pending.ends(0).json()["pending"], Value::Array(vec![]));

    let balance = dev
        .buyer
        .run(&["wallet", "balance", "--json"])
        .ends(0)
        .json();
    assert_eq!(balance["balances"][0]["available"], "9998000");
    assert_eq!(balance["account"], dev.ready["wallet"]);
    assert_eq!(
        dev.buyer.run(&["wallet", "balance"]).ends(0).text(),
        "9.998 USD\n"
    );
}

#[test]
fn what_is_free_costs_nothing() {
    let dev = Dev::start();
    let free = dev.pay(&[dev.says("free_url"), "--json"]).ends(0).json();
    assert_eq!(
        (&free["status"], &free["paid"]),
        (&200.into(), &Value::Null)
    );
    assert_eq!(dev.balances(), (FUNDS, 0));
}

/// It is settled before it is served, and bound to its body.
#[test]
fn a_post_pays_for_its_body() {
    let dev = Dev::start();
    let url = dev.says("render_url");
    let file = dev.buyer.path("text");
    fs::write(&file, "from a file\n").unwrap();
    let file = format!("@{}", file.display());
    for (data, stdin, expect) in [
        ("hello", "", "| hello |"),
        (&*file, "", "| from a file |"),
        ("@-", "from stdin", "| from stdin |"),
    ] {
        let args = ["pay", url, "-s", "-y", "-d", data];
        let run = dev.buyer.run_with(&args, stdin.as_bytes()).ends(0);
        assert!(run.text().lines().any(|line| line == expect), "{run:?}");
        assert_eq!(run.stderr, "", "-s says nothing");
    }
    assert_eq!(dev.balances(), (FUNDS - 150_000, 150_000));
}

#[test]
fn head_and_body_go_where_curl_puts_them() {
    let dev = Dev::start();
    let url = dev.says("paid_url");
    let run = dev.pay(&[url, "-i", "-y"]).ends(0);
    let text = run.text();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("\r\npayment-receipt: "), "{head}");
    assert!(serde_json::from_str::<Value>(body).is_ok(), "{body}");
    assert!(
        run.stderr.contains("paid 0.002 USD by ledger"),
        "{}",
        run.stderr
    );

    let file = dev.buyer.path("body");
    fs::write(
        &file,
        "an older body that was longer than the new one".repeat(9),
    )
    .unwrap();
    let name = file.to_str().unwrap();
    let run = dev.pay(&[url, "-y", "-o", name]).ends(0);
    assert_eq!(run.text(), "");
    assert_eq!(fs::read_to_string(&file).unwrap(), body);
    let told = dev.pay(&[url, "-y", "-o", name, "--json"]).ends(0).json();
    assert_eq!(
        (&told["bodyFile"], &told["body"]),
        (&name.into(), &Value::Null)
    );
    assert_eq!(dev.balances().0, FUNDS - 3 * 2000);
}

#[test]
fn a_file_that_cannot_be_written_is_found_before_anything_is_paid() {
    let dev = Dev::start();
    let run = dev.pay(&[dev.says("paid_url"), "-y", "-o", "/no/such/folder/x"]);
    assert!(run.ends(2).stderr.contains("money  none moved"));
    let run = dev.pay(&[dev.says("render_url"), "-y", "-d", "@/no/such/file"]);
    assert!(run.ends(2).stderr.contains("money  none moved"));
    assert_eq!(dev.balances(), (FUNDS, 0));
}

#[test]
fn a_dry_run_says_the_price_and_pays_nothing() {
    let dev = Dev::start();
    let (paid, free) = (dev.says("paid_url"), dev.says("free_url"));
    let run = dev.pay(&[paid, "--dry-run", "--json"]).ends(0).json();
    assert_eq!(run["wouldPay"]["amount"], "2000");
    assert_eq!((&run["status"], &run["paid"]), (&402.into(), &Value::Null));
    let run = dev.pay(&[free, "--dry-run", "--json"]).ends(0).json();
    assert_eq!(run["wouldPay"], Value::Null);
    let run = dev.pay(&[paid, "--dry-run"]).ends(0);
    assert!(run.text().starts_with("would pay  0.002 USD\n"), "{run:?}");
    let file = dev.buyer.path("new");
    let name = file.to_str().unwrap();
    dev.pay(&[paid, "--dry-run", "--max", "$0.001", "-o", name])
        .ends(3);
    assert!(!file.exists(), "nothing came for it");
    assert_eq!(dev.balances(), (FUNDS, 0));
}

#[test]
fn the_limits_hold_without_anybody_to_ask() {
    let dev = Dev::start();
    let (paid, render) = (dev.says("paid_url"), dev.says("render_url"));
    let run = dev
        .pay(&[paid, "--yes", "--json", "--max", "$0.0019"])
        .ends(3);
    let told = run.json();
    assert_eq!(
        (&told["error"], &told["exitCode"]),
        (&"refused".into(), &3.into())
    );
    assert_eq!(
        (&told["moneyMoved"], &told["blame"]),
        (&false.into(), &"limits".into())
    );
    assert_eq!(told["next"], "allow it with --max '0.002 USD'");
    assert_eq!(dev.balances(), (FUNDS, 0));
    // The limit is what may be paid, not the first thing that may not.
    dev.pay(&[paid, "--yes", "--max", "$0.002"]).ends(0);
    // Without limits of one's own: $1 in all, for as long as the keystore lives.
    for _ in 0..20 {
        dev.pay(&[render, "-s", "-d", "x"]).ends(0);
    }
    let run = dev.pay(&[render, "-s", "-d", "x", "--yes"]).ends(3);
    assert!(run.stderr.contains("$1 in total"), "{}", run.stderr);
    dev.pay(&[render, "-s", "-d", "x", "--max", "$0.05"])
        .ends(0);
    let spent = 2000 + 21 * 50_000;
    assert_eq!(dev.balances(), (FUNDS - spent, spent));
}

/// Several processes, one keystore, one account: every payment once, and the sums are exact.
#[test]
fn many_at_once_pay_what_each_costs() {
    let dev = Dev::start();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    dev.pay(&[dev.says("paid_url"), "-s", "-y"]).ends(0);
                }
            });
        }
    });
    assert_eq!(dev.balances(), (FUNDS - 40_000, 40_000));
    let listed = dev
        .buyer
        .run(&["receipts", "list", "-n", "100", "--json"])
        .json();
    assert_eq!(listed["receipts"].as_array().unwrap().len(), 20);
    let some = dev
        .buyer
        .run(&["receipts", "list", "-n", "3", "--json"])
        .json();
    assert_eq!(some["receipts"].as_array().unwrap().len(), 3);
}

#[test]
fn an_error_of_the_server_has_its_code() {
    let dev = Dev::start();
    let missing = dev.says("free_url").replace("/free", "/missing");
    let told = dev.pay(&[&missing, "--json"]).ends(7).json();
    assert_eq!(
        (&told["status"], &told["error"]),
        (&404.into(), &"status".into())
    );
    assert_eq!(told["moneyMoved"], false);
    let run = dev.pay(&[&missing]).ends(7);
    assert!(run.stderr.contains("answered 404"), "{}", run.stderr);
}

#[test]
fn a_key_may_come_from_the_environment() {
    let dev = Dev::start();
    let key = "07".repeat(32);
    let machine = Machine::new()
        .with("FARTHING_KEY", &key)
        .with("FARTHING_KEYSTORE", dev.says("keystore"))
        .with("FARTHING_STORE", dev.says("store"));
    // Another account than the funded one: it has nothing.
    assert_eq!(
        machine.run(&["wallet", "balance"]).ends(0).text(),
        "0 USD\n"
    );
    let balance = ["wallet", "balance", "--wallet", "default"];
    assert_eq!(machine.run(&balance).ends(0).text(), "10 USD\n");
    machine
        .run(&[
            "pay",
            dev.says("paid_url"),
            "-s",
            "-y",
            "--wallet",
            "default",
        ])
        .ends(0);
    assert_eq!(dev.balances(), (FUNDS - 2000, 2000));
}

#[test]
fn a_method_that_a_route_does_not_have_costs_nothing() {
    let dev = Dev::start();
    for (route, method) in [("paid_url", "DELETE"), ("render_url", "GET")] {
        dev.pay(&[dev.says(route), "-X", method, "-y"]).ends(7);
    }
    assert_eq!(dev.balances(), (10_000_000, 0));
}
