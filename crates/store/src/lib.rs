//! Durable backends for Farthing: SQLite, the embedded default.
//!
//! A backend implements [`farthing_core::port::backend::Backend`] and nothing else. What a claim or
//! a receipt is, is written once above it.
//!
//! ```
//! use farthing_core::port::backend::{Backend, Batch, Commit, Partition, Table, Write};
//! use farthing_store::{SqliteBackend, SqliteOptions};
//!
//! const NOTES: Table = Table::new("demo.notes");
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let path = dir.path().join("farthing.db");
//! let store = SqliteBackend::open(SqliteOptions::new(&path))?;
//! let mut batch = Batch::new(Partition::Store);
//! batch.writes.push(Write::Put {
//!     table: NOTES, key: "a".into(), value: b"kept".to_vec(), fence: 0, place: None,
//! });
//! assert_eq!(store.commit(batch).await?, Commit::Committed);
//! store.close().await;
//!
//! let store = SqliteBackend::open(SqliteOptions { create: false, ..SqliteOptions::new(&path) })?;
//! let row = store.get(&Partition::Store, NOTES, &"a".into()).await?;
//! assert_eq!(row.map(|row| row.value), Some(b"kept".to_vec()));
//! # Ok(())
//! # }
//! ```

mod sqlite;

pub use sqlite::{SqliteBackend, SqliteOptions, SqliteStats};
