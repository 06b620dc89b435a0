//! A store that has seen many payments.

use axum::Router;
use farthing::{
    core::{
        domain::{
            claims::{Claim, Claimed, Debts},
            receipts::{Kept, Receipts},
        },
        noun::Receipt,
        payment::Payment,
        port::method::{Booking, Books as _},
        value::{ChallengeId, ClaimKey, Entropy, PaymentId, Timestamp},
    },
    ledger::Ledger,
    server::Gate,
};
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

use super::{
    app::PAID,
    ask::Ask,
    shop::{Shop, key},
    wire::settle,
};

/// Pays once, and copies what is in the store then under other names.
pub(crate) fn with_payments(runtime: &Runtime, shop: &Shop, app: Router, count: usize) {
    if count == 0 {
        return;
    }
    runtime.block_on(async {
        let ask = Ask {
            path: PAID,
            authorization: Some(shop.sign().await),
        };
        let response = app
            .oneshot(ask.to_request())
            .await
            .expect("a router answers");
        assert_eq!(response.status(), 200);
        drop(response);
        settle().await;
        let end = Timestamp::from_millis(u64::MAX);
        let first = shop.gate.payments().due(end, 1).await;
        let first = first.expect("the store reads").remove(0).record;
        let ledger = Ledger::new(key(2).account().clone());
        for number in 0..count {
            store(&shop.gate, &ledger, &first, number).await;
        }
    });
}

async fn store(gate: &Gate, ledger: &Ledger, like: &Payment, number: usize) {
    let mut bytes = [1; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    let mut record = like.clone();
    record.id = PaymentId::new(Entropy(bytes));
    record.challenge = ChallengeId::new(format!("stored-before-{number:029}")).expect("an id");
    let at = record.settled_at.unwrap_or(record.claimed_at);
    let reference = ledger.reference(&record);
    let kept = Kept {
        payment: record.id,
        amount: record.amount,
        currency: record.currency.clone(),
        payee: record.payee.clone(),
        payer: record.payer.clone(),
        bought: record.route.as_str().into(),
        at,
        receipt: Receipt::new(record.method.clone(), at, reference),
    };
    let mut effect = ledger.writes(Booking::Transfer, &record);
    effect.push(Receipts::write(&kept).expect("a receipt is JSON"));
    let claim = Claim {
        id: record.id.to_key(),
        keys: vec![ClaimKey::challenge(&record.challenge)],
        record,
        debits: Vec::new(),
        guards: Vec::new(),
        effect,
        debts: Debts::Keep,
    };
    let claimed = gate.payments().claims().claim(claim).await;
    assert!(matches!(claimed, Ok(Claimed::New(_))), "each is new");
}
