//! Servers that do not do what they should: every end has its code, and says whether money moved.

use std::{process::Stdio, time::Duration};

use serde_json::{Value, json};

use crate::{
    shop::{Shop, answer, asks, is_paid, problem},
    world::{Machine, send},
};

fn buyer() -> Machine {
    Machine::new().with("FARTHING_KEY", "07".repeat(32))
}

/// The end of a run against a server that asks by a header and answers payments in its own way.
fn check(
    ask: impl Fn(&str) -> String + Send + 'static,
    paid: impl Fn() -> String + Send + 'static,
    expect: (i32, &str, Value),
) -> Value {
    let shop = Shop::open(move |head, at| {
        if is_paid(head) {
            paid()
        } else {
            answer("402 Payment Required", &ask(&at.to_string()), "")
        }
    });
    let run = buyer().run(&["pay", &shop.url(), "--json", "--yes"]);
    let told = run.json();
    let (code, error, moved) = expect;
    assert_eq!(run.code, code, "{run:?}");
    assert_eq!(
        (&told["error"], &told["moneyMoved"]),
        (&error.into(), &moved),
        "{told}"
    );
    if error == "refused" || error == "unpaid" {
        assert_eq!(
            shop.credentials(),
            Vec::<String>::new(),
            "nothing was signed"
        );
    }
    told
}

fn never() -> String {
    panic!("no payment may come")
}

#[test]
fn what_cannot_be_paid_is_not_paid() {
    let no = json!(false);
    // A 402 without a challenge is an answer like any other.
    check(|_| String::new(), never, (7, "status", no.clone()));
    check(
        |at| asks(at, "card", "2000"),
        never,
        (4, "unpaid", no.clone()),
    );
    let garbage = "www-authenticate: Payment id=\"x\"\r\n";
    check(|_| garbage.into(), never, (4, "unpaid", no.clone()));
    check(
        |at| asks(at, "ledger", "100001"),
        never,
        (3, "refused", no.clone()),
    );
    let told = check(
        |_| asks("api.example.com", "ledger", "2000"),
        never,
        (3, "refused", no),
    );
    assert_eq!(told["blame"], "server");
}

#[test]
fn a_server_that_denies_is_not_believed() {
    let (headers, body) = problem(
        "https://paymentauth.org/problems/payment-insufficient",
        ",\"moneyMoved\":false",
    );
    let told = check(
        |at| asks(at, "ledger", "2000"),
        move || answer("402 Payment Required", &headers, &body),
        (6, "unresolved", Value::Null),
    );
    assert_eq!(told["serverDenies"], true);
    assert!(told["payment"].is_string());
}

#[test]
fn what_was_paid_and_is_owed_says_so() {
    let (headers, body) = problem(
        "urn:farthing:problem:payment-owed",
        ",\"moneyMoved\":true,\"reference\":\"r-17\"",
    );
    let told = check(
        |at| asks(at, "ledger", "2000"),
        move || answer("410 Gone", &headers, &body),
        (5, "owed", json!(true)),
    );
    assert_eq!(told["reference"], "r-17");
}

#[test]
fn a_payment_without_a_receipt_is_listed() {
    let shop = Shop::open(|head, at| {
        if is_paid(head) {
            answer("200 OK", "", "served")
        } else {
            answer(
                "402 Payment Required",
                &asks(&at.to_string(), "ledger", "2000"),
                "",
            )
        }
    });
    let buyer = buyer();
    let run = buyer.run(&["pay", &shop.url(), "--yes"]).ends(0);
    assert_eq!(run.text(), "served");
    assert!(run.stderr.contains("without a receipt"), "{}", run.stderr);
    let listed = buyer
        .run(&["receipts", "list", "--pending", "--json"])
        .json();
    assert_eq!(listed["pending"][0]["standing"], "unconfirmed");
    assert_eq!(listed["pending"][0]["moneyMoved"], Value::Null);
    assert_eq!(listed["pending"][0]["amount"], "2000");
    let shown = buyer.run(&["receipts", "list", "--pending"]).ends(0);
    assert!(
        shown.stderr.contains("write-off ID asks the rail"),
        "{}",
        shown.stderr
    );
    // A ledger does not say, so it goes on counting as paid.
    let id = listed["pending"][0]["payment"].as_str().unwrap();
    let kept = buyer.run(&["receipts", "write-off", id]).ends(2);
    assert!(kept.stderr.contains("counts as paid"), "{}", kept.stderr);
}

#[test]
fn a_method_that_is_not_asked_for_names_its_flag() {
    let shop = Shop::open(|_, at| {
        let asks = asks(&at.to_string(), "tempo", "2000");
        answer("402 Payment Required", &asks, "")
    });
    let buyer = buyer();
    let by_ledger = ["pay", &shop.url(), "--yes", "--method", "ledger"];
    let run = buyer.run(&by_ledger).ends(4);
    assert!(
        run.stderr
            .contains("tempo is asked for, and --method ledger"),
        "{}",
        run.stderr
    );
}

/// A process that is interrupted leaves the payment it signed, and the same command sends the
/// same bytes.
#[test]
fn an_interrupted_payment_is_sent_again_and_not_signed_anew() {
    let shop = Shop::open(|head, at| {
        if !is_paid(head) {
            return answer(
                "402 Payment Required",
                &asks(&at.to_string(), "ledger", "2000"),
                "",
            );
        }
        if head.contains("x-round: 2") {
            return answer("200 OK", "", "served");
        }
        let (mut headers, body) = problem("urn:farthing:problem:payment-pending", "");
        headers.push_str("retry-after: 50\r\n");
        answer("503 Service Unavailable", &headers, &body)
    });
    let (buyer, url) = (buyer(), shop.url());
    let mut child = buyer
        .command(&["pay", &url, "--yes"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while shop.credentials().is_empty() {
        assert!(child.try_wait().unwrap().is_none(), "it waits");
        std::thread::sleep(Duration::from_millis(5));
    }
    send(&child, "INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("it may have moved"), "{told}");

    let listed = buyer
        .run(&["receipts", "list", "--pending", "--json"])
        .json();
    assert_eq!(listed["pending"][0]["standing"], "signed");
    assert_eq!(listed["pending"].as_array().unwrap().len(), 1);

    let again = buyer
        .run(&["pay", &url, "--yes", "-H", "X-Round: 2"])
        .ends(0);
    assert_eq!(again.text(), "served");
    let mut credentials = shop.credentials();
    assert!(credentials.len() >= 2);
    credentials.dedup();
    assert_eq!(credentials.len(), 1, "the same bytes");
}

#[test]
fn an_interrupt_before_anything_is_signed_says_so() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let (buyer, args) = (buyer(), ["pay", &url, "--yes", "--json"]);
    let child = buyer.command(&args).spawn().unwrap();
    let _connection = silent.accept().unwrap();
    send(&child, "INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&told["error"], &told["moneyMoved"]),
        (&"interrupted".into(), &json!(false))
    );
}

#[test]
fn an_interrupt_is_heard_while_the_body_comes_in() {
    use std::io::{Read, Write};
    let slow = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", slow.local_addr().unwrap());
    let mut child = buyer().command(&["pay", &url]).spawn().unwrap();
    let (mut connection, _) = slow.accept().unwrap();
    // An answer before the request would be none.
    assert_ne!(connection.read(&mut [0; 1024]).unwrap(), 0);
    connection
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nbegin\n")
        .unwrap();
    let mut first = [0; 6];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut first)
        .unwrap();
    send(&child, "INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("none moved"), "{told}");
}

#[test]
fn nobody_there_is_the_networks_end() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = free.local_addr().unwrap();
    drop(free);
    let run = buyer()
        .run(&["pay", &format!("http://{at}/"), "--json"])
        .ends(9);
    let told = run.json();
    assert_eq!(
        (&told["error"], &told["moneyMoved"]),
        (&"network".into(), &json!(false))
    );
}

/// What a server writes cannot move the cursor or pose as our own lines.
#[test]
fn a_servers_words_are_shown_without_control() {
    let (headers, body) = problem(
        "https://paymentauth.org/problems/verification-failed",
        ",\"detail\":\"bad\\u001b[2J\\u001b[31m\\nmoney  it came back\"",
    );
    let shop = Shop::open(move |head, at| {
        if is_paid(head) {
            answer("402 Payment Required", &headers, &body)
        } else {
            answer(
                "402 Payment Required",
                &asks(&at.to_string(), "ledger", "2000"),
                "",
            )
        }
    });
    let run = buyer().run(&["pay", &shop.url(), "--yes"]).ends(6);
    assert!(!run.stderr.contains('\u{1b}'), "{:?}", run.stderr);
    assert!(
        !run.stderr.lines().any(|line| line.starts_with("money")),
        "{}",
        run.stderr
    );
}
