//! `farthing check`, against servers that are right and servers that break one rule each.

mod server;

use std::collections::HashSet;

use serde_json::Value;

use crate::{
    screens,
    shop::{Shop, answer},
    world::{Dev, Machine, Run},
};

const FUNDS: u128 = 10_000_000;

fn verdicts(told: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let checks = told["checks"].as_array().unwrap().iter();
    checks
        .map(|it| (text(&it["id"]), text(&it["verdict"])))
        .collect()
}

/// What did not pass, and was not skipped.
fn bad(told: &Value) -> Vec<(String, String)> {
    let all = verdicts(told).into_iter();
    all.filter(|(_, it)| it != "pass" && it != "skipped")
        .collect()
}

fn skipped(told: &Value) -> HashSet<String> {
    let all = verdicts(told).into_iter();
    all.filter(|(_, it)| it == "skipped")
        .map(|(id, _)| id)
        .collect()
}

/// The answer to a request without a payment, as it comes over the wire.
pub(crate) fn unpaid(url: &str) -> String {
    use std::io::{Read, Write};
    let (address, path) = url
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET /{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// What a person sees, letter by letter. See the head of `screens.rs`.
#[test]
fn screens_of_it() {
    let machine = Machine::new();
    let mut shown = String::new();
    for (fault, more) in [
        ("", &[][..]),
        ("no-store", &["--only", "no-store,fresh-id,receipt"]),
        ("", &["--only", "nonsense"]),
    ] {
        let shop = server::open(fault);
        let run = machine.run(&[&["check", &*shop.url()][..], more].concat());
        shown += &format!(
            "== {fault} {more:?}\n{}{}[{}]\n\n",
            run.stderr,
            run.text(),
            run.code
        );
    }
    let list = machine.run(&["check", "--list"]).ends(0);
    let longest = list.text().lines().map(|line| line.chars().count()).max();
    assert!(longest <= Some(80), "{}", list.text());
    screens::check("check.txt", &shown);
}

#[test]
fn our_own_server_passes_without_a_payment() {
    let dev = Dev::start();
    let free = ["check", dev.says("paid_url"), "--free", "/free", "--json"];
    let told = dev.buyer.run(&free).ends(0).json();
    assert_eq!(bad(&told), []);
    assert_eq!((&told["failed"], &told["paid"]), (&0.into(), &Value::Null));
    assert!(told["passed"].as_u64().unwrap() > 45, "{told}");
    let told = dev
        .buyer
        .run(&["check", dev.says("render_url"), "-d", "hello", "--json"])
        .ends(0)
        .json();
    assert_eq!(bad(&told), []);
    assert!(!skipped(&told).contains("slot-digest"), "its body is bound");
    assert_eq!(dev.balances(), (FUNDS, 0));
}

#[test]
fn our_own_server_passes_with_a_payment_and_is_paid_once() {
    let dev = Dev::start();
    let (paid, render) = (dev.says("paid_url"), dev.says("render_url"));
    let pay = ["--pay", "--max", "$0.05", "-y", "--json"];
    let told = dev
        .buyer
        .run(&[&["check", paid][..], &pay].concat())
        .ends(0)
        .json();
    assert_eq!(bad(&told), []);
    assert_eq!(told["paid"]["amount"], "2000");
    assert_eq!(dev.balances(), (FUNDS - 2000, 2000));
    let of_render = ["check", render, "-d", "hello", "--other", "/paid"];
    let told = dev
        .buyer
        .run(&[&of_render[..], &pay].concat())
        .ends(0)
        .json();
    assert_eq!(bad(&told), []);
    let paid_rules = [
        "paid-lower",
        "paid-altered",
        "paid-other-route",
        "paid-served",
    ];
    let further = ["receipt", "receipt-private", "idempotency", "replay"];
    for rule in paid_rules.into_iter().chain(further) {
        assert!(!skipped(&told).contains(rule), "{rule}: {told}");
    }
    assert_eq!(dev.balances(), (FUNDS - 52_000, 52_000));
    let pending = dev.buyer.run(&["receipts", "list", "--pending", "--json"]);
    assert_eq!(pending.ends(0).json()["pending"], Value::Array(vec![]));
}

#[test]
fn it_pays_no_more_than_it_may() {
    let dev = Dev::start();
    let paid = dev.says("paid_url");
    let args = ["check", paid, "--pay", "--max", "$0.0019", "-y", "--json"];
    let told = dev.buyer.run(&args).ends(3).json();
    assert_eq!(told["moneyMoved"], false);
    dev.buyer.run(&["check", paid, "--pay"]).ends(2);
    let plain = ["check", "http://192.0.2.1/x", "--pay", "--max", "$1"];
    dev.buyer.run(&plain).ends(2);
    assert_eq!(dev.balances(), (FUNDS, 0));
}

/// A rule, how it comes out, and the fault that brings that about.
type Case = (&'static str, &'static str, &'static str);

const CASES: &[Case] = &[
    ("status-402", "fail", "status-402"),
    ("challenge", "fail", "challenge"),
    ("challenge", "fail", "slot-id"),
    ("challenge-syntax", "fail", "challenge-syntax"),
    ("slot-id", "fail", "slot-id"),
    ("slot-realm", "fail", "slot-realm"),
    ("slot-method", "fail", "slot-method"),
    ("slot-intent", "fail", "slot-intent"),
    ("slot-request", "fail", "slot-request"),
    ("slot-expires", "fail", "slot-expires"),
    ("slot-expires", "warn", "over"),
    ("slot-expires", "warn", "far"),
    ("slot-digest", "fail", "slot-digest"),
    ("slot-opaque", "fail", "slot-opaque"),
    ("charge-fields", "fail", "charge-fields"),
    ("realm-host", "warn", "realm-host"),
    ("fresh-id", "fail", "fresh-id"),
    ("no-store", "fail", "no-store"),
    ("problem", "fail", "problem"),
    ("problem", "warn", "media"),
    ("problem-type", "warn", "problem-type"),
    ("no-receipt", "fail", "no-receipt"),
    ("challenge-size", "warn", "challenge-size"),
    ("x402", "fail", "x402"),
    ("head", "fail", "head"),
    ("bad-base64", "fail", "malformed"),
    ("bad-base64", "fail", "malformed-400"),
    ("bad-json", "fail", "malformed"),
    ("no-payload", "fail", "malformed"),
    ("false-proof", "fail", "proof"),
    ("unknown-id", "fail", "unbound"),
    ("unknown-id", "fail", "no-store"),
    ("altered-realm", "fail", "unbound"),
    ("altered-method", "fail", "unbound"),
    ("altered-intent", "fail", "unbound"),
    ("altered-request", "fail", "unbound"),
    ("altered-expires", "fail", "unbound"),
    ("altered-digest", "fail", "unbound"),
    ("altered-opaque", "fail", "unbound"),
    ("lower-amount", "fail", "unbound"),
    ("expired", "fail", "unbound"),
    ("two-credentials", "warn", "two"),
    ("two-credentials", "fail", "two-served"),
    ("large-credential", "fail", "large"),
    ("oversized", "fail", "oversized"),
    ("accept-payment", "warn", "accept-payment"),
    ("accept-none", "fail", "accept-none"),
    ("accept-malformed", "fail", "accept-malformed"),
    ("path-slashes", "fail", "path"),
    ("path-trailing", "fail", "path"),
    ("path-dot", "fail", "path"),
    ("path-encoded-dot", "fail", "path"),
    ("path-dot-dot", "fail", "path"),
    ("path-encoded-back", "fail", "path"),
    ("path-case", "fail", "path"),
    ("path-encoded", "fail", "path"),
    ("path-parameter", "fail", "path"),
    ("path-encoded-slash", "fail", "path"),
    ("method-override", "fail", "override"),
    ("forwarded-path", "fail", "forwarded"),
    ("free-pages", "fail", "free-pages"),
    ("discovery", "fail", "discovery"),
    ("discovery-listed", "fail", "discovery-listed"),
    ("discovery-402", "fail", "discovery-402"),
    ("discovery-price", "fail", "discovery-price"),
    ("discovery-caching", "warn", "discovery-caching"),
];

const PAID: &[Case] = &[
    ("paid-lower", "fail", "request"),
    ("paid-altered", "fail", "realm"),
    ("paid-altered", "fail", "id"),
    ("paid-other-route", "fail", "other"),
    ("receipt", "fail", "receipt"),
    ("receipt", "warn", "no-receipt-paid"),
    ("receipt-private", "fail", "receipt-private"),
    ("idempotency", "warn", "used-up"),
    ("replay", "fail", "replay"),
];

/// What a test of its own provokes: in a URL that is not on this machine, and where TLS is.
const ELSEWHERE: [&str; 3] = ["tls", "plain-http", "paid-served"];

fn only(machine: &Machine, url: &str, rule: &str, more: &[&str]) -> Run {
    let args = ["check", url, "--only", rule, "--free", "/free", "--json"];
    machine.run(&[&args[..], more].concat())
}

/// The verdict of one rule, and whether the run ends as it says.
fn verdict(run: Run) -> String {
    let told = run.json();
    let verdict = verdicts(&told).remove(0).1;
    let expect = match verdict.as_str() {
        // What a bad copy or another page took is not there for the payment itself.
        "fail" if told["payment"].is_object() => 6,
        "fail" => 10,
        _ => 0,
    };
    assert_eq!(run.code, expect, "{run:?}");
    verdict
}

#[test]
fn every_rule_holds_for_a_good_server_and_is_broken_by_a_bad_one() {
    let machine = Machine::new();
    let good = server::open("");
    for (rule, expect, fault) in CASES {
        let bad = server::open(fault);
        let run = only(&machine, &bad.url(), rule, &[]);
        let told = run.text().to_owned();
        assert_eq!(verdict(run), *expect, "{rule} with {fault}: {told}");
        let held = verdict(only(&machine, &good.url(), rule, &[]));
        let is_absent = matches!(*rule, "slot-digest" | "x402");
        assert_eq!(held, if is_absent { "skipped" } else { "pass" }, "{rule}");
    }
    let rules = machine.run(&["check", "--list", "--json"]).ends(0).json();
    let tried: HashSet<_> = CASES.iter().chain(PAID).map(|case| case.0).collect();
    for rule in rules["checks"].as_array().unwrap() {
        let id = rule["id"].as_str().unwrap();
        assert!(
            tried.contains(id) || ELSEWHERE.contains(&id),
            "nothing breaks {id}"
        );
    }
}

/// The hand-made server takes any signature of a wallet, so nothing moves here.
#[test]
fn what_a_payment_shows_is_broken_as_well() {
    for (rule, expect, fault) in PAID {
        let machine = wallet();
        let bad = server::open(fault);
        let mut more = vec!["--pay", "--max", "$0.01", "-y", "--other", "/other"];
        if *rule == "idempotency" {
            more.extend(["-d", "x"]);
        }
        let run = only(&machine, &bad.url(), rule, &more);
        let told = run.text().to_owned();
        assert_eq!(verdict(run), *expect, "{rule} with {fault}: {told}");
    }
    let machine = wallet();
    let good = server::open("");
    let pay = ["--pay", "--max", "$0.01", "-y", "--other", "/other"];
    let rules =
        "paid-lower,paid-altered,paid-other-route,paid-served,receipt,receipt-private,replay";
    let told = only(&machine, &good.url(), rules, &pay).ends(0).json();
    assert!(verdicts(&told).iter().all(|(_, it)| it == "pass"), "{told}");
    assert_eq!(told["paid"]["amount"], "2000");
    // Altered copies, none of them with another signature, and one that was served.
    let signed: HashSet<_> = good
        .credentials()
        .into_iter()
        .filter_map(|it| farthing::core::encoding::base64url::decode(it).ok())
        .filter_map(|it| serde_json::from_slice::<Value>(&it).ok())
        .filter(|it| it["source"].is_string())
        .map(|it| it["payload"].to_string())
        .collect();
    assert_eq!(signed.len(), 1, "one payment was signed");
}

fn wallet() -> Machine {
    let machine = Machine::new();
    let file = machine.path("passphrase");
    std::fs::write(&file, "a passphrase\n").unwrap();
    set_private(&file);
    let machine = machine.with("FARTHING_PASSPHRASE_FILE", file.to_str().unwrap());
    machine.run(&["wallet", "create"]).ends(0);
    machine
}

fn set_private(file: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_payment_that_is_refused_is_told_as_that() {
    let machine = wallet();
    let bad = server::open("refusing");
    let pay = ["--pay", "--max", "$0.01", "-y"];
    let run = only(&machine, &bad.url(), "paid-served", &pay).ends(6);
    let told = run.json();
    assert_eq!(verdicts(&told)[0].1, "fail");
    assert_eq!(told["payment"]["error"], "unresolved", "{told}");
    let pending = machine
        .run(&["receipts", "list", "--pending", "--json"])
        .ends(0)
        .json();
    assert_eq!(pending["pending"].as_array().unwrap().len(), 1);
}

#[test]
fn a_server_that_asks_for_nothing_is_told_as_that() {
    let machine = Machine::new();
    let plain = Shop::open(|_, _| answer("200 OK", "", "hello"));
    let told = machine
        .run(&["check", &plain.url(), "--json"])
        .ends(10)
        .json();
    let failed = bad(&told);
    assert!(
        failed.contains(&("status-402".into(), "fail".into())),
        "{failed:?}"
    );
    assert!(
        failed
            .iter()
            .all(|(id, _)| id == "status-402" || id.starts_with("discovery")),
        "{failed:?}"
    );
    let gone = machine
        .run(&["check", "http://127.0.0.1:9/x", "--json"])
        .ends(9)
        .json();
    assert_eq!(gone["blame"], "network");
}

#[test]
fn plain_http_to_elsewhere_fails() {
    let machine = Machine::new();
    let shop = server::open("");
    // The address of every interface reaches this machine, and is not the loopback.
    let url = shop.url().replace("127.0.0.1", "0.0.0.0");
    assert_eq!(verdict(only(&machine, &url, "tls", &[])), "fail");
}

#[test]
fn rules_are_chosen_by_name() {
    let machine = Machine::new();
    let shop = server::open("");
    let run = machine.run(&["check", &shop.url(), "--skip", "realm-host,x402", "--json"]);
    let ids: Vec<_> = verdicts(&run.ends(0).json())
        .into_iter()
        .map(|it| it.0)
        .collect();
    assert!(!ids.iter().any(|id| id == "x402" || id == "realm-host") && ids.len() > 60);
    for wrong in [
        &["check", "http://127.0.0.1:9/", "--only", "nonsense"][..],
        &["check", "ftp://x/"],
        &["check", "http://me:pw@127.0.0.1/"],
        &["check"],
    ] {
        machine.run(wrong).ends(2);
    }
}

#[test]
fn it_sends_what_it_says_and_stays_in_its_time() {
    let machine = Machine::new();
    let shop = server::open("");
    let run = machine.run(&["check", &shop.url()]).ends(0);
    let sent = shop.seen.lock().unwrap().len();
    assert!(
        run.stderr.contains(&format!(" {sent} requests")),
        "{sent}: {}",
        run.stderr
    );
    assert!(
        run.text().contains(&format!("; {sent} requests\n")),
        "{}",
        run.text()
    );
    let late = machine
        .run(&["check", &shop.url(), "--timeout", "0", "--json"])
        .ends(0);
    assert!(skipped(&late.json()).contains("unknown-id"));
    let longest = run.text().lines().map(|line| line.chars().count()).max();
    assert!(longest <= Some(80), "{}", run.text());
}
