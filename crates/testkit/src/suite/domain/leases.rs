//! Who does a piece of work.

use std::{sync::Arc, time::Duration};

use farthing_core::{
    domain::leases::{Lease, Leases},
    port::backend::Backend,
    value::Timestamp,
};
use tokio::task::JoinSet;

use super::{NOW, after};

const TERM: Duration = Duration::from_secs(30);

async fn acquire(leases: &Leases, now: Timestamp) -> Option<Lease> {
    let acquired = leases.acquire("settler", now, TERM).await;
    acquired.expect("a healthy store answers")
}

/// Nobody else gets it before its time is over, and another piece of work is another lease.
pub async fn a_lease_is_held_by_one(store: Arc<dyn Backend>) {
    let leases = Leases::new(store);
    let lease = acquire(&leases, NOW).await.expect("it is free");
    assert_eq!(lease.until, after(30));
    assert_eq!(acquire(&leases, after(29)).await, None);
    let other = leases.acquire("reconciler", NOW, TERM).await;
    assert!(other.expect("a healthy store answers").is_some());
    let renewed = leases.renew(lease, after(20), TERM).await;
    let renewed = renewed.expect("a healthy store answers");
    assert_eq!(renewed.map(|lease| lease.until), Some(after(50)));
    assert_eq!(acquire(&leases, after(49)).await, None);
}

/// Whoever slept through its term is refused, and whoever came next has a higher fence.
pub async fn a_lease_runs_out_and_its_fence_rises(store: Arc<dyn Backend>) {
    let leases = Leases::new(store);
    let mut last = acquire(&leases, NOW).await.expect("it is free");
    for round in 1..4 {
        let now = after(30 * round);
        let next = acquire(&leases, now).await.expect("it ran out");
        assert!(next.fence > last.fence);
        let renewed = leases.renew(last.clone(), now, TERM).await;
        assert_eq!(renewed.expect("a healthy store answers"), None);
        // Giving back what is another's changes nothing.
        let released = leases.release(last).await;
        assert!(released.is_ok(), "{released:?}");
        assert_eq!(acquire(&leases, now).await, None);
        last = next;
    }
}

/// Given back, it is free before its time, and its fences go on rising.
pub async fn a_released_lease_is_free_at_once(store: Arc<dyn Backend>) {
    let leases = Leases::new(store);
    let first = acquire(&leases, NOW).await.expect("it is free");
    let fence = first.fence;
    let released = leases.release(first).await;
    assert!(released.is_ok(), "{released:?}");
    let next = acquire(&leases, NOW).await.expect("it was given back");
    assert!(next.fence > fence);
}

/// Of many that ask at once, one gets it: at first, and when it ran out.
pub async fn one_of_many_acquires_a_lease(store: Arc<dyn Backend>) {
    let leases = Leases::new(store);
    for now in [NOW, after(30)] {
        let mut tasks = JoinSet::new();
        for _ in 0..50 {
            let leases = leases.clone();
            tasks.spawn(async move { acquire(&leases, now).await.is_some() });
        }
        let got = tasks.join_all().await;
        assert_eq!(got.into_iter().filter(|got| *got).count(), 1);
    }
}

/// A clock that is set back keeps nobody from the work for longer than two terms, and whoever held it
/// before can do nothing more under it.
pub async fn a_lease_of_a_clock_that_was_ahead_is_over(store: Arc<dyn Backend>) {
    let leases = Leases::new(store);
    let ahead = after(86_400);
    let before = acquire(&leases, ahead).await.expect("it is free");
    // By a clock that is a little behind it is held.
    assert_eq!(acquire(&leases, after(86_400 - 30)).await, None);
    let next = acquire(&leases, NOW).await.expect("its clock is gone");
    assert_eq!(next.until, after(30));
    assert!(next.fence > before.fence);
    let renewed = leases.renew(before, ahead, TERM).await;
    assert_eq!(renewed.expect("a healthy store answers"), None);
    assert_eq!(acquire(&leases, after(29)).await, None);
}
