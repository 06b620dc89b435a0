//! The first ten minutes of a seller, as the README has them typed: an API that was not written
//! here, a price in front of it, a wallet, money, a payment.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::{
    screens::{check, redact, screen},
    world::{BINARY, Machine, balance, send},
};

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `python3 -m http.server` in a folder, and the port it took.
fn upstream(machine: &Machine) -> (Running, u16) {
    fs::create_dir(machine.path("www")).unwrap();
    fs::write(machine.path("www/weather.txt"), "sunny\n").unwrap();
    let mut child = Command::new("python3")
        .args([
            "-u",
            "-m",
            "http.server",
            "0",
            "--bind",
            "127.0.0.1",
            "--directory",
            "www",
        ])
        .current_dir(machine.path(""))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("python3 is installed");
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    // "Serving HTTP on 127.0.0.1 port 40000 (http://127.0.0.1:40000/) ..."
    let port = line
        .split(" port ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    let port = port.and_then(|port| port.parse().ok());
    (Running(child), port.unwrap_or_else(|| panic!("{line}")))
}

#[test]
fn ten_minutes() {
    let machine = Machine::new();
    let passphrase = machine.path("passphrase");
    fs::write(&passphrase, "correct horse\n").unwrap();
    fs::set_permissions(&passphrase, fs::Permissions::from_mode(0o600)).unwrap();
    let machine = machine.with("FARTHING_PASSPHRASE_FILE", passphrase.to_str().unwrap());
    let home = machine.path("").to_str().unwrap().to_owned();
    let (_upstream, port) = upstream(&machine);
    let folder = format!("gateway/127.0.0.1-{port}");
    let hide = [
        (BINARY, "farthing"),
        (&*home, "HOME/"),
        (&*folder, "gateway/127.0.0.1-PORT"),
    ];

    // The price.
    let api = format!("http://127.0.0.1:{port}");
    let typed = [
        "gateway",
        &api,
        "--price",
        "$0.002",
        "--listen",
        "127.0.0.1:0",
    ];
    let mut child = machine.command(&typed).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut gateway = Running(child);
    let mut first = String::new();
    while !first.contains("It is up until Ctrl-C.") {
        assert!(
            stdout.read_line(&mut first).unwrap() > 0,
            "it ended: {first}"
        );
    }
    let word = |after: &str| {
        let rest = first.split_once(after).unwrap().1;
        rest.split_whitespace().next().unwrap().to_owned()
    };
    let (url, store) = (word(""), word("store "));
    let mut shown = redact(&format!("$ farthing {}\n{first}\n", typed.join(" ")), &hide);

    // The buyer.
    let page = format!("{url}/weather.txt");
    let created = machine.run(&["wallet", "create"]).ends(0);
    let account = created.text().trim().to_owned();
    shown += &screen(&["wallet", "create"], &created, &hide);
    for args in [
        &["pay", &page, "--dry-run"][..],
        &["ledger", "deposit", &account, "$1", "--store", &store],
        &["pay", &page],
        &["wallet", "history"],
        &["receipts", "list"],
        &["ledger", "accounts", "--store", &store],
    ] {
        shown += &screen(args, &machine.run(args).ends(0), &hide);
    }
    check("ten-minutes.txt", &shown);

    // What it cost, to the unit, on both sides.
    assert_eq!(balance(store.as_ref(), &account), 1_000_000 - 2_000);
    assert_eq!(balance(store.as_ref(), &word("paid to ")), 2_000);
    assert_eq!(machine.run(&["pay", &page, "-s"]).ends(0).text(), "sunny\n");
    assert_eq!(balance(store.as_ref(), &account), 1_000_000 - 4_000);

    // The end.
    send(&gateway.0, "INT");
    assert!(gateway.0.wait().unwrap().success());
    let mut log = String::new();
    gateway
        .0
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut log)
        .unwrap();
    assert!(log.contains("GET /weather.txt 200"), "{log}");
    assert!(!log.contains("Payment "), "no credential is logged: {log}");
    let address = url.strip_prefix("http://").unwrap().parse().unwrap();
    assert!(TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err());
}
