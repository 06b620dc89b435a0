//! Headers and problems as they go over the wire, letter by letter.
//!
//! To accept a change, run with `UPDATE_GOLDEN=1` and read the difference.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fmt::Write as _, path::Path, time::Duration};

use farthing_core::{
    binding::{Binder, Issue, Opaque, Secrets},
    header::{
        accept_payment::AcceptPayment, authorization, digest, payment_receipt, payment_session,
    },
    intent::session::{Channel, Need, OnChain, Protocol, Refused, Seen},
    noun::{
        Credential, CredentialHeader, Receipt, Request,
        problem::{Offer, Problem, ProblemKind},
        session::{NeedVoucher, SessionReceipt, Snapshot},
    },
    payment::Moved,
    value::{Amount, Entropy, Secret, Timestamp},
};
use serde_json::{Map, json};

const AT: Timestamp = Timestamp::from_secs(1_800_000_000);

fn check(name: &str, got: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, got).unwrap();
    }
    let expect = std::fs::read_to_string(&path).unwrap();
    assert_eq!(got, expect, "{name} differs; see the head of this file");
}

#[test]
fn headers() {
    let secrets = Secrets::new(&Secret::new([1; 32])).unwrap();
    let request = json!({ "amount": "2000", "currency": "usd6", "recipient": "did:key:z6Mk" });
    let template = Binder::new(secrets).template(
        "api.example.com".parse().unwrap(),
        "ledger".parse().unwrap(),
        "charge".parse().unwrap(),
        &Request::new(&request).unwrap(),
    );
    let plain = Issue::new(AT, &Opaque::new([2; 16], Entropy([3; 16])));
    let body = digest::sha256(b"{}");
    let full = Issue {
        digest: Some(&body),
        ..plain
    };
    let named = template
        .clone()
        .with_description("The \"weather\", in C:\\".parse().unwrap())
        .with_header(CredentialHeader::payment_authorization());

    let mut out = String::new();
    for (template, issue) in [(&template, &plain), (&named, &full)] {
        out.push_str("WWW-Authenticate: ");
        template.issue(issue, &mut out);
        out.push('\n');
    }
    let source = Some("did:key:z6Mk".parse().unwrap());
    let proof = json!({ "signature": "c2ln" });
    let credential = Credential::new(template.challenge(&plain), source, &proof).unwrap();
    writeln!(out, "Authorization: {}", authorization::format(&credential)).unwrap();
    let receipt = Receipt::new("ledger".parse().unwrap(), AT, "transfer-1".parse().unwrap())
        .with_extra([
            ("challengeId".to_owned(), json!(credential.challenge.id)),
            ("amount".to_owned(), json!(Amount::new(2000))),
        ]);
    writeln!(
        out,
        "Payment-Receipt: {}",
        payment_receipt::format(&receipt)
    )
    .unwrap();
    writeln!(out, "  {}", receipt.to_json()).unwrap();
    let accept = AcceptPayment::parse(["tempo/*;q=0.50 ,*/session ; q=0, ledger/charge"]).unwrap();
    writeln!(out, "Accept-Payment: {accept}").unwrap();
    check("headers.txt", &out);
}

#[test]
fn problems() {
    let mut out = String::new();
    for kind in ProblemKind::ALL {
        let spec = kind.spec();
        writeln!(
            out,
            "{} {:?} {} ({})",
            spec.status, spec.retry, spec.uri, spec.title
        )
        .unwrap();
    }
    let offer = |method: &str, amount| Offer {
        method: method.parse().unwrap(),
        intent: "charge".parse().unwrap(),
        amount: Some(Amount::new(amount)),
        currency: Some("usd6".parse().unwrap()),
        recipient: Some("did:key:z6Mk".parse().unwrap()),
        decimals: Some(6),
        extra: Map::new(),
    };
    let offered = Problem::new(ProblemKind::PaymentRequired)
        .with_detail("This costs $0.002.")
        .with_challenge("c1".parse().unwrap())
        .with_offers(vec![offer("ledger", 2000), offer("tempo", 2100)]);
    let owed = Problem::new(ProblemKind::PaymentOwed)
        .with_moved(Moved::Yes)
        .with_reference("transfer-1".parse().unwrap())
        .with_owed_until(AT);
    let unknown = Problem::new(ProblemKind::PaymentUnresolved)
        .with_moved(Moved::Unknown)
        .with_retry_after(Duration::from_millis(1500));
    let mut short = Problem::new(ProblemKind::SessionInsufficientBalance).with_moved(Moved::No);
    short.required_top_up = Some(Amount::new(7));
    short.channel = Some("0x6d0f".into());
    for problem in [offered, owed, unknown, short] {
        writeln!(out, "\n{}", problem.to_json()).unwrap();
    }
    check("problems.txt", &out);
}

#[test]
fn sessions() {
    let id: farthing_core::intent::session::ChannelId = "0x6d0f4fdf".parse().unwrap();
    let metered = SessionReceipt {
        method: "tempo".parse().unwrap(),
        at: AT,
        challenge: "c_8d0e3b5a9f2c1d4e".parse().unwrap(),
        channel: id.clone(),
        accepted: Amount::new(250_000),
        spent: Amount::new(237_500),
        units: Some(500),
        transaction: None,
    };
    let closed = SessionReceipt {
        spent: metered.accepted,
        units: None,
        transaction: Some("0x1a2b3c".parse().unwrap()),
        ..metered.clone()
    };
    let mut out = String::new();
    for receipt in [&metered, &closed] {
        let value = payment_receipt::session_to_header(receipt);
        writeln!(out, "Payment-Receipt: {}", value.to_str().unwrap()).unwrap();
        writeln!(out, "  {}", receipt.to_json()).unwrap();
    }
    let state = OnChain::Open {
        deposit: Amount::new(10_000_000),
        settled: Amount::new(20),
        close_requested_at: None,
    };
    let channel = Channel::open(Protocol::V2, Seen { block: 1, state }).unwrap();
    let details = json!({ "chainId": 4217, "escrow": "0x12", "descriptor": { "salt": "0x01" } });
    let mut snapshot = Snapshot::new(id.clone(), &channel, Amount::new(25))
        .with_details(details.as_object().unwrap().clone());
    snapshot.close_requested_at = Some(AT);
    let value = payment_session::channel_to_header(&id);
    writeln!(out, "Payment-Session: {}", value.to_str().unwrap()).unwrap();
    let value = payment_session::snapshot_to_header(&snapshot);
    writeln!(out, "Payment-Session-Snapshot: {}", value.to_str().unwrap()).unwrap();
    writeln!(out, "  {}", serde_json::to_string(&snapshot).unwrap()).unwrap();
    let need = Need {
        lacks: Amount::new(25),
        required: Amount::new(250_025),
        accepted: Amount::new(250_000),
        deposit: Amount::new(500_000),
    };
    writeln!(out, "event: payment-need-voucher").unwrap();
    writeln!(
        out,
        "data: {}",
        NeedVoucher::new(id.clone(), &need).to_json()
    )
    .unwrap();
    let amount = Amount::new(7);
    for refused in [
        Refused::Short(need),
        Refused::Falls { accepted: amount },
        Refused::DeltaTooSmall { least: amount },
        Refused::ExceedsDeposit { deposit: amount },
        Refused::Ahead {
            needed: amount,
            most: Amount::new(9),
        },
        Refused::ClosesBelow { owed: amount },
        Refused::CloseRequested,
        Refused::Closing,
        Refused::Closed,
        Refused::ExposureFull,
        Refused::TooManyReservations,
        Refused::Contradiction,
    ] {
        let problem = refused.problem(&id);
        writeln!(out, "\n{} {}", problem.status(), problem.to_json()).unwrap();
    }
    check("sessions.txt", &out);
}
