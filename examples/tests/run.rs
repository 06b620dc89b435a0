//! Every example, run as a person would.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by them")]

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use farthing::core::{noun::discovery::Document, value::Amount};
use farthing_testkit::{
    chain::{ACCOUNTS, Chain, ChainOptions},
    peer,
};

fn program(name: &str) -> Command {
    let path = match name {
        "priced_route" => env!("CARGO_BIN_EXE_priced_route"),
        "discovered_routes" => env!("CARGO_BIN_EXE_discovered_routes"),
        "paid_on_tempo" => env!("CARGO_BIN_EXE_paid_on_tempo"),
        "paid_by_the_word" => env!("CARGO_BIN_EXE_paid_by_the_word"),
        "paying_by_the_word" => env!("CARGO_BIN_EXE_paying_by_the_word"),
        "paying_client" => env!("CARGO_BIN_EXE_paying_client"),
        "paying_on_tempo" => env!("CARGO_BIN_EXE_paying_on_tempo"),
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
fn a_stream_is_paid_by_the_word() {
    let buyer = output(&mut program("paying_by_the_word"));
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server(
        program("paid_by_the_word")
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
    let output = program("paying_by_the_word")
        .arg(url.trim())
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}");
    let rhyme = "Oranges and lemons, say the bells of St Clement's. \
                 You owe me five farthings, say the bells of St Martin's. \n";
    assert_eq!(String::from_utf8(output.stdout).unwrap(), rhyme.repeat(2));
    // Twenty words, each a hundredth of a cent.
    let cost = "it cost 2000 base units\n".repeat(2);
    assert_eq!(told, format!("{cost}closed; 4000 was spent out of 10000\n"));
}

#[tokio::test]
async fn a_route_is_paid_on_a_chain() {
    let chain = Chain::shared(&ChainOptions::tempo(1337)).await;
    let Some(chain) = peer::or_skip("examples: paid on Tempo", chain) else {
        return;
    };
    let seller = format!("0x{}", "5e".repeat(20));
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server(
        program("paid_on_tempo")
            .args([&seller, &chain.url()])
            .env("TMPDIR", folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut url = String::new();
    BufReader::new(server.0.stdout.take().unwrap())
        .read_line(&mut url)
        .unwrap();
    let token = "0x20c0000000000000000000000000000000000000";
    for times in 1..=2 {
        let answer = output(
            program("paying_on_tempo")
                .args([url.trim(), &chain.url()])
                .env("PAYER_KEY", format!("0x{}", ACCOUNTS[1].key)),
        );
        assert_eq!(answer, format!("sunny; you paid 2000 of {token}\n"));
        let has = chain.token_balance(token, &seller).await;
        assert_eq!(has, 2_000 * times);
    }
}

#[test]
fn a_server_tells_what_it_costs() {
    let buyer = output(&mut program("paying_client"));
    let mut server = Server(
        program("discovered_routes")
            .arg(buyer.trim())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut url = String::new();
    BufReader::new(server.0.stdout.take().unwrap())
        .read_line(&mut url)
        .unwrap();
    let url = url.trim();
    let document = output(program("paying_client").arg(url));
    let document = Document::parse(document.trim().as_bytes()).unwrap();
    let told = document.operations.iter().map(|operation| {
        let price = operation.payment.as_ref().map(|payment| {
            let [offer] = payment.as_ref().unwrap().offers() else {
                panic!("the gate has one method")
            };
            offer.amount
        });
        (operation.method.as_str(), &*operation.path, price)
    });
    let expect = [
        ("POST", "/count", Some(None)),
        ("GET", "/health", None),
        ("GET", "/weather/{city}", Some(Some(Amount::new(2_000)))),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expect);
    let weather = url.replace("/openapi.json", "/weather/London");
    let answer = output(program("paying_client").arg(weather));
    assert_eq!(answer, "London is sunny; you paid 2000 usd6\n");
    let page = output(program("paying_client").arg(url.replace("/openapi.json", "/llms.txt")));
    assert!(page.contains("- `GET /weather/{city}`: The weather of a city ($0.002)\n"));
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
