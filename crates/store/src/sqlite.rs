//! SQLite: one file, one thread that writes, a few that read.
//!
//! The writer takes everything that waits, applies each batch within one transaction, commits
//! once and then answers all: a group commit, so that many payments share one flush of the disk.
//! Nothing polls, and no runtime is needed: answers come through channels.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use farthing_core::port::{
    BoxFuture,
    backend::{Backend, Batch, Commit, Key, Partition, Range, Row, StoreError, Table},
};
use tokio::sync::{oneshot, watch};

mod apply;
mod codec;
mod error;
mod names;
mod options;
mod queue;
mod reader;
mod schema;
mod sql;
mod statements;
mod stats;
mod sums;
mod writer;

pub use options::SqliteOptions;
pub use stats::SqliteStats;

use error::{Failure, Refused};
use queue::Queue;
use reader::{Ask, Reader};
use stats::Counters;
use writer::{Job, Writer};

/// A durable [`Backend`] in one SQLite file. Several processes may have the same file open.
///
/// Batches that wait together are written together. A commit that was polled once is carried out
/// even if its future is dropped. When more waits than [`SqliteOptions`] allow, further calls are
/// answered [`StoreError::Busy`] at once.
///
/// Dropping it writes what waits and blocks until that is done; [`close`](Self::close) does the
/// same without blocking.
pub struct SqliteBackend {
    shared: Arc<Shared>,
    /// Closed once every thread has ended.
    ended: watch::Receiver<()>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What the threads have in common.
struct Shared {
    options: SqliteOptions,
    writes: Queue<Job>,
    reads: Queue<Ask>,
    counters: Counters,
    /// A commit failed in a way that may still bring it back after a crash. Until the writer has
    /// written over it, what is read now is no answer.
    undecided: AtomicBool,
}

impl SqliteBackend {
    /// Opens the store and migrates it where it was written by an older version. Blocks.
    ///
    /// Whether the file is a whole store is checked as far as that is cheap: its header, whose it
    /// is, its schema, and that its tables are there. Damage deeper in the file is found when it
    /// is read.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the file cannot be opened or may not be created,
    /// [`StoreError::Corrupt`] when it is not a store of ours, [`StoreError::Schema`] when a newer
    /// version wrote it, [`StoreError::Busy`] when another process keeps it locked.
    pub fn open(options: SqliteOptions) -> Result<Self, StoreError> {
        Self::start(options).map_err(|failure| failure.error())
    }

    fn start(options: SqliteOptions) -> Result<Self, Failure> {
        let connection = schema::open(&options)?;
        let (end, ended) = watch::channel(());
        let readers = options.readers.max(1);
        let shared = Arc::new(Shared::new(options));
        // Built first, so that an early return closes the queues and ends the threads.
        let backend = Self {
            shared,
            ended,
            threads: Mutex::default(),
        };
        let writer = Writer::new(Arc::clone(&backend.shared), connection);
        let held = end.clone();
        backend.spawn("farthing-writer", move || {
            let _held = held;
            writer.run();
        })?;
        for _ in 0..readers {
            let reader = Reader::new(Arc::clone(&backend.shared))?;
            let held = end.clone();
            backend.spawn("farthing-reader", move || {
                let _held = held;
                reader.run();
            })?;
        }
        Ok(backend)
    }

    fn spawn(&self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
        let spawned = thread::Builder::new().name(name.to_owned()).spawn(run);
        let handle = spawned.map_err(Failure::unavailable)?;
        self.threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(handle);
        Ok(())
    }

    /// What was written so far, by this process.
    #[must_use]
    pub fn stats(&self) -> SqliteStats {
        self.shared.counters.read()
    }

    /// Writes what waits, answers it, folds the journal into the file and closes it. Later calls
    /// are answered [`StoreError::Unavailable`].
    pub async fn close(&self) {
        self.shared.close();
        // Nothing is ever sent: this ends when the last thread dropped its end.
        while self.ended.clone().changed().await.is_ok() {}
    }

    async fn submit(&self, batch: Batch) -> Result<Commit, StoreError> {
        let (answer, answered) = oneshot::channel();
        let bytes = codec::weight(&batch);
        self.shared.writes.push(Job { batch, answer }, bytes)?;
        answered.await.map_err(|_| Refused::Lost)?
    }

    async fn ask<T>(
        &self,
        ask: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Ask,
    ) -> Result<T, StoreError> {
        if self.shared.undecided.load(Ordering::Acquire) {
            // A batch of nothing makes the writer settle what is undecided, or say why it cannot.
            let _ = self.submit(Batch::new(Partition::Store)).await?;
        }
        let (answer, answered) = oneshot::channel();
        self.shared.reads.push(ask(answer), 0)?;
        answered.await.map_err(|_| Refused::Closed)?
    }
}

impl Shared {
    fn new(options: SqliteOptions) -> Self {
        Self {
            writes: Queue::new(options.waiting, options.waiting_bytes),
            reads: Queue::new(options.waiting, options.waiting_bytes),
            counters: Counters::default(),
            undecided: AtomicBool::new(false),
            options,
        }
    }

    fn close(&self) {
        self.writes.close();
        self.reads.close();
    }
}

impl Drop for SqliteBackend {
    fn drop(&mut self) {
        self.shared.close();
        let threads = self
            .threads
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            // A thread that panicked has answered through its guard; there is no more to say.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for SqliteBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shared, .. } = self;
        f.debug_struct("SqliteBackend")
            .field("path", &shared.options.path)
            .finish_non_exhaustive()
    }
}

impl Backend for SqliteBackend {
    fn get<'a>(
        &'a self,
        partition: &'a Partition,
        table: Table,
        key: &'a Key,
    ) -> BoxFuture<'a, Result<Option<Row>, StoreError>> {
        Box::pin(async move {
            let (partition, key) = (partition.clone(), key.clone());
            self.ask(|answer| Ask::Get {
                partition,
                table,
                key,
                answer,
            })
            .await
        })
    }

    fn range(&self, range: Range) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        Box::pin(self.ask(|answer| Ask::Range { range, answer }))
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Commit, StoreError>> {
        Box::pin(self.submit(batch))
    }
}
