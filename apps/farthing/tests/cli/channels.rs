//! The channels that a seller is paid out of, beside the server that is paid.

use std::process::Stdio;

use serde_json::Value;

use crate::{
    screens::{check, screen},
    world::{Dev, Machine, send},
};

const FUNDS: u128 = 10_000_000;

/// What the demo's rhyme costs.
const RHYME: u128 = 11_000;

struct Seller<'a> {
    dev: &'a Dev,
    machine: Machine,
}

impl<'a> Seller<'a> {
    fn of(dev: &'a Dev) -> Self {
        let machine = Machine::new().with("FARTHING_STORE", dev.says("store"));
        Self { dev, machine }
    }

    fn json(&self, args: &[&str]) -> Value {
        self.ends(0, args)
    }

    fn ends(&self, code: i32, args: &[&str]) -> Value {
        let args = [&["channels"], args, &["--json"]].concat();
        self.machine.run(&args).ends(code).json()
    }

    /// Its only channel.
    fn only(&self) -> String {
        let told = self.json(&["list"]);
        let all = told["channels"].as_array().unwrap();
        assert_eq!((all.len(), &told["all"]), (1, &true.into()), "{told}");
        all[0]["channel"].as_str().unwrap().to_owned()
    }

    /// A buyer reads the rhyme out of a channel.
    fn sell(&self) {
        let url = self.dev.says("stream_url");
        self.dev.pay(&[url, "--text", "-y"]).ends(0);
    }
}

/// The sums of the only currency.
fn sums(report: &Value) -> &Value {
    assert_eq!(
        report["currencies"].as_array().unwrap().len(),
        1,
        "{report}"
    );
    &report["currencies"][0]
}

#[test]
fn a_seller_settles_and_closes_beside_a_server_that_runs() {
    let dev = Dev::start();
    let seller = Seller::of(&dev);
    assert_eq!(
        seller.json(&["report"])["currencies"],
        Value::Array(Vec::new())
    );
    seller.sell();
    let channel = seller.only();
    let listed = &seller.json(&["list", "--at-risk"])["channels"][0];
    for (member, expect) in [
        ("state", "open"),
        ("deposit", "50000"),
        ("accepted", "11000"),
        ("spent", "11000"),
        ("settled", "0"),
        ("atRisk", "11000"),
        ("atRiskPrice", "0.011 USD"),
        ("payer", dev.says("wallet")),
    ] {
        assert_eq!(listed[member], expect, "{member}: {listed}");
    }
    let told = seller.json(&["settle", &channel, "-y"]);
    assert_eq!(told["settled"][0]["outcome"], "settled", "{told}");
    assert_eq!(told["settled"][0]["payout"]["amount"], "11000");
    assert_eq!(dev.seller_has(), RHYME);
    // The channel goes on, and the server knows what was settled of it.
    seller.sell();
    assert_eq!(seller.only(), channel);
    let report = seller.json(&["report"]);
    let open = &sums(&report)["open"];
    assert_eq!(
        (&open["spent"], &open["atRisk"]),
        (&"22000".into(), &"11000".into())
    );
    assert_eq!(sums(&report)["payers"][0]["payer"], dev.says("wallet"));
    let told = seller.json(&["close", &channel, "-y"]);
    assert_eq!(told["closed"][0]["outcome"], "closed", "{told}");
    let end = &told["closed"][0]["end"];
    assert_eq!(
        (&end["settled"], &end["lost"]),
        (&"22000".into(), &"0".into())
    );
    assert_eq!(dev.balances(), (FUNDS - 2 * RHYME, 2 * RHYME));
    assert_eq!(seller.json(&["list"])["channels"], Value::Array(Vec::new()));
    let ended = &seller.json(&["list", "--state", "ended"])["channels"][0];
    assert_eq!(
        (&ended["channel"], &ended["state"]),
        (&channel.as_str().into(), &"ended".into())
    );
    let shown = seller.json(&["show", &channel]);
    let payouts = shown["payouts"].as_array().unwrap();
    let told: Vec<_> = payouts
        .iter()
        .map(|it| (&it["settled"], &it["closed"]))
        .collect();
    assert_eq!(
        told,
        [
            (&"22000".into(), &true.into()),
            (&"11000".into(), &false.into())
        ]
    );
    let report = seller.json(&["report"]);
    let ever = &sums(&report)["ever"];
    assert_eq!(
        (
            &ever["settled"],
            &ever["spent"],
            &ever["lost"],
            &ever["fees"]
        ),
        (&"22000".into(), &"22000".into(), &"0".into(), &"0".into())
    );
    assert_eq!(
        (&ever["settlements"], &ever["ended"]),
        (&2.into(), &1.into())
    );
}

#[test]
fn a_command_that_is_repeated_hands_nothing_in_twice() {
    let dev = Dev::start();
    let seller = Seller::of(&dev);
    seller.sell();
    let channel = seller.only();
    // Several at once, and one that is killed as soon as it began.
    let settle = ["channels", "settle", &channel, "-y", "--json"];
    let mut runs: Vec<_> = (0..4)
        .map(|_| {
            let mut command = seller.machine.command(&settle);
            command.stderr(Stdio::null()).spawn().unwrap()
        })
        .collect();
    send(&runs[0], "KILL");
    for run in &mut runs {
        run.wait().unwrap();
    }
    let told = seller.json(&["settle", &channel, "-y"]);
    assert_eq!(told["settled"][0]["outcome"], "nothing", "{told}");
    let ever = &seller.json(&["report"])["currencies"][0]["ever"];
    assert_eq!(
        (&ever["settlements"], &ever["settled"]),
        (&1.into(), &"11000".into())
    );
    for _ in 0..2 {
        let told = seller.json(&["close", &channel, "-y"]);
        assert_eq!(told["closed"][0]["end"]["settled"], "11000");
    }
    assert_eq!(dev.balances(), (FUNDS - RHYME, RHYME));
    // What is over is no failure of a command that wants it settled.
    let told = seller.json(&["settle", &channel, "-y"]);
    assert_eq!(told["settled"][0]["outcome"], "ended");
    assert_eq!(
        seller.json(&["settle", "--all", "-y"])["settled"],
        Value::Array(Vec::new())
    );
}

#[test]
fn channels_are_settled_where_no_server_runs() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start_with(&["--dir", folder.path().to_str().unwrap()]);
    Seller::of(&dev).sell();
    let store = dev.says("store").to_owned();
    let (_, _) = dev.end("KILL");
    let machine = Machine::new().with("FARTHING_STORE", &*store);
    let run = |args: &[&str]| machine.run(&[&["channels"], args, &["-y", "--json"]].concat());
    let told = run(&["settle", "--all"]).ends(0).json();
    let settled = &told["settled"][0];
    assert_eq!(settled["payout"]["settled"], "11000", "{told}");
    let channel = settled["channel"].as_str().unwrap();
    let told = run(&["close", channel]).ends(0).json();
    assert_eq!(told["closed"][0]["end"]["settled"], "11000");
}

#[test]
fn a_channel_has_to_be_there_and_something_has_to_settle_it() {
    let dev = Dev::start();
    let seller = Seller::of(&dev);
    for args in [
        &["show", "0xnone"][..],
        &["settle", "0xnone", "-y"],
        &["close", "0xnone", "-y"],
        &["list", "--after", "0xnone"],
    ] {
        let told = seller.ends(1, args);
        assert_eq!(
            (&told["blame"], &told["moneyMoved"]),
            (&"usage".into(), &false.into())
        );
        assert!(
            told["next"].as_str().unwrap().contains("channels list"),
            "{told}"
        );
    }
    seller.sell();
    let channel = seller.only();
    // Nobody is there to say that it is meant.
    for verb in ["settle", "close"] {
        let told = seller.ends(2, &[verb, &channel]);
        assert!(told["next"].as_str().unwrap().contains("--yes"), "{told}");
    }
    // A gateway's file that keeps no channels on the ledger settles none.
    let text = format!(
        "site = \"api.example.com\"\nto = \"http://127.0.0.1:3000\"\nstore = \"{}\"\n\
         pay.ledger = {{ account = \"{}\" }}\n[routes]\n\"GET /\" = \"$0.01\"\n",
        dev.says("store"),
        dev.says("wallet"),
    );
    std::fs::write(seller.machine.path("farthing.toml"), text).unwrap();
    let told = seller.ends(2, &["settle", &channel, "-y", "--config", "farthing.toml"]);
    assert!(
        told["message"].as_str().unwrap().contains("ledger"),
        "{told}"
    );
    assert_eq!(dev.seller_has(), 0);
    let text = seller.machine.run(&["channels", "settle", "-y"]).ends(2);
    assert!(text.stderr.contains("CHANNEL"), "{}", text.stderr);
}

#[test]
fn a_list_is_filtered_and_goes_on_where_a_page_ended() {
    let dev = Dev::start();
    let seller = Seller::of(&dev);
    let mut all = Vec::new();
    for _ in 0..3 {
        seller.sell();
        let channel = seller.only();
        seller.json(&["close", &channel, "-y"]);
        all.push(channel);
    }
    all.reverse();
    let ended = ["list", "--state", "ended"];
    let ids = |told: &Value| -> Vec<String> {
        let channels = told["channels"].as_array().unwrap();
        channels
            .iter()
            .map(|it| it["channel"].as_str().unwrap().to_owned())
            .collect()
    };
    let page = seller.json(&[&ended[..], &["-n", "2"]].concat());
    assert_eq!(
        (ids(&page), &page["all"]),
        (all[..2].to_vec(), &false.into())
    );
    let page = seller.json(&[&ended[..], &["-n", "2", "--after", &all[1]]].concat());
    assert_eq!(
        (ids(&page), &page["all"]),
        (all[2..].to_vec(), &true.into())
    );
    let none = seller.json(&[&ended[..], &["--payer", "did:key:zNobody"]].concat());
    assert_eq!(ids(&none), Vec::<String>::new());
    let whose = seller.json(&[&ended[..], &["--payer", dev.says("wallet")]].concat());
    assert_eq!(ids(&whose), all);
    for state in ["open", "asked", "closing"] {
        assert_eq!(
            ids(&seller.json(&["list", "--state", state])),
            Vec::<String>::new()
        );
    }
}

#[test]
fn what_a_seller_sees_of_channels() {
    let dev = Dev::start();
    let seller = Seller::of(&dev);
    let mut seen = String::new();
    let mut see = |args: &[&str], hide: &[(&str, &str)]| {
        let args = [&["channels"], args].concat();
        let run = seller.machine.run(&args);
        seen.push_str(&screen(&args, &run, hide));
    };
    see(&["list"], &[]);
    see(&["report"], &[]);
    seller.sell();
    let channel = seller.only();
    let hide = [(channel.as_str(), "CHANNEL"), (dev.says("store"), "STORE")];
    see(&["list"], &hide);
    see(&["show", &channel], &hide);
    see(&["report"], &hide);
    see(&["settle", &channel], &hide);
    see(&["settle", &channel, "-y"], &hide);
    see(&["settle", "--all", "-y"], &hide);
    see(&["close", &channel, "-y"], &hide);
    see(&["close", &channel, "-y"], &hide);
    see(&["show", &channel], &hide);
    see(&["list", "--state", "ended"], &hide);
    see(&["report"], &hide);
    see(&["show", "0xnone"], &hide);
    assert_eq!(dev.balances(), (FUNDS - RHYME, RHYME));
    check("channels.txt", &seen);
}
