//! A full store, a locked one, one that too much waits for, and one that was closed.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

use farthing_core::port::backend::{Backend as _, Batch, Commit, Partition, StoreError};
use farthing_store::{SqliteBackend, SqliteOptions};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::{absent, add, batch, delete, fresh, get, options, put, value, write, wrote};

/// Another program that holds the write lock until it is dropped.
fn lock(dir: &TempDir) -> Connection {
    let other = Connection::open(options(dir).path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}

type Outcomes = JoinSet<Result<Commit, StoreError>>;

/// Starts commits and lets each get as far as the queue.
async fn submit(store: &Arc<SqliteBackend>, batches: Vec<Batch>) -> Outcomes {
    let mut tasks = JoinSet::new();
    for batch in batches {
        let store = Arc::clone(store);
        tasks.spawn(async move { store.commit(batch).await });
    }
    tokio::task::yield_now().await;
    tasks
}

#[tokio::test]
async fn a_full_store_writes_nothing_and_works_again_once_there_is_room() {
    let dir = TempDir::new().unwrap();
    let small = SqliteOptions {
        max_pages: Some(64),
        ..options(&dir)
    };
    let store = SqliteBackend::open(small.clone()).unwrap();
    let page = vec![7; 4096];
    let mut kept = 0;
    let full = loop {
        let (a, b) = (format!("a{kept}"), format!("b{kept}"));
        match write(&store, vec![put(&a, page.clone()), put(&b, page.clone())]).await {
            Ok(outcome) => assert_eq!(outcome, Commit::Committed),
            Err(error) => break error,
        }
        kept += 1;
    };
    assert!(matches!(full, StoreError::Full(_)), "{full:?}");
    assert!(kept > 10);
    let (a, b) = (format!("a{kept}"), format!("b{kept}"));
    assert_eq!(
        (value(&store, &a).await, value(&store, &b).await),
        (None, None)
    );
    assert_eq!(value(&store, "b0").await, Some(page.clone()));

    // Room by deleting, in the same process.
    let freed = (0..5).flat_map(|n| [delete(&format!("a{n}")), delete(&format!("b{n}"))]);
    wrote(&store, freed.collect()).await;
    let again = vec![put(&a, page.clone()), put(&b, page.clone())];
    wrote(&store, again).await;

    // Room by a higher bound.
    let large = vec![1; 64 * 4096];
    let full = write(&store, vec![put("large", large.clone())]).await;
    assert!(matches!(full, Err(StoreError::Full(_))), "{full:?}");
    store.close().await;
    let store = SqliteBackend::open(SqliteOptions {
        max_pages: Some(256),
        ..small
    })
    .unwrap();
    wrote(&store, vec![put("large", large)]).await;
    assert_eq!(value(&store, &b).await, Some(page));
}

#[tokio::test]
async fn a_batch_that_does_not_fit_leaves_its_neighbours_alone() {
    let dir = TempDir::new().unwrap();
    let store = SqliteOptions {
        max_pages: Some(64),
        ..options(&dir)
    };
    let store = Arc::new(SqliteBackend::open(store).unwrap());
    let held = lock(&dir);
    let mut batches: Vec<_> = (0..8)
        .map(|n| batch(vec![put(&format!("k{n}"), "v")]))
        .collect();
    batches.insert(4, batch(vec![put("large", vec![1; 64 * 4096])]));
    let tasks = submit(&store, batches).await;
    drop(held);
    let outcomes = tasks.join_all().await;
    let full = |outcome: &&_| matches!(outcome, Err(StoreError::Full(_)));
    assert_eq!(outcomes.iter().filter(full).count(), 1);
    assert_eq!(store.stats().committed, 8);
    for n in 0..8 {
        assert_eq!(value(&store, &format!("k{n}")).await, Some(b"v".to_vec()));
    }
    assert_eq!(value(&store, "large").await, None);
}

#[tokio::test]
async fn a_locked_file_is_busy_after_the_timeout_and_nothing_is_written() {
    let dir = TempDir::new().unwrap();
    let hasty = SqliteOptions {
        busy_timeout: Duration::from_millis(50),
        ..options(&dir)
    };
    let store = SqliteBackend::open(hasty).unwrap();
    let held = lock(&dir);
    let busy = write(&store, vec![put("a", "1")]).await;
    assert!(matches!(busy, Err(StoreError::Busy(_))), "{busy:?}");
    // Who reads does not wait for who writes.
    assert_eq!(value(&store, "a").await, None);
    drop(held);
    assert_eq!(value(&store, "a").await, None);
    wrote(&store, vec![put("a", "2")]).await;
    assert_eq!(get(&store, "a").await.unwrap().unwrap().version, 1);
}

#[tokio::test]
async fn what_waits_together_is_flushed_together() {
    let (store, dir) = fresh();
    let held = lock(&dir);
    let batches = (0..101).map(|n| batch(vec![put(&format!("k{n}"), "v"), add("n", 1, 101)]));
    let tasks = submit(&store, batches.collect()).await;
    drop(held);
    let outcomes = tasks.join_all().await;
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Ok(Commit::Committed)))
    );
    let stats = store.stats();
    assert_eq!((stats.committed, stats.conflicts), (101, 0));
    // What was taken before the lock was met is one group, what came meanwhile another.
    assert!((1..=2).contains(&stats.groups), "{stats:?}");
    assert_eq!(
        get(&store, "n").await.unwrap().unwrap().counter(),
        Some(101)
    );
}

#[tokio::test]
async fn neighbours_in_a_group_see_each_other_and_fail_alone() {
    let (store, dir) = fresh();
    wrote(&store, vec![put("text", "no counter")]).await;
    let before = store.stats().groups;
    let held = lock(&dir);
    let mut batches = vec![
        Batch {
            guards: vec![absent("key")],
            ..batch(vec![put("key", "first")])
        },
        Batch {
            guards: vec![absent("key")],
            ..batch(vec![put("key", "second")])
        },
        batch(vec![put("half", "x"), add("text", 1, 9)]),
        batch(vec![put("half", "x"), add("n", 10, 9)]),
    ];
    batches.extend((0..4).map(|n| batch(vec![put(&format!("k{n}"), "v")])));
    let tasks = submit(&store, batches).await;
    drop(held);
    let outcomes = tasks.join_all().await;
    let conflicts = outcomes
        .iter()
        .filter(|o| matches!(o, Ok(Commit::Conflict(_))))
        .count();
    let refused = outcomes
        .iter()
        .filter(|o| matches!(o, Err(StoreError::Corrupt(_))))
        .count();
    assert_eq!((conflicts, refused), (2, 1));
    assert!(store.stats().groups - before <= 2);
    assert_eq!(value(&store, "key").await, Some(b"first".to_vec()));
    assert_eq!(
        (value(&store, "half").await, value(&store, "n").await),
        (None, None)
    );
    assert_eq!(value(&store, "k3").await, Some(b"v".to_vec()));
}

#[tokio::test]
async fn too_much_waiting_is_refused_at_once_and_the_rest_is_written() {
    let dir = TempDir::new().unwrap();
    let short = SqliteOptions {
        waiting: 4,
        ..options(&dir)
    };
    let store = Arc::new(SqliteBackend::open(short).unwrap());
    let held = lock(&dir);
    let batches = (0..20)
        .map(|n| batch(vec![put(&format!("k{n}"), "v")]))
        .collect();
    let mut tasks = submit(&store, batches).await;
    // At most four wait and four more were taken before: the others have their answer already.
    for _ in 0..12 {
        let refused = tasks.join_next().await.unwrap().unwrap();
        assert!(matches!(refused, Err(StoreError::Busy(_))), "{refused:?}");
    }
    drop(held);
    let outcomes = tasks.join_all().await;
    let written = outcomes
        .iter()
        .filter(|o| matches!(o, Ok(Commit::Committed)))
        .count();
    assert!(written >= 4);
    assert_eq!(store.stats().committed, written as u64);
}

#[tokio::test]
async fn close_and_drop_write_what_waits() {
    let (store, dir) = fresh();
    let held = lock(&dir);
    let batches = (0..20)
        .map(|n| batch(vec![put(&format!("k{n}"), "v")]))
        .collect();
    let tasks = submit(&store, batches).await;
    let closing = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.close().await }
    });
    tokio::task::yield_now().await;
    let late = write(&store, vec![put("late", "x")]).await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
    drop(held);
    closing.await.unwrap();
    let outcomes = tasks.join_all().await;
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Ok(Commit::Committed)))
    );
    let late = get(&store, "k0").await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
    drop(store);

    let store = SqliteBackend::open(options(&dir)).unwrap();
    assert_eq!(value(&store, "k19").await, Some(b"v".to_vec()));
    assert_eq!(value(&store, "late").await, None);
    {
        // Polled once and dropped: nobody listens, and it is carried out all the same.
        let mut unheard = pin!(write(&store, vec![put("unheard", "x")]));
        assert!(
            unheard
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
    }
    drop(store);
    let store = SqliteBackend::open(options(&dir)).unwrap();
    assert_eq!(value(&store, "unheard").await, Some(b"x".to_vec()));
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[test]
fn it_needs_no_runtime() {
    let (store, _dir) = fresh();
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut work = pin!(async {
        wrote(&store, vec![put("a", "1")]).await;
        (value(&store, "a").await, elsewhere(&store).await)
    });
    let found = loop {
        match work.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(found) => break found,
            Poll::Pending => thread::park(),
        }
    };
    assert_eq!(found, (Some(b"1".to_vec()), false));
}

async fn elsewhere(store: &SqliteBackend) -> bool {
    let channel = Partition::Channel("c".into());
    store
        .get(&channel, crate::ROWS, &"a".into())
        .await
        .unwrap()
        .is_some()
}
