//! Limits that a keystore's owner set: what holds, for whom, and with how many at once.

use std::{fs, thread};

use serde_json::{Value, json};

use crate::{
    shop::{Shop, answer, asks, is_paid},
    world::{Dev, Machine, owner},
};

fn set(machine: &Machine, args: &[&str]) -> Value {
    let args = [&["wallet", "budget", "set", "--json"], args].concat();
    machine.run(&args).ends(0).json()
}

/// What is spent, reserved and left of each budget, by window.
fn used(machine: &Machine) -> Vec<(String, [String; 3])> {
    let told = machine.run(&["wallet", "budget", "--json"]).ends(0).json();
    let limits = told["limits"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    limits
        .filter(|limit| limit["window"] != "request")
        .map(|limit| {
            let host = limit["host"].as_str().unwrap_or("*");
            let amounts = ["spent", "reserved", "left"].map(|name| text(&limit[name]));
            (format!("{} {host}", text(&limit["window"])), amounts)
        })
        .collect()
}

fn is(window: &str, amounts: [u64; 3]) -> (String, [String; 3]) {
    (window.to_owned(), amounts.map(|amount| amount.to_string()))
}

#[test]
fn limits_are_set_shown_and_taken_away() {
    let machine = Machine::new();
    let told = machine.run(&["wallet", "budget", "--json"]).ends(0).json();
    assert_eq!(told["default"], true);
    assert_eq!(
        told["limits"][0],
        json!({"host": null, "window": "request", "limit": "0.1 USD"})
    );
    assert_eq!(told["limits"][1]["most"], "1000000");
    assert!(!machine.path(".local").exists(), "looking makes nothing");

    let told = set(&machine, &["--per-request", "$0.05", "--per-day", "$2"]);
    assert_eq!(told["default"], false);
    assert_eq!(told["limits"][0]["limit"], "0.05 USD");
    assert_eq!(told["limits"][1]["most"], "2000000");
    // What is not named stays.
    let hosts = [
        "--total",
        "$1",
        "--realm",
        "Example.com",
        "--realm",
        "127.0.0.1",
    ];
    let told = set(&machine, &hosts);
    let listed = told["limits"].as_array().unwrap();
    let hosts: Vec<_> = listed.iter().map(|limit| &limit["host"]).collect();
    assert_eq!(
        hosts,
        [
            &Value::Null,
            &Value::Null,
            &json!("127.0.0.1"),
            &json!("example.com")
        ]
    );
    let told = set(&machine, &["--per-day", "none"]);
    assert_eq!(told["limits"].as_array().unwrap().len(), 3);
    let told = set(&machine, &["--realm", "example.com", "--clear"]);
    assert_eq!(told["limits"].as_array().unwrap().len(), 2);
    let told = set(&machine, &["--clear"]);
    assert_eq!(told["default"], true);
    for bad in [
        &[][..],
        &["--realm", "example.com"],
        &["--per-day", "a lot"],
        &["--per-day", "$0.0000001"],
        &["--per-day", "1 GBP"],
        &["--per-day", "$1", "--clear"],
        &["--per-day", "$1", "--realm", "https://example.com"],
        &["--per-day", "$1", "--realm", "example.com:80"],
    ] {
        let args = [&["wallet", "budget", "set"], bad].concat();
        machine.run(&args).ends(2);
    }
    assert_eq!(
        machine.run(&["wallet", "budget", "--json"]).json()["default"],
        true
    );
}

/// However many processes there are, no more is signed than the limit.
#[test]
fn a_limit_holds_for_any_number_of_processes() {
    let dev = Dev::start();
    // Room for ten of them, and a half.
    set(&dev.buyer, &["--total", "$0.021"]);
    let codes: Vec<i32> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let pay = || {
                    let run = dev.pay(&[dev.says("paid_url"), "-s", "-y"]);
                    assert!([0, 3].contains(&run.code), "{}: {}", run.code, run.stderr);
                    run.code
                };
                scope.spawn(move || (0..5).map(|_| pay()).collect::<Vec<_>>())
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    let ended = |code| codes.iter().filter(|it| **it == code).count();
    assert_eq!((ended(0), ended(3)), (10, 10), "{codes:?}");
    assert_eq!(dev.balances(), (10_000_000 - 20_000, 20_000));
    assert_eq!(used(&dev.buyer), [is("total *", [20_000, 0, 1_000])]);
}

#[test]
fn no_flag_of_a_run_lifts_what_the_owner_set() {
    let dev = Dev::start();
    let (paid, render) = (dev.says("paid_url"), dev.says("render_url"));
    set(&dev.buyer, &["--per-request", "$0.01", "--total", "$0.005"]);
    for max in ["$0.01", "$5"] {
        let told = dev
            .pay(&[render, "-d", "x", "--json", "-y", "--max", max])
            .ends(3)
            .json();
        assert_eq!(
            told["message"],
            "0.05 USD is more than the $0.01 one request may cost"
        );
        assert!(
            told["next"]
                .as_str()
                .unwrap()
                .contains("farthing wallet budget set"),
            "{told}"
        );
        assert_eq!(
            (&told["blame"], &told["moneyMoved"]),
            (&"limits".into(), &false.into())
        );
    }
    // It can be lowered.
    dev.pay(&[paid, "-y", "--max", "$0.001"]).ends(3);
    dev.pay(&[paid, "-y", "-s"]).ends(0);
    dev.pay(&[paid, "-y", "-s", "--max", "$5"]).ends(0);
    let told = dev
        .pay(&[paid, "-y", "--json", "--max", "$5"])
        .ends(3)
        .json();
    assert!(
        told["message"]
            .as_str()
            .unwrap()
            .contains("$0.005 in total"),
        "{told}"
    );
    assert_eq!(dev.balances(), (10_000_000 - 4_000, 4_000));
    assert_eq!(used(&dev.buyer), [is("total *", [4_000, 0, 1_000])]);
    // A limit below what is spent leaves nothing.
    set(&dev.buyer, &["--total", "$0.001"]);
    assert_eq!(used(&dev.buyer), [is("total *", [4_000, 0, 0])]);
    // And a dry run knows it.
    dev.pay(&[render, "-d", "x", "--dry-run", "--max", "$5"])
        .ends(3);
}

#[test]
fn a_limit_for_a_host_is_that_hosts() {
    let dev = Dev::start();
    let paid = dev.says("paid_url");
    set(&dev.buyer, &["--total", "$1", "--realm", "example.com"]);
    let shown = dev.buyer.run(&["wallet", "budget"]).ends(0);
    assert!(
        shown.stderr.contains("nobody but these hosts"),
        "{}",
        shown.stderr
    );
    dev.pay(&[paid, "-y", "--max", "$5"]).ends(3);
    set(&dev.buyer, &["--total", "$0.003", "--realm", "127.0.0.1"]);
    dev.pay(&[paid, "-y", "-s"]).ends(0);
    dev.pay(&[paid, "-y", "-s"]).ends(3);
    let expect = [
        is("total 127.0.0.1", [2_000, 0, 1_000]),
        is("total example.com", [0, 0, 1_000_000]),
    ];
    assert_eq!(used(&dev.buyer), expect);
    assert_eq!(dev.balances(), (10_000_000 - 2_000, 2_000));
}

#[test]
fn what_waits_for_its_outcome_is_reserved() {
    let (machine, _) = owner();
    machine.run(&["wallet", "create"]).ends(0);
    set(&machine, &["--total", "$0.01"]);
    let shop = Shop::open(|head, at| {
        if is_paid(head) {
            answer("418 I'm a teapot", "", "")
        } else {
            let asked = asks(&at.to_string(), "ledger", "4000");
            answer("402 Payment Required", &asked, "")
        }
    });
    machine.run(&["pay", &shop.url(), "-y", "-s"]).ends(6);
    assert_eq!(used(&machine), [is("total *", [0, 4_000, 6_000])]);
    machine.run(&["pay", &shop.url(), "-y", "-s"]).ends(6);
    assert_eq!(used(&machine), [is("total *", [0, 8_000, 2_000])]);
    machine.run(&["pay", &shop.url(), "-y", "-s"]).ends(3);
    assert_eq!(shop.credentials().len(), 2);
    let told = machine.run(&["wallet", "history", "--json"]).ends(0).json();
    assert_eq!(told["totals"][0]["pending"], "8000");
    assert_eq!(
        (&told["totals"][0]["paid"], &told["totals"][0]["payments"]),
        (&"0".into(), &2.into())
    );
    assert_eq!(told["payments"][0]["standing"], "doubtful");
    assert_eq!(told["payments"][0]["realm"], shop.at.to_string());
}

/// A limit that cannot be read is not taken for none.
#[test]
fn a_broken_file_of_limits_stops_everything_that_pays() {
    let dev = Dev::start();
    set(&dev.buyer, &["--per-day", "$0.003"]);
    let path = dev.folder().join("buyer/limits.json");
    for bad in [
        "",
        "{}",
        r#"{"version":1,"all":{"perHour":["$1"]}}"#,
        r#"{"version":9}"#,
    ] {
        fs::write(&path, bad).unwrap();
        for args in [
            &["pay", dev.says("paid_url"), "-y"][..],
            &["wallet", "budget"],
        ] {
            dev.buyer.run(args).ends(8);
        }
    }
    assert_eq!(dev.balances(), (10_000_000, 0));
}

/// A day's limit counts the day, whenever it is set.
#[test]
fn a_limit_on_a_day_counts_what_was_paid_before_it() {
    let dev = Dev::start();
    let paid = dev.says("paid_url");
    dev.pay(&[paid, "-s", "-y", "--max", "$0.01"]).ends(0);
    dev.pay(&[paid, "-s", "-y"]).ends(0);
    set(&dev.buyer, &["--per-day", "$0.005"]);
    assert_eq!(used(&dev.buyer), [is("day *", [4_000, 0, 1_000])]);
    dev.pay(&[paid, "-s", "-y"]).ends(3);
    assert_eq!(dev.balances(), (10_000_000 - 4_000, 4_000));
}
