//! The demo: ready when it says so, gone when it is told to.

use std::{
    io::{Read, Write},
    net::TcpStream,
    os::unix::process::ExitStatusExt,
};

use crate::world::Dev;

fn address(dev: &Dev) -> &str {
    let url = dev.says("free_url").strip_prefix("http://").unwrap();
    url.strip_suffix("/free").unwrap()
}

#[test]
fn signals_end_it_cleanly_and_nothing_stays() {
    for signal in ["INT", "TERM", "HUP"] {
        let dev = Dev::start();
        dev.pay(&[dev.says("paid_url"), "-s", "-y"]).ends(0);
        let folder = dev.folder();
        // An idle connection that is kept alive does not keep it up.
        let mut idle = TcpStream::connect(address(&dev)).unwrap();
        idle.write_all(b"GET /free HTTP/1.1\r\nhost: x\r\n\r\n")
            .unwrap();
        let mut first = [0; 12];
        idle.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        let (status, rest) = dev.end(signal);
        assert_eq!(
            (status.code(), status.signal()),
            (Some(0), None),
            "{signal}"
        );
        assert_eq!(rest, "", "one line on stdout and no other");
        assert!(!folder.exists(), "{signal}");
    }
}

#[test]
fn the_line_says_what_is_needed() {
    let dev = Dev::start();
    let mut names: Vec<_> = dev.ready.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(
        names,
        [
            "free_url",
            "keystore",
            "paid_url",
            "render_url",
            "socket_url",
            "store",
            "stream_url",
            "wallet"
        ]
    );
    assert!(dev.says("wallet").starts_with("did:key:z6Mk"));
    assert_eq!(dev.balances(), (10_000_000, 0));
}

#[test]
fn it_tells_what_it_costs() {
    let dev = Dev::start();
    let url = format!("http://{}/openapi.json", address(&dev));
    let document = dev.pay(&[&url, "-s", "-y"]).ends(0).json();
    let price = |path: &str, method: &str| {
        let info = &document["paths"][path][method]["x-payment-info"];
        info["offers"][0]["amount"].as_str().map(ToOwned::to_owned)
    };
    assert_eq!(price("/paid", "get").as_deref(), Some("2000"));
    assert_eq!(price("/render", "post").as_deref(), Some("50000"));
    let words = &document["paths"]["/rhyme"]["get"]["x-payment-info"]["offers"][0];
    assert_eq!(
        (&words["intent"], &words["amount"]),
        (&"session".into(), &"1000".into())
    );
    assert!(document["paths"]["/free"]["get"].is_object());
    assert_eq!(price("/free", "get"), None);
    assert_eq!(dev.balances(), (10_000_000, 0), "and costs nothing to ask");
}

#[test]
fn a_named_folder_keeps_what_happened() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("demo");
    let args = ["--dir", path.to_str().unwrap()];
    let first = Dev::start_with(&args);
    first.pay(&[first.says("paid_url"), "-s", "-y"]).ends(0);
    let wallet = first.ready["wallet"].clone();
    assert_eq!(first.end("TERM").0.code(), Some(0));

    let second = Dev::start_with(&args);
    assert_eq!(second.ready["wallet"], wallet);
    assert_eq!(second.balances(), (9_998_000, 2000), "funded once");
    second.pay(&[second.says("paid_url"), "-s", "-y"]).ends(0);
    assert_eq!(second.balances(), (9_996_000, 4000));
    second.end("INT");
    assert!(path.join("store.db").exists());
}

#[test]
fn it_listens_on_this_machine_only() {
    let machine = crate::world::Machine::new();
    for there in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"] {
        let run = machine.run(&["dev", "--listen", there]).ends(2);
        assert_eq!(run.text(), "");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    let run = machine.run(&["dev", "--json", "--listen", &at]).ends(1);
    assert!(
        run.json()["message"]
            .as_str()
            .unwrap()
            .contains("cannot listen")
    );
    let left: Vec<_> = std::fs::read_dir(machine.path(".")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
