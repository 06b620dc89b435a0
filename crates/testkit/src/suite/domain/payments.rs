//! What is due, what is owed, and the journal.

use std::{sync::Arc, time::Duration};

use farthing_core::{
    domain::{
        claims::{Change, ChangeError},
        payments::{Payments, due_at},
    },
    payment::{Event, Payment, State},
    port::backend::Backend,
    value::{PaymentId, Secret, Timestamp},
};

use super::{NOW, after, change, claim, claimed, load, payment, settle, stepped};

async fn due(payments: &Payments, now: Timestamp) -> Vec<PaymentId> {
    let due = payments.due(now, 1000).await;
    let due = due.expect("a healthy store answers");
    due.iter().map(|held| held.record.id).collect()
}

/// What ran out first is looked at first, and nothing before its time.
pub async fn the_longest_due_comes_first(store: Arc<dyn Backend>) {
    let payments = Payments::new(store);
    for (number, lease) in [(1, 30), (2, 10), (3, 20)] {
        let mut record = payment(number);
        record.lease_until = after(lease);
        drop(claimed(&payments, claim(record)).await);
    }
    let ids = |numbers: &[u32]| -> Vec<_> { numbers.iter().map(|n| payment(*n).id).collect() };
    assert_eq!(due(&payments, after(9)).await, ids(&[]));
    assert_eq!(due(&payments, after(10)).await, ids(&[2]));
    assert_eq!(due(&payments, after(25)).await, ids(&[2, 3]));
    assert_eq!(due(&payments, after(99)).await, ids(&[2, 3, 1]));
    let limited = payments.due(after(99), 2).await;
    assert_eq!(limited.expect("a healthy store answers").len(), 2);
}

/// What is owed waits for a person, not for the reconciler.
pub async fn what_is_owed_is_listed_and_never_due(store: Arc<dyn Backend>) {
    let payments = Payments::new(store);
    for (number, at) in [(1, 20), (2, 10)] {
        let held = claimed(&payments, claim(payment(number))).await;
        let mut record = stepped(&held.record, Event::Send);
        record = stepped(&record, settle());
        record.settled_at = Some(after(at));
        record.lease_until = Timestamp::EPOCH;
        record = stepped(&record, Event::Owe);
        change(&payments, held, Change::to(record)).await;
    }
    assert_eq!(due(&payments, Timestamp::FAR).await, []);
    let owed = payments.owed(10).await.expect("a healthy store answers");
    let owed: Vec<_> = owed.iter().map(|held| held.record.id).collect();
    assert_eq!(owed, [payment(2).id, payment(1).id]);
    let held = load(&payments, &payment(2)).await.expect("it is owed");
    let refunded = Change::to(stepped(&held.record, Event::Refund));
    change(&payments, held, refunded).await;
    let owed = payments.owed(10).await.expect("a healthy store answers");
    assert_eq!(owed.len(), 1);
}

/// A claim is kept for as long as its proof could be taken again, and for late questions.
pub async fn a_final_payment_is_due_when_it_may_be_forgotten(store: Arc<dyn Backend>) {
    let payments = Payments::new(store);
    let held = claimed(&payments, claim(payment(1))).await;
    let voided = Change::to(stepped(&held.record, Event::Void));
    let held = change(&payments, held, voided).await;
    let when = due_at(&held.record);
    // Nothing moved: there is little to be asked about, and whoever makes handlers fail must not
    // leave rows for long.
    let soon = held
        .record
        .proof_until
        .saturating_add(Duration::from_secs(60));
    assert_eq!(when, soon);
    let just_before = when.saturating_sub(Duration::from_millis(1));
    assert_eq!(due(&payments, just_before).await, []);
    assert_eq!(due(&payments, when).await, [payment(1).id]);
}

/// The effect is in the journal exactly while it may be on its way.
pub async fn the_journal_is_written_with_the_change_and_erased_with_it(store: Arc<dyn Backend>) {
    let payments = Payments::new(store);
    let held = claimed(&payments, claim(payment(1))).await;
    let journaled = async |payment: &Payment| {
        let found = payments.journaled(payment).await;
        found
            .expect("a healthy store answers")
            .map(|effect| effect.expose().to_vec())
    };
    assert_eq!(journaled(&held.record).await, None);
    let record = stepped(&held.record, Event::Send);
    let effect = Secret::new([0, 255, 7]);
    let entry = Payments::journal(&record, &effect).expect("an effect can be written");
    let sent = Change {
        writes: vec![entry],
        ..Change::to(record)
    };
    let held = change(&payments, held, sent).await;
    assert_eq!(journaled(&held.record).await, Some(vec![0, 255, 7]));
    let lost = Change::to(stepped(&held.record, Event::Lose));
    let held = change(&payments, held, lost).await;
    assert_eq!(journaled(&held.record).await, Some(vec![0, 255, 7]));
    let record = stepped(&held.record, settle());
    let settled = Change {
        writes: vec![Payments::erase(&record)],
        ..Change::to(record)
    };
    let held = change(&payments, held, settled).await;
    assert_eq!(held.record.state, State::Settled);
    assert_eq!(journaled(&held.record).await, None);
}

/// An owner that lost its claim leaves no trace of what it wanted to send.
pub async fn a_refused_change_journals_nothing(store: Arc<dyn Backend>) {
    let payments = Payments::new(store);
    let frozen = claimed(&payments, claim(payment(1))).await;
    let record = frozen.record.clone();
    let taken = payments.claims().take_over(frozen.clone(), record).await;
    assert!(taken.is_ok(), "{taken:?}");
    let record = stepped(&frozen.record, Event::Send);
    let entry = Payments::journal(&record, &Secret::new([1]));
    let sent = Change {
        writes: vec![entry.expect("an effect can be written")],
        ..Change::to(record)
    };
    let tried = payments.claims().change(frozen, sent).await;
    assert!(matches!(tried, Err(ChangeError::Stale)), "{tried:?}");
    let found = payments.journaled(&payment(1)).await;
    assert!(found.expect("a healthy store answers").is_none());
}

/// Renewed work stays its owner's, and is not due meanwhile.
pub async fn renewing_moves_the_lease_and_keeps_the_fence(store: Arc<dyn Backend>) {
    let payments = Payments::new(store);
    let held = claimed(&payments, claim(payment(1))).await;
    let fence = held.fence();
    let held = payments.renew(held, after(60)).await;
    let held = held.expect("the owner may renew");
    assert_eq!(held.fence(), fence);
    assert!(held.record.is_leased(after(59)) && !held.record.is_leased(after(60)));
    assert_eq!(due(&payments, after(31)).await, []);
    let there = load(&payments, &payment(1)).await.expect("it was claimed");
    assert_eq!(there.record, held.record);
    assert!(there.record.is_leased(NOW));
}
