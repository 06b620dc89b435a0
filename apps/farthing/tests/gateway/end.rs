//! Ends: in good order, in a hurry, and by force.

use std::{
    io::{Read, Write},
    net::TcpStream,
    os::unix::process::ExitStatusExt,
};

use crate::{Gateway, Upstream, ask, world::Machine};

const RULES: &str =
    "[limits]\ndrain = \"30s\"\n[routes]\n\"GET /paid\" = \"$0.002\"\n\"GET /slow\" = \"free\"\n";

/// A request whose answer has begun.
fn begun(gateway: &Gateway) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.address()).unwrap();
    stream
        .write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"first") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    stream
}

#[test]
fn what_is_under_way_is_finished() {
    let upstream = Upstream::open();
    for signal in ["TERM", "INT"] {
        let mut gateway = Gateway::with_file(&upstream, RULES);
        let mut stream = begun(&gateway);
        gateway.signal(signal);
        assert_eq!(gateway.line()["event"], "stopping");
        upstream.go.send(()).unwrap();
        let mut rest = String::new();
        stream.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "last", "{signal}");
        let line = gateway.line();
        assert_eq!(
            (&line["event"], &line["cut"]),
            (&"stopped".into(), &0.into())
        );
        assert_eq!(gateway.ended().code(), Some(0));
    }
}

#[test]
fn the_same_again_ends_at_once() {
    let upstream = Upstream::open();
    let mut gateway = Gateway::with_file(&upstream, RULES);
    let _stream = begun(&gateway);
    gateway.signal("TERM");
    assert_eq!(gateway.line()["event"], "stopping");
    gateway.signal("HUP");
    gateway.signal("TERM");
    assert_eq!(gateway.line()["event"], "note");
    let status = gateway.ended();
    assert_eq!((status.code(), status.signal()), (Some(130), None));
}

/// Killed at any moment, it has what was paid when it comes back.
#[test]
fn a_gateway_that_was_killed_knows_what_was_paid() {
    let upstream = Upstream::open();
    let mut gateway = Gateway::with_file(&upstream, RULES);
    gateway.fund();
    gateway.pay("/paid").ends(0);
    gateway.signal("KILL");
    assert_eq!(gateway.ended().signal(), Some(9));
    let machine = std::mem::replace(&mut gateway.machine, Machine::new());
    let again = Gateway::start(machine, &[]);
    again.assert_moved(2_000);
    again.pay("/paid").ends(0);
    again.assert_moved(4_000);
    assert!(ask(again.address(), "/paid").starts_with("HTTP/1.1 402 "));
}
