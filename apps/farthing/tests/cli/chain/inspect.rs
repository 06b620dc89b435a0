//! What `inspect` says of a charge on Tempo, and of the transaction that pays it.

use farthing::{
    core::{
        encoding::base64url,
        intent::charge::ChargeRequest,
        value::{Amount, ChallengeId, CurrencyCode, Realm, Recipient},
    },
    evm::{Address, ChainId, SigningKey, U256},
    tempo::{
        AccountKey, Call, Details, EXPIRING_NONCE_KEY, Legs, Received, Transaction, tip20::calls,
        token,
    },
};
use serde_json::{Value, json};

use super::world::PATH_USD;
use crate::{
    screens,
    world::{Machine, Run},
};

const ID: &str = "x7Tg2pLqR9mKvNwY3hBcZa";
const REALM: &str = "api.example.com";
const CHAIN: u64 = 42_431;

fn request(details: &Value) -> ChargeRequest {
    let recipient = Recipient::new("0x4242424242424242424242424242424242424242").unwrap();
    let currency = CurrencyCode::new(PATH_USD).unwrap();
    ChargeRequest {
        method_details: details.as_object().unwrap().clone(),
        ..ChargeRequest::new(Amount::new(2_000), currency, Some(recipient))
    }
}

fn split() -> Value {
    let recipient = "0x4343434343434343434343434343434343434343";
    json!({ "chainId": CHAIN, "splits": [{ "recipient": recipient, "amount": "500" }] })
}

fn encoded(request: &ChargeRequest) -> String {
    let text = farthing::core::encoding::jcs::to_string(request).unwrap();
    base64url::encode(text)
}

fn challenge(details: &Value) -> String {
    let request = encoded(&request(details));
    format!(
        "Payment id=\"{ID}\", realm=\"{REALM}\", method=\"tempo\", intent=\"charge\", \
         request=\"{request}\", expires=\"2026-01-01T00:04:59Z\""
    )
}

/// The transaction that pays it, changed by a test.
fn transaction(change: impl FnOnce(&mut Transaction)) -> Received {
    let request = request(&split());
    let details = Details::read(&request.method_details).unwrap();
    let (id, realm) = (ChallengeId::new(ID).unwrap(), Realm::new(REALM).unwrap());
    let legs = Legs::new(&request, &details, &id, &realm).unwrap();
    let chain = ChainId::new(CHAIN).unwrap();
    let mut transaction = Transaction::new(chain, legs.calls(Some("farthing")));
    transaction.gas_limit = 500_000;
    transaction.max_fee_per_gas = 20_000_000_000;
    transaction.nonce_key = EXPIRING_NONCE_KEY;
    transaction.valid_before = Some(1_767_225_625);
    transaction.fee_token = Some(PATH_USD.parse().unwrap());
    change(&mut transaction);
    let key = SigningKey::from_bytes([7; 32]).unwrap();
    transaction.sign(&AccountKey::from(key)).unwrap()
}

fn credential(payload: &Value) -> String {
    let credential = json!({
        "challenge": {
            "id": ID, "realm": REALM, "method": "tempo", "intent": "charge",
            "request": encoded(&request(&split())), "expires": "2026-01-01T00:04:59Z",
        },
        "source": format!("did:pkh:eip155:{CHAIN}:0x4a62316623ad457F02cDC5D997deD67a383EC569"),
        "payload": payload,
    });
    format!("Payment {}", base64url::encode(credential.to_string()))
}

fn pull(transaction: &Received) -> String {
    credential(&json!({ "type": "transaction", "signature": transaction.encode().to_string() }))
}

fn look(input: &str, more: &[&str]) -> Run {
    let at = ["inspect", "--at", "2026-01-01T00:00:00Z"];
    Machine::new().run_with(&[&at[..], more].concat(), input.as_bytes())
}

/// A call that was smuggled in.
fn drain() -> Call {
    let thief = Address::repeat_byte(0x66);
    Call {
        to: Some(PATH_USD.parse().unwrap()),
        value: U256::ZERO,
        input: calls::transfer(thief, Amount::new(99_000_000), None),
    }
}

#[test]
fn what_a_person_sees() {
    let receipt = json!({
        "status": "success", "method": "tempo", "timestamp": "2026-01-01T00:00:00Z",
        "reference": format!("0x{}", "ab".repeat(32)),
    });
    let mut shown = String::new();
    for (name, input) in [
        ("a charge in parts", challenge(&split())),
        (
            "a charge with what nobody knows",
            challenge(&json!({ "chainId": CHAIN, "gift": true })),
        ),
        ("what pays it", pull(&transaction(|_| {}))),
        (
            "what pays it for a sponsor",
            pull(&transaction(|it| {
                it.sponsored = true;
                it.fee_token = None;
            })),
        ),
        (
            "what pays it and more",
            pull(&transaction(|it| it.calls.push(drain()))),
        ),
        (
            "a hash",
            credential(&json!({ "type": "hash", "hash": format!("0x{}", "ab".repeat(32)) })),
        ),
        ("a receipt", base64url::encode(receipt.to_string())),
    ] {
        let run = look(&input, &[]);
        shown += &format!("# {name}\n{}{}[{}]\n\n", run.stderr, run.text(), run.code);
    }
    screens::check("inspect-tempo.txt", &shown);
}

#[test]
fn a_transaction_that_does_something_else_is_found_out() {
    let check = |transaction: &Received, expect: &str| {
        let told = look(&pull(transaction), &["--json"]).json();
        let findings = told["items"][0]["findings"].to_string();
        assert!(findings.contains(expect), "{expect}: {findings}");
        assert_eq!(told["wellFormed"], false, "{told}");
    };
    assert_eq!(
        look(&pull(&transaction(|_| {})), &["--json"]).json()["wellFormed"],
        true
    );
    check(&transaction(|it| it.calls.push(drain())), "these are 3");
    check(&transaction(|it| drop(it.calls.pop())), "these are 1");
    check(
        &transaction(|it| it.chain = ChainId::new(4217).unwrap()),
        "chain 4217",
    );
    check(
        &transaction(|it| it.calls[0].to = Some(token::known::ALPHA_USD.address)),
        "token",
    );
    let good = pull(&transaction(|_| {}));
    let good = base64url::decode(good.trim_start_matches("Payment ")).unwrap();
    let other = String::from_utf8(good).unwrap();
    let other = other.replace("0x4a62316623ad", "0x111111111111");
    let told = look(&other, &["--json"]).json();
    assert!(told.to_string().contains("another account"), "{told}");
    for (payload, expect) in [
        (
            json!({ "type": "transaction", "signature": "0x76" }),
            "cannot be read",
        ),
        (
            json!({ "type": "transaction", "signature": "76" }),
            "hexadecimal",
        ),
        (
            json!({ "type": "hash", "hash": "0x12" }),
            "64 hexadecimal digits",
        ),
        (json!({ "type": "proof" }), "hexadecimal"),
        (
            json!({ "type": "gift" }),
            "none of transaction, hash and proof",
        ),
    ] {
        let told = look(&credential(&payload), &["--json"]).json();
        assert!(told.to_string().contains(expect), "{expect}: {told}");
    }
}

/// What is decoded is not what can be sent: the signature is shown shortened.
#[test]
fn nothing_that_can_be_sent_is_shown() {
    let transaction = transaction(|_| {});
    let bytes = transaction.encode().to_string();
    let told = look(&pull(&transaction), &[]);
    let told = format!("{}{}", told.text(), told.stderr);
    assert!(
        !told.contains(&bytes[2..34]) && !told.contains(&bytes[bytes.len() - 64..]),
        "{told}"
    );
    let revealed = look(&pull(&transaction), &["--reveal"]);
    let revealed: String = revealed.text().split_whitespace().collect();
    assert!(revealed.contains(&bytes), "{revealed}");
}
