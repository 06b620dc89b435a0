//! Many tasks at once: what has to be atomic is.

use std::{collections::BTreeSet, future::Future, sync::Arc};

use farthing_core::port::backend::{Backend, Commit};
use tokio::task::JoinSet;

use super::{
    absent, add, all, append, at_guard, commit, counter, fence, get, put, put_fenced, range, row,
    version, write,
};

/// Tasks of one race.
const TASKS: usize = 200;

async fn race<F, T>(store: &Arc<dyn Backend>, run: impl Fn(usize, Arc<dyn Backend>) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let mut tasks = JoinSet::new();
    for at in 0..TASKS {
        tasks.spawn(run(at, Arc::clone(store)));
    }
    tasks.join_all().await
}

fn won(outcomes: &[Commit]) -> usize {
    outcomes
        .iter()
        .filter(|outcome| **outcome == Commit::Committed)
        .count()
}

/// Of two hundred tasks that claim one key, one wins, and it is the one whose value is kept.
pub async fn one_of_many_claims_wins(store: Arc<dyn Backend>) {
    let outcomes = race(&store, |at, store| async move {
        let writes = vec![put("key", &at.to_string()), put(&format!("mine{at}"), "")];
        (at, commit(&*store, vec![absent("key")], writes).await)
    })
    .await;
    let winners: Vec<_> = outcomes
        .iter()
        .filter(|(_, outcome)| *outcome == Commit::Committed)
        .collect();
    assert_eq!(winners.len(), 1);
    assert!(
        outcomes
            .iter()
            .all(|(_, o)| matches!(o, Commit::Committed) || *o == at_guard(0))
    );
    assert_eq!(
        row(&*store, "key").await.value,
        winners[0].0.to_string().into_bytes()
    );
    for (at, outcome) in outcomes {
        let mine = get(&*store, &format!("mine{at}")).await;
        assert_eq!(mine.is_some(), outcome == Commit::Committed);
    }
}

/// Of two hundred tasks that advance one version, one wins, in each of several rounds.
pub async fn one_of_many_advances_wins(store: Arc<dyn Backend>) {
    write(&*store, vec![put("a", "")]).await;
    for round in 1..=3 {
        let outcomes = race(&store, move |_, store| async move {
            commit(&*store, vec![version("a", round)], vec![put("a", "")]).await
        })
        .await;
        assert_eq!(won(&outcomes), 1);
        assert_eq!(row(&*store, "a").await.version, round + 1);
    }
}

/// Once somebody took over with a higher fence, nothing of the old holder is written any more.
pub async fn a_stale_fence_is_refused_after_a_takeover(store: Arc<dyn Backend>) {
    let store = &*store;
    write(store, vec![put_fenced("a", 1)]).await;
    assert_eq!(
        commit(store, vec![fence("a", 1)], vec![put_fenced("a", 1)]).await,
        Commit::Committed
    );
    assert_eq!(
        commit(store, vec![version("a", 2)], vec![put_fenced("a", 2)]).await,
        Commit::Committed
    );
    let late = vec![put_fenced("a", 1), put("effect", ""), add("spent", 5, 0, 9)];
    assert_eq!(commit(store, vec![fence("a", 1)], late).await, at_guard(0));
    assert_eq!(
        (get(store, "effect").await, get(store, "spent").await),
        (None, None)
    );
    assert_eq!(
        commit(store, vec![fence("a", 2)], vec![put_fenced("a", 2)]).await,
        Commit::Committed
    );
}

/// The sum of two hundred additions is exact.
pub async fn counters_are_exact_under_contention(store: Arc<dyn Backend>) {
    let outcomes = race(&store, |at, store| async move {
        let delta = i128::try_from(at).expect("a task number is small");
        commit(
            &*store,
            vec![],
            vec![add("n", delta, 0, i128::MAX), add("count", 1, 0, 200)],
        )
        .await
    })
    .await;
    assert_eq!(won(&outcomes), TASKS);
    assert_eq!(counter(&*store, "n").await, 199 * 200 / 2);
    assert_eq!(counter(&*store, "count").await, 200);
}

/// Two hundred tasks draw three each from five hundred: 166 get it, and it never goes below zero.
/// As many put back as they drew, so the end is exact as well.
pub async fn counters_never_leave_their_bounds_under_contention(store: Arc<dyn Backend>) {
    write(&*store, vec![add("n", 500, 0, 500)]).await;
    let outcomes = race(&store, |_, store| async move {
        commit(&*store, vec![], vec![add("n", -3, 0, 500)]).await
    })
    .await;
    assert_eq!((won(&outcomes), counter(&*store, "n").await), (166, 2));
    let outcomes = race(&store, |_, store| async move {
        commit(&*store, vec![], vec![add("n", 3, 0, 500)]).await
    })
    .await;
    assert_eq!((won(&outcomes), counter(&*store, "n").await), (166, 500));
}

/// Two hundred appends to one group get 1 to 200, each once.
pub async fn appends_are_numbered_without_gaps_under_contention(store: Arc<dyn Backend>) {
    race(&store, |at, store| async move {
        write(&*store, vec![append("g", &at.to_string())]).await;
    })
    .await;
    let mut page = all("g");
    page.limit = TASKS;
    let rows = range(&*store, page).await;
    let numbers: Vec<_> = rows
        .iter()
        .filter_map(|row| Some(row.place.as_ref()?.at))
        .collect();
    assert_eq!(numbers, (1..=TASKS as u64).collect::<Vec<_>>());
    let values: BTreeSet<_> = rows.into_iter().map(|row| row.value).collect();
    assert_eq!(values.len(), TASKS);
}

/// A reader sees two rows of one batch either both as before or both as after: the second is
/// never behind the first one read.
pub async fn batches_are_seen_whole(store: Arc<dyn Backend>) {
    write(&*store, vec![add("a", 0, 0, 999), add("b", 0, 0, 999)]).await;
    race(&store, |at, store| async move {
        if at % 2 == 0 {
            write(&*store, vec![add("a", 1, 0, 999), add("b", 1, 0, 999)]).await;
        } else {
            let first = counter(&*store, "a").await;
            assert!(counter(&*store, "b").await >= first);
        }
    })
    .await;
    assert_eq!(
        (counter(&*store, "a").await, counter(&*store, "b").await),
        (100, 100)
    );
}
