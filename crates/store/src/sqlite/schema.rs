//! Opening the file: whose it is, which schema it has, and how a connection is set up.

use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
    thread,
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{error::Failure, options::SqliteOptions, sql};

/// Between two attempts to switch a new file to its journal.
const PATIENCE: Duration = Duration::from_millis(10);

/// Opens the connection that writes, with the file made or migrated where that is due.
pub(super) fn open(options: &SqliteOptions) -> Result<Connection, Failure> {
    if options.create {
        create(&options.path).map_err(Failure::unavailable)?;
    }
    open_with(options, sql::MIGRATIONS)
}

fn open_with(options: &SqliteOptions, migrations: &[&str]) -> Result<Connection, Failure> {
    let mut connection = connect(options).map_err(Failure::before_commit)?;
    // Whose file it is comes first: one that is not ours is left as it was.
    let found = recognise(&connection, migrations.len())?;
    if found == Found::Nothing && !options.create {
        return Err(Failure::corrupt("the file is empty"));
    }
    use_journal(&connection, options.busy_timeout)?;
    migrate(&mut connection, migrations)?;
    tune_writer(&connection, options).map_err(Failure::before_commit)?;
    connection
        .query_row(sql::PROBE, [], |_| Ok(()))
        .map_err(Failure::before_commit)?;
    Ok(connection)
}

/// Opens a connection that writes to a file which this process has opened before.
pub(super) fn reopen(options: &SqliteOptions) -> rusqlite::Result<Connection> {
    let connection = connect(options)?;
    tune_writer(&connection, options)?;
    Ok(connection)
}

/// Opens a connection that only reads.
pub(super) fn open_reader(options: &SqliteOptions) -> rusqlite::Result<Connection> {
    // Not a read-only handle: such a one could not recover the journal a dead process left.
    let connection = connect(options)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// Another process, of a newer version, may have migrated the file since it was opened.
pub(super) fn refuse_newer(connection: &Connection) -> Result<(), Failure> {
    let read = || {
        connection
            .prepare_cached(sql::SCHEMA)?
            .query_row([], |row| row.get(0))
    };
    let (found, known): (u32, u32) = (read().map_err(Failure::before_commit)?, known());
    if found > known {
        Err(Failure::schema(found, known))
    } else {
        Ok(())
    }
}

/// The newest schema this program knows.
fn known() -> u32 {
    number(sql::MIGRATIONS.len())
}

fn number(schema: usize) -> u32 {
    u32::try_from(schema).unwrap_or(u32::MAX)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    Store(usize),
}

fn recognise(connection: &Connection, known: usize) -> Result<Found, Failure> {
    let identity = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let (application, schema, objects): (i32, i32, i64) = connection
        .query_row(sql::IDENTITY, [], identity)
        .map_err(Failure::before_commit)?;
    if application == sql::APPLICATION {
        let schema = usize::try_from(schema).map_err(Failure::corrupt)?;
        if schema > known {
            return Err(Failure::schema(number(schema), number(known)));
        }
        return Ok(Found::Store(schema));
    }
    if (application, schema, objects) == (0, 0, 0) {
        return Ok(Found::Nothing);
    }
    Err(Failure::corrupt(
        "the file is a database of another program",
    ))
}

fn migrate(connection: &mut Connection, migrations: &[&str]) -> Result<(), Failure> {
    let known = migrations.len();
    if recognise(connection, known)? == Found::Store(known) {
        return Ok(());
    }
    // A failure on the way drops the connection, and the transaction with it.
    connection
        .execute_batch(sql::BEGIN)
        .map_err(Failure::before_commit)?;
    // Again, under the lock: another process may have been faster.
    let first = match recognise(connection, known)? {
        Found::Nothing => 0,
        Found::Store(schema) => schema,
    };
    let change = || -> rusqlite::Result<()> {
        for migration in &migrations[first..] {
            connection.execute_batch(migration)?;
        }
        connection.pragma_update(None, "application_id", sql::APPLICATION)?;
        connection.pragma_update(None, "user_version", number(known))
    };
    change().map_err(Failure::before_commit)?;
    connection
        .execute_batch(sql::COMMIT)
        .map_err(Failure::at_commit)
}

fn connect(options: &SqliteOptions) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&options.path, flags)?;
    connection.busy_timeout(bounded(options.busy_timeout))?;
    connection.set_prepared_statement_cache_capacity(32);
    // A page that does not hold together is reported when it is read, not when it does harm.
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "cache_size", -16 * 1024)?;
    Ok(connection)
}

fn tune_writer(connection: &Connection, options: &SqliteOptions) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", "full")?;
    // Only Apple's systems know these: there a plain flush stays in the drive's cache.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    // Copying 16 MiB of journal back at once costs less a batch than SQLite's 4 MiB.
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 4096, |_| Ok(()))?;
    let journal = 64 * 1024 * 1024;
    connection.pragma_update_and_check(None, "journal_size_limit", journal, |_| Ok(()))?;
    if let Some(pages) = options.max_pages {
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    }
    Ok(())
}

/// Switches a new file to write-ahead logging. SQLite does not always wait for the lock this
/// takes, so the waiting is done here.
fn use_journal(connection: &Connection, timeout: Duration) -> Result<(), Failure> {
    let current: String = connection
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .map_err(Failure::before_commit)?;
    if current == "wal" {
        return Ok(());
    }
    connection
        .busy_timeout(Duration::ZERO)
        .map_err(Failure::before_commit)?;
    let mut left = timeout.as_millis() / PATIENCE.as_millis();
    let mode: String = loop {
        let switched =
            connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0));
        match switched {
            Ok(mode) => break mode,
            Err(error) if left > 0 && is_busy(&error) => left -= 1,
            Err(error) => return Err(Failure::before_commit(error)),
        }
        thread::sleep(PATIENCE);
    };
    connection
        .busy_timeout(bounded(timeout))
        .map_err(Failure::before_commit)?;
    if mode == "wal" {
        return Ok(());
    }
    Err(Failure::unavailable(
        "the file system has no shared memory for a write-ahead log",
    ))
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

/// SQLite counts milliseconds in an `int`.
fn bounded(timeout: Duration) -> Duration {
    timeout.min(Duration::from_millis(i32::MAX as u64))
}

/// Makes the file where it is missing, for its owner only; the files beside it get the same mode.
fn create(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(file) => file.sync_all()?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(error),
    }
    // The name in the directory has to survive a power failure as the contents do.
    #[cfg(unix)]
    if let Some(directory) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
