//! A payment's record in the store: what is packed reads the same, and nothing else is read.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use farthing_core::{
    domain::{
        claims::{Claim, Claimed, Debit, Debts, Held},
        payments::Payments,
    },
    encoding::packed::{Packer, UnpackError, Unpacker},
    memory::MemoryBackend,
    payment::{Answer, Payment, SettlePolicy, State},
    port::backend::{Row, StoreError},
    value::{Amount, ClaimKey, Entropy, Fingerprint, PaymentId, Timestamp},
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Map, Value, json};

const FORM: u8 = 2;

const STATES: [State; 14] = [
    State::Claimed,
    State::Answered,
    State::Sent,
    State::Pending,
    State::Unknown,
    State::Settled,
    State::Delivered,
    State::Failed,
    State::Voided,
    State::Owed,
    State::Refunded,
    State::Credited,
    State::Defaulted,
    State::WrittenOff,
];
const ANSWERS: [Answer; 6] = [
    Answer::None,
    Answer::Started,
    Answer::Stored,
    Answer::TooLarge,
    Answer::Unserved,
    Answer::Delivered,
];

fn any_time() -> impl Strategy<Value = Timestamp> {
    (0..=Timestamp::FAR.as_millis()).prop_map(Timestamp::from_millis)
}

fn any_print() -> impl Strategy<Value = Fingerprint> {
    any::<[u8; 32]>().prop_map(Fingerprint)
}

fn any_details() -> impl Strategy<Value = Map<String, Value>> {
    let value = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        vec(any::<String>(), 0..3).prop_map(|texts| json!({ "texts": texts })),
    ];
    proptest::collection::btree_map(any::<String>(), value, 0..4)
        .prop_map(|fields| fields.into_iter().collect())
}

prop_compose! {
    /// What never changes of a payment.
    fn any_claimed()(
        (id, fingerprint, proof) in (any::<[u8; 16]>(), any_print(), any_print()),
        (method, intent, challenge) in ("[a-z]{1,9}", "[a-zA-Z0-9-]{1,9}", "[^\\p{Cc}]{1,30}"),
        (realm, route, currency) in ("[a-z .]{1,20}", "[^\\p{Cc}]{1,30}", "[!-~]{1,20}"),
        (payee, payer) in (option::of("[!-~]{1,60}"), option::of("did:[a-z]{1,4}:[a-z0-9.]{1,60}")),
        (amount, after, rerunnable) in (any::<u128>(), any::<bool>(), any::<bool>()),
        (secs, nanos) in (any::<u64>(), 0..1_000_000_000u32),
        (claimed_at, proof_until) in (any_time(), any_time()),
        (idempotency, remember_until) in (option::of(any_print()), option::of(any_time())),
    ) -> Payment {
        Payment {
            id: PaymentId::new(Entropy(id)),
            method: method.parse().unwrap(),
            intent: intent.parse().unwrap(),
            challenge: challenge.parse().unwrap(),
            realm: realm.parse().unwrap(),
            route: route.parse().unwrap(),
            fingerprint,
            proof,
            amount: Amount::new(amount),
            currency: currency.parse().unwrap(),
            payee: payee.map(|payee| payee.parse().unwrap()),
            payer: payer.map(|payer| payer.parse().unwrap()),
            policy: if after { SettlePolicy::After } else { SettlePolicy::First },
            rerunnable,
            proof_until,
            redeliver: Duration::new(secs, nanos),
            claimed_at,
            state: State::Claimed,
            answer: Answer::None,
            attempts: 0,
            lease_until: claimed_at,
            asked: 0,
            awaits: None,
            send_before: None,
returned: None,
            reference: None,
            settled_at: None,
            confirmed_at: None,
            details: Map::new(),
            idempotency,
            remember_until,
        }
    }
}

prop_compose! {
    fn any_payment()(
        payment in any_claimed(),
        (state, answer) in (select(&STATES[..]), select(&ANSWERS[..])),
        (attempts, asked, lease_until) in (any::<u8>(), any::<u32>(), any_time()),
        reference in option::of("[^\\p{Cc}]{1,60}"),
        (settled_at, confirmed_at) in (option::of(any_time()), option::of(any_time())),
        details in any_details(),
        (awaits, send_before) in (option::of("[^\\p{Cc}]{1,60}"), option::of(any_time())),
        returned in option::of("[^\\p{Cc}]{1,60}"),
    ) -> Payment {
        Payment {
            state,
            answer,
            attempts,
            asked,
            lease_until,
            awaits: awaits.map(|awaits| awaits.parse().unwrap()),
            send_before,
            returned: returned.map(|returned| returned.parse().unwrap()),
            reference: reference.map(|reference| reference.parse().unwrap()),
            settled_at,
            confirmed_at,
            details,
            ..payment
        }
    }
}

fn pack(payment: &Payment) -> Vec<u8> {
    let mut out = Packer::new(FORM, 0);
    payment.pack(&mut out).unwrap();
    out.finish()
}

fn unpack(bytes: &[u8]) -> Result<Payment, UnpackError> {
    let mut from = Unpacker::new(bytes, FORM)?;
    let payment = Payment::unpack(&mut from)?;
    from.end()?;
    Ok(payment)
}

fn row(value: Vec<u8>) -> Row {
    Row {
        key: "k".into(),
        value,
        version: 1,
        fence: 1,
        place: None,
    }
}

proptest! {
    #[test]
    fn what_is_packed_reads_the_same(payment in any_payment()) {
        prop_assert_eq!(unpack(&pack(&payment)).unwrap(), payment);
    }

    #[test]
    fn what_is_cut_or_goes_on_is_refused(payment in any_payment(), more in any::<u8>()) {
        let mut bytes = pack(&payment);
        for cut in 0..bytes.len() {
            prop_assert!(unpack(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        bytes.push(more);
        prop_assert!(matches!(unpack(&bytes), Err(UnpackError::TooLong)));
    }

    /// Whatever reads is written as it stood, but for JSON, which has more than one text.
    #[test]
    fn a_payment_has_one_form(payment in any_payment(), at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut bytes = pack(&payment);
        let at = at.index(bytes.len());
        bytes[at] = to;
        if let Ok(read) = unpack(&bytes)
            && read.details.is_empty()
            && bytes[0] == FORM
        {
            prop_assert_eq!(pack(&read), bytes);
        }
    }

    /// The first form had neither what is awaited nor the end of sending, and no flags for them.
    #[test]
    fn the_first_form_reads_as_well(payment in any_payment()) {
        let payment = Payment { awaits: None, send_before: None, returned: None, ..payment };
        let mut bytes = pack(&payment);
        bytes[0] = 1;
        prop_assert_eq!(unpack(&bytes).unwrap(), payment.clone());
        let mut bytes = pack(&Payment { awaits: Some("0x1".parse().unwrap()), ..payment });
        bytes[0] = 1;
        prop_assert!(matches!(unpack(&bytes), Err(UnpackError::Number)));
    }

    #[test]
    fn json_reads_as_well(payment in any_payment()) {
        let key = ClaimKey::challenge(&payment.challenge);
        let older = json!({ "keys": [&key], "record": &payment });
        let held: Held<Payment> = Held::read(row(older.to_string().into_bytes())).unwrap();
        prop_assert_eq!(&held.record, &payment);
        prop_assert_eq!(held.keys(), &[key]);
        prop_assert!(held.debits().is_empty());
    }

    #[test]
    fn a_claim_is_read_as_it_was_written(
        payment in any_payment(),
        debits in vec((".{0,9}", any::<u64>(), any::<bool>()), 0..4),
    ) {
        let debits: Vec<Debit> = debits
            .into_iter()
            .map(|(counter, amount, keep)| Debit {
                counter: counter.into(),
                amount: Amount::new(amount.into()),
                limit: Amount::new(u128::from(u64::MAX) * 9),
                keep,
            })
            .collect();
        let payments = Payments::new(Arc::new(MemoryBackend::new()));
        let claim = Claim {
            id: payment.id.to_key(),
            record: payment.clone(),
            keys: vec![ClaimKey::challenge(&payment.challenge)],
            debits: debits.clone(),
            guards: Vec::new(),
            effect: Vec::new(),
            debts: Debts::Keep,
        };
        let claimed = now(payments.claims().claim(claim)).unwrap();
        prop_assert!(matches!(claimed, Claimed::New(_)));
        let held = now(payments.claims().load(&payment.id.to_key())).unwrap().unwrap();
        prop_assert_eq!(&held.record, &payment);
        prop_assert_eq!(held.debits(), &debits[..]);
        prop_assert_eq!(held.keys(), &[ClaimKey::challenge(&payment.challenge)]);
    }
}

#[test]
fn a_row_of_another_form_is_damage() {
    for value in [
        &b""[..],
        b"{}",
        b"\x00",
        b"\x03",
        b"\x02",
        b"\x01",
        b"\x01\x11",
    ] {
        let read: Result<Held<Payment>, _> = Held::read(row(value.to_vec()));
        assert!(matches!(read, Err(StoreError::Corrupt(_))), "{value:?}");
    }
}

/// The store in memory is ready when it is first asked.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the store in memory waits for nothing"),
    }
}
