//! A store that holds one row, whatever is asked for, and notes what is written to it.

use std::{
    future::Future,
    pin::pin,
    sync::Mutex,
    task::{Context, Poll, Waker},
};

use farthing_core::{
    port::{
        BoxFuture,
        backend::{Backend, Batch, Commit, Key, Partition, Range, Row, StoreError, Table, Write},
        clock::Clock,
    },
    value::Timestamp,
};

/// The store.
#[derive(Debug)]
pub struct OneRow {
    row: Row,
    written: Mutex<Vec<Write>>,
}

impl OneRow {
    /// A store with this row.
    #[must_use]
    pub const fn new(row: Row) -> Self {
        Self {
            row,
            written: Mutex::new(Vec::new()),
        }
    }

    /// The value of the first row that was put since it was asked for before.
    ///
    /// # Panics
    /// When a writer panicked before.
    #[must_use]
    pub fn put(&self) -> Option<Vec<u8>> {
        let written = std::mem::take(&mut *self.written.lock().expect("nobody panicked"));
        first_put(written)
    }
}

/// The value of the first of these writes that puts a row.
#[must_use]
pub fn first_put(writes: Vec<Write>) -> Option<Vec<u8>> {
    writes.into_iter().find_map(|write| match write {
        Write::Put { value, .. } => Some(value),
        _ => None,
    })
}

impl Backend for OneRow {
    fn get<'a>(
        &'a self,
        _: &'a Partition,
        _: Table,
        key: &'a Key,
    ) -> BoxFuture<'a, Result<Option<Row>, StoreError>> {
        let row = Row {
            key: key.clone(),
            ..self.row.clone()
        };
        Box::pin(async { Ok(Some(row)) })
    }

    fn range(&self, range: Range) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        // Whoever goes on after it has seen it.
        let rows = match range.after {
            None => vec![self.row.clone()],
            Some(_) => Vec::new(),
        };
        Box::pin(async { Ok(rows) })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Commit, StoreError>> {
        self.written
            .lock()
            .expect("nobody panicked")
            .extend(batch.writes);
        Box::pin(async { Ok(Commit::Committed) })
    }
}

/// What comes of work that waits for nothing.
///
/// # Panics
/// When it waits.
pub fn at_once<T>(work: impl Future<Output = T>) -> T {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(work).poll(&mut context) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("nothing here waits"),
    }
}

/// A clock that stands still.
#[derive(Clone, Copy, Debug)]
pub struct Stopped(pub Timestamp);

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        self.0
    }
}
