//! Every example, run as a person would.

#![allow(clippy::unwrap_used, reason = "a test fails by them")]

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

fn program(name: &str) -> Command {
    let path = match name {
        "priced_route" => env!("CARGO_BIN_EXE_priced_route"),
        "paying_client" => env!("CARGO_BIN_EXE_paying_client"),
        "custom_method" => env!("CARGO_BIN_EXE_custom_method"),
        "without_middleware" => env!("CARGO_BIN_EXE_without_middleware"),
        other => unreachable!("there is no example {other}"),
    };
    Command::new(path)
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// A server that ends with its test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_client_pays_a_priced_route() {
    let buyer = output(&mut program("paying_client"));
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server(
        program("priced_route")
            .arg(buyer.trim())
            .env("TMPDIR", folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut url = String::new();
    BufReader::new(server.0.stdout.take().unwrap())
        .read_line(&mut url)
        .unwrap();
    for _ in 0..2 {
        let answer = output(program("paying_client").arg(url.trim()));
        assert_eq!(answer, "sunny; you paid 2000 usd6\n");
    }
    let free = output(program("paying_client").arg(url.trim().replace("/weather", "/health")));
    assert_eq!(free, "fine\n");
}

#[test]
fn a_coupon_is_good_once() {
    let shown = output(&mut program("custom_method"));
    let expect = "MERRY: 200 a piece of cake\n\
                  MERRY: 402 The proof was already used for another payment.\n\
                  HAPPY: 200 a piece of cake\n\
                  GREEDY: 402 There is no such coupon.\n";
    assert_eq!(shown, expect);
}

#[test]
fn the_steps_need_no_middleware() {
    let shown = output(&mut program("without_middleware"));
    for expect in [
        "1. the gate answers 402",
        "2. it asks for 2000 usd6",
        "5. the answer is b\"sunny\"",
        "6. the seller has 2000 usd6",
    ] {
        assert!(shown.contains(expect), "{shown}");
    }
}
