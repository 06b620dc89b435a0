//! Starts, good and bad.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt};

use crate::{
    Gateway, KEY, Upstream, ask,
    world::{Machine, send},
};

#[test]
fn a_url_and_a_price_are_enough_and_the_money_arrives() {
    let upstream = Upstream::open();
    let mut gateway = Gateway::quick(&upstream);
    assert_eq!(gateway.ready["event"], "listening");
    assert_eq!(gateway.says("url"), format!("http://{}", gateway.address()));
    assert_eq!(gateway.says("site"), gateway.address().to_string());
    gateway.fund();
    assert!(ask(gateway.address(), "/").starts_with("HTTP/1.1 402 "));
    for (n, path) in ["/", "/a/b?c=d"].into_iter().enumerate() {
        let paid = gateway.pay(path).ends(0);
        assert_eq!(paid.text().trim_end(), "ok");
        gateway.assert_moved(2_000 * (n as u128 + 1));
    }
    assert_eq!(upstream.asked(), 2);
    for file in [
        gateway.says("store").to_owned(),
        gateway.says("accountKey").to_owned(),
    ] {
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file}");
    }
    gateway.signal("TERM");
    assert_eq!(gateway.ended().code(), Some(0));

    // The same again is paid into the same account, and remembers what was paid.
    let account = gateway.says("account").to_owned();
    let machine = std::mem::replace(&mut gateway.machine, Machine::new());
    let url = upstream.url();
    let args = [&*url, "--price", "$0.003", "--listen", "127.0.0.1:0"];
    let again = Gateway::start(machine, &args);
    assert_eq!(again.says("account"), account);
    again.assert_moved(4_000);
    again.pay("/").ends(0);
    again.assert_moved(7_000);
}

#[test]
fn the_first_line_says_where_it_listens() {
    let upstream = Upstream::open();
    let machine = Machine::new();
    let (url, store) = (upstream.url(), machine.path("a.db"));
    let mut child = machine
        .command(&[
            "gateway",
            &url,
            "--price",
            "$0.002",
            "--free",
            "GET /health",
        ])
        .args(["--listen", "127.0.0.1:0", "--store"])
        .arg(&store)
        .spawn()
        .unwrap();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    std::io::BufRead::read_line(&mut out, &mut first).unwrap();
    let at = first
        .strip_prefix("http://")
        .unwrap()
        .split(' ')
        .next()
        .unwrap();
    let at = at.parse().unwrap();
    assert!(ask(at, "/health").starts_with("HTTP/1.1 200 "));
    assert!(ask(at, "/").starts_with("HTTP/1.1 402 "));
    send(&child, "INT");
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut out, &mut rest).unwrap();
    assert!(child.wait().unwrap().success());
    for told in [
        "GET /health",
        "free",
        "$0.002",
        "did:key:z6Mk",
        "a.db-seller",
        "curl -i",
    ] {
        assert!(rest.contains(told), "{told}: {rest}");
    }
    assert!(
        rest.lines().all(|line| line.chars().count() < 200),
        "{rest}"
    );
    assert!(store.exists());
}

#[test]
fn where_the_site_is_another_it_says_that_no_buyer_here_would_pay() {
    let upstream = Upstream::open();
    let machine = Machine::new();
    let url = upstream.url();
    let args = [
        "gateway",
        &url,
        "--price",
        "$0.002",
        "--listen",
        "127.0.0.1:0",
    ];
    for (site, told) in [(None, false), (Some(["--site", "api.example.com"]), true)] {
        let mut child = machine
            .command(&args)
            .args(site.iter().flatten())
            .arg("--store")
            .arg(machine.path("a.db"))
            .spawn()
            .unwrap();
        let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        std::io::BufRead::read_line(&mut out, &mut first).unwrap();
        send(&child, "INT");
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut out, &mut rest).unwrap();
        assert!(child.wait().unwrap().success());
        let note = "A buyer pays only the site it called, and this one is api.example.com";
        assert_eq!(rest.contains(note), told, "{rest}");
    }
}

#[test]
fn a_port_that_is_taken_says_what_to_do() {
    let upstream = Upstream::open();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    let url = upstream.url();
    let machine = Machine::new();
    let args = ["gateway", &url, "--price", "$0.002", "--listen", &at];
    let run = machine.run(&args).ends(1);
    assert!(run.stderr.contains("cannot listen on"), "{}", run.stderr);
    assert!(
        run.stderr.contains("--listen 127.0.0.1:0"),
        "{}",
        run.stderr
    );
    assert_eq!(run.text(), "", "nothing says that it is up");
    let run = machine.run(&[&args[..], &["--json"]].concat()).ends(1);
    assert_eq!(run.json()["moneyMoved"], false);
}

#[test]
fn what_cannot_be_is_a_mistake_of_the_command_line() {
    let upstream = Upstream::open();
    let url = upstream.url();
    let machine = Machine::new();
    let check = |args: &[&str], told: &str| {
        let run = machine.run(&[&["gateway"], args].concat()).ends(2);
        assert!(run.stderr.contains(told), "{args:?}: {}", run.stderr);
    };
    check(&[], "farthing.toml");
    check(&[&url], "--price");
    check(&["--price", "$1"], "<URL>");
    check(&[&url, "--price", "free"], "price");
    check(&[&url, "--price", "$0.0000001"], "$0.0000001");
    check(&["ftp://x", "--price", "$1"], "http");
    check(
        &["127.0.0.1:3000", "--price", "$1"],
        "http://127.0.0.1:3000",
    );
    check(&[&url, "--price", "$1", "--site", "http://x.y"], "x.y");
    check(
        &[&url, "--price", "$1", "--listen", "0.0.0.0:0"],
        "plain HTTP",
    );
    check(&[&url, "--price", "$1", "--free", "/health"], "/health");
    check(&[&url, "--price", "$1", "--account", "me"], "me");
    check(&["--config", "none.toml"], "none.toml");
    fs::write(machine.path("bad.toml"), "site = 1\n").unwrap();
    check(&["--config", "bad.toml"], "bad.toml:1");
    assert_eq!(upstream.asked(), 0);
}

#[test]
fn a_key_that_others_can_read_is_not_paid_into() {
    let upstream = Upstream::open();
    let (url, machine) = (upstream.url(), Machine::new());
    let args = [
        "gateway",
        &url,
        "--price",
        "$1",
        "--store",
        "a.db",
        "--listen",
        "127.0.0.1:0",
    ];
    let key = machine.path("a.db-seller");
    for (content, mode) in [
        ("z6Mk", 0o600),
        ("", 0o600),
        ("0".repeat(64).as_str(), 0o644),
    ] {
        fs::write(&key, content).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        let run = machine.run(&args).ends(8);
        assert!(run.stderr.contains("a.db-seller"), "{}", run.stderr);
    }
}

#[test]
fn a_key_that_others_could_have_put_there_is_not_used() {
    let upstream = Upstream::open();
    let url = upstream.url();
    let start = |machine: &Machine, store: &str| {
        let args = ["gateway", &url, "--price", "$0.002", "--store", store];
        machine.run(&[&args[..], &["--listen", "127.0.0.1:0"]].concat())
    };
    let machine = Machine::new();
    let folder = machine.path("shared");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    let run = start(&machine, "shared/farthing.db");
    assert_ne!(run.code, 0);
    assert!(
        run.stderr.contains("everybody can put files into"),
        "{}",
        run.stderr
    );
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    // Only root can give a file away; whose a file may be is a table in `farthing::file`.
    for name in ["farthing.db-seller", "farthing.db-secret"] {
        let path = folder.join(name);
        let key = if name.ends_with("seller") {
            KEY.to_owned()
        } else {
            "A".repeat(43)
        };
        fs::write(&path, key).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        if std::os::unix::fs::chown(&path, Some(12_345), None).is_ok() {
            let run = start(&machine, "shared/farthing.db");
            assert_ne!(run.code, 0);
            let said = run.stderr.contains("belongs to another user");
            assert!(said, "{name}: {}", run.stderr);
        }
        fs::remove_file(&path).unwrap();
    }
}
