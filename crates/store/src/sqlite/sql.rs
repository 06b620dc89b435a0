//! Every statement there is.
//!
//! Partitions are stored as bytes (see [`super::codec`]), table names as numbers from `names`,
//! positions so that SQLite's signed integers sort like unsigned ones, versions and fences as the
//! same sixty-four bits. The value comes last, so that reading the rest of a row does not walk
//! through a large one.

/// `FRTH`, in the header of the file: it is a store of ours.
pub(super) const APPLICATION: i32 = 0x4652_5448;

/// What turns a file of schema `n` into one of schema `n + 1`, by position. Entries are only ever
/// added: the number of entries is the schema this program knows.
pub(super) const MIGRATIONS: &[&str] = &["
    CREATE TABLE names (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE
    ) STRICT;
    CREATE TABLE rows (
        id INTEGER PRIMARY KEY,
        part BLOB NOT NULL,
        tbl INTEGER NOT NULL,
        key BLOB NOT NULL,
        version INTEGER NOT NULL,
        fence INTEGER NOT NULL,
        grp BLOB,
        at INTEGER,
        value BLOB NOT NULL,
        UNIQUE (part, tbl, key)
    ) STRICT;
    CREATE INDEX places ON rows (part, tbl, grp, at, key) WHERE grp IS NOT NULL;
    CREATE TABLE numbers (
        part BLOB NOT NULL,
        tbl INTEGER NOT NULL,
        grp BLOB NOT NULL,
        last INTEGER NOT NULL,
        PRIMARY KEY (part, tbl, grp)
    ) STRICT, WITHOUT ROWID;
"];

/// Fails where a table is missing or its first page cannot be read.
pub(super) const PROBE: &str = "SELECT (SELECT id FROM names LIMIT 1),
    (SELECT version FROM rows LIMIT 1), (SELECT last FROM numbers LIMIT 1),
    (SELECT at FROM rows WHERE grp IS NOT NULL ORDER BY part, tbl, grp, at, key LIMIT 1)";
pub(super) const OBJECTS: &str = "SELECT count(*) FROM sqlite_schema";
pub(super) const IDENTITY: &str =
    "SELECT (SELECT application_id FROM pragma_application_id), user_version
     FROM pragma_user_version";

pub(super) const BEGIN: &str = "BEGIN IMMEDIATE";
pub(super) const COMMIT: &str = "COMMIT";
pub(super) const ROLLBACK: &str = "ROLLBACK";
pub(super) const SAVEPOINT: &str = "SAVEPOINT batch";
pub(super) const RELEASE: &str = "RELEASE batch";
pub(super) const ROLLBACK_TO: &str = "ROLLBACK TO batch";
/// Copies what the journal holds into the file, as far as nobody has to be waited for.
pub(super) const CHECKPOINT: &str = "PRAGMA wal_checkpoint(PASSIVE)";
pub(super) const SCHEMA: &str = "PRAGMA user_version";

pub(super) const FIND_NAME: &str = "SELECT id FROM names WHERE name = ?1";
pub(super) const ADD_NAME: &str = "INSERT INTO names (name) VALUES (?1)";

pub(super) const STATE: &str =
    "SELECT version, fence FROM rows WHERE part = ?1 AND tbl = ?2 AND key = ?3";
pub(super) const COUNTER: &str = "SELECT value FROM rows WHERE part = ?1 AND tbl = ?2 AND key = ?3";
pub(super) const PUT: &str = "
    INSERT INTO rows (part, tbl, key, version, fence, grp, at, value)
    VALUES (?1, ?2, ?3, 1, ?4, ?5, ?6, ?7)
    ON CONFLICT (part, tbl, key) DO UPDATE SET version = version + 1, fence = excluded.fence,
        grp = excluded.grp, at = excluded.at, value = excluded.value";
pub(super) const DELETE: &str = "DELETE FROM rows WHERE part = ?1 AND tbl = ?2 AND key = ?3";
pub(super) const COUNT: &str = "
    INSERT INTO rows (part, tbl, key, version, fence, value) VALUES (?1, ?2, ?3, 1, 0, ?4)
    ON CONFLICT (part, tbl, key) DO UPDATE SET version = version + 1, value = excluded.value";
pub(super) const NUMBER: &str = "
    INSERT INTO numbers (part, tbl, grp, last) VALUES (?1, ?2, ?3, 1)
    ON CONFLICT (part, tbl, grp) DO UPDATE SET last = last + 1
    RETURNING last";
pub(super) const APPEND: &str = "
    INSERT INTO rows (part, tbl, key, version, fence, grp, at, value)
    VALUES (?1, ?2, ?3, 1, 0, ?4, ?5, ?6)";

pub(super) const GET: &str = "
    SELECT key, version, fence, grp, at, value FROM rows
    WHERE part = ?1 AND tbl = ?2 AND key = ?3";
pub(super) const OLDEST_FIRST: &str = "
    SELECT key, version, fence, grp, at, value FROM rows
    WHERE part = ?1 AND tbl = ?2 AND grp = ?3 AND (at, key) >= (?4, ?5) AND at < ?6
    ORDER BY at, key LIMIT ?7";
pub(super) const NEWEST_FIRST: &str = "
    SELECT key, version, fence, grp, at, value FROM rows
    WHERE part = ?1 AND tbl = ?2 AND grp = ?3 AND (at, key) < (?4, ?5)
    ORDER BY at DESC, key DESC LIMIT ?6";
