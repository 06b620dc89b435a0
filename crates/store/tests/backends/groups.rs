//! Batches that are written together: each sees the ones before it, and a conflict leaves nothing.

use std::sync::Arc;

use farthing_core::port::backend::{
    Backend as _, Batch, Commit, Guard, Partition, StoreError, Which, Write,
};
use farthing_store::SqliteBackend;
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::task;

use crate::{ROWS, add, batch, delete, fresh, get, options, put, value};

/// Commits batches that all wait while another program holds the file.
async fn together(
    store: &Arc<SqliteBackend>,
    dir: &TempDir,
    batches: Vec<Batch>,
) -> Vec<Result<Commit, StoreError>> {
    let other = Connection::open(options(dir).path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut waiting = Vec::new();
    for batch in batches {
        let store = Arc::clone(store);
        waiting.push(task::spawn(async move { store.commit(batch).await }));
        task::yield_now().await;
    }
    drop(other);
    let mut answers = Vec::new();
    for commit in waiting {
        answers.push(commit.await.unwrap());
    }
    answers
}

fn at_version(key: &str, version: u64, writes: Vec<Write>) -> Batch {
    let guard = Guard::Version {
        table: ROWS,
        key: key.into(),
        version,
    };
    Batch {
        guards: vec![guard],
        ..batch(writes)
    }
}

#[tokio::test]
async fn additions_are_seen_by_the_batches_behind() {
    let (store, dir) = fresh();
    let batches = vec![
        // The writer may be faster than the rest and take this one alone.
        batch(vec![put("first", "1")]),
        batch(vec![add("c", 3, 10)]),
        batch(vec![add("c", 3, 10), add("c", 1, 10)]),
        at_version("c", 3, vec![put("seen", "1")]),
        at_version("c", 1, vec![put("unseen", "1")]),
        batch(vec![put("unseen", "1"), add("c", 2, 10), add("c", 2, 10)]),
        batch(vec![put("kept", "1"), add("c", 3, 10)]),
        batch(vec![delete("c")]),
        batch(vec![add("c", 1, 10)]),
        // A batch that writes a counter in two ways does so in their order.
        at_version("c", 1, vec![put("c", [0; 16]), add("c", 2, 10)]),
        batch(vec![add("c", 9, 10), delete("seen"), put("unseen", "1")]),
    ];
    let answers = together(&store, &dir, batches).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    let mut expected = [Commit::Committed; 11];
    expected[4] = Commit::Conflict(Which::Guard(0));
    expected[5] = Commit::Conflict(Which::Write(2));
    expected[10] = Commit::Conflict(Which::Write(0));
    assert_eq!(answers, expected);
    let counter = get(&store, "c").await.unwrap().unwrap();
    assert_eq!((counter.counter(), counter.version), (Some(2), 3));
    assert_eq!(value(&store, "seen").await, Some(b"1".to_vec()));
    assert_eq!(value(&store, "kept").await, Some(b"1".to_vec()));
    assert_eq!(value(&store, "unseen").await, None);
    assert!(store.stats().groups <= 2, "{:?}", store.stats());
}

#[tokio::test]
async fn a_counter_is_as_late_as_it_was_added_to() {
    let (store, dir) = fresh();
    let batches = (0..50).map(|_| batch(vec![add("c", 2, 1000)]));
    let answers = together(&store, &dir, batches.collect()).await;
    assert!(answers.iter().all(|it| matches!(it, Ok(Commit::Committed))));
    let row = get(&store, "c").await.unwrap().unwrap();
    assert_eq!((row.counter(), row.version), (Some(100), 50));
    // What is counted is there for the next that opens the file.
    store.close().await;
    let again = SqliteBackend::open(options(&dir)).unwrap();
    let row = again.get(&Partition::Store, ROWS, &"c".into()).await;
    assert_eq!(row.unwrap().unwrap().counter(), Some(100));
}
