//! How a store is opened.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// How a [`SqliteBackend`](super::SqliteBackend) is opened.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// The file. Its directory has to exist. SQLite keeps two more files beside it, with `-wal`
    /// and `-shm` at the end of their names; they belong to it and move with it.
    pub path: PathBuf,
    /// Whether a file that is not there is made, readable by its owner only. Otherwise a missing
    /// or empty file is an error: a store that lost its claims must not start as a new one.
    pub create: bool,
    /// The most pages of 4 KiB the file may have; a batch beyond that is
    /// [`StoreError::Full`](farthing_core::port::backend::StoreError::Full).
    pub max_pages: Option<u32>,
    /// How long the writer waits for another process that holds the file.
    pub busy_timeout: Duration,
    /// How many batches, and how many reads, may wait.
    pub waiting: usize,
    /// How many bytes of batches may wait. As many again may be under way. A single larger batch
    /// is taken when nothing else waits.
    pub waiting_bytes: usize,
    /// How many threads read.
    pub readers: usize,
}

impl SqliteOptions {
    /// The defaults for a file: made where it is missing, as large as the disk, five seconds of
    /// patience, 16384 batches or 64 MiB waiting, two readers.
    #[must_use]
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            create: true,
            max_pages: None,
            busy_timeout: Duration::from_secs(5),
            waiting: 16 * 1024,
            waiting_bytes: 64 * 1024 * 1024,
            readers: 2,
        }
    }
}
