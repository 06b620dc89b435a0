//! The least a durable payment costs: bytes, committed by a SQLite writer that groups what waits.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc,
    },
    thread,
};

use farthing::core::port::{
    BoxFuture,
    backend::{Backend, Batch, Commit, Key, Partition, Range, Row, StoreError, Table, Write},
};
use rusqlite::Connection;
use tokio::sync::oneshot;

/// A table of one column that only grows, under the pragmas of the real store.
pub(crate) struct Log {
    jobs: mpsc::Sender<Job>,
    groups: Arc<AtomicU64>,
}

struct Job {
    bytes: Vec<u8>,
    done: oneshot::Sender<()>,
}

impl Log {
    pub(crate) fn open(file: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(file)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection
            .execute_batch("CREATE TABLE log (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL)")?;
        let (jobs, waiting) = mpsc::channel();
        let groups = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&groups);
        thread::spawn(move || {
            while let Ok(first) = waiting.recv() {
                let group: Vec<Job> = std::iter::once(first).chain(waiting.try_iter()).collect();
                write(&connection, &group).expect("the disk takes a row");
                counted.fetch_add(1, Relaxed);
                for job in group {
                    let _ = job.done.send(());
                }
            }
        });
        Ok(Self { jobs, groups })
    }

    pub(crate) async fn commit(&self, bytes: Vec<u8>) {
        let (done, told) = oneshot::channel();
        self.jobs
            .send(Job { bytes, done })
            .expect("the writer lives as long as this");
        told.await.expect("the writer answers");
    }

    /// How many groups were committed.
    pub(crate) fn groups(&self) -> u64 {
        self.groups.load(Relaxed)
    }
}

fn write(connection: &Connection, group: &[Job]) -> rusqlite::Result<()> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let mut insert = connection.prepare_cached("INSERT INTO log (bytes) VALUES (?1)")?;
    for job in group {
        insert.execute([&job.bytes])?;
    }
    connection.prepare_cached("COMMIT")?.execute([])?;
    Ok(())
}

/// A backend that notes how many bytes each batch says.
pub(crate) struct Weighed<B> {
    inner: B,
    batches: Mutex<Vec<usize>>,
}

impl<B> Weighed<B> {
    pub(crate) const fn new(inner: B) -> Self {
        Self {
            inner,
            batches: Mutex::new(Vec::new()),
        }
    }

    /// The sizes of the batches since this was last asked.
    pub(crate) fn take(&self) -> Vec<usize> {
        std::mem::take(&mut *self.batches.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<B: Backend> Backend for Weighed<B> {
    fn get<'a>(
        &'a self,
        partition: &'a Partition,
        table: Table,
        key: &'a Key,
    ) -> BoxFuture<'a, Result<Option<Row>, StoreError>> {
        self.inner.get(partition, table, key)
    }

    fn range(&self, range: Range) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        self.inner.range(range)
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Commit, StoreError>> {
        self.batches
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(batch.writes.iter().map(weight).sum());
        self.inner.commit(batch)
    }
}

/// The bytes that a write says, without those a store adds.
fn weight(write: &Write) -> usize {
    match write {
        Write::Put {
            key, value, place, ..
        } => {
            let place = place
                .as_ref()
                .map_or(0, |place| place.group.as_bytes().len() + 8);
            key.as_bytes().len() + value.len() + place
        }
        Write::Append { group, value, .. } => group.as_bytes().len() + 8 + value.len(),
        Write::Add { key, .. } => key.as_bytes().len() + 16,
        // What is deleted says its key, and what is not known yet says nothing.
        Write::Delete { key, .. } => key.as_bytes().len(),
        _ => 0,
    }
}
