//! `farthing inspect`: what it shows, and how it ends.

use farthing::core::encoding::base64url;
use serde_json::json;

use crate::{
    screens,
    world::{Dev, Machine, Run},
};

const AT: [&str; 2] = ["--at", "2026-01-01T00:00:00Z"];

fn look(machine: &Machine, input: &str, more: &[&str]) -> Run {
    machine.run_with(&[&["inspect"][..], &AT, more].concat(), input.as_bytes())
}

fn challenge() -> String {
    let request = base64url::encode(
        r#"{"amount":"2000","currency":"usd6","recipient":"did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"}"#,
    );
    let opaque = base64url::encode(r#"{"order":"42"}"#);
    format!(
        "Payment id=\"x7Tg2pLqR9mKvNwY3hBcZa\", realm=\"api.example.com\", method=\"ledger\", \
         intent=\"charge\", request=\"{request}\", description=\"a fact\", \
         expires=\"2026-01-01T00:04:59Z\", opaque=\"{opaque}\""
    )
}

fn credential() -> String {
    let credential = json!({
        "challenge": {
            "id": "x7Tg2pLqR9mKvNwY3hBcZa", "realm": "evil.example.com", "method": "ledger",
            "intent": "charge", "request": base64url::encode(r#"{"amount":"1","currency":"usd6"}"#),
        },
        "source": "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",
        "payload": { "signature": "3".repeat(86) },
    });
    format!("Payment {}", base64url::encode(credential.to_string()))
}

/// What a person sees, letter by letter. See the head of `screens.rs`.
#[test]
fn screens_of_it() {
    let machine = Machine::new();
    let broken = challenge()
        .replace("method=\"ledger\"", "method=\"Ledger\"")
        .replace("description=\"a fact\", ", "")
        .replace("usd6", "USD")
        + ", description=\"a fa";
    let first = json!({
        "x402Version": 1, "error": "X-PAYMENT header is required",
        "accepts": [{ "scheme": "exact", "network": "base", "maxAmountRequired": "10000" }],
    });
    let inputs = [
        ("a challenge", challenge()),
        ("a broken one", broken),
        (
            "a saved answer",
            format!(
                "HTTP/1.1 302 Found\r\nlocation: /b\r\n\r\nHTTP/1.1 402 Payment Required\r\n\
                 content-type: application/problem+json\r\nwww-authenticate: Basic realm=\"x\", {}\r\n\r\n\
                 {{\"type\":\"https://paymentauth.org/problems/payment-required\",\"title\":\"T\",\"status\":402}}",
                challenge()
            ),
        ),
        (
            "a dump with an echo",
            format!(
                "< HTTP/1.1 402 Payment Required\n< Cache-Control: no-store\n< WWW-Authenticate: {}\n<\n\
                 > GET /x HTTP/1.1\n> Authorization: {}\n>\n",
                challenge(),
                credential()
            ),
        ),
        ("x402", format!("HTTP/1.1 402 Payment Required\n\n{first}")),
        ("nothing known", "hello".to_owned()),
        ("nothing at all", " \n".to_owned()),
        ("a URL", "https://api.example.com/weather".to_owned()),
    ];
    let mut shown = String::new();
    for (name, input) in inputs {
        let run = look(&machine, &input, &[]);
        let longest = run.text().lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(80), "{}", run.text());
        shown += &format!("== {name}\n{}{}[{}]\n\n", run.text(), run.stderr, run.code);
    }
    screens::check("inspect.txt", &shown);
}

#[test]
fn a_payload_is_shown_when_it_is_asked_for_and_not_before() {
    let machine = Machine::new();
    let secret = "3".repeat(86);
    for more in [&[][..], &["--json"]] {
        let run = look(&machine, &credential(), more).ends(0);
        assert!(!run.text().contains(&secret[..20]), "{run:?}");
        let more = [more, &["--reveal"]].concat();
        let run = look(&machine, &credential(), &more).ends(0);
        assert!(
            run.text().replace(['\n', ' '], "").contains(&secret),
            "{run:?}"
        );
    }
}

#[test]
fn json_tells_the_same() {
    let machine = Machine::new();
    let told = look(&machine, &challenge(), &["--json"]).ends(0).json();
    assert_eq!(told["wellFormed"], true);
    let item = &told["items"][0];
    assert_eq!(
        (&item["kind"], &item["fields"]["request"]["amount"]),
        (&"challenge".into(), &"2000".into())
    );
    assert_eq!(item["fields"]["opaque"]["order"], "42");
    let broken = challenge().replace("x7Tg2pLqR9mKvNwY3hBcZa", "");
    let told = look(&machine, &broken, &["--json"]).ends(10).json();
    assert_eq!(
        (&told["error"], &told["exitCode"], &told["errors"]),
        (&"findings".into(), &10.into(), &1.into())
    );
    let finding = &told["items"][0]["findings"][0];
    assert_eq!(
        (&finding["about"], &finding["severity"]),
        (&"id".into(), &"error".into())
    );
    let rule = json!({ "document": "draft-httpauth-payment-00", "section": "5.1.1" });
    assert_eq!(finding["rule"], rule);
}

#[test]
fn it_reads_arguments_files_and_what_our_own_server_says() {
    let dev = Dev::start();
    let answer = dev.pay(&[dev.says("paid_url"), "-i", "-y"]).ends(0);
    let told = dev
        .buyer
        .run_with(&["inspect", "--json"], answer.text().as_bytes());
    let told = told.ends(0).json();
    let kinds: Vec<_> = told["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["kind"].clone())
        .collect();
    assert_eq!(kinds, ["response", "receipt"]);
    assert_eq!(told["warnings"], 0, "{told}");
    let file = dev.buyer.path("saved");
    std::fs::write(&file, challenge()).unwrap();
    let machine = Machine::new();
    machine
        .run(&["inspect", "-f", file.to_str().unwrap(), AT[0], AT[1]])
        .ends(0);
    machine
        .run(&["inspect", &challenge(), AT[0], AT[1]])
        .ends(0);
    machine.run(&["inspect", "-f", "/no/such/file"]).ends(2);
    machine.run(&["inspect", "-f", "/dev/zero"]).ends(2);
    machine
        .run_with(&["inspect", "-", "--json"], &[0xff, 0, 1])
        .ends(2);
}

#[test]
fn a_secret_says_whose_a_challenge_is() {
    let dev = Dev::start();
    let secret = dev.folder().join("challenge-secret");
    let shop = crate::check::unpaid(dev.says("paid_url"));
    let with = |file: &str| {
        dev.buyer.run_with(
            &["inspect", "--json", "--secret-file", file],
            shop.as_bytes(),
        )
    };
    let told = with(secret.to_str().unwrap()).ends(0).json();
    let challenge = &told["items"][1];
    assert_eq!(challenge["fields"]["issuedByThisSecret"], true, "{told}");
    let other = dev.buyer.path("other");
    std::fs::write(&other, base64url::encode([9; 32])).unwrap();
    let private = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o600);
    std::fs::set_permissions(&other, private).unwrap();
    let told = with(other.to_str().unwrap()).ends(10).json();
    assert_eq!(told["items"][1]["fields"]["issuedByThisSecret"], false);
    let missing = dev.buyer.path("missing");
    with(missing.to_str().unwrap()).ends(2);
    assert!(!missing.exists(), "looking makes no secret");
}
