//! The backends against what the port promises, and SQLite against what happens to files.

#![expect(clippy::unwrap_used, reason = "these are the helpers of tests")]

use std::sync::Arc;

use farthing_core::port::backend::{
    Backend, Batch, Commit, Guard, Key, Partition, Row, StoreError, Table, Write,
};
use farthing_store::{SqliteBackend, SqliteOptions};
use tempfile::TempDir;

mod channels;
mod differential;
mod files;
mod groups;
mod kernel;
mod limits;
mod mortal;
mod older;
mod processes;
mod sizes;

const ROWS: Table = Table::new("suite.rows");

/// A store in a directory of its own.
fn fresh() -> (Arc<SqliteBackend>, TempDir) {
    let dir = TempDir::new().unwrap();
    let store = SqliteBackend::open(options(&dir)).unwrap();
    (Arc::new(store), dir)
}

fn options(dir: &TempDir) -> SqliteOptions {
    SqliteOptions::new(dir.path().join("store.db"))
}

fn put(key: &str, value: impl Into<Vec<u8>>) -> Write {
    Write::Put {
        table: ROWS,
        key: key.into(),
        value: value.into(),
        fence: 0,
        place: None,
    }
}

fn delete(key: &str) -> Write {
    Write::Delete {
        table: ROWS,
        key: key.into(),
    }
}

fn add(key: &str, delta: i128, max: i128) -> Write {
    Write::Add {
        table: ROWS,
        key: key.into(),
        delta,
        min: 0,
        max,
    }
}

fn absent(key: &str) -> Guard {
    Guard::Absent {
        table: ROWS,
        key: key.into(),
    }
}

fn batch(writes: Vec<Write>) -> Batch {
    Batch {
        writes,
        ..Batch::new(Partition::Store)
    }
}

async fn write(store: &SqliteBackend, writes: Vec<Write>) -> Result<Commit, StoreError> {
    store.commit(batch(writes)).await
}

/// Writes what cannot conflict.
async fn wrote(store: &SqliteBackend, writes: Vec<Write>) {
    assert_eq!(write(store, writes).await.unwrap(), Commit::Committed);
}

async fn get(store: &SqliteBackend, key: &str) -> Result<Option<Row>, StoreError> {
    store.get(&Partition::Store, ROWS, &Key::from(key)).await
}

async fn value(store: &SqliteBackend, key: &str) -> Option<Vec<u8>> {
    get(store, key).await.unwrap().map(|row| row.value)
}
