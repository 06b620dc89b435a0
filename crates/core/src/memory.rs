//! The in-memory backend: the reference for what [`Backend`] promises, and the fastest one.
//!
//! It is durable only as long as the process lives. Rows are found by hash, the index is an
//! ordered set, and no verb looks at more rows than it answers with, so the cost of a batch does
//! not grow with what is stored. Partitions are spread over shards, because a batch never spans
//! two of them.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::port::{
    BoxFuture,
    backend::{Backend, Batch, Commit, Key, Partition, Range, Row, StoreError, Table},
};

mod space;

use space::Space;

/// Locks that partitions are spread over: a power of two well above the cores of a machine.
const SHARDS: usize = 64;

type Shard = HashMap<Partition, Space>;

/// A [`Backend`] that keeps its rows in memory. Its futures are ready when first polled, and it
/// needs no runtime.
///
/// ```
/// use farthing_core::{memory::MemoryBackend, port::backend::*};
/// use std::{pin::pin, task::{Context, Poll, Waker}};
///
/// const NOTES: Table = Table::new("demo.notes");
/// let store = MemoryBackend::new();
/// let mut batch = Batch::new(Partition::Store);
/// batch.guards.push(Guard::Absent { table: NOTES, key: "a".into() });
/// batch.writes.push(Write::Put {
///     table: NOTES, key: "a".into(), value: b"once".to_vec(), fence: 0, place: None,
/// });
///
/// let mut now = Context::from_waker(Waker::noop());
/// let first = pin!(store.commit(batch.clone())).poll(&mut now);
/// assert!(matches!(first, Poll::Ready(Ok(Commit::Committed))));
/// let again = pin!(store.commit(batch)).poll(&mut now);
/// assert!(matches!(again, Poll::Ready(Ok(Commit::Conflict(Which::Guard(0))))));
/// ```
pub struct MemoryBackend {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
}

impl MemoryBackend {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self {
            shards,
            hasher: RandomState::new(),
        }
    }

    /// How many rows each table has, over all partitions; tables without any are left out.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<Table, usize> {
        let mut counts = BTreeMap::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            for (table, rows) in shard.values().flat_map(Space::counts) {
                *counts.entry(table).or_default() += rows;
            }
        }
        counts
    }

    fn shard(&self, partition: &Partition) -> Result<MutexGuard<'_, Shard>, StoreError> {
        let hash = self.hasher.hash_one(partition);
        let at = usize::try_from(hash % SHARDS as u64).unwrap_or_default();
        // A panic inside a batch may have left half of it behind; what follows would build on it.
        self.shards[at]
            .lock()
            .map_err(|_| StoreError::Corrupt("a batch was cut short".into()))
    }

    fn apply(&self, batch: Batch) -> Result<Commit, StoreError> {
        let Batch {
            partition,
            guards,
            writes,
        } = batch;
        let mut shard = self.shard(&partition)?;
        if let Some(space) = shard.get_mut(&partition) {
            let outcome = space.commit(&guards, writes);
            if space.is_empty() {
                shard.remove(&partition);
            }
            return outcome;
        }
        let mut space = Space::default();
        let outcome = space.commit(&guards, writes);
        if !space.is_empty() {
            shard.insert(partition, space);
        }
        outcome
    }
}

impl Default for MemoryBackend {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBackend").finish_non_exhaustive()
    }
}

impl Backend for MemoryBackend {
    fn get<'a>(
        &'a self,
        partition: &'a Partition,
        table: Table,
        key: &'a Key,
    ) -> BoxFuture<'a, Result<Option<Row>, StoreError>> {
        Box::pin(async move {
            let shard = self.shard(partition)?;
            Ok(shard
                .get(partition)
                .and_then(|space| space.get(table, key))
                .cloned())
        })
    }

    fn range(&self, range: Range) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        Box::pin(async move {
            let shard = self.shard(&range.partition)?;
            Ok(shard
                .get(&range.partition)
                .map(|space| space.range(&range))
                .unwrap_or_default())
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Commit, StoreError>> {
        Box::pin(async move { self.apply(batch) })
    }
}
