//! Paying out of channels: streams, limits, interrupts, and what is locked, to the unit.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::Stdio,
};

use serde_json::Value;

use crate::{
    screens::{check, screen},
    world::{Dev, balance, send},
};

const FUNDS: u128 = 10_000_000;

/// What a word of the demo's rhyme costs, and how many it has.
const WORD: u128 = 1_000;
const WORDS: usize = 11;

fn sessions(dev: &Dev, args: &[&str]) -> Value {
    let args = [&["sessions"], args, &["--json"]].concat();
    dev.buyer.run(&args).ends(0).json()
}

/// The one channel that money is locked in.
fn only(dev: &Dev) -> Value {
    let listed = sessions(dev, &["list"]);
    let all = listed["sessions"].as_array().unwrap();
    assert_eq!(all.len(), 1, "never two where one would do: {listed}");
    all[0].clone()
}

fn close(dev: &Dev) -> Value {
    let id = only(dev)["id"].as_str().unwrap().to_owned();
    let closed = sessions(dev, &["close", &id]);
    assert_eq!(closed["state"], "closed", "{closed}");
    closed
}

#[test]
fn a_stream_is_paid_for_by_the_word_and_the_rest_comes_back() {
    let dev = Dev::start();
    let url = dev.says("stream_url");
    for turn in 1..=2_u128 {
        let run = dev.pay(&[url, "--text", "-y"]).ends(0);
        assert_eq!(run.text().lines().count(), WORDS, "{run:?}");
        assert!(run.stderr.contains("paid 0.011 USD by ledger"), "{run:?}");
        let spent = turn * WORD * WORDS as u128;
        assert_eq!(only(&dev)["spent"], spent.to_string());
        assert_eq!(only(&dev)["locked"], (50_000 - spent).to_string());
    }
    let closed = close(&dev);
    assert_eq!(closed["returned"], "28000");
    assert_eq!(closed["session"]["paidOut"], "22000");
    assert_eq!(dev.balances(), (FUNDS - 22_000, 22_000));
    let listed = sessions(&dev, &["list"]);
    assert_eq!(listed["sessions"], Value::Array(Vec::new()));
    let ended = sessions(&dev, &["list", "--all"]);
    assert_eq!(ended["sessions"][0]["stage"], "closed");
}

#[test]
fn a_program_is_told_of_each_event_and_what_it_costs_by_then() {
    let dev = Dev::start();
    let run = dev.pay(&[dev.says("stream_url"), "--json", "-y"]).ends(0);
    assert_eq!(run.stderr, "");
    let lines: Vec<Value> = run
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let events: Vec<_> = lines
        .iter()
        .map(|line| line["event"].as_str().unwrap())
        .collect();
    assert_eq!(events[0], "answer");
    assert_eq!(events[WORDS + 1], "end");
    assert_eq!(lines[1]["data"], "You");
    let end = &lines[WORDS + 1];
    assert_eq!(end["paid"]["amount"], "11000");
    assert_eq!(end["receipt"]["spent"], "11000");
    assert_eq!(end["session"]["locked"], "39000");
    assert_eq!(
        (&end["incomplete"], &end["error"]),
        (&Value::Null, &Value::Null)
    );
}

#[test]
fn a_socket_is_paid_for_by_the_word_as_a_stream_is() {
    let dev = Dev::start();
    let url = dev.says("socket_url");
    assert!(url.starts_with("ws://"), "{url}");
    let run = dev.pay(&[url, "-y"]).ends(0);
    assert_eq!(run.text().lines().count(), WORDS, "{run:?}");
    assert!(run.text().starts_with("You\nowe\nme\n"), "{run:?}");
    assert!(run.stderr.contains("paid 0.011 USD by ledger"), "{run:?}");
    assert_eq!(only(&dev)["spent"], "11000");
    // The same channel pays for the stream, and for another socket up to a limit.
    dev.pay(&[dev.says("stream_url"), "--text", "-y", "-s"])
        .ends(0);
    let run = dev.pay(&[url, "-y", "--max", "$0.005"]).ends(5);
    assert_eq!(run.text().lines().count(), 5, "{run:?}");
    assert!(
        run.stderr.contains("no more than 0.005 USD is allowed"),
        "{run:?}"
    );
    assert_eq!(close(&dev)["session"]["paidOut"], "27000");
    assert_eq!(dev.balances(), (FUNDS - 27_000, 27_000));
}

#[test]
fn a_program_is_told_of_each_message_of_a_socket() {
    let dev = Dev::start();
    let url = dev.says("socket_url");
    let dry = dev.pay(&[url, "--dry-run", "--json", "-y"]).ends(0).json();
    assert_eq!(dry["wouldUse"]["unitPrice"], "1000", "{dry}");
    let run = dev.pay(&[url, "--json", "-y", "-d", "hello"]).ends(0);
    assert_eq!(run.stderr, "");
    let lines: Vec<Value> = run
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (&lines[0]["event"], &lines[0]["status"]),
        (&"answer".into(), &101.into())
    );
    assert_eq!(lines[WORDS]["data"], "Martin's.");
    let end = &lines[WORDS + 1];
    assert_eq!(
        (&end["event"], &end["incomplete"]),
        (&"end".into(), &Value::Null)
    );
    assert_eq!(end["paid"]["amount"], "11000");
    assert_eq!(end["receipt"]["spent"], "11000");
    assert_eq!(end["session"]["locked"], "39000");
    for flag in [["-X", "POST"], ["-i", "-y"], ["--no-session", "-y"]] {
        let run = dev.pay(&[&[url], &flag[..]].concat()).ends(2);
        assert!(run.stderr.contains("a WebSocket"), "{run:?}");
    }
}

#[test]
fn an_interrupt_ends_a_stream_and_pays_for_what_was_delivered() {
    let dev = Dev::start();
    let url = format!("{}?times=50", dev.says("stream_url"));
    let mut child = dev
        .buyer
        .command(&["pay", &url, "--text", "-y"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "You\n", "a word is there as soon as it came");
    send(&child, "INT");
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    let mut told = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut told)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{told}");
    assert!(told.contains("stopped at 0.0"), "{told}");
    assert!(
        told.contains("what was delivered is paid, and no more"),
        "{told}"
    );

    let read = 1 + rest.lines().count() as u128;
    let most: u128 = only(&dev)["signed"].as_str().unwrap().parse().unwrap();
    let closed = close(&dev);
    let earned: u128 = closed["session"]["paidOut"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(
        read * WORD <= earned && earned <= most,
        "{read} words, {earned}, {most}"
    );
    assert_eq!(dev.balances(), (FUNDS - earned, earned));
}

#[test]
fn a_limit_ends_a_stream_and_what_came_is_paid_for() {
    let dev = Dev::start();
    let url = format!("{}?times=3", dev.says("stream_url"));
    let run = dev.pay(&[&url, "--text", "-y", "--max", "$0.02"]).ends(5);
    assert_eq!(run.text().lines().count(), 20, "{run:?}");
    assert!(
        run.stderr.contains("no more than 0.02 USD is allowed"),
        "{run:?}"
    );
    close(&dev);
    assert_eq!(dev.balances(), (FUNDS - 20_000, 20_000));
}

#[test]
fn nothing_is_locked_against_a_limit_or_a_flag() {
    let dev = Dev::start();
    let url = dev.says("stream_url");
    for (args, code, blame) in [
        (&["--no-session"][..], 4, "usage"),
        (&["--deposit", "$0.0001"], 3, "limits"),
        (&["--max", "$0.0001"], 3, "limits"),
        (&["--method", "tempo"], 4, "wallet"),
    ] {
        let run = dev.pay(&[&[url, "--json", "-y"], args].concat()).ends(code);
        let told = run.json();
        assert_eq!(told["blame"], blame, "{told}");
        assert_eq!(told["moneyMoved"], false, "{told}");
    }
    let dry = dev.pay(&[url, "--json", "--dry-run"]).ends(0).json();
    assert_eq!(dry["wouldUse"]["unitPrice"], "1000");
    assert_eq!(
        sessions(&dev, &["list"])["sessions"],
        Value::Array(Vec::new())
    );
    assert_eq!(dev.balances(), (FUNDS, 0));
}

/// A wallet that stays shut pays nothing, and nothing is counted for it.
#[test]
fn a_locked_wallet_is_told_as_one_and_counts_nothing() {
    let dev = Dev::start();
    let url = dev.says("stream_url");
    dev.pay(&[url, "--text", "-y", "-s"]).ends(0);
    let before = only(&dev);
    let word = std::path::Path::new(dev.says("keystore")).join("passphrase");
    let kept = std::fs::read_to_string(&word).unwrap();
    std::fs::write(&word, "another one, which is long enough").unwrap();
    let run = dev.pay(&[url, "--json", "-y"]).ends(8).json();
    assert_eq!(run["moneyMoved"], false, "{run}");
    assert!(
        run["message"].as_str().unwrap().contains("passphrase"),
        "{run}"
    );
    assert_eq!(only(&dev)["spent"], before["spent"]);
    std::fs::write(&word, kept).unwrap();
    close(&dev);
    assert_eq!(dev.balances(), (FUNDS - 11_000, 11_000));
}

/// The seller is away: what is locked is told, and the same command works once it is back.
#[test]
fn a_seller_that_is_away_is_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("demo");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    drop(listener);
    let args = ["--dir", dir.to_str().unwrap(), "--listen", &at];
    let dev = Dev::start_with(&args);
    dev.pay(&[dev.says("stream_url"), "--text", "-y", "-s"])
        .ends(0);
    let id = only(&dev)["id"].as_str().unwrap().to_owned();
    let (wallet, store) = (dev.says("wallet").to_owned(), dev.says("store").to_owned());
    let machine =
        crate::world::Machine::new().with("FARTHING_KEYSTORE", dev.says("keystore").to_owned());
    dev.end("TERM");

    let run = machine.run(&["sessions", "close", &id, "--json"]).ends(9);
    let told = run.json();
    assert_eq!(told["blame"], "network", "{told}");
    assert!(
        !told["next"].as_str().unwrap().contains("--alone"),
        "a ledger has no other way"
    );

    let _again = Dev::start_with(&args);
    let closed = machine.run(&["sessions", "close", &id, "--json"]).ends(0);
    assert_eq!(closed.json()["state"], "closed");
    let again = machine.run(&["sessions", "close", &id, "--json"]).ends(1);
    assert_eq!(again.json()["moneyMoved"], false);
    assert_eq!(balance(Path::new(&store), &wallet), FUNDS - 11_000);
}

#[test]
fn what_an_owner_of_channels_sees() {
    let dev = Dev::start();
    let url = dev.says("stream_url");
    let folder = dev.folder();
    let hide = [(folder.to_str().unwrap(), "DIR")];
    let mut shown = String::new();
    let mut see = |args: &[&str], id: &str| {
        let run = dev.buyer.run(args);
        let hidden = [hide[0], (id, "ID")];
        shown += &screen(args, &run, if id.is_empty() { &hide } else { &hidden });
    };
    see(&["sessions", "list"], "");
    see(&["pay", url, "--dry-run"], "");
    see(&["pay", url, "--text", "-y"], "");
    let id = only(&dev)["id"].as_str().unwrap().to_owned();
    for args in [
        &["sessions", "list"][..],
        &["sessions", "show", &id],
        &["sessions", "sync"],
        &["sessions", "close", &id],
        &["sessions", "close", &id],
        &["sessions", "list", "--all"],
        &["sessions", "show", "AAAAAAAAAAAAAAAAAAAAAA"],
        &["pay", url, "--no-session"],
    ] {
        see(args, &id);
    }
    check("sessions.txt", &shown);
}
