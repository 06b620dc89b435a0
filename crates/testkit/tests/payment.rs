//! Whatever happens to a payment, in whatever order: what its states promise.

#![expect(clippy::unwrap_used, reason = "these are the helpers of tests")]

use std::time::Duration;

use farthing_core::{
    intent::charge,
    payment::{Answer, Event, Moved, Payment, SettlePolicy, State},
    value::{
        Amount, ChallengeId, CurrencyCode, Entropy, Fingerprint, PaymentId, Realm, Reference,
        RouteId, Timestamp,
    },
};
use farthing_testkit::method;
use proptest::prelude::*;

const START: Timestamp = Timestamp::from_secs(1_800_000_000);

fn fresh(policy: SettlePolicy, rerunnable: bool) -> Payment {
    Payment {
        id: PaymentId::new(Entropy([1; 16])),
        method: method::method(),
        intent: charge::id(),
        challenge: ChallengeId::new("c").unwrap(),
        realm: Realm::new("api.example.com").unwrap(),
        route: RouteId::new("GET /weather").unwrap(),
        fingerprint: Fingerprint([1; 32]),
        proof: Fingerprint([2; 32]),
        amount: Amount::new(2000),
        currency: CurrencyCode::new("fake6").unwrap(),
        payee: None,
        payer: None,
        policy,
        rerunnable,
        proof_until: START.saturating_add(Duration::from_secs(300)),
        redeliver: Duration::from_secs(900),
        claimed_at: START,
        state: State::Claimed,
        answer: Answer::None,
        attempts: 0,
        lease_until: START,
        asked: 0,
        awaits: None,
        send_before: None,
        returned: None,
        reference: None,
        settled_at: None,
        confirmed_at: None,
        details: serde_json::Map::new(),
        idempotency: None,
        remember_until: None,
    }
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Run),
        any::<bool>().prop_map(|stored| Event::Serve { stored }),
        Just(Event::Unserve),
        Just(Event::Send),
        (0..3u8).prop_map(|n| Event::Settle {
            reference: Reference::new(format!("ref-{n}")).unwrap(),
            at: START,
            details: serde_json::Map::new(),
        }),
        Just(Event::Postpone),
        Just(Event::Lose),
        Just(Event::Refuse),
        Just(Event::Void),
        Just(Event::Redeliver),
        Just(Event::Deliver),
        Just(Event::Owe),
        Just(Event::Refund),
    ]
}

/// What was seen on the way.
#[derive(Default)]
struct Seen {
    settled: u32,
    sent: bool,
    runs: u32,
    stored: bool,
}

fn step(payment: &mut Payment, event: &Event, now: Timestamp, seen: &mut Seen) {
    let before = payment.clone();
    let result = payment.advance(event.clone(), now);
    if result.is_err() {
        assert_eq!(*payment, before, "an illegal event changes nothing");
        return;
    }
    let ended = before.state.is_final() && *event != Event::Refund;
    assert!(!ended, "{event:?} happened to {:?}", before.state);
    assert_ne!(before.state, State::Refunded, "{event:?}");
    if before.state.moved() == Moved::Yes && payment.state.moved() != Moved::Yes {
        assert_eq!(*event, Event::Refund);
    }
    if before.state.moved() == Moved::Unknown && payment.state.moved() == Moved::No {
        assert_eq!(
            *event,
            Event::Refuse,
            "only the rail says that nothing moved"
        );
    }
    match event {
        Event::Settle { reference, .. } => {
            seen.settled += 1;
            assert_eq!(payment.reference.as_ref(), Some(reference));
            assert!(payment.settled_at.is_some());
        }
        Event::Send => {
            seen.sent = true;
            let served = before.answer == Answer::Stored || before.answer == Answer::TooLarge;
            assert!(payment.policy == SettlePolicy::First || served);
        }
        Event::Run => {
            assert!(!seen.stored, "a stored answer is the last run");
            seen.runs += 1;
        }
        Event::Serve { stored } => seen.stored |= stored,
        Event::Void => assert!(!seen.sent || before.state == State::Answered),
        Event::Deliver | Event::Owe => assert_eq!(seen.settled, 1),
        _ => {}
    }
    assert!(seen.settled <= 1, "settled twice");
    let most = if payment.rerunnable {
        Payment::ATTEMPTS
    } else {
        1
    };
    assert!(seen.runs <= u32::from(most), "ran {} times", seen.runs);
    if payment.state.moved() == Moved::Yes {
        assert_eq!(seen.settled, 1);
        assert!(payment.reference.is_some());
    } else if payment.state != State::Refunded {
        assert_eq!(payment.reference, None, "a reference the rail never gave");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_order_of_events_breaks_what_the_states_promise(
        after in any::<bool>(),
        rerunnable in any::<bool>(),
        events in proptest::collection::vec((event(), 0..200u64), 0..40),
    ) {
        let policy = if after { SettlePolicy::After } else { SettlePolicy::First };
        let mut payment = fresh(policy, rerunnable);
        let (mut now, mut seen) = (START, Seen::default());
        for (event, secs) in events {
            now = now.saturating_add(Duration::from_secs(secs));
            step(&mut payment, &event, now, &mut seen);
        }
    }
}

#[test]
fn an_answer_too_large_to_be_stored_is_settled_all_the_same() {
    let mut payment = fresh(SettlePolicy::After, true);
    payment.advance(Event::Run, START).unwrap();
    payment
        .advance(Event::Serve { stored: false }, START)
        .unwrap();
    assert_eq!(payment.state, State::Answered);
    payment.advance(Event::Send, START).unwrap();
}

#[test]
fn a_stored_answer_is_not_forgotten_again() {
    let mut payment = fresh(SettlePolicy::After, true);
    payment.advance(Event::Run, START).unwrap();
    payment
        .advance(Event::Serve { stored: true }, START)
        .unwrap();
    let settle = Event::Settle {
        reference: Reference::new("ref").unwrap(),
        at: START,
        details: serde_json::Map::new(),
    };
    payment.advance(settle, START).unwrap();
    for event in [Event::Unserve, Event::Serve { stored: false }, Event::Run] {
        assert!(payment.advance(event, START).is_err());
    }
}
