//! The protocol's official vectors, through the adapter.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use farthing_conformance::answer;
use farthing_core::value::Timestamp;
use serde_json::{Value, json, value::RawValue};

/// One file of vectors: its scenarios, as values and as they stand in the file.
struct Vectors {
    scenarios: Vec<(Value, Box<RawValue>)>,
}

impl Vectors {
    fn read(text: &str) -> Self {
        #[derive(serde::Deserialize)]
        struct File {
            scenarios: Vec<Box<RawValue>>,
        }
        let file: File = serde_json::from_str(text).unwrap();
        let value = |raw: &RawValue| serde_json::from_str(raw.get()).unwrap();
        let scenarios = file.scenarios.into_iter().map(|raw| (value(&raw), raw));
        Self {
            scenarios: scenarios.collect(),
        }
    }
}

/// The text of a field as it stands in the file, so that the order of its keys is kept.
fn raw_field(raw: &RawValue, name: &str) -> String {
    let fields: std::collections::HashMap<String, Box<RawValue>> =
        serde_json::from_str(raw.get()).unwrap();
    fields[name].get().to_owned()
}

fn ask(op: &str, input: &str) -> Value {
    let request = format!(r#"{{"schema":1,"op":"{op}","input":{input},"context":{{}}}}"#);
    serde_json::from_str(&answer(&request, Timestamp::EPOCH)).unwrap()
}

fn text_input(name: &str, text: &str) -> String {
    json!({ name: text }).to_string()
}

/// A text of a scenario: plain, or long ones by repetition.
fn wire(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        long => {
            let part = |name: &str| long[name].as_str().unwrap_or_default();
            let count = usize::try_from(long["count"].as_u64().unwrap()).unwrap();
            format!(
                "{}{}{}",
                part("prefix"),
                part("repeat").repeat(count),
                part("suffix")
            )
        }
    }
}

/// Says what differs, or nothing.
fn compare(
    name: &str,
    test: &str,
    wanted: &Value,
    expect: &Value,
    response: &Value,
) -> Option<String> {
    let ok = if wanted == &json!(true) {
        response["ok"] == true && &response["value"] == expect
    } else {
        response["ok"] == false && response["error"]["type"] == wanted["error_type"]
    };
    (!ok).then(|| format!("{name} ({test}): {response}, expected {expect} or {wanted}"))
}

/// Runs every test of every scenario of a file, and returns how many of each there were.
fn run_nouns(noun: &str, text: &str) -> (usize, usize) {
    let (mut tests, mut wrong) = (0, Vec::new());
    let vectors = Vectors::read(text);
    for (scenario, raw) in &vectors.scenarios {
        let name = scenario["name"].as_str().unwrap();
        let header = || text_input("header", &wire(&scenario["wire"]));
        let formatted = || json!({ "header": wire(&scenario["wire"]) });
        for (test, wanted) in scenario["tests"].as_object().unwrap() {
            tests += 1;
            let (expect, response) = match test.as_str() {
                "parse" => (
                    scenario["object"].clone(),
                    ask(&format!("{noun}.parse"), &header()),
                ),
                "format" => {
                    let expect = if wanted == &json!(true) {
                        formatted()
                    } else {
                        Value::Null
                    };
                    (
                        expect,
                        ask(&format!("{noun}.format"), &raw_field(raw, "object")),
                    )
                }
                "roundtrip" => {
                    let formatted = ask(&format!("{noun}.format"), &raw_field(raw, "object"));
                    let parsed = ask(&format!("{noun}.parse"), &formatted["value"].to_string());
                    (scenario["object"].clone(), parsed)
                }
                other => panic!("{name} has an unknown test {other}"),
            };
            wrong.extend(compare(name, test, wanted, &expect, &response));
        }
    }
    assert!(wrong.is_empty(), "{noun}:\n{}", wrong.join("\n"));
    (vectors.scenarios.len(), tests)
}

#[test]
fn www_authenticate() {
    let counts = run_nouns(
        "challenge",
        include_str!("../vectors/www-authenticate.json"),
    );
    assert_eq!(counts, (30, 43), "scenarios or tests vanished");
}

#[test]
fn authorization() {
    let counts = run_nouns("credential", include_str!("../vectors/authorization.json"));
    assert_eq!(counts, (9, 14), "scenarios or tests vanished");
}

#[test]
fn receipt() {
    let counts = run_nouns("receipt", include_str!("../vectors/receipt.json"));
    assert_eq!(counts, (8, 10), "scenarios or tests vanished");
}

#[test]
fn base64url() {
    let vectors = Vectors::read(include_str!("../vectors/base64url.json"));
    let (mut tests, mut wrong) = (0, Vec::new());
    for (scenario, _) in &vectors.scenarios {
        let name = scenario["name"].as_str().unwrap();
        let text = |field: &str| scenario[field].as_str().unwrap_or_default();
        for (test, wanted) in scenario["tests"].as_object().unwrap() {
            tests += 1;
            let decoded = json!({ "text": text("decoded") });
            let (expect, response) = match test.as_str() {
                "parse" => (
                    decoded,
                    ask("base64url.decode", &text_input("text", text("encoded"))),
                ),
                "format" => (
                    json!({ "text": text("encoded") }),
                    ask("base64url.encode", &text_input("text", text("decoded"))),
                ),
                "roundtrip" => {
                    let encoded = ask("base64url.encode", &text_input("text", text("decoded")));
                    (
                        decoded,
                        ask("base64url.decode", &encoded["value"].to_string()),
                    )
                }
                other => panic!("{name} has an unknown test {other}"),
            };
            wrong.extend(compare(name, test, wanted, &expect, &response));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(
        (vectors.scenarios.len(), tests),
        (12, 32),
        "scenarios or tests vanished"
    );
}

#[test]
fn challenge_id() {
    let vectors = Vectors::read(include_str!("../vectors/challenge-id.json"));
    let mut wrong = Vec::new();
    for (scenario, raw) in &vectors.scenarios {
        let name = scenario["name"].as_str().unwrap();
        let response = ask("challenge.id", &raw_field(raw, "input"));
        let wanted = scenario["tests"]
            .get("generate")
            .cloned()
            .unwrap_or(json!(true));
        let expect = json!({ "id": scenario["expected"] });
        wrong.extend(compare(name, "generate", &wanted, &expect, &response));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(vectors.scenarios.len(), 29, "scenarios vanished");
}

/// Runs the scenarios of a file that have an input and the whole answer that is expected.
fn run_answers(op: &str, text: &str) -> usize {
    let vectors = Vectors::read(text);
    let mut wrong = Vec::new();
    for (scenario, raw) in &vectors.scenarios {
        let response = ask(op, &raw_field(raw, "input"));
        let expect = &scenario["expected"];
        let same = if expect["ok"] == true {
            &response == expect
        } else {
            response["ok"] == false && response["error"]["type"] == expect["error"]["type"]
        };
        if !same {
            wrong.push(format!(
                "{}: {response}, expected {expect}",
                scenario["name"]
            ));
        }
    }
    assert!(wrong.is_empty(), "{op}:\n{}", wrong.join("\n"));
    vectors.scenarios.len()
}

#[test]
fn tempo_proof() {
    let text = include_str!("../vectors/tempo-proof.json");
    let count = run_answers("tempo.proof.typed_data", text);
    assert_eq!(count, 1, "scenarios vanished");
}

/// The suite's word for what is refused is in what is said.
#[test]
fn tempo_fee_payer_cosign() {
    let op = "tempo.fee_payer.cosign";
    let text = include_str!("../vectors/tempo-fee-payer-cosign.json");
    assert_eq!(run_answers(op, text), 9, "scenarios vanished");
    for (scenario, raw) in &Vectors::read(text).scenarios {
        let wanted = scenario["expected"]["error"]["messageContains"].as_str();
        let response = ask(op, &raw_field(raw, "input"));
        let said = response["error"]["message"].as_str().unwrap_or_default();
        let says_so = wanted.is_none_or(|wanted| said.contains(wanted));
        assert!(says_so, "{}: {said}", scenario["name"]);
    }
}
