//! The index follows the rows.

use std::sync::Arc;

use farthing_core::port::backend::Backend;

use super::{
    absent, add, all, append, at_guard, at_write, commit, delete, names, put, put_at, write,
};

/// Put moves, sets and clears a row's place; delete removes it.
pub async fn places_follow_their_rows(store: Arc<dyn Backend>) {
    let store = &*store;
    write(store, vec![put_at("a", "g", 1), put_at("b", "g", 2)]).await;
    write(store, vec![put_at("a", "g", 3)]).await;
    assert_eq!(names(store, all("g")).await, ["b", "a"]);
    write(store, vec![put_at("a", "h", 3)]).await;
    assert_eq!(names(store, all("g")).await, ["b"]);
    assert_eq!(names(store, all("h")).await, ["a"]);
    write(store, vec![put("a", "placed nowhere")]).await;
    assert!(names(store, all("h")).await.is_empty());
    write(store, vec![put_at("a", "g", 1)]).await;
    assert_eq!(names(store, all("g")).await, ["a", "b"]);
    write(store, vec![delete("a")]).await;
    assert_eq!(names(store, all("g")).await, ["b"]);
}

/// A conflict leaves the index as it was, whatever the batch did before it.
pub async fn places_come_back_after_a_conflict(store: Arc<dyn Backend>) {
    let store = &*store;
    write(store, vec![put_at("a", "g", 1), put_at("b", "g", 2)]).await;
    let writes = || {
        let moved = vec![
            put_at("a", "g", 9),
            put_at("a", "h", 1),
            delete("b"),
            put("a", ""),
        ];
        moved
            .into_iter()
            .chain([put_at("c", "g", 5), append("h", ""), add("n", 1, 0, 0)])
    };
    assert_eq!(commit(store, vec![], writes().collect()).await, at_write(6));
    assert_eq!(
        commit(store, vec![absent("a")], writes().collect()).await,
        at_guard(0)
    );
    assert_eq!(names(store, all("g")).await, ["a", "b"]);
    assert!(names(store, all("h")).await.is_empty());
}
