//! The storage kernel: rows, an index, counters and one atomic batch.
//!
//! A backend implements [`Backend`] and nothing else. The verbs of a payment (claim, advance,
//! settle) are written once, in [`crate::domain`], over [`Backend::commit`].
//!
//! # What a backend promises
//! - A batch is applied whole or not at all, and no other batch is seen half applied.
//! - When `commit` has answered [`Committed`](Commit::Committed), the batch survives the death of
//!   the process and, for a durable backend, of the machine.
//! - Every guard is checked against the state just before the batch. Writes are applied in order,
//!   and each sees the ones before it.
//! - Two processes on one store are as correct as one.
//!
//! # What it does not promise
//! - A batch has one [`Partition`]. Nothing is atomic across two.
//! - After [`StoreError::InDoubt`] the batch may or may not be there. Callers read again.

use std::{fmt, sync::Arc};

use super::BoxFuture;

/// Where a batch is atomic: the unit a large store shards by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Partition {
    /// Claims, keys, counters, ledger and journal of one store.
    Store,
    /// Vouchers and spend of one channel.
    Channel(Key),
}

/// The name of a table, `owner.table`. The owner is the crate that reads and writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Table(&'static str);

impl Table {
    /// Names a table. Use it in a `const`: a bad name is then a compile error.
    ///
    /// # Panics
    /// When the name is not `owner.table` in `a-z`, `_` and one dot.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        let bytes = name.as_bytes();
        let (mut at, mut dots, mut good) = (0, 0, true);
        while at < bytes.len() {
            match bytes[at] {
                b'a'..=b'z' | b'_' => {}
                b'.' if at > 0 && at + 1 < bytes.len() => dots += 1,
                _ => good = false,
            }
            at += 1;
        }
        assert!(
            good && dots == 1,
            "a table is named owner.table in a-z and _"
        );
        Self(name)
    }

    /// The name, as a backend stores it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }
}

/// The key of a row: bytes, compared as bytes. They are shared: one key names a row in a guard, in
/// a write, and wherever a backend keeps it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Arc<[u8]>);

impl Key {
    /// The longest key a backend has to hold.
    pub const MAX: usize = crate::bounds::KEY;

    /// Makes a key. Longer inputs than [`Key::MAX`] are the caller's to hash first.
    ///
    /// # Panics
    /// When it is longer than [`Key::MAX`]: keys are built from values that are bounded where
    /// they are parsed, so this is a bug and never an input.
    #[must_use]
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        assert!(
            bytes.len() <= Self::MAX,
            "a key of {} bytes is over the bound",
            bytes.len()
        );
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes())
    }
}

impl From<&[u8]> for Key {
    fn from(bytes: &[u8]) -> Self {
        Self::new(bytes)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.0.escape_ascii())
    }
}

/// Where a row stands in its table's one index: a group, and a position in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// What is listed together, for example an account, or everything (an empty key).
    pub group: Key,
    /// The position within the group, for example a time.
    pub at: u64,
}

/// A row as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its key.
    pub key: Key,
    /// What it holds. A counter holds its value as sixteen bytes, big endian.
    pub value: Vec<u8>,
    /// How often it was written: 1 after the first write, one more after each later one.
    pub version: u64,
    /// The fence of the last [`Write::Put`]; zero where none was given.
    pub fence: u64,
    /// Its place in the index, where it has one.
    pub place: Option<Place>,
}

impl Row {
    /// Reads a counter.
    #[must_use]
    pub fn counter(&self) -> Option<i128> {
        Some(i128::from_be_bytes(self.value.as_slice().try_into().ok()?))
    }
}

/// What has to hold for a batch to be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Guard {
    /// No row has this key: the claim of a unique key.
    Absent {
        /// The table.
        table: Table,
        /// The key.
        key: Key,
    },
    /// The row exists and has this version.
    Version {
        /// The table.
        table: Table,
        /// The key.
        key: Key,
        /// The version it must have.
        version: u64,
    },
    /// The row exists and has this fence: the writer still owns what it is about to change.
    Fence {
        /// The table.
        table: Table,
        /// The key.
        key: Key,
        /// The fence it must have.
        fence: u64,
    },
}

/// One change of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Write {
    /// Writes a row whole: value, fence and place replace what was there.
    Put {
        /// The table.
        table: Table,
        /// The key.
        key: Key,
        /// The value.
        value: Vec<u8>,
        /// The fence the row has from now on.
        fence: u64,
        /// Its place in the table's index, if it has one.
        place: Option<Place>,
    },
    /// Removes a row, its place too. Removing what is not there is no error.
    Delete {
        /// The table.
        table: Table,
        /// The key.
        key: Key,
    },
    /// Adds a row under the next number of its group: 1, 2, 3, … The key is the group followed
    /// by the number (eight bytes, big endian), the place is (group, number).
    Append {
        /// The table.
        table: Table,
        /// The group that counts.
        group: Key,
        /// The value.
        value: Vec<u8>,
    },
    /// Adds to a counter, which starts at zero. The batch is a conflict when the sum leaves
    /// `min..=max`.
    Add {
        /// The table.
        table: Table,
        /// The counter.
        key: Key,
        /// What is added, or taken when negative.
        delta: i128,
        /// The least the counter may hold afterwards.
        min: i128,
        /// The most the counter may hold afterwards.
        max: i128,
    },
}

/// Guards and writes that are applied together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Where it is atomic.
    pub partition: Partition,
    /// What must hold.
    pub guards: Vec<Guard>,
    /// What is then written, in order.
    pub writes: Vec<Write>,
}

impl Batch {
    /// An empty batch for a partition.
    #[must_use]
    pub fn new(partition: Partition) -> Self {
        Self {
            partition,
            guards: Vec::new(),
            writes: Vec::new(),
        }
    }
}

/// How a batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a conflict means that nothing was written"]
pub enum Commit {
    /// It is there, durably.
    Committed,
    /// Nothing was written.
    Conflict(Which),
}

/// What a batch conflicted on: the first guard, else the first write, that did not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The guard at this position of [`Batch::guards`].
    Guard(usize),
    /// The bounded addition at this position of [`Batch::writes`].
    Write(usize),
}

/// A stretch of a table's index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// Where to look.
    pub partition: Partition,
    /// The table.
    pub table: Table,
    /// The group.
    pub group: Key,
    /// Only positions below this one.
    pub before: u64,
    /// Go on after this row: the last one of the page before.
    pub after: Option<(u64, Key)>,
    /// Whether the highest position comes first.
    pub newest_first: bool,
    /// How many rows at the most; bounded by [`crate::bounds::PAGE`].
    pub limit: usize,
}

/// A store that did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no room left. Nothing was written.
    #[error("the store is full")]
    Full(#[source] Source),
    /// Another process holds it, or it is overloaded. Nothing was written; try again.
    #[error("the store is busy")]
    Busy(#[source] Source),
    /// It cannot be reached, or it was closed. Nothing was written.
    #[error("the store is not available")]
    Unavailable(#[source] Source),
    /// The answer got lost: the batch may or may not have been applied.
    #[error("the store did not confirm the write")]
    InDoubt(#[source] Source),
    /// What it holds cannot be read, or does not fit what was expected.
    #[error("the store is damaged")]
    Corrupt(#[source] Source),
    /// It was written by a version of the software that this one does not know.
    #[error("the store has schema {found}, and this program knows up to {known}")]
    Schema {
        /// The schema the store has.
        found: u32,
        /// The newest this program knows.
        known: u32,
    },
}

/// What lies behind a [`StoreError`].
pub type Source = Box<dyn std::error::Error + Send + Sync>;

impl StoreError {
    /// Whether the failed batch may have been applied after all.
    #[must_use]
    pub fn in_doubt(&self) -> bool {
        matches!(self, Self::InDoubt(_))
    }
}

/// The storage kernel. See the [module](self) for what an implementation promises.
pub trait Backend: Send + Sync + 'static {
    /// Reads one row.
    fn get<'a>(
        &'a self,
        partition: &'a Partition,
        table: Table,
        key: &'a Key,
    ) -> BoxFuture<'a, Result<Option<Row>, StoreError>>;

    /// Reads a stretch of a table's index, in order of (position, key).
    fn range(&self, range: Range) -> BoxFuture<'_, Result<Vec<Row>, StoreError>>;

    /// Applies a batch, and answers when it is durable.
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Commit, StoreError>>;
}
