//! What an error of SQLite says about the batches that were being written.

use std::{error::Error, fmt, sync::Arc};

use farthing_core::port::backend::StoreError;
use rusqlite::ErrorCode;

/// Why the backend did not even ask SQLite.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("too much waits to be written or read")]
    Overloaded,
    #[error("the store was closed")]
    Closed,
    #[error("the thread that writes is gone")]
    Lost,
    #[error("this backend does not know the verb")]
    Unknown,
}

impl From<Refused> for StoreError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Overloaded => Self::Busy(refused.into()),
            Refused::Closed | Refused::Unknown => Self::Unavailable(refused.into()),
            Refused::Lost => Self::InDoubt(refused.into()),
        }
    }
}

/// A failure that several batches may share.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    fate: Fate,
    cause: Cause,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Full,
    Busy,
    Unavailable,
    InDoubt,
    Corrupt,
    Schema { found: u32, known: u32 },
}

impl Failure {
    /// A failure before COMMIT was tried. The frames of an open transaction count for nothing, not
    /// even after a crash, because the one that ends it is missing: nothing was written.
    pub(super) fn before_commit(error: rusqlite::Error) -> Self {
        Self::new(fate(&error), error)
    }

    /// A failure of COMMIT itself.
    ///
    /// The frame that ends the transaction is written last. SQLite reports a lock before it writes
    /// any frame, and a full disk only for a frame it could not write whole, whose checksum then
    /// does not hold: both are certain. Anything else (above all a flush that failed) leaves open
    /// whether the frames reached the disk, where a restart would find them.
    pub(super) fn at_commit(error: rusqlite::Error) -> Self {
        match fate(&error) {
            certain @ (Fate::Full | Fate::Busy) => Self::new(certain, error),
            _ => Self::new(Fate::InDoubt, error),
        }
    }

    pub(super) fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Fate::Unavailable, cause)
    }

    pub(super) fn corrupt(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Fate::Corrupt, cause)
    }

    pub(super) fn schema(found: u32, known: u32) -> Self {
        Self::new(Fate::Schema { found, known }, "the schema is newer")
    }

    fn new(fate: Fate, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            fate,
            cause: Cause(Arc::from(cause.into())),
        }
    }

    pub(super) fn in_doubt(&self) -> bool {
        self.fate == Fate::InDoubt
    }

    /// Whether the connection is as good as before, once it was rolled back.
    pub(super) fn spares_the_connection(&self) -> bool {
        matches!(self.fate, Fate::Full | Fate::Busy | Fate::Schema { .. })
    }

    /// Whether a single batch may be to blame, so that its neighbours deserve another attempt.
    pub(super) fn may_be_one_batch(&self) -> bool {
        matches!(self.fate, Fate::Full | Fate::Corrupt)
    }

    pub(super) fn error(&self) -> StoreError {
        let cause = Box::new(self.cause.clone());
        match self.fate {
            Fate::Full => StoreError::Full(cause),
            Fate::Busy => StoreError::Busy(cause),
            Fate::Unavailable => StoreError::Unavailable(cause),
            Fate::InDoubt => StoreError::InDoubt(cause),
            Fate::Corrupt => StoreError::Corrupt(cause),
            Fate::Schema { found, known } => StoreError::Schema { found, known },
        }
    }
}

fn fate(error: &rusqlite::Error) -> Fate {
    let Some(code) = error.sqlite_error_code() else {
        // Only a value of the wrong kind is found outside SQLite.
        return Fate::Corrupt;
    };
    match code {
        ErrorCode::DiskFull | ErrorCode::TooBig => Fate::Full,
        ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::FileLockingProtocolFailed => Fate::Busy,
        ErrorCode::CannotOpen
        | ErrorCode::PermissionDenied
        | ErrorCode::ReadOnly
        | ErrorCode::SystemIoFailure
        | ErrorCode::OutOfMemory
        | ErrorCode::OperationInterrupted
        | ErrorCode::NoLargeFileSupport => Fate::Unavailable,
        _ => Fate::Corrupt,
    }
}

/// One cause that several errors name.
#[derive(Clone, Debug)]
struct Cause(Arc<dyn Error + Send + Sync>);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn only_commit_leaves_doubt_and_only_where_frames_may_be_whole() {
        use Fate::{Busy, Corrupt, Full, InDoubt, Unavailable};
        for (code, before, at) in [
            (ffi::SQLITE_FULL, Full, Full),
            (ffi::SQLITE_BUSY, Busy, Busy),
            (ffi::SQLITE_BUSY_SNAPSHOT, Busy, Busy),
            (ffi::SQLITE_LOCKED, Busy, Busy),
            (ffi::SQLITE_IOERR, Unavailable, InDoubt),
            (ffi::SQLITE_IOERR_FSYNC, Unavailable, InDoubt),
            (ffi::SQLITE_IOERR_WRITE, Unavailable, InDoubt),
            (ffi::SQLITE_NOMEM, Unavailable, InDoubt),
            (ffi::SQLITE_READONLY_DBMOVED, Unavailable, InDoubt),
            (ffi::SQLITE_CANTOPEN, Unavailable, InDoubt),
            (ffi::SQLITE_CORRUPT, Corrupt, InDoubt),
            (ffi::SQLITE_NOTADB, Corrupt, InDoubt),
            (ffi::SQLITE_ERROR, Corrupt, InDoubt),
        ] {
            let error = || rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            assert_eq!(
                Failure::before_commit(error()).fate,
                before,
                "{code} before"
            );
            assert_eq!(Failure::at_commit(error()).fate, at, "{code} at commit");
        }
    }
}
