//! A backend that fails when it is told to.

use std::{
    collections::BTreeMap,
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use farthing_core::port::{
    BoxFuture,
    backend::{Backend, Batch, Commit, Key, Partition, Range, Row, StoreError, Table},
};
use tokio::sync::Notify;

/// Wraps a backend and does to it what its [`Faults`] say. Without any it changes nothing.
///
/// Commits are counted in the order in which they are first polled, so a test on one task meets
/// the same fault every time.
///
/// ```
/// # use farthing_testkit::faulty::{Failure, Faulty};
/// # use farthing_core::{memory::MemoryBackend, port::backend::*};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (store, faults) = Faulty::new(MemoryBackend::new());
/// faults.fail_commit(2, Failure::Full);
/// let batch = Batch::new(Partition::Store);
/// assert!(store.commit(batch.clone()).await.is_ok());
/// assert!(matches!(store.commit(batch.clone()).await, Err(StoreError::Full(_))));
/// assert!(store.commit(batch).await.is_ok());
/// # }
/// ```
#[derive(Debug)]
pub struct Faulty<B: ?Sized> {
    faults: Faults,
    inner: Arc<B>,
}

impl<B: Backend> Faulty<B> {
    /// Wraps a backend, and hands out what controls it.
    #[must_use]
    pub fn new(inner: B) -> (Self, Faults) {
        Self::over(Arc::new(inner))
    }
}

impl<B: Backend + ?Sized> Faulty<B> {
    /// Wraps a backend that others hold too, `Arc<dyn Backend>` for example.
    #[must_use]
    pub fn over(inner: Arc<B>) -> (Self, Faults) {
        let faults = Faults::default();
        (
            Self {
                inner,
                faults: faults.clone(),
            },
            faults,
        )
    }
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// As [`StoreError::Full`].
    Full,
    /// As [`StoreError::Busy`].
    Busy,
    /// As [`StoreError::Unavailable`].
    Unavailable,
    /// As [`StoreError::InDoubt`].
    InDoubt,
    /// As [`StoreError::Corrupt`].
    Corrupt,
}

impl Failure {
    fn error(self) -> StoreError {
        let cause = "a fault that a test asked for";
        match self {
            Self::Full => StoreError::Full(cause.into()),
            Self::Busy => StoreError::Busy(cause.into()),
            Self::Unavailable => StoreError::Unavailable(cause.into()),
            Self::InDoubt => StoreError::InDoubt(cause.into()),
            Self::Corrupt => StoreError::Corrupt(cause.into()),
        }
    }
}

/// Where a commit is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Before the batch is applied.
    Before,
    /// After it was applied, before that is answered.
    After,
}

/// The handle that tells a [`Faulty`] backend what to do. Clones control the same backend.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<Plan>>);

#[derive(Default)]
struct Plan {
    commits: u64,
    at: BTreeMap<u64, Fault>,
    every_commit: Option<Failure>,
    every_read: Option<Failure>,
    slow_read: Duration,
}

/// What happens to one commit.
#[derive(Default)]
struct Fault {
    hold_before: Option<Held>,
    fail: Option<Failure>,
    hold_after: Option<Held>,
    doubt: bool,
}

impl Faults {
    /// Fails the `nth` commit from now on (1 is the next) without applying it.
    pub fn fail_commit(&self, nth: u64, failure: Failure) {
        self.on(nth, |fault| fault.fail = Some(failure));
    }

    /// Applies the `nth` commit from now on and answers [`StoreError::InDoubt`] all the same.
    pub fn doubt_commit(&self, nth: u64) {
        self.on(nth, |fault| fault.doubt = true);
    }

    /// Holds the `nth` commit from now on until it is released.
    #[must_use = "a commit that is never released is never answered"]
    pub fn hold_commit(&self, nth: u64, when: When) -> Held {
        let held = Held::default();
        self.on(nth, |fault| match when {
            When::Before => fault.hold_before = Some(held.clone()),
            When::After => fault.hold_after = Some(held.clone()),
        });
        held
    }

    /// Fails every commit that has no fault of its own, until told otherwise.
    pub fn fail_commits(&self, failure: Option<Failure>) {
        self.plan().every_commit = failure;
    }

    /// Fails every read, of a row or of a range, until told otherwise.
    pub fn fail_reads(&self, failure: Option<Failure>) {
        self.plan().every_read = failure;
    }

    /// Has every read take so long, until told otherwise.
    pub fn slow_reads(&self, by: Duration) {
        self.plan().slow_read = by;
    }

    /// Forgets what was planned for commits that are still to come.
    pub fn forget(&self) {
        self.plan().at.clear();
    }

    /// How many commits were begun so far.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.plan().commits
    }

    fn on(&self, nth: u64, change: impl FnOnce(&mut Fault)) {
        let mut plan = self.plan();
        let number = plan.commits + nth;
        change(plan.at.entry(number).or_default());
    }

    fn next(&self) -> Fault {
        let mut plan = self.plan();
        plan.commits += 1;
        let number = plan.commits;
        let every = plan.every_commit;
        plan.at.remove(&number).unwrap_or_else(|| Fault {
            fail: every,
            ..Fault::default()
        })
    }

    async fn read(&self) -> Result<(), StoreError> {
        let (by, failure) = {
            let plan = self.plan();
            (plan.slow_read, plan.every_read)
        };
        if !by.is_zero() {
            tokio::time::sleep(by).await;
        }
        failure.map_or(Ok(()), |failure| Err(failure.error()))
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = self.plan();
        f.debug_struct("Faults")
            .field("commits", &plan.commits)
            .field("planned", &plan.at.len())
            .finish_non_exhaustive()
    }
}

/// A commit that is held.
#[derive(Clone, Debug, Default)]
pub struct Held(Arc<Gate>);

#[derive(Debug, Default)]
struct Gate {
    reached: Notify,
    released: Notify,
}

impl Held {
    /// Waits until the commit came to where it is held.
    pub async fn reached(&self) {
        self.0.reached.notified().await;
    }

    /// Lets the commit go on, also when it has not come that far yet.
    pub fn release(&self) {
        self.0.released.notify_one();
    }

    async fn wait(self) {
        self.0.reached.notify_one();
        self.0.released.notified().await;
    }
}

impl<B: Backend + ?Sized> Backend for Faulty<B> {
    fn get<'a>(
        &'a self,
        partition: &'a Partition,
        table: Table,
        key: &'a Key,
    ) -> BoxFuture<'a, Result<Option<Row>, StoreError>> {
        Box::pin(async move {
            self.faults.read().await?;
            self.inner.get(partition, table, key).await
        })
    }

    fn range(&self, range: Range) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        Box::pin(async move {
            self.faults.read().await?;
            self.inner.range(range).await
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Commit, StoreError>> {
        Box::pin(async move {
            let mut fault = self.faults.next();
            if let Some(held) = mem::take(&mut fault.hold_before) {
                held.wait().await;
            }
            if let Some(failure) = fault.fail {
                return Err(failure.error());
            }
            let answer = self.inner.commit(batch).await;
            if let Some(held) = mem::take(&mut fault.hold_after) {
                held.wait().await;
            }
            if fault.doubt {
                Err(Failure::InDoubt.error())
            } else {
                answer
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use farthing_core::{memory::MemoryBackend, port::backend::Write};

    use super::*;

    const ROWS: Table = Table::new("suite.rows");

    mod without_faults {
        use super::*;

        crate::kernel_suite!(|| {
            let (store, faults) = Faulty::new(MemoryBackend::new());
            (Arc::new(store), faults)
        });
    }

    fn put(key: &str) -> Batch {
        let mut batch = Batch::new(Partition::Store);
        let (key, value) = (key.into(), vec![]);
        batch.writes.push(Write::Put {
            table: ROWS,
            key,
            value,
            fence: 0,
            place: None,
        });
        batch
    }

    async fn is_there(store: &dyn Backend, key: &str) -> bool {
        store
            .get(&Partition::Store, ROWS, &key.into())
            .await
            .unwrap()
            .is_some()
    }

    #[tokio::test]
    async fn the_nth_commit_fails_and_is_not_applied() {
        let inner: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        let (store, faults) = Faulty::over(Arc::clone(&inner));
        let _ = store.commit(put("a")).await.unwrap();
        faults.fail_commit(2, Failure::Busy);
        let _ = store.commit(put("b")).await.unwrap();
        let failed = store.commit(put("c")).await;
        assert!(matches!(failed, Err(StoreError::Busy(_))), "{failed:?}");
        assert!(is_there(&*inner, "b").await && !is_there(&*inner, "c").await);
        let _ = store.commit(put("c")).await.unwrap();
        assert_eq!(faults.commits(), 4);
    }

    #[tokio::test]
    async fn doubt_may_be_with_the_batch_or_without() {
        let (store, faults) = Faulty::new(MemoryBackend::new());
        faults.doubt_commit(1);
        faults.fail_commit(2, Failure::InDoubt);
        for key in ["with", "without"] {
            assert!(store.commit(put(key)).await.unwrap_err().in_doubt());
        }
        assert!(is_there(&store, "with").await && !is_there(&store, "without").await);
    }

    #[tokio::test]
    async fn a_store_that_is_down_comes_back() {
        let (store, faults) = Faulty::new(MemoryBackend::new());
        for failure in [Failure::Full, Failure::Unavailable, Failure::Corrupt] {
            faults.fail_commits(Some(failure));
            faults.fail_reads(Some(failure));
            let expected = mem::discriminant(&failure.error());
            assert_eq!(
                mem::discriminant(&store.commit(put("a")).await.unwrap_err()),
                expected
            );
            let read = store.get(&Partition::Store, ROWS, &"a".into()).await;
            assert_eq!(mem::discriminant(&read.unwrap_err()), expected);
        }
        faults.fail_commits(None);
        faults.fail_reads(None);
        let _ = store.commit(put("a")).await.unwrap();
        assert!(is_there(&store, "a").await);
    }

    #[tokio::test]
    async fn a_held_commit_waits_before_or_after_it_is_applied() {
        let (store, faults) = Faulty::new(MemoryBackend::new());
        let store = Arc::new(store);
        for (key, when) in [("before", When::Before), ("after", When::After)] {
            let held = faults.hold_commit(1, when);
            let task = tokio::spawn({
                let store = Arc::clone(&store);
                async move { store.commit(put(key)).await }
            });
            held.reached().await;
            assert_eq!(is_there(&*store, key).await, when == When::After);
            assert!(!task.is_finished());
            held.release();
            assert_eq!(task.await.unwrap().unwrap(), Commit::Committed);
            assert!(is_there(&*store, key).await);
        }
    }
}
