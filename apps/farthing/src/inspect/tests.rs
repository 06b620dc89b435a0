//! Inputs, and what is found wrong with them.

use farthing::core::{
    encoding::base64url,
    header::{digest, payment_receipt, www_authenticate},
    noun::{Challenge, Credential, Receipt, Request},
    value::Secret,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Context, look};

fn context() -> Context {
    Context::at("2026-01-01T00:00:00Z".parse().unwrap())
}

fn b64(value: &Value) -> String {
    base64url::encode(value.to_string())
}

fn request() -> String {
    b64(&json!({ "amount": "2000", "currency": "usd6", "recipient": "did:key:z6Mk" }))
}

/// A good challenge, with parameters of it replaced, removed (an empty value) or added.
fn challenge(changes: &[(&str, &str)]) -> String {
    let request = request();
    let mut parameters = vec![
        ("id", "x7Tg2pLqR9mKvNwY3hBcZa"),
        ("realm", "api.example.com"),
        ("method", "ledger"),
        ("intent", "charge"),
        ("request", &request),
        ("expires", "2026-01-01T00:04:59Z"),
    ];
    for (name, value) in changes {
        match parameters.iter().position(|(known, _)| known == name) {
            Some(at) if value.is_empty() => drop(parameters.remove(at)),
            Some(at) => parameters[at].1 = value,
            None => parameters.push((name, value)),
        }
    }
    let texts: Vec<_> = parameters
        .iter()
        .map(|(name, value)| format!("{name}=\"{value}\""))
        .collect();
    format!("Payment {}", texts.join(", "))
}

/// Every finding as `severity about`, with the section where it has one.
fn found(input: &[u8]) -> Vec<String> {
    let report = look(input, &context()).expect("something in it is known");
    let findings = report.items.iter().flat_map(|item| &item.findings);
    findings
        .map(|it| format!("{} {} {}", it.severity.name(), it.about, it.rule.section()))
        .collect()
}

#[track_caller]
fn check(input: &str, expect: &[&str]) {
    assert_eq!(found(input.as_bytes()), expect, "{input}");
}

#[test]
fn a_good_challenge_has_no_findings() {
    check(&challenge(&[]), &[]);
    let line = challenge(&[]);
    let Ok(parsed) = www_authenticate::parse([&line]).remove(0) else {
        panic!("the core reads it as well")
    };
    assert_eq!(parsed.method.as_str(), "ledger");
}

/// What is changed of a good challenge, and what is found then.
type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);

#[test]
fn each_parameter_has_its_rules() {
    let padded = format!("{}==", b64(&json!({ "amount": "1", "currency": "usd6" })));
    let unsorted = base64url::encode(r#"{"currency":"usd6","amount":"1"}"#);
    let spaced = base64url::encode(r#"{"amount": "1","currency":"usd6"}"#);
    let twice = base64url::encode(r#"{"amount":"1","amount":"2","currency":"usd6"}"#);
    let of = |value: Value| b64(&value);
    let cases: &[Case<'_>] = &[
        (&[("id", "")], &["error id 5.1.1"]),
        (&[("realm", "")], &["error realm 5.1.1"]),
        (&[("request", "")], &["error request 5.1.1"]),
        (&[("method", "Tempo")], &["error method 6.1"]),
        (&[("method", "te mpo")], &["error method 6.1"]),
        (&[("intent", "charge_v2")], &["error intent 7.1"]),
        (&[("realm", "größe")], &["warning realm 10.1"]),
        (&[("realm", "a|b")], &["error realm 5.1.2.1.1"]),
        (&[("expires", "")], &["warning expires 5.1.2"]),
        (&[("expires", "tomorrow")], &["error expires 5.1.2"]),
        (
            &[("expires", "2026-01-01 00:04:59Z")],
            &["error expires 5.1.2"],
        ),
        (
            &[("expires", "2025-12-31T22:00:00Z")],
            &["warning expires 5.1.2"],
        ),
        (&[("request", &padded)], &["error request 5.1.1"]),
        (
            &[("request", "e30+")],
            &["error request 5.1.1", "error request 5.1.1"],
        ),
        (&[("request", &unsorted)], &["error request 5.1.1"]),
        (&[("request", &spaced)], &["error request 5.1.1"]),
        (
            &[("request", &twice)],
            &["error request 5.1.1", "error request 5.1.1"],
        ),
        (&[("request", &of(json!([])))], &["error request 5.1.1"]),
        (
            &[("request", &of(json!({})))],
            &["error request.amount 5.1.1", "error request.currency 5.1.1"],
        ),
        (
            &[("request", &of(json!({ "amount": 2000, "currency": "USD" })))],
            &["error request.amount 5.1.1", "warning request.currency 5.2"],
        ),
        (
            &[(
                "request",
                &of(json!({ "amount": "01", "currency": "usd6", "expires": "x" })),
            )],
            &["error request.amount 5.1.1", "error request.expires 5.1.2"],
        ),
        (
            &[(
                "digest",
                "sha-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=",
            )],
            &["error digest 5.1.2"],
        ),
        (&[("opaque", "trace-123")], &["error opaque 5.1.2"]),
        (
            &[("opaque", &of(json!({ "a": 1 })))],
            &["error opaque 5.1.2"],
        ),
        (&[("opaque", &of(json!({ "a": "1" })))], &[]),
        (&[("header", "Payment-Authorization")], &["note header 9.3"]),
        (
            &[("header", "Cookie")],
            &["warning header the credential's header"],
        ),
        (&[("Digest", "sha-256=:YQ==:")], &["warning digest 9.3"]),
        (&[("colour", "red")], &["note colour 9.3"]),
        (&[("description", "a\u{7}b")], &["error description 5.5"]),
    ];
    for (changes, expect) in cases {
        check(&challenge(changes), expect);
    }
}

#[test]
fn syntax_is_marked_where_it_breaks() {
    let marked = |input: &str| {
        let report = look(input.as_bytes(), &context()).unwrap();
        let findings = report.items.into_iter().flat_map(|item| item.findings);
        let marks = findings.filter_map(|it| Some((it.about, it.rule.section(), it.mark?.at)));
        marks.collect::<Vec<_>>()
    };
    let mark = |input: &str, about: &str, section, at| {
        assert_eq!(marked(input), [(about.to_owned(), section, at)], "{input}");
    };
    let good = challenge(&[]);
    let unclosed = format!("{good}, description=\"so");
    mark(&unclosed, "description", "5.6.4", good.len() + 14);
    let twice = format!("{good}, ID=\"b\"");
    let at = good.len() + 2;
    assert_eq!(
        marked(&twice),
        [("id".to_owned(), "9.3", at), ("id".to_owned(), "11.2", at)]
    );
    let stray = good.replace("\", realm", "\" realm");
    let at = stray.find("realm").unwrap();
    mark(&stray, "id", "5.1", at);
    let upper = challenge(&[("method", "teMpo")]);
    let at = upper.find("Mpo").unwrap();
    mark(&upper, "method", "6.1", at);
}

#[test]
fn several_challenges_and_other_schemes_share_a_line() {
    let line = format!(
        "Bearer realm=\"a\", {}, {}",
        challenge(&[]),
        challenge(&[("id", "")])
    );
    let report = look(line.as_bytes(), &context()).unwrap();
    let kinds: Vec<_> = report.items.iter().map(|item| item.kind).collect();
    assert_eq!(kinds, ["otherChallenge", "challenge", "challenge"]);
    check(&line, &["error id 5.1.1"]);
}

fn credential() -> Credential {
    let line = challenge(&[("digest", digest::sha256(b"a body").as_str())]);
    let challenge = www_authenticate::parse([line]).remove(0).unwrap();
    let source = "did:key:z6Mk".parse().unwrap();
    let payload = json!({ "signature": "s3cret".repeat(14) });
    Credential::new(challenge, Some(source), &payload).unwrap()
}

fn header(credential: &Credential) -> String {
    farthing::core::header::authorization::format(credential)
}

#[test]
fn a_credential_is_decoded_and_its_proof_is_not_shown() {
    let text = header(&credential());
    check(&text, &[]);
    let bare = text.strip_prefix("Payment ").unwrap();
    check(bare, &[]);
    for reveal in [false, true] {
        let context = Context {
            reveal,
            ..context()
        };
        let report = look(text.as_bytes(), &context).unwrap();
        let told = report.to_json().to_string()
            + &super::show::report(&report, crate::screen::Paint::for_stderr());
        assert_eq!(told.contains("s3crets3cret"), reveal, "{told}");
        assert!(told.contains("did:key:z6Mk") && told.contains("84 characters") != reveal);
    }
    check("Payment", &["error credential 5.2"]);
    check("Payment !", &["error credential 5.2"]);
    check(&format!("Payment {bare}=="), &["error credential 5.2"]);
    let broken = json!({ "challenge": { "id": 1 }, "source": "me", "payload": [] });
    check(
        &broken.to_string(),
        &[
            "warning source 5.2",
            "error payload 5.2",
            "error challenge.id 5.2",
            "error challenge.id 5.1.1",
            "error challenge.realm 5.1.1",
            "error challenge.method 5.1.1",
            "error challenge.intent 5.1.1",
            "error challenge.request 5.1.1",
            "warning challenge.expires 5.1.2",
        ],
    );
}

#[test]
fn an_echo_is_held_against_its_challenge_and_a_digest_against_the_body() {
    let good = credential();
    let response = format!(
        "HTTP/1.1 402 Payment Required\r\nCache-Control: no-store\r\nWWW-Authenticate: {}\r\n\
         Content-Type: application/problem+json\r\n\r\n{{\"type\":\"https://paymentauth.org/problems/\
         payment-required\",\"title\":\"T\",\"status\":402}}\n",
        www_authenticate::format(&good.challenge)
    );
    let sent = |credential: &Credential, body: &str| {
        let line = header(credential);
        format!("POST /x HTTP/1.1\r\nAuthorization: {line}\r\n\r\n{body}")
    };
    check(&format!("{response}{}", sent(&good, "a body")), &[]);
    check(
        &format!("{response}{}", sent(&good, "another")),
        &["error challenge.digest 5.1.3"],
    );
    let mut cheaper = good.clone();
    cheaper.challenge.request =
        Request::new(&json!({ "amount": "1", "currency": "usd6" })).unwrap();
    cheaper.challenge.expires = None;
    check(
        &format!("{response}{}", sent(&cheaper, "a body")),
        &[
            "warning challenge.expires 5.1.2",
            "error challenge.request 5.1.2.1",
            "error challenge.expires 5.1.2.1",
        ],
    );
    let twice = sent(&good, "a body").replacen(
        "\r\n",
        &format!("\r\nPayment-Authorization: {}\r\n", header(&good)),
        1,
    );
    check(&twice, &["error authorization B.4"]);
}

#[test]
fn a_response_has_its_own_rules() {
    let challenge = challenge(&[]);
    let receipt = payment_receipt::format(&Receipt::new(
        "ledger".parse().unwrap(),
        "2025-12-31T23:59:00Z".parse().unwrap(),
        "r1".parse().unwrap(),
    ));
    let problem =
        r#"{"type":"https://paymentauth.org/problems/payment-required","title":"T","status":402}"#;
    let cases: &[(&str, &[&str])] = &[
        ("HTTP/1.1 402 No\n\n", &["error www-authenticate 4.4.2"]),
        (
            &format!("HTTP/2 402\nwww-authenticate: {challenge}\n\n"),
            &["error cache-control 11.10", "warning body 8.1"],
        ),
        (
            &format!(
                "HTTP/2 402\ncache-control: no-store\nwww-authenticate: {challenge}\n\n{problem}"
            ),
            &["warning content-type 3"],
        ),
        (
            &format!(
                "HTTP/2 402\ncache-control: no-store\ncontent-type: application/problem+json\n\
                 www-authenticate: {challenge}\n\n{}",
                problem.replace("402}", "400}")
            ),
            &["error status 3.1.2"],
        ),
        (
            &format!("HTTP/2 401\nwww-authenticate: {challenge}\n\n"),
            &["error status 4.3"],
        ),
        (
            &format!("HTTP/2 200\npayment-receipt: {receipt}\n\n"),
            &["error cache-control 11.10"],
        ),
        (
            &format!("HTTP/2 500\ncache-control: private\npayment-receipt: {receipt}\n\n"),
            &["error payment-receipt 5.3.1"],
        ),
        (
            &format!(
                "HTTP/2 200\ncache-control: max-age=1, private\npayment-receipt: {receipt}\n\nok"
            ),
            &[],
        ),
        (
            &format!("www-authenticate: {}", challenge.replace(", ", ",\n  ")),
            &["error www-authenticate 5.2"],
        ),
    ];
    for (input, expect) in cases {
        check(input, expect);
        check(&input.replace('\n', "\r\n"), expect);
    }
}

#[test]
fn receipts_and_problems_are_known_by_themselves() {
    let receipt = json!({
        "status": "failed", "method": "Ledger", "timestamp": "now", "reference": "",
    });
    let expect = [
        "error status 5.3.1",
        "error method 6.1",
        "error timestamp 5.3",
        "error reference 5.3",
    ];
    check(&b64(&receipt), &expect);
    check(&receipt.to_string(), &expect);
    check(r#"{"title":"T","status":402}"#, &["warning type 8.1"]);
    check(
        r#"{"type":"https://paymentauth.org/problems/new","title":3,"detail":"d"}"#,
        &["error title 3.1", "note type 8.2"],
    );
}

#[test]
fn x402_is_read_in_both_versions() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let offer = json!({
        "scheme": "exact", "network": "eip155:84532", "amount": "10000", "asset": "0x03",
        "payTo": "0x20", "maxTimeoutSeconds": 60,
    });
    let second = json!({ "x402Version": 2, "resource": { "url": "https://a.example/" }, "accepts": [offer] });
    let of = |value: &Value| STANDARD.encode(value.to_string());
    check(&format!("PAYMENT-REQUIRED: {}", of(&second)), &[]);
    check(
        &format!("HTTP/1.1 402 No\nPAYMENT-REQUIRED: {}\n\n{{}}", of(&second)),
        &[],
    );
    let mut bad = second.clone();
    bad["accepts"][0]["network"] = json!("base-sepolia");
    bad["accepts"][0]["amount"] = json!(10000);
    check(
        &of(&bad),
        &[
            "error accepts.1.amount 5.1.2",
            "error accepts.1.network 5.1.2",
        ],
    );
    let first = json!({ "x402Version": 1, "error": "e", "accepts": [{}] });
    let names = [
        "scheme",
        "network",
        "asset",
        "payTo",
        "maxTimeoutSeconds",
        "maxAmountRequired",
        "resource",
        "description",
    ];
    let expect: Vec<_> = names
        .map(|name| format!("error accepts.1.{name} 5.1.2"))
        .into();
    assert_eq!(
        found(format!("HTTP/1.1 402 No\n\n{first}").as_bytes()),
        expect
    );
    let paid = json!({ "x402Version": 1, "scheme": "exact", "network": "base", "payload": { "signature": "0xabcdef0123456789abcdef01234567" } });
    let report = look(format!("X-PAYMENT: {}", of(&paid)).as_bytes(), &context()).unwrap();
    assert!(!report.to_json().to_string().contains("0123456789abcdef"));
    check(
        &format!("PAYMENT-SIGNATURE: {}", of(&paid)),
        &["error x402Version Payment Payload Transmission"],
    );
    let settled = json!({ "success": true, "transaction": "0x12", "network": "eip155:1" });
    check(&of(&settled), &[]);
    check(
        &format!(
            "PAYMENT-RESPONSE: {}",
            base64url::encode(settled.to_string())
        ),
        &["error header Settlement Response Delivery"],
    );
}

#[test]
fn a_secret_knows_its_challenges() {
    use farthing::core::binding::raw;
    let secret = Secret::new([7; 32]);
    let mut good: Challenge = www_authenticate::parse([challenge(&[])]).remove(0).unwrap();
    good.id = raw::challenge_id(secret.expose(), &good.slots().unwrap()).to_challenge_id();
    let mut changed = good.clone();
    changed.realm = "evil.example.com".parse().unwrap();
    for (challenge, ours) in [(good, true), (changed, false)] {
        let context = Context {
            secret: Some(Secret::new([7; 32])),
            ..context()
        };
        let line = www_authenticate::format(&challenge);
        let told = look(line.as_bytes(), &context).unwrap().to_json();
        assert_eq!(told["items"][0]["fields"]["issuedByThisSecret"], ours);
        assert_eq!(told["wellFormed"], ours);
    }
}

/// What the core takes as a challenge has no error that the core's grammar knows.
#[test]
fn the_inspector_and_the_core_agree_on_what_can_be_read() {
    let lines = [
        challenge(&[]),
        challenge(&[("method", "Tempo")]),
        challenge(&[("request", "e30=")]),
        challenge(&[("expires", "x")]),
        challenge(&[("realm", "a|b")]),
        challenge(&[("opaque", "a b")]),
        format!("{}, id=\"again\"", challenge(&[])),
        format!("{}, description=\"x", challenge(&[])),
    ];
    for line in lines {
        let is_read = www_authenticate::parse([&line]).remove(0).is_ok();
        let is_clean = found(line.as_bytes()).is_empty();
        assert_eq!(is_read, is_clean, "{line}");
    }
}

fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let good = challenge(&[("opaque", &b64(&json!({ "a": "1" })))]);
    let response = format!(
        "HTTP/1.1 402 No\r\nwww-authenticate: {good}\r\nauthorization: {}\r\n\r\n{{\"type\":\"x\"}}",
        header(&credential())
    );
    let seeds = vec![good, response, header(&credential())];
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 0..8);
    (prop::sample::select(seeds), changes).prop_map(|(seed, changes)| {
        let mut bytes = seed.into_bytes();
        for (at, byte, what) in changes {
            let at = at
                .index(bytes.len().max(1))
                .min(bytes.len().saturating_sub(1));
            match what {
                0 if !bytes.is_empty() => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => bytes.truncate(at.max(1)),
            }
        }
        bytes
    })
}

/// Every report can be shown and told, whatever was looked at.
fn survives(bytes: &[u8]) {
    if let Some(report) = look(bytes, &context()) {
        let shown = super::show::report(&report, crate::screen::Paint::for_stderr());
        assert!(
            !shown.contains('\u{1b}'),
            "nothing of the input moves the cursor"
        );
        report.to_json().to_string();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn any_bytes_are_looked_at(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        survives(&bytes);
    }

    #[test]
    fn so_is_what_was_nearly_good(bytes in nearly()) {
        survives(&bytes);
    }

    #[test]
    fn so_is_any_value_of_any_header(value in "[ -~]{0,120}", which in 0..10usize) {
        let names = [
            "www-authenticate", "authorization", "payment-authorization", "payment-receipt",
            "accept-payment", "x-payment", "x-payment-response", "payment-required",
            "payment-signature", "payment-response",
        ];
        survives(format!("{}: {value}", names[which]).as_bytes());
        survives(format!("{}: Payment {value}", names[which]).as_bytes());
    }
}
