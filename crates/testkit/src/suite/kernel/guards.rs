//! Guards: what each kind asks for, and what a conflict says.

use std::sync::Arc;

use farthing_core::port::backend::{Backend, Commit};

use super::{
    absent, add, at_guard, commit, delete, fence, get, put, put_fenced, row, version, write,
};

/// `Absent` holds before a row is written and after it is deleted.
pub async fn absent_holds_only_where_no_row_is(store: Arc<dyn Backend>) {
    let store = &*store;
    assert_eq!(
        commit(store, vec![absent("a")], vec![put("a", "1")]).await,
        Commit::Committed
    );
    assert_eq!(
        commit(store, vec![absent("a")], vec![put("a", "2")]).await,
        at_guard(0)
    );
    assert_eq!(row(store, "a").await.value, b"1");
    write(store, vec![delete("a")]).await;
    assert_eq!(
        commit(store, vec![absent("a")], vec![put("a", "3")]).await,
        Commit::Committed
    );
}

/// `Version` needs the row, at exactly that version.
pub async fn version_holds_only_at_that_version(store: Arc<dyn Backend>) {
    let store = &*store;
    for wrong in [0, 1] {
        assert_eq!(
            commit(store, vec![version("a", wrong)], vec![]).await,
            at_guard(0)
        );
    }
    write(store, vec![put("a", "1")]).await;
    write(store, vec![put("a", "2")]).await;
    for wrong in [0, 1, 3, u64::MAX] {
        let outcome = commit(store, vec![version("a", wrong)], vec![put("a", "x")]).await;
        assert_eq!(outcome, at_guard(0), "version {wrong}");
    }
    assert_eq!(
        commit(store, vec![version("a", 2)], vec![put("a", "3")]).await,
        Commit::Committed
    );
    assert_eq!(row(store, "a").await.value, b"3");
}

/// `Fence` needs the row, with exactly that fence; a counter that was never put has fence zero.
pub async fn fence_holds_only_at_that_fence(store: Arc<dyn Backend>) {
    let store = &*store;
    for wrong in [0, 7] {
        assert_eq!(
            commit(store, vec![fence("a", wrong)], vec![]).await,
            at_guard(0)
        );
    }
    write(store, vec![put_fenced("a", 7)]).await;
    for wrong in [0, 6, 8, u64::MAX] {
        let outcome = commit(store, vec![fence("a", wrong)], vec![delete("a")]).await;
        assert_eq!(outcome, at_guard(0), "fence {wrong}");
    }
    assert_eq!(
        commit(store, vec![fence("a", 7)], vec![]).await,
        Commit::Committed
    );
    write(store, vec![add("n", 1, 0, 9)]).await;
    assert_eq!(
        commit(store, vec![fence("n", 0)], vec![]).await,
        Commit::Committed
    );
}

/// Of several broken guards the first is named, whatever its kind.
pub async fn the_first_broken_guard_is_named(store: Arc<dyn Backend>) {
    let store = &*store;
    write(store, vec![put_fenced("a", 5)]).await;
    let good = || vec![absent("b"), version("a", 1), fence("a", 5)];
    assert_eq!(commit(store, good(), vec![]).await, Commit::Committed);
    for (at, broken) in [absent("a"), version("a", 9), fence("a", 4)]
        .into_iter()
        .enumerate()
    {
        let mut guards = good();
        guards[at] = broken;
        guards.push(absent("a"));
        assert_eq!(
            commit(store, guards, vec![put("c", "")]).await,
            at_guard(at)
        );
    }
    assert_eq!(get(store, "c").await, None);
}

/// A guard looks at the state before the batch, not at what the batch itself writes.
pub async fn guards_see_the_state_before_the_batch(store: Arc<dyn Backend>) {
    let store = &*store;
    let writes = vec![put("a", "1"), put("a", "2")];
    assert_eq!(
        commit(store, vec![absent("a")], writes).await,
        Commit::Committed
    );
    let guards = vec![version("a", 2), version("a", 2)];
    assert_eq!(
        commit(store, guards, vec![delete("a")]).await,
        Commit::Committed
    );
    assert_eq!(get(store, "a").await, None);
}

/// Guards are checked before writes.
pub async fn a_broken_guard_is_named_before_a_broken_write(store: Arc<dyn Backend>) {
    let store = &*store;
    let outcome = commit(
        store,
        vec![absent("a"), version("a", 1)],
        vec![add("n", 5, 0, 4)],
    )
    .await;
    assert_eq!(outcome, at_guard(1));
}

/// Neither a broken guard nor a broken write leaves anything of its batch behind.
pub async fn a_conflict_writes_nothing(store: Arc<dyn Backend>) {
    let store = &*store;
    write(store, vec![put("a", "kept"), add("n", 3, 0, 9)]).await;
    let before = (row(store, "a").await, row(store, "n").await);
    let writes = || vec![put("a", "x"), put("b", "x"), delete("a"), add("n", 1, 0, 9)];
    assert_eq!(
        commit(store, vec![absent("a")], writes()).await,
        at_guard(0)
    );
    let mut beyond = writes();
    beyond.push(add("n", 6, 0, 9));
    assert_eq!(commit(store, vec![], beyond).await, super::at_write(4));
    assert_eq!((row(store, "a").await, row(store, "n").await), before);
    assert_eq!(get(store, "b").await, None);
}
