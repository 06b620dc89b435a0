//! What a claim reserves, and what becomes of it.

use std::sync::Arc;

use farthing_core::{
    domain::{
        claims::{Change, Claimed, Debts},
        losses,
        payments::Payments,
    },
    payment::Event,
    port::backend::Backend,
    value::{Amount, Timestamp},
};
use tokio::task::JoinSet;

use super::{change, claim, claimed, counted, debit, payment, settle, stepped};

/// Settles and settles again: what is in flight comes off once, what is spent stays.
pub async fn debits_are_settled_once(store: Arc<dyn Backend>) {
    let payments = Payments::new(Arc::clone(&store));
    let mut first = claim(payment(1));
    first.debits = vec![debit("flight", 5, 100, false), debit("spent", 7, 100, true)];
    let held = claimed(&payments, first).await;
    assert_eq!(counted(&store, "flight").await, 5);
    let mut held = held;
    for _ in 0..3 {
        let settled = Change {
            debts: Debts::Settle,
            ..Change::to(held.record.clone())
        };
        held = change(&payments, held, settled).await;
        assert!(held.debits().is_empty());
        let both = (
            counted(&store, "flight").await,
            counted(&store, "spent").await,
        );
        assert_eq!(both, (0, 7));
    }
    let released = Change {
        debts: Debts::Release,
        ..Change::to(held.record.clone())
    };
    change(&payments, held, released).await;
    assert_eq!(counted(&store, "spent").await, 7);
}

/// Releases and releases again: everything comes off once.
pub async fn debits_are_released_once(store: Arc<dyn Backend>) {
    let payments = Payments::new(Arc::clone(&store));
    let mut other = claim(payment(9));
    other.debits = vec![debit("spent", 50, 100, true)];
    drop(claimed(&payments, other).await);
    let mut first = claim(payment(1));
    first.debits = vec![debit("flight", 5, 100, false), debit("spent", 7, 100, true)];
    let mut held = claimed(&payments, first).await;
    for debts in [Debts::Release, Debts::Release, Debts::Settle] {
        let released = Change {
            debts,
            ..Change::to(held.record.clone())
        };
        held = change(&payments, held, released).await;
        let both = (
            counted(&store, "flight").await,
            counted(&store, "spent").await,
        );
        assert_eq!(both, (0, 50));
    }
}

/// What a rail took although nothing moved stays on the hour's counter, and what it did not take comes
/// off; of the other debits nothing stays.
pub async fn what_a_rail_took_for_nothing_stays_counted(store: Arc<dyn Backend>) {
    let payments = Payments::new(Arc::clone(&store));
    let loss = losses::debit(
        "rail",
        Amount::new(5),
        Amount::new(14),
        Timestamp::from_secs(0),
    );
    let losing = |number| {
        let mut claim = claim(payment(number));
        claim.debits = vec![loss.clone(), debit("flight", 5, 100, false)];
        claim
    };
    let counts = [
        (Debts::Keep, true, (5, 5)),
        (Debts::Settle, false, (0, 0)),
        (Debts::Release, false, (0, 0)),
        (Debts::Release, true, (5, 0)),
        (Debts::Default, false, (5, 0)),
        (Debts::Default, true, (10, 0)),
    ];
    for (number, (debts, lost, expected)) in (1..).zip(counts) {
        let mut held = claimed(&payments, losing(number)).await;
        for _ in 0..2 {
            let next = Change {
                debts,
                lost,
                ..Change::to(held.record.clone())
            };
            held = change(&payments, held, next).await;
            let both = (
                counted(&store, &loss.counter).await,
                counted(&store, "flight").await,
            );
            assert_eq!(both, expected, "{debts:?}, {lost}");
        }
        let released = Change {
            debts: Debts::Release,
            ..Change::to(held.record.clone())
        };
        drop(change(&payments, held, released).await);
    }
    let over = payments.claims().claim(losing(9)).await;
    assert!(
        matches!(&over, Ok(Claimed::Exceeded(debit)) if *debit == loss),
        "{over:?}"
    );
}

/// Sent, pending, unknown, taken over: nothing is given back on a guess.
pub async fn debits_wait_while_nothing_is_known(store: Arc<dyn Backend>) {
    let payments = Payments::new(Arc::clone(&store));
    let mut first = claim(payment(1));
    first.debits = vec![debit("flight", 5, 5, false)];
    let mut held = claimed(&payments, first).await;
    for event in [Event::Send, Event::Lose, Event::Postpone, Event::Lose] {
        let next = Change::to(stepped(&held.record, event));
        held = change(&payments, held, next).await;
        let record = held.record.clone();
        let taken = payments.claims().take_over(held, record).await;
        held = taken.expect("nobody else is there");
        assert_eq!(counted(&store, "flight").await, 5);
    }
    assert_eq!(held.debits().len(), 1);
    let settled = Change {
        debts: Debts::Settle,
        ..Change::to(stepped(&held.record, settle()))
    };
    change(&payments, held, settled).await;
    assert_eq!(counted(&store, "flight").await, 0);
}

/// Thirty of a limit of ten: ten get through, whoever is first.
pub async fn a_limit_is_exact_under_contention(store: Arc<dyn Backend>) {
    let payments = Payments::new(Arc::clone(&store));
    let mut tasks = JoinSet::new();
    for number in 0..30 {
        let payments = payments.clone();
        tasks.spawn(async move {
            let mut claim = claim(payment(number));
            claim.debits = vec![debit("limit", 3, 30, true)];
            match payments.claims().claim(claim).await {
                Ok(Claimed::New(_)) => true,
                Ok(Claimed::Exceeded(debit)) => {
                    assert_eq!(&*debit.counter, "limit");
                    false
                }
                other => unreachable!("the limit is all there is: {other:?}"),
            }
        });
    }
    let through = tasks.join_all().await;
    assert_eq!(through.into_iter().filter(|through| *through).count(), 10);
    assert_eq!(counted(&store, "limit").await, 30);
}

/// A claim reserves on all its counters or on none.
pub async fn an_exceeded_debit_leaves_the_others_alone(store: Arc<dyn Backend>) {
    let payments = Payments::new(Arc::clone(&store));
    let mut over = claim(payment(1));
    over.debits = vec![debit("wide", 5, 100, true), debit("narrow", 5, 4, true)];
    let ended = payments.claims().claim(over).await;
    assert!(matches!(ended, Ok(Claimed::Exceeded(_))), "{ended:?}");
    let both = (
        counted(&store, "wide").await,
        counted(&store, "narrow").await,
    );
    assert_eq!(both, (0, 0));
}

/// A claim that is the settlement as well leaves a budget spent and nothing in flight, and still
/// keeps to the limit of what is in flight.
pub async fn a_claim_that_settles_keeps_what_is_spent(store: Arc<dyn Backend>) {
    let payments = Payments::new(Arc::clone(&store));
    let settling = |number, amount| {
        let mut claim = claim(payment(number));
        claim.debits = vec![
            debit("flight", amount, 10, false),
            debit("spent", amount, 100, true),
        ];
        claim.debts = Debts::Settle;
        claim
    };
    let held = claimed(&payments, settling(1, 8)).await;
    assert!(held.debits().is_empty());
    let both = (
        counted(&store, "flight").await,
        counted(&store, "spent").await,
    );
    assert_eq!(both, (0, 8));
    let ended = payments.claims().claim(settling(2, 11)).await;
    assert!(matches!(ended, Ok(Claimed::Exceeded(_))), "{ended:?}");
    drop(claimed(&payments, settling(3, 10)).await);
    assert_eq!(counted(&store, "spent").await, 18);
}
