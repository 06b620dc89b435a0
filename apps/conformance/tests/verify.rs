//! `server.verify`, and the adapter as a process.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use farthing_conformance::answer;
use farthing_core::{
    binding::raw,
    header::authorization,
    noun::{Challenge, Credential, Request},
    value::Timestamp,
};
use serde_json::{Value, json};

/// Ten bytes: too weak to issue with, and yet answered.
const SECRET: &str = "test-secre";
const EXPIRES: &str = "2026-01-29T12:05:00Z";
const NOW: &str = "2026-01-29T12:00:00Z";

fn credential(change: impl FnOnce(&mut Challenge)) -> String {
    let request = Request::new(&json!({ "amount": "1000" })).unwrap();
    let mut challenge = Challenge::new(
        "unbound".parse().unwrap(),
        "api.example.com".parse().unwrap(),
        "tempo".parse().unwrap(),
        "charge".parse().unwrap(),
        request,
    );
    challenge.expires = Some(EXPIRES.parse().unwrap());
    let id = raw::challenge_id(SECRET.as_bytes(), &challenge.slots().unwrap());
    challenge.id = id.to_challenge_id();
    change(&mut challenge);
    let credential = Credential::new(challenge, None, &json!({ "type": "hash" })).unwrap();
    authorization::format(&credential)
}

fn input(credential: &str) -> Value {
    json!({
        "realm": "api.example.com",
        "secretKey": SECRET,
        "method": "tempo",
        "intent": "charge",
        "request": { "amount": "1000" },
        "expires": EXPIRES,
        "credential": credential,
    })
}

fn check(input: &Value, now: &str, expect: &str) {
    let request = json!({ "schema": 1, "op": "server.verify", "input": input });
    let response: Value =
        serde_json::from_str(&answer(&request.to_string(), now.parse().unwrap())).unwrap();
    let value = &response["value"];
    let got = if value["ok"] == true {
        "ok"
    } else {
        value["errorType"].as_str().unwrap_or("")
    };
    assert_eq!((&response["ok"], got), (&json!(true), expect), "{response}");
}

#[test]
fn the_first_thing_wrong_is_the_answer() {
    let good = credential(|_| {});
    check(&input(&good), NOW, "ok");
    check(&input(&good), EXPIRES, "payment_expired");
    for garbled in ["Payment !!!", "Bearer x", "", &good[..good.len() - 2]] {
        check(&input(garbled), EXPIRES, "malformed_credential");
    }
    let later = credential(|c| c.expires = Some("2030-01-01T00:00:00Z".parse().unwrap()));
    check(&input(&later), NOW, "invalid_challenge");

    let mut other = input(&good);
    other["request"]["amount"] = json!("1");
    check(&other, EXPIRES, "invalid_challenge");
    let mut other = input(&good);
    other["secretKey"] = json!("another-secret-that-is-long-enough");
    check(&other, NOW, "invalid_challenge");

    let mut refused = input(&good);
    refused["verificationError"] = json!("insufficient");
    check(&refused, NOW, "verification_failed");
    check(&refused, EXPIRES, "payment_expired");
}

#[test]
fn the_receipt_is_the_suites() {
    let request =
        json!({ "schema": 1, "op": "server.verify", "input": input(&credential(|_| {})) });
    let response: Value =
        serde_json::from_str(&answer(&request.to_string(), NOW.parse().unwrap())).unwrap();
    assert_eq!(
        response["value"]["receipt"],
        json!({
            "status": "success",
            "method": "tempo",
            "timestamp": "2026-01-29T12:00:00Z",
            "reference": "conformance-receipt",
        })
    );
}

#[test]
fn what_is_not_known_is_unsupported() {
    for op in ["http.payment_request", "tempo.nonsense", "nonsense"] {
        let request = json!({ "schema": 1, "op": op, "input": {} }).to_string();
        assert!(
            answer(&request, Timestamp::EPOCH).contains("unsupported_operation"),
            "{op}"
        );
    }
    for bad in [
        "",
        "[]",
        r#"{"schema":2,"op":"base64url.encode","input":{}}"#,
    ] {
        assert!(
            answer(bad, Timestamp::EPOCH).contains("invalid_request"),
            "{bad}"
        );
    }
}

#[test]
fn the_process_answers_on_stdout_and_nothing_else() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_farthing-conformance"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let request = r#"{"schema":1,"op":"base64url.decode","input":{"text":"YQ"},"context":{}}"#;
    child
        .stdin
        .take()
        .unwrap()
        .write_all(request.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(output.stdout, b"{\"ok\":true,\"value\":{\"text\":\"a\"}}\n");
    assert!(output.stderr.is_empty());
}
