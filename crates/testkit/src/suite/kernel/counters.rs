//! Bounded counters.

use std::sync::Arc;

use farthing_core::port::backend::{Backend, Commit, StoreError, Write};

use super::{
    ROWS, add, all, at_write, batch, commit, counter, get, key, names, place, put, row, write,
};

/// A counter starts at zero and a sum outside its bounds, on either side, is a conflict.
pub async fn counters_start_at_zero_and_keep_their_bounds(store: Arc<dyn Backend>) {
    let store = &*store;
    assert_eq!(
        commit(store, vec![], vec![add("n", 11, 0, 10)]).await,
        at_write(0)
    );
    assert_eq!(
        commit(store, vec![], vec![add("n", -1, 0, 10)]).await,
        at_write(0)
    );
    assert_eq!(
        commit(store, vec![], vec![add("n", 1, 2, 10)]).await,
        at_write(0)
    );
    assert_eq!(get(store, "n").await, None);
    write(store, vec![add("n", 10, 0, 10)]).await;
    assert_eq!(
        commit(store, vec![], vec![add("n", 1, 0, 10)]).await,
        at_write(0)
    );
    write(store, vec![add("n", 1, 0, 11)]).await;
    write(store, vec![add("n", -11, 0, 11)]).await;
    assert_eq!(
        commit(store, vec![], vec![add("n", -1, 0, 11)]).await,
        at_write(0)
    );
    write(store, vec![add("n", -1, -1, 11)]).await;
    let found = row(store, "n").await;
    assert_eq!((found.counter(), found.version), (Some(-1), 4));
    // The bounds are the batch's own: a sum outside them conflicts even when nothing is added.
    assert_eq!(
        commit(store, vec![], vec![add("n", 0, 0, 10)]).await,
        at_write(0)
    );
    write(store, vec![add("fresh", 0, 0, 0)]).await;
    assert_eq!(counter(store, "fresh").await, 0);
}

/// All of an `i128` is there, and one more than that is a conflict and not a wrap.
pub async fn counters_reach_the_ends_and_never_overflow(store: Arc<dyn Backend>) {
    let store = &*store;
    let (min, max) = (i128::MIN, i128::MAX);
    for (name, end, beyond) in [("high", max, 1), ("low", min, -1)] {
        write(store, vec![add(name, end, min, max)]).await;
        assert_eq!(counter(store, name).await, end);
        for delta in [beyond, end] {
            let outcome = commit(store, vec![], vec![add(name, delta, min, max)]).await;
            assert_eq!(outcome, at_write(0));
        }
        assert_eq!(counter(store, name).await, end);
        write(store, vec![add(name, -beyond, min, max)]).await;
        assert_eq!(counter(store, name).await, end - beyond);
    }
}

/// Adding leaves a row's fence and place alone.
pub async fn counters_keep_fence_and_place(store: Arc<dyn Backend>) {
    let store = &*store;
    let value = 7_i128.to_be_bytes().to_vec();
    let put = Write::Put {
        table: ROWS,
        key: key("n"),
        value,
        fence: 3,
        place: place("g", 8),
    };
    write(store, vec![put]).await;
    write(store, vec![add("n", 1, 0, 9)]).await;
    let found = row(store, "n").await;
    assert_eq!(
        (found.counter(), found.fence, found.version),
        (Some(8), 3, 2)
    );
    assert_eq!(found.place, place("g", 8));
    assert_eq!(names(store, all("g")).await, ["n"]);
}

/// Adding to a row that is no counter is an error, not a number, and undoes its batch.
pub async fn adding_to_what_is_no_counter_is_refused_whole(store: Arc<dyn Backend>) {
    write(&*store, vec![put("text", "not sixteen bytes long")]).await;
    let writes = vec![put("a", "1"), add("text", 1, 0, 9)];
    let refused = store.commit(batch(vec![], writes)).await;
    assert!(
        matches!(refused, Err(StoreError::Corrupt(_))),
        "{refused:?}"
    );
    assert_eq!(get(&*store, "a").await, None);
    assert_eq!(row(&*store, "text").await.version, 1);
    assert_eq!(
        commit(&*store, vec![], vec![put("a", "1")]).await,
        Commit::Committed
    );
}

/// A conflict names the position among the writes, whatever stands before it.
pub async fn a_conflict_names_the_write(store: Arc<dyn Backend>) {
    let store = &*store;
    for at in 0..4 {
        let mut writes: Vec<_> = (0..4).map(|n| add(&format!("n{n}"), 1, 0, 9)).collect();
        writes[at] = add("bad", 10, 0, 9);
        writes.push(add("bad", 10, 0, 9));
        assert_eq!(commit(store, vec![], writes).await, at_write(at));
    }
    assert_eq!(get(store, "n0").await, None);
}
