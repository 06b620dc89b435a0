//! What the writer counts.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a [`SqliteBackend`](super::SqliteBackend) wrote since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SqliteStats {
    /// Batches that were committed.
    pub committed: u64,
    /// Batches that conflicted.
    pub conflicts: u64,
    /// Transactions that wrote something: each is one flush of the disk. `committed` divided by
    /// this is how many batches shared one.
    pub groups: u64,
}

#[derive(Default)]
pub(super) struct Counters {
    committed: AtomicU64,
    conflicts: AtomicU64,
    groups: AtomicU64,
}

impl Counters {
    pub(super) fn add(&self, more: SqliteStats) {
        self.committed.fetch_add(more.committed, Relaxed);
        self.conflicts.fetch_add(more.conflicts, Relaxed);
        self.groups.fetch_add(more.groups, Relaxed);
    }

    pub(super) fn read(&self) -> SqliteStats {
        SqliteStats {
            committed: self.committed.load(Relaxed),
            conflicts: self.conflicts.load(Relaxed),
            groups: self.groups.load(Relaxed),
        }
    }
}
