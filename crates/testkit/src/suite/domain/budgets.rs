//! Budgets over time.

use std::sync::Arc;

use farthing_core::{
    domain::{
        budgets::{Budget, Budgets, Window},
        claims::{Change, Claimed, Debts},
        payments::Payments,
    },
    port::backend::Backend,
    value::{Timestamp, Worth},
};

use super::{change, claim, payment};

/// The last second of a day.
const EVENING: Timestamp = Timestamp::from_secs(86_400 * 20_000 - 1);
/// The first second of the next one.
const MORNING: Timestamp = Timestamp::from_secs(86_400 * 20_000);

fn budget(scope: &str, window: Window) -> Budget {
    Budget {
        scope: scope.into(),
        window,
        unit: "USD".into(),
        limit: Worth::counted(100),
    }
}

/// Claims an amount on budgets; `None` where one of them has no room.
async fn spend(
    store: &Arc<dyn Backend>,
    number: u32,
    amount: u128,
    budgets: &[Budget],
    now: Timestamp,
) -> Option<farthing_core::domain::claims::Held<farthing_core::payment::Payment>> {
    let payments = Payments::new(Arc::clone(store));
    let mut claim = claim(payment(number));
    let debits = budgets.iter().map(|b| b.debit(Worth::counted(amount), now));
    claim.debits = debits.collect();
    match payments.claims().claim(claim).await {
        Ok(Claimed::New(held)) => Some(held),
        Ok(Claimed::Exceeded(_)) => None,
        other => unreachable!("only a budget stands in the way: {other:?}"),
    }
}

async fn used(store: &Arc<dyn Backend>, budget: &Budget, now: Timestamp) -> u128 {
    let used = Budgets::new(Arc::clone(store)).used(budget, now).await;
    used.expect("a healthy store answers").count().units()
}

/// A day begins anew at midnight UTC; what was spent in total stays spent.
pub async fn a_budget_counts_in_its_window(store: Arc<dyn Backend>) {
    let both = [budget("host", Window::Day), budget("host", Window::Total)];
    assert!(spend(&store, 1, 60, &both, EVENING).await.is_some());
    assert!(spend(&store, 2, 60, &both[..1], EVENING).await.is_none());
    assert!(spend(&store, 3, 60, &both[..1], MORNING).await.is_some());
    assert!(spend(&store, 4, 60, &both[1..], MORNING).await.is_none());
    assert_eq!(used(&store, &both[0], EVENING).await, 60);
    assert_eq!(used(&store, &both[0], MORNING).await, 60);
    assert_eq!(used(&store, &both[1], MORNING).await, 60);
}

/// To the unit: the limit itself may be spent, and not one more; what is released is there again.
pub async fn a_budget_never_goes_over(store: Arc<dyn Backend>) {
    let day = [budget("host", Window::Day)];
    let first = spend(&store, 1, 99, &day, MORNING).await;
    assert!(spend(&store, 2, 2, &day, MORNING).await.is_none());
    assert!(spend(&store, 3, 1, &day, MORNING).await.is_some());
    assert!(spend(&store, 4, 1, &day, MORNING).await.is_none());
    let huge = spend(&store, 5, u128::MAX, &day, MORNING).await;
    assert!(huge.is_none());
    let held = first.expect("there was room");
    let released = Change {
        debts: Debts::Release,
        ..Change::to(held.record.clone())
    };
    change(&Payments::new(Arc::clone(&store)), held, released).await;
    assert_eq!(used(&store, &day[0], MORNING).await, 1);
    assert!(spend(&store, 6, 99, &day, MORNING).await.is_some());
    assert_eq!(used(&store, &day[0], MORNING).await, 100);
}

/// Another scope, window or unit is another budget, also where names run into each other.
pub async fn budgets_do_not_mix(store: Arc<dyn Backend>) {
    let one = budget("host", Window::Total);
    assert!(
        spend(&store, 1, 100, std::slice::from_ref(&one), MORNING)
            .await
            .is_some()
    );
    let other_unit = Budget {
        unit: "EUR".into(),
        ..one.clone()
    };
    let others = [
        budget("host2", Window::Total),
        budget("", Window::Total),
        budget("host", Window::Day),
        other_unit,
    ];
    for other in &others {
        assert_eq!(used(&store, other, MORNING).await, 0, "{other:?}");
    }
    assert!(spend(&store, 2, 100, &others, MORNING).await.is_some());
    assert_eq!(used(&store, &one, MORNING).await, 100);
}
