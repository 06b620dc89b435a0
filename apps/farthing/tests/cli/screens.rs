//! What a person sees, letter by letter, with what differs between runs taken out.
//!
//! To accept a change, run with `UPDATE_GOLDEN=1` and read the difference.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
};

use farthing_testkit::peer;

use crate::{
    shop::{Shop, answer, asks},
    world::{BINARY, Dev, Machine, Run, owner, send},
};

pub(crate) fn check(name: &str, got: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, got).unwrap();
    }
    let expect = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(got, expect, "{name} differs; see the head of this file");
}

/// A run as a person would see it in a terminal's scrollback.
pub(crate) fn screen(args: &[&str], run: &Run, hide: &[(&str, &str)]) -> String {
    let shown = format!(
        "$ farthing {}\n{}{}[{}]\n\n",
        args.join(" "),
        run.stderr,
        run.text(),
        run.code
    );
    redact(&shown, hide)
}

/// Takes out what differs between runs: names that are given, then ids, accounts, times, ports.
pub(crate) fn redact(text: &str, hide: &[(&str, &str)]) -> String {
    let mut text = text.to_owned();
    for (from, to) in hide {
        text = text.replace(from, to);
    }
    let lines = text.lines().map(|line| {
        let indent = line.len() - line.trim_start().len();
        let words = line.split_whitespace().map(word).collect::<Vec<_>>();
        format!("{}{}\n", &line[..indent], words.join(" "))
    });
    lines.collect()
}

fn word(word: &str) -> String {
    let is_id = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let bare = word.trim_end_matches([',', '.']);
    if let Some(plain) = on_chain(word) {
        plain
    } else if word.starts_with("did:key:") {
        "did:key:…".into()
    } else if matches!(bare.len(), 22 | 43) && bare.chars().all(is_id) {
        "ID".into()
    } else if bare.len() >= 20 && bare.ends_with('Z') && bare.contains('T') {
        "TIME".into()
    } else if let Some((before, rest)) = word
        .split_once("127.0.0.1:")
        .filter(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()))
    {
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        format!("{before}127.0.0.1:PORT{rest}")
    } else {
        word.into()
    }
}

/// Addresses but those of tokens, transactions, and amounts that a fee is part of, which depends on
/// the block.
fn on_chain(word: &str) -> Option<String> {
    let bare = word.trim_end_matches([',', '.', ':']);
    let rest = &word[bare.len()..];
    let digits = bare
        .strip_prefix("0x")
        .filter(|it| it.bytes().all(|b| b.is_ascii_hexdigit()));
    match digits.map(str::len) {
        Some(40) if !bare.to_lowercase().starts_with("0x20c0") && !bare.starts_with("0x4242") => {
            return Some(format!("ADDRESS{rest}"));
        }
        Some(64) => return Some(format!("HASH{rest}")),
        _ => {}
    }
    let (whole, decimals) = bare.split_once('.')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let sign = whole.chars().next().filter(|sign| "+-".contains(*sign));
    let whole = whole.trim_start_matches(['+', '-']);
    let has_fee = is_number(whole) && is_number(decimals) && decimals.len() > 3;
    has_fee.then(|| format!("{}N.N{rest}", sign.map(String::from).unwrap_or_default()))
}

#[test]
fn the_help() {
    let machine = Machine::new();
    for (name, args) in [
        ("help.txt", &["--help"][..]),
        ("help-pay.txt", &["pay", "--help"]),
        ("help-wallet-balance.txt", &["wallet", "balance", "--help"]),
        ("help-dev.txt", &["dev", "--help"]),
        ("help-inspect.txt", &["inspect", "--help"]),
        ("help-check.txt", &["check", "--help"]),
        ("help-wallet.txt", &["wallet", "--help"]),
        ("help-wallet-send.txt", &["wallet", "send", "--help"]),
        (
            "help-wallet-keys-grant.txt",
            &["wallet", "keys", "grant", "--help"],
        ),
        ("help-networks-add.txt", &["networks", "add", "--help"]),
        (
            "help-wallet-budget-set.txt",
            &["wallet", "budget", "set", "--help"],
        ),
        (
            "help-receipts-export.txt",
            &["receipts", "export", "--help"],
        ),
        ("help-sessions-close.txt", &["sessions", "close", "--help"]),
        ("help-ledger-deposit.txt", &["ledger", "deposit", "--help"]),
        (
            "help-channels-settle.txt",
            &["channels", "settle", "--help"],
        ),
        (
            "help-payments-refund.txt",
            &["payments", "refund", "--help"],
        ),
        ("describe.json", &["--describe"]),
    ] {
        let run = machine.run(args).ends(0);
        let version = format!("\"program\": \"{}\"", env!("CARGO_PKG_VERSION"));
        let text = run.text().replace(&version, "\"program\": \"VERSION\"");
        assert!(name.ends_with(".json") || text.lines().all(|line| line.chars().count() <= 80));
        check(name, &text);
    }
    let version = machine.run(&["--version"]).ends(0);
    let expect = format!("farthing {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(version.text(), expect);
}

#[test]
fn paying_and_looking() {
    let dev = Dev::start();
    let (paid, free) = (dev.says("paid_url"), dev.says("free_url"));
    let missing = free.replace("/free", "/missing");
    let folder = dev.folder();
    let hide = [(folder.to_str().unwrap(), "DIR")];
    let mut shown = String::new();
    for args in [
        &["pay", paid][..],
        &["pay", dev.says("render_url"), "-d", "hello"],
        &["pay", free],
        &["pay", paid, "--dry-run"],
        &["pay", paid, "--max", "$0.001"],
        &["pay", &missing],
        &["wallet", "balance"],
        &["wallet", "list"],
        &["receipts", "list"],
        &["receipts", "list", "--pending"],
        &["receipts", "show", "AAAAAAAAAAAAAAAAAAAAAA"],
        &["pay", "localhost:80"],
        &["pay", paid, "--max", "a lot"],
    ] {
        shown += &screen(args, &dev.buyer.run(args), &hide);
    }
    check("pay.txt", &shown);
}

#[test]
fn a_fresh_machine() {
    let machine = Machine::new();
    let shop = Shop::open(|_, at| {
        let asked = asks(&at.to_string(), "ledger", "2000");
        answer("402 Payment Required", &asked, "")
    });
    let home = machine.path("");
    let hide = [(home.to_str().unwrap(), "HOME/")];
    let mut shown = String::new();
    for args in [
        &["wallet", "list"][..],
        &["wallet", "create"],
        &["wallet", "create", "../x"],
        &["pay", &shop.url()],
        &["pay", &shop.url(), "--dry-run"],
        &["wallet", "budget"],
        &["wallet", "history"],
        &["receipts", "list"],
        &["receipts", "export"],
        &["ledger", "accounts"],
        &["payments", "list", "--store", "none.db"],
        &["dev", "--listen", "0.0.0.0:80"],
    ] {
        shown += &screen(args, &machine.run(args), &hide);
    }
    check("fresh.txt", &shown);
}

/// What an owner of wallets and of a store sees.
#[test]
fn owning_and_operating() {
    let dev = Dev::start();
    let (wallet, paid) = (dev.says("wallet").to_owned(), dev.says("paid_url"));
    let store = dev.says("store").to_owned();
    let folder = dev.folder();
    let hide = [(folder.to_str().unwrap(), "DIR")];
    let (deposit, id) = (["ledger", "deposit"], ["--id", "invoice-17"]);
    let at = ["--store", &store];
    let mut shown = String::new();
    for args in [
        &["pay", paid, "-s"][..],
        &["wallet", "budget"],
        &[
            "wallet",
            "budget",
            "set",
            "--per-request",
            "$0.05",
            "--per-day",
            "$2",
        ],
        &[
            "wallet",
            "budget",
            "set",
            "--total",
            "$1",
            "--realm",
            "127.0.0.1",
        ],
        &["pay", paid, "-s"],
        &["wallet", "budget"],
        &["pay", paid, "-s", "--max", "$0.001"],
        &["wallet", "budget", "set", "--per-request", "$0.001"],
        &["pay", paid, "-s", "--max", "$5"],
        &["wallet", "budget", "set", "--clear"],
        &["wallet", "budget", "set", "--per-day", "5 GBP"],
        &["wallet", "history"],
        &["wallet", "history", "-n", "1"],
        &["wallet", "export", "default"],
        &["receipts", "export", "-o", "receipts.csv"],
        &[&deposit[..], &[&*wallet, "$5"], &id, &at].concat(),
        &[&deposit[..], &[&*wallet, "$5"], &id, &at].concat(),
        &[&deposit[..], &[&*wallet, "$6"], &id, &at].concat(),
        &[&["ledger", "withdraw", &*wallet, "$100"][..], &at].concat(),
        &[&["ledger", "balance", &*wallet][..], &at].concat(),
        &[&["ledger", "accounts"][..], &at].concat(),
        &[&["ledger", "history", &*wallet][..], &at].concat(),
        &[&["payments", "list", "--owed"][..], &at].concat(),
        &[&["payments", "list"][..], &at].concat(),
        &[&["payments", "show", "AAAAAAAAAAAAAAAAAAAAAA"][..], &at].concat(),
    ] {
        shown += &screen(args, &dev.buyer.run(args), &hide);
    }
    check("owning.txt", &shown);
}

/// A key comes in and goes out; what is secret of it is left out of the screen.
#[test]
fn a_key_comes_and_goes() {
    let (machine, _) = owner();
    let home = machine.path("");
    let key = "07".repeat(32);
    let mut shown = String::new();
    for args in [
        &["wallet", "import", "travel"][..],
        &["wallet", "import", "travel"],
        &["wallet", "import", "again", "--from", "-"],
        &["wallet", "import", "none", "--from", "no/such/file"],
        &["wallet", "export", "travel", "--yes"],
        &["wallet", "export", "travel", "--yes", "-o", "key"],
        &["wallet", "export", "travel", "--yes", "-o", "key"],
    ] {
        let run = machine.run_with(args, key.as_bytes());
        let secret = run.text().lines().find(|line| line.starts_with('z'));
        let secret = secret.unwrap_or("no secret").to_owned();
        let hide = [(&*secret, "SECRET"), (home.to_str().unwrap(), "HOME/")];
        shown += &screen(args, &run, &hide);
    }
    check("key.txt", &shown);
}

#[test]
fn the_walk() {
    check("walk.txt", &walk(&Machine::new(), &[]));
}

#[test]
fn the_walk_on_a_chain() {
    let Some(home) = peer::or_skip("the demo on a chain", peer::npm("anvil")) else {
        return;
    };
    let anvil = home.join("node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil");
    let machine = Machine::new().with("FARTHING_ANVIL", anvil.to_str().unwrap());
    check("walk-tempo.txt", &walk(&machine, &["--chain", "tempo"]));
}

/// What the demo shows, and what it says on its way.
fn walk(machine: &Machine, args: &[&str]) -> String {
    let mut child = machine.command(&[&["dev"], args].concat()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    while !text.contains("It is up until Ctrl-C") {
        assert!(stdout.read_line(&mut text).unwrap() > 0, "it ended: {text}");
    }
    send(&child, "INT");
    stdout.read_to_string(&mut text).unwrap();
    let mut told = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut told)
        .unwrap();
    assert!(child.wait().unwrap().success());
    let left: Vec<_> = std::fs::read_dir(machine.path(".")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");

    let folder = text.split("FARTHING_KEYSTORE=").nth(1).unwrap();
    let folder = folder.split('\n').next().unwrap();
    let folder = folder.rsplit_once('/').unwrap().0.to_owned();
    let length = text.split(" bytes, signed").next().unwrap();
    let length = length.rsplit('(').next().unwrap().to_owned();
    // What a chain takes depends on its last blocks. The demo itself checks that the sums add up.
    let fee = text.split("a fee of ").nth(1);
    let fee = fee.map_or(0, |fee| millionths(fee.split(' ').next().unwrap()));
    let hide = [
        (&*folder, "DIR"),
        (BINARY, "farthing"),
        (&*format!("({length} bytes"), "(N bytes"),
        (&*format!("fee of {}", decimal(fee)), "fee of FEE"),
        (&*format!("-{}", decimal(2_000 + fee)), "-PRICE-FEE"),
        (&*decimal(9_998_000 - fee), "LEFT"),
    ];
    let hide = if fee == 0 { &hide[..3] } else { &hide };
    redact(&format!("{text}--\n{told}"), hide)
}

/// A number with at the most six digits behind its point.
fn millionths(text: &str) -> u64 {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{part:0<6}").parse().unwrap()
}

fn decimal(millionths: u64) -> String {
    let text = format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[test]
fn a_demo_without_its_chain_says_what_to_install() {
    let machine = Machine::new();
    let run = machine.run(&["dev", "--chain", "tempo"]).ends(1);
    assert_eq!(run.text(), "");
    let package = run.stderr.split("@foundry-rs/").nth(1).unwrap();
    let package = package.split('@').next().unwrap();
    let told = run.stderr.replace(package, "anvil-SYSTEM");
    check("dev-no-anvil.txt", &told);
    let named = Machine::new().with("FARTHING_ANVIL", "/no/such/anvil");
    let run = named.run(&["dev", "--chain", "tempo", "--json"]).ends(1);
    let told = run.json();
    assert_eq!(told["blame"], "machine");
    assert!(told["message"].as_str().unwrap().contains("/no/such/anvil"));
    assert!(told["next"].as_str().unwrap().contains("npm install"));
}
