//! Tricks with paths and headers, as bytes on a connection: each is priced or refused, and what is
//! let through arrives as it was matched.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[path = "../rig/mod.rs"]
mod rig;

use std::fmt::Write as _;

use rig::{Asked, Rig, Upstream};

const FREE_ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

/// Everything that is not written out is free: the rule that forgives nothing.
const RULES: &str = r#"
[log]
format = "off"
[upstream.set_headers]
x-api-key = { file = "key" }
[routes]
"* /*" = "free"
"* /" = "free"
"GET /paid" = "$0.002"
"POST /paid" = "$0.002"
"GET /paid/{id}" = "$0.01"
"GET /dear" = { price = "$1", settle = "first" }
"POST /form" = { price = "$0.05", settle = "after" }
"GET /files/*" = "$0.003"
"#;

/// Follows each trick on its connection, so that the gateway closes it, and so that a request
/// hidden in a body would be seen.
const LAST: &str = "GET /last HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn each_bypass_is_priced_or_refused() {
    let upstream = Upstream::says(FREE_ANSWER).await;
    let rig = Rig::open(&upstream.url(), RULES).await;
    let (mut wrong, mut count) = (String::new(), 0);
    for line in include_str!("bypasses.txt").lines() {
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        count += 1;
        upstream.forget();
        if let Err(error) = try_one(&rig, &upstream, line).await {
            let _ = writeln!(wrong, "{line}\n    {error}");
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(count >= 100, "only {count}");
    rig.assert_moved(0).await;
}

async fn try_one(rig: &Rig, upstream: &Upstream, line: &str) -> Result<(), String> {
    let (expect, rest) = line.split_once(' ').ok_or("no such line")?;
    let (expected_line, sent) = match (expect, rest.split(' ').collect::<Vec<_>>().as_slice()) {
        // `free METHOD TARGET METHOD …`
        ("free", [method, target, sent, ..]) if !sent.starts_with("HTTP/") => {
            let expected = format!("{method} {target}");
            let sent = &rest[expected.len() + 1..];
            (Some(format!("{expected} HTTP/1.1")), sent.to_owned())
        }
        ("free", _) => (Some(format!("GET {rest} HTTP/1.1")), rest.to_owned()),
        _ => (None, rest.to_owned()),
    };
    let mut bytes = unescape(&sent);
    if sent.starts_with('/') {
        bytes = [b"GET ", &*bytes, b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"].concat();
    }
    let is_head = bytes.starts_with(b"HEAD ");
    bytes.extend_from_slice(LAST.as_bytes());

    let all = rig::exchange(rig.address, &bytes).await;
    let status = |bytes: &[u8]| {
        std::str::from_utf8(bytes.get(9..12)?)
            .ok()?
            .parse::<u16>()
            .ok()
    };
    let first = status(&all).ok_or_else(|| format!("no answer: {all:?}"))?;
    let asked: Vec<Asked> = upstream.asked();
    let asked: Vec<_> = asked
        .iter()
        .filter(|asked| asked.target() != "/last")
        .collect();
    // A second answer on the connection is the one to LAST.
    if !is_head {
        let answers = rig::Answer::read_all(&all);
        if answers.iter().skip(1).any(|next| next.status != 200) || answers.len() > 2 {
            return Err(format!("several answers: {answers:?}"));
        }
    }
    let lines: Vec<_> = asked.iter().map(|asked| asked.line.clone()).collect();
    match expected_line {
        Some(expected) if first == 200 && lines == [expected.clone()] => clean(asked[0]),
        None if first.to_string() == expect && lines.is_empty() => Ok(()),
        _ => Err(format!("answered {first}, the upstream saw {lines:?}")),
    }
}

/// What reaches the upstream has nothing in it that is not for it, and our own headers once.
fn clean(asked: &Asked) -> Result<(), String> {
    let exactly = [
        ("x-api-key", &["ours"][..]),
        ("x-forwarded-for", &["127.0.0.1"]),
        ("x-forwarded-proto", &["http"]),
        ("x-forwarded-host", &["127.0.0.1"]),
    ];
    for (name, values) in exactly {
        if asked.all(name) != values {
            return Err(format!("{name} is {:?}", asked.all(name)));
        }
    }
    if asked.all("host").len() != 1 || asked.all("host")[0] == "127.0.0.1" {
        return Err(format!("the host is {:?}", asked.all("host")));
    }
    let lengths = asked.all("content-length").len() + asked.all("transfer-encoding").len();
    if lengths > 1 {
        return Err("the body has two lengths".to_owned());
    }
    let known = [
        "host",
        "content-length",
        "transfer-encoding",
        "x-api-key",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
    ];
    match asked
        .headers
        .iter()
        .find(|(name, _)| !known.contains(&name.as_str()))
    {
        Some(header) => Err(format!("{header:?} came through")),
        None => Ok(()),
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            let mut buffer = [0; 4];
            out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
            continue;
        }
        match rest.next().unwrap() {
            'r' => out.push(b'\r'),
            'n' => out.push(b'\n'),
            't' => out.push(b'\t'),
            'x' => {
                let digits: String = rest.by_ref().take(2).collect();
                out.push(u8::from_str_radix(&digits, 16).unwrap());
            }
            other => out.push(u8::try_from(other).unwrap()),
        }
    }
    out
}

#[tokio::test]
async fn a_credential_opens_its_own_route_and_no_other() {
    let upstream = Upstream::says(FREE_ANSWER).await;
    let rig = Rig::open(&upstream.url(), RULES).await;
    let routes: [(&str, &str, &[u8], u128); 8] = [
        ("GET", "/paid", b"", 2_000),
        ("POST", "/paid", b"x", 2_000),
        ("GET", "/paid/1", b"", 10_000),
        ("GET", "/paid/2", b"", 10_000),
        ("GET", "/dear", b"", 1_000_000),
        ("POST", "/form", b"y", 50_000),
        ("GET", "/files/a/b", b"", 3_000),
        ("GET", "/paid?q", b"", 2_000),
    ];
    let mut total = 0;
    for (method, path, body, price) in routes {
        let credential = rig.credential(method, path, body).await;
        upstream.forget();
        for (other_method, other, other_body, _) in routes {
            if (other_method, other) == (method, path) {
                continue;
            }
            let answer = rig
                .present(other_method, other, &credential, other_body)
                .await;
            answer.is_problem(402, "invalid-challenge", Some(false));
        }
        assert_eq!(upstream.asked(), [], "{method} {path}");
        rig.assert_moved(total).await;

        let answer = rig.present(method, path, &credential, body).await;
        assert_eq!((answer.status, answer.text()), (200, "ok"), "{path}");
        assert!(answer.receipt().is_some());
        total += price;
        rig.assert_moved(total).await;
        // It was for one time.
        let again = rig.present(method, path, &credential, body).await;
        assert_eq!(again.status, 402, "{again:?}");
        rig.assert_moved(total).await;
        assert_eq!(upstream.asked().len(), 1);
    }
}

#[tokio::test]
async fn a_credential_beside_a_bearer_is_taken_out_and_the_bearer_left() {
    let upstream = Upstream::says(FREE_ANSWER).await;
    let rig = Rig::open(&upstream.url(), RULES).await;
    let credential = rig.credential("GET", "/paid", b"").await;
    let both = [
        ("Authorization", "Bearer theirs"),
        ("Payment-Authorization", credential.as_str()),
        ("Idempotency-Key", "mine"),
    ];
    let answer = rig.ask("GET", "/paid", &both).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let asked = upstream.asked().remove(0);
    assert_eq!(asked.all("authorization"), ["Bearer theirs"]);
    assert_eq!(asked.all("payment-authorization"), [""; 0]);
    // One buyer's key is not another's.
    assert_eq!(asked.all("idempotency-key").len(), 1);
    assert_ne!(asked.all("idempotency-key"), ["mine"]);
}
