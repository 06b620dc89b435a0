//! The operations of the Tempo rail for which there are no vectors of the suite's.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use farthing_conformance::answer;
use farthing_core::value::Timestamp;
use farthing_evm::{Address, keccak256};
use farthing_tempo::attribution;
use serde_json::{Value, json};

const PAYER: &str = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";
const RECIPIENT: &str = "0x742d35cc6634c0532925a3b844bc9e7595f8fe00";
const TOKEN: &str = "0x20c0000000000000000000000000000000000000";

fn ask(op: &str, input: &Value) -> Value {
    let request = json!({ "schema": 1, "op": op, "input": input }).to_string();
    serde_json::from_str(&answer(&request, Timestamp::EPOCH)).unwrap()
}

fn hash() -> String {
    format!("0x{}", "ab".repeat(32))
}

fn word(address: &str) -> String {
    address.parse::<Address>().unwrap().into_word().to_string()
}

/// A credential with the hash of a transaction, and the receipt of a transaction that paid for it.
fn paid() -> Value {
    let (id, realm) = (
        "challenge-123".parse().unwrap(),
        "api.example.com".parse().unwrap(),
    );
    let topic = |event: &str| keccak256(event).to_string();
    let amount = format!("0x{:064x}", 1_000_000);
    json!({
        "credential": {
            "challenge": {
                "id": "challenge-123",
                "realm": "api.example.com",
                "method": "tempo",
                "intent": "charge",
                "request": {
                    "amount": "1000000",
                    "currency": TOKEN,
                    "recipient": RECIPIENT,
                    "methodDetails": { "chainId": 42431 },
                },
            },
            "source": format!("did:pkh:eip155:42431:{PAYER}"),
            "payload": { "type": "hash", "hash": hash() },
        },
        "receipt": {
            "transactionHash": hash(),
            "blockHash": hash(),
            "blockNumber": "0x7",
            "status": "0x1",
            "from": PAYER,
            "to": TOKEN,
            "gasUsed": "0xc350",
            "logs": [
                {
                    "address": TOKEN,
                    "topics": [topic("Transfer(address,address,uint256)"), word(PAYER), word(RECIPIENT)],
                    "data": amount,
                    "logIndex": "0x0",
                },
                {
                    "address": TOKEN,
                    "topics": [
                        topic("TransferWithMemo(address,address,uint256,bytes32)"),
                        word(PAYER),
                        word(RECIPIENT),
                        attribution(&id, &realm, None),
                    ],
                    "data": amount,
                    "logIndex": "0x1",
                },
            ],
        },
    })
}

fn check(change: impl FnOnce(&mut Value), expect: bool) {
    let mut input = paid();
    change(&mut input);
    let response = ask("tempo.receipt.verify", &input);
    if expect {
        let value = json!({ "status": "success", "reference": hash() });
        assert_eq!(response, json!({ "ok": true, "value": value }));
    } else {
        assert_eq!(
            response["error"]["type"], "verification_error",
            "{response}"
        );
    }
}

#[test]
fn a_receipt_that_pays_is_verified_in_every_form_it_comes_in() {
    check(|_| {}, true);
    // As a library writes it.
    check(
        |input| {
            let receipt = &mut input["receipt"];
            receipt["status"] = json!("success");
            receipt["blockNumber"] = json!(7);
            receipt["gasUsed"] = json!(50_000);
            receipt["logs"][0]["logIndex"] = json!(0);
            receipt["logs"][1]["logIndex"] = json!(1);
        },
        true,
    );
    // With no more than is looked at.
    check(
        |input| {
            let receipt = input["receipt"].as_object_mut().unwrap();
            for name in ["blockHash", "blockNumber", "gasUsed", "to"] {
                receipt.remove(name);
            }
            for log in receipt["logs"].as_array_mut().unwrap() {
                log.as_object_mut().unwrap().remove("logIndex");
            }
            input["transactionReceipt"] = input["receipt"].take();
            input.as_object_mut().unwrap().remove("receipt");
        },
        true,
    );
    check(|input| drop(input["credential"]["source"].take()), true);
    // The request beside the challenge.
    check(
        |input| {
            input["request"] = input["credential"]["challenge"]["request"].take();
            input["credential"]["challenge"]["request"] = json!({});
        },
        true,
    );
}

#[test]
fn a_receipt_that_does_not_pay_is_refused() {
    let request = "/credential/challenge/request";
    let changes = [
        ("/receipt/status", json!("0x0")),
        ("/receipt/status", json!("reverted")),
        (
            "/receipt/transactionHash",
            json!(format!("0x{}", "cd".repeat(32))),
        ),
        ("/receipt/logs", json!([])),
        ("/receipt/logs/0/address", json!(RECIPIENT)),
        ("/receipt/logs/0/data", json!(format!("0x{:064x}", 999_999))),
        ("/receipt/logs/0/logIndex", json!("0x1")),
        ("/credential/challenge/id", json!("challenge-124")),
        ("/credential/challenge/realm", json!("api.example.org")),
        ("/credential/challenge/method", json!("evm")),
        (
            "/credential/source",
            json!(format!("did:pkh:eip155:42431:{RECIPIENT}")),
        ),
        (
            "/credential/source",
            json!(format!("did:pkh:eip155:4217:{PAYER}")),
        ),
        (
            "/credential/payload",
            json!({ "type": "proof", "signature": "0x00" }),
        ),
        (
            "/credential/payload",
            json!({ "type": "transaction", "signature": "0x76c0" }),
        ),
    ];
    for (place, value) in changes {
        check(|input| *input.pointer_mut(place).unwrap() = value, false);
    }
    let in_request = [
        ("amount", json!("1000001")),
        ("amount", json!("0")),
        (
            "currency",
            json!("0x20c0000000000000000000000000000000000001"),
        ),
        ("recipient", json!(PAYER)),
        (
            "methodDetails",
            json!({ "chainId": 42431, "feePayer": true }),
        ),
        (
            "methodDetails",
            json!({ "chainId": 42431, "supportedModes": ["pull"] }),
        ),
        (
            "methodDetails",
            json!({ "chainId": 42431, "discount": "all" }),
        ),
    ];
    for (member, value) in in_request {
        check(
            |input| input.pointer_mut(request).unwrap()[member] = value,
            false,
        );
    }
    for missing in ["credential", "receipt"] {
        check(
            |input| drop(input.as_object_mut().unwrap().remove(missing)),
            false,
        );
    }
}

#[test]
fn the_typed_data_of_a_proof_names_the_account_in_version_3() {
    let input =
        json!({ "chainId": 42431, "challengeId": "id", "realm": "realm", "account": PAYER });
    let value = &ask("tempo.proof.typed_data", &input)["value"];
    assert_eq!(value["domain"]["version"], "3");
    let account: Address = value["message"]["account"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(account.to_string().to_lowercase(), PAYER);
    for bad in [
        json!({}),
        json!({ "chainId": 0, "challengeId": "id", "realm": "realm" }),
        json!({ "chainId": 1, "challengeId": "", "realm": "realm" }),
        json!({ "chainId": 1, "challengeId": "id", "realm": "a|b" }),
    ] {
        let response = ask("tempo.proof.typed_data", &bad);
        assert_eq!(response["error"]["type"], "generation_error", "{response}");
    }
}
