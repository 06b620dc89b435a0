//! `gateway check`, `explain` and `init`, letter by letter.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::{
    screens::check,
    shop::PAYEE,
    world::{BINARY, Machine, Run},
};

const FILE: &str = r#"site = "api.example.com"
to   = "http://127.0.0.1:3000"
pay.ledger = { account = "PAYEE" }

[routes]
"GET /v1/weather/*"      = "$0.002"
"GET /v1/weather/{city}" = "$0.001"
"GET /health"            = "free"
"POST /render"           = { price = "$0.05", settle = "first", retryable = true, redeliver = "15m" }
"POST /rpc"              = { price = "$0.001", served = { status = "2xx", not_json = ["$.error"] } }
"#;

/// What was typed, what came of it, and how it ended, as it stands on the screen.
fn screen(machine: &Machine, args: &[&str]) -> String {
    shown(machine, args, &machine.run(args))
}

fn shown(machine: &Machine, args: &[&str], run: &Run) -> String {
    let home = machine.path("");
    let text = format!(
        "$ farthing {}\n{}{}[{}]\n\n",
        args.join(" "),
        run.text(),
        run.stderr,
        run.code
    );
    text.replace(BINARY, "farthing")
        .replace(home.to_str().unwrap(), "HOME/")
}

fn machine(file: &str) -> Machine {
    let machine = Machine::new();
    fs::write(machine.path("farthing.toml"), file.replace("PAYEE", PAYEE)).unwrap();
    machine
}

#[test]
fn checking_a_good_file() {
    let machine = machine(FILE);
    let mut shown = screen(&machine, &["gateway", "check"]);
    let own = FILE.replace(
        "\"$0.001\"\n",
        "{ price = \"$0.001\", to = \"http://127.0.0.1:4000\", description = \"one city\" }\n",
    ) + "\"GET /reports/{year}/{month}/{day}/{kind}/by/{region}/{format}/and/{more}\" = \"$1\"\n";
    fs::write(machine.path("own.toml"), own.replace("PAYEE", PAYEE)).unwrap();
    shown += &screen(&machine, &["gateway", "check", "--config", "own.toml"]);
    assert!(
        shown.lines().all(|line| line.chars().count() <= 80),
        "{shown}"
    );
    check("gateway-check.txt", &shown);

    let json = machine.run(&["gateway", "check", "--json"]).ends(0).json();
    assert_eq!(json["ok"], true);
    let rules = json["rules"].as_array().unwrap();
    assert_eq!(rules.len(), 5);
    assert_eq!(rules[3]["rule"], "POST /render");
    assert_eq!(
        (&rules[3]["settle"], &rules[3]["price"]),
        (&"first".into(), &"$0.05".into())
    );
    assert_eq!(rules[3]["redeliverSeconds"], 900.0);
    assert_eq!(rules[4]["served"]["notJson"][0], "$.error");
    assert!(rules[2]["price"].is_null() && rules[2]["settle"].is_null());
}

#[test]
fn checking_a_file_that_gives_away_the_top_of_what_it_sells() {
    let machine = machine(&format!("{FILE}\"GET /*\" = \"free\"\n"));
    let shown = screen(&machine, &["gateway", "check"]);
    check("gateway-check-warning.txt", &shown);
    let json = machine.run(&["gateway", "check", "--json"]).ends(0).json();
    let warnings = json["warnings"].as_array().unwrap();
    assert_eq!((&json["ok"], warnings.len()), (&true.into(), 1));
    let what = warnings[0]["what"].as_str().unwrap();
    assert!(what.contains("`/v1/weather` itself is free"), "{what}");
}

const ON_CHAIN: &str = r#"site = "api.example.com"
to   = "http://127.0.0.1:3000"
pay.ledger = { account = "PAYEE" }

[pay.tempo]
network   = "moderato"
recipient = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
tokens    = ["pathUSD", "AlphaUSD"]
rpc       = { env = "TEMPO_RPC" }
sponsor   = { key = { env = "SPONSOR_KEY" }, max_fee = "$0.02" }

[routes]
"GET /v1/weather" = "$0.002"
"GET /v1/now"     = { price = "$0.01", settle = "first", credit = { per_payer = "$1", in_total = "$20" } }
"GET /v1/shared"  = { price = "$0.01", splits = [{ recipient = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8", amount = "$0.001" }] }
"#;

#[test]
fn a_file_for_two_rails() {
    let machine = machine(ON_CHAIN)
        .with(
            "TEMPO_RPC",
            "https://rpc.example.com/v2/hunter2hunter2hunter2",
        )
        .with("SPONSOR_KEY", format!("0x{}", "07".repeat(32)));
    let mut shown = screen(&machine, &["gateway", "check"]);
    for path in ["/v1/weather", "/v1/now", "/v1/shared"] {
        shown += &screen(&machine, &["gateway", "explain", "GET", path]);
    }
    let mut lines = shown.lines().filter(|line| !line.contains("warning:"));
    assert!(lines.all(|line| line.chars().count() <= 80), "{shown}");
    check("gateway-tempo.txt", &shown);
    let json = machine.run(&["gateway", "check", "--json"]).ends(0);
    assert!(
        !json.text().contains("hunter2") && !json.text().contains("0707"),
        "{json:?}"
    );
    let json = json.json();
    assert_eq!(json["tempo"]["chainId"], 42431);
    assert_eq!(json["tempo"]["rpc"][0], "https://rpc.example.com");
    assert_eq!(json["tempo"]["sponsor"]["maxFee"], "20000");
    assert_eq!(json["rules"][1]["credit"]["inTotal"], "$20");
    assert_eq!(json["rules"][2]["splits"][0]["amount"], "$0.001");
}

#[test]
fn a_gateway_on_a_chain_without_a_file() {
    let machine = Machine::new();
    let quick = |tempo: &str, network: &str| {
        let args = [
            "gateway",
            "http://127.0.0.1:1",
            "--price",
            "$0.002",
            "--listen",
            "127.0.0.1:0",
            "--tempo",
            tempo,
            "--network",
            network,
        ];
        let run = machine.run(&args).ends(2);
        assert_eq!(run.text(), "", "{run:?}");
        format!("{tempo} {network}\n{}\n", run.stderr)
    };
    let good = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
    let told = [
        quick("did:key:z6Mk", "moderato"),
        quick(&good.replace("2266", "2265"), "moderato"),
        quick(good, "mainnet"),
    ];
    check("gateway-quick-tempo.txt", &told.concat());
    // Nobody is paid on a ledger that nobody named, and no key is made for it.
    let args = [
        "gateway",
        "init",
        "--tempo",
        good,
        "--network",
        "moderato",
        "-o",
        "-",
    ];
    let text = machine.run(&args).ends(0).text().to_owned();
    assert!(text.contains(&format!("recipient = \"{good}\"")) && !text.contains("pay.ledger"));
    assert!(!machine.path("farthing.db-seller").exists());
    let args = ["gateway", "init", "--tempo", "0x12", "-o", "-"];
    machine.run(&args).ends(2);
}

#[test]
fn checking_a_bad_file() {
    let bad = FILE
        .replace("\"$0.002\"", "\"0.002\"")
        .replace("retryable", "retriable")
        .replace("{city}", ":city");
    let machine = machine(&bad);
    let mut shown = screen(&machine, &["gateway", "check"]);
    shown += &screen(&machine, &["gateway", "check", "--config", "other.toml"]);
    shown += &screen(&machine, &["gateway", "explain", "GET", "/"]);
    check("gateway-check-bad.txt", &shown);

    let json = machine.run(&["gateway", "check", "--json"]).ends(2).json();
    assert_eq!(json["ok"], false);
    let findings = json["findings"].as_array().unwrap();
    let lines: Vec<_> = findings
        .iter()
        .map(|it| it["line"].as_u64().unwrap())
        .collect();
    assert_eq!(lines, [6, 7, 9]);
    assert_eq!(findings[0]["instead"], "write \"$0.002\"");
    let explained = machine
        .run(&["gateway", "explain", "GET", "/", "--json"])
        .ends(2);
    assert_eq!(explained.json()["findings"].as_array().unwrap().len(), 3);
}

/// What a unit costs and how it is counted, what is asked to be locked, and who ends a channel.
#[test]
fn a_file_that_sells_out_of_channels() {
    let file = r#"site = "api.example.com"
to   = "http://127.0.0.1:3000"
pay.ledger = { account = "PAYEE", session = true }

[pay.session]
min_deposit = "$0.50"
close_unused = "12h"

[routes]
"GET /lookup"  = { session = "$0.0001" }
"GET /weather" = { price = "$0.002", session = { price = "$0.0001", deposit = "$1" } }
"POST /words"  = { session = { price = "$0.00002", usage = "events" } }
"POST /chat"   = { session = { price = "$0.00001", unit = "token", usage = { json = "$.usage.total_tokens" }, least = 20, estimate = 500 } }
"POST /embed"  = { session = { price = "$0.00001", unit = "token", usage = { header = "x-usage" } } }
"GET /files/*" = { session = { price = "$0.000001", usage = "bytes" } }
"#;
    let machine = machine(file);
    let mut shown = screen(&machine, &["gateway", "check"]);
    for (method, path) in [
        ("GET", "/lookup"),
        ("GET", "/weather"),
        ("POST", "/words"),
        ("POST", "/chat"),
        ("POST", "/embed"),
        ("GET", "/files/a"),
    ] {
        shown += &screen(&machine, &["gateway", "explain", method, path]);
    }
    check("gateway-sessions.txt", &shown);
    let json = machine.run(&["gateway", "check", "--json"]).ends(0).json();
    let rules = json["rules"].as_array().unwrap();
    assert_eq!(rules[0]["price"], serde_json::Value::Null);
    assert_eq!(rules[1]["price"], "$0.002");
    let sessions = rules
        .iter()
        .map(|rule| rule["session"]["price"].as_str().unwrap());
    assert_eq!(
        sessions.collect::<Vec<_>>(),
        [
            "$0.0001",
            "$0.0001",
            "$0.00002",
            "$0.00001",
            "$0.00001",
            "$0.000001"
        ]
    );
    assert_eq!(rules[3]["session"]["usage"]["json"], "$.usage.total_tokens");
}

#[test]
fn explaining() {
    let machine = machine(FILE);
    let mut shown = String::new();
    for (method, path) in [
        ("GET", "/v1/weather/rome?unit=c"),
        ("HEAD", "/v1/weather/rome/today"),
        ("GET", "/v1/weather/"),
        ("POST", "/render"),
        ("DELETE", "/render"),
        ("GET", "/nothing"),
        ("GET", "/v1/../health"),
        ("GET", "/health/"),
        ("GET", "/v1%2fweather"),
        ("get", "/health"),
        ("GET", "/openapi.json"),
        ("GET", "https://api.example.com/health"),
        ("GET", "https://other.example.com/health"),
    ] {
        shown += &screen(&machine, &["gateway", "explain", method, path]);
    }
    check("gateway-explain.txt", &shown);

    let of = |method: &str, path: &str| {
        machine
            .run(&["gateway", "explain", method, path, "--json"])
            .ends(0)
            .json()
    };
    let found = of("GET", "/v1/weather/rome");
    assert_eq!(
        (&found["decision"], &found["rule"]["price"]),
        (&"rule".into(), &"$0.001".into())
    );
    assert_eq!(found["others"][0]["rule"], "GET /v1/weather/*");
    let other = of("DELETE", "/render");
    assert_eq!(
        (&other["status"], &other["allow"][0]),
        (&405.into(), &"POST".into())
    );
    assert_eq!(of("GET", "/nothing")["status"], 404);
    assert_eq!(of("GET", "/a//b")["decision"], "refused");
}

const DOCUMENT: &str = r#"{
  "openapi": "3.1.0",
  "info": { "title": "Weather", "version": "1.2.0", "description": "What the sky does." },
  "servers": [{ "url": "https://api.example.com/v1" }],
  "paths": {
    "/weather/{city-name}": {
      "get": { "summary": "The weather of a city.", "responses": {} },
      "put": { "responses": {} }
    },
    "/weather/{id}": { "get": { "summary": "Another name for it." } },
    "/healthz": { "get": { "responses": {} } },
    "/map/{z}.png": { "get": { "summary": "A tile." } }
  }
}"#;

#[test]
fn a_first_file() {
    let machine = Machine::new();
    fs::write(machine.path("openapi.json"), DOCUMENT).unwrap();
    let init = ["gateway", "init", "--account", PAYEE];
    let mut shown = String::new();
    for more in [
        &["-o", "-"][..],
        &[
            "--from",
            "openapi.json",
            "--price",
            "$0.01",
            "--site",
            "api.example.com",
        ],
        &["--from", "openapi.json"],
        &["-o", "two.toml", "--from", "farthing.toml"],
        &["-o", "two.toml", "--from", "missing.json"],
        &["-o", "two.toml", "--to", "127.0.0.1:3000"],
        &["-o", "two.toml", "--price", "$0.0000001"],
    ] {
        shown += &screen(&machine, &[&init, more].concat());
    }
    shown += &fs::read_to_string(machine.path("farthing.toml")).unwrap();
    shown += "\n";
    shown += &screen(&machine, &["gateway", "check"]);
    check("gateway-init.txt", &shown);
    assert!(!machine.path("two.toml").exists());
}

#[test]
fn who_is_paid_without_an_account_has_a_key_that_is_kept() {
    let machine = Machine::new();
    machine.run(&["gateway", "init"]).ends(0);
    let key = machine.path("farthing.db-seller");
    let mode = fs::metadata(&key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let account = |file: &str| {
        let args = ["gateway", "check", "--json", "--config", file];
        machine.run(&args).ends(0).json()["account"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let first = account("farthing.toml");
    // The same key again, and it is that of the file.
    machine
        .run(&["gateway", "init", "-o", "again.toml"])
        .ends(0);
    assert_eq!(account("again.toml"), first);
    let passphrase = machine.path("passphrase");
    fs::write(&passphrase, "horse\n").unwrap();
    fs::set_permissions(&passphrase, fs::Permissions::from_mode(0o600)).unwrap();
    let machine = machine.with("FARTHING_PASSPHRASE_FILE", passphrase.to_str().unwrap());
    let secret = fs::read(&key).unwrap();
    let imported = machine
        .run_with(&["wallet", "import", "seller"], &secret)
        .ends(0);
    assert_eq!(imported.text().trim(), first);
}
