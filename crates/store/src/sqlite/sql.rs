//! Every statement there is.
//!
//! A row is found by one text of bytes, `k`: its table, its partition and its key, as
//! [`super::codec`] puts them together. What is compared on the way down a tree is then one stretch of
//! memory, and the row lies in the tree it is found by. Table names are numbers from `names`,
//! positions stand so that SQLite's signed integers sort like unsigned ones, versions and fences as
//! the same sixty-four bits. The value comes last, so that reading the rest of a row does not walk
//! through a large one.

/// `FRTH`, in the header of the file: it is a store of ours.
pub(super) const APPLICATION: i32 = 0x4652_5448;

/// What turns a file of schema `n` into one of schema `n + 1`, by position. Entries are only ever
/// added: the number of entries is the schema this program knows.
pub(super) const MIGRATIONS: &[&str] = &[FIRST, ONE_TREE];

/// Rows under numbers of their own, found through one index by key and one by place.
const FIRST: &str = "
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
";

/// Rows in the tree of their keys: one tree less to write for each. The rows come in the order of
/// the new tree nearly, so that it is built at its end; the old pages are used again.
const ONE_TREE: &str = "
    ALTER TABLE rows RENAME TO old_rows;
    ALTER TABLE numbers RENAME TO old_numbers;
    CREATE TABLE rows (
        k BLOB PRIMARY KEY,
        version INTEGER NOT NULL,
        fence INTEGER NOT NULL,
        grp BLOB,
        at INTEGER,
        value BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE numbers (
        k BLOB PRIMARY KEY,
        last INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    INSERT INTO rows (k, version, fence, grp, at, value)
    SELECT CAST(unhex(printf('%04x%04x', tbl, length(part))) || part || key AS BLOB),
        version, fence,
        CAST(unhex(printf('%04x%04x', tbl, length(part))) || part || grp AS BLOB), at, value
    FROM old_rows ORDER BY part, tbl, key;
    INSERT INTO numbers (k, last)
    SELECT CAST(unhex(printf('%04x%04x', tbl, length(part))) || part || grp AS BLOB), last
    FROM old_numbers;
    DROP TABLE old_rows;
    DROP TABLE old_numbers;
    CREATE INDEX places ON rows (grp, at, k) WHERE grp IS NOT NULL;
";

/// Fails where a table is missing or its first page cannot be read.
pub(super) const PROBE: &str = "SELECT (SELECT id FROM names LIMIT 1),
    (SELECT version FROM rows LIMIT 1), (SELECT last FROM numbers LIMIT 1),
    (SELECT at FROM rows WHERE grp IS NOT NULL ORDER BY grp, at, k LIMIT 1)";
/// Whose file it is, of which schema, and how much is in it: one statement, so that all of it is of one
/// moment, for another process may be making the file.
pub(super) const IDENTITY: &str = "
    SELECT (SELECT application_id FROM pragma_application_id),
        (SELECT user_version FROM pragma_user_version),
        (SELECT count(*) FROM sqlite_schema)";

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
pub(super) const ADD_NAME: &str = "INSERT INTO names (name) VALUES (?1) RETURNING id";

pub(super) const STATE: &str = "SELECT version, fence, grp, at FROM rows WHERE k = ?1";
pub(super) const COUNTER: &str = "SELECT value FROM rows WHERE k = ?1";
pub(super) const PUT: &str = "
    INSERT INTO rows (k, version, fence, grp, at, value) VALUES (?1, 1, ?2, ?3, ?4, ?5)
    ON CONFLICT (k) DO UPDATE SET version = version + 1, fence = excluded.fence,
        grp = excluded.grp, at = excluded.at, value = excluded.value";
/// [`PUT`] for a row that is there.
pub(super) const MOVE: &str = "
    UPDATE rows SET version = version + 1, fence = ?2, grp = ?3, at = ?4, value = ?5 WHERE k = ?1";
/// [`PUT`] for a row that is there and stays at its place.
pub(super) const CHANGE: &str = "
    UPDATE rows SET version = version + 1, fence = ?2, value = ?3 WHERE k = ?1";
/// [`CHANGE`] for a row of a version that stands at no place; it changes nothing else.
pub(super) const EXCHANGE: &str = "
    UPDATE rows SET version = version + 1, fence = ?3, value = ?4
    WHERE k = ?1 AND version = ?2 AND grp IS NULL";
pub(super) const DELETE: &str = "DELETE FROM rows WHERE k = ?1";
pub(super) const COUNT: &str = "
    INSERT INTO rows (k, version, fence, value) VALUES (?1, ?2, 0, ?3)
    ON CONFLICT (k) DO UPDATE SET version = version + excluded.version, value = excluded.value";
pub(super) const NUMBER: &str = "
    INSERT INTO numbers (k, last) VALUES (?1, 1) ON CONFLICT (k) DO UPDATE SET last = last + 1
    RETURNING last";
pub(super) const APPEND: &str = "
    INSERT INTO rows (k, version, fence, grp, at, value) VALUES (?1, 1, 0, ?2, ?3, ?4)";

pub(super) const GET: &str = "SELECT k, version, fence, grp, at, value FROM rows WHERE k = ?1";
pub(super) const OLDEST_FIRST: &str = "
    SELECT k, version, fence, grp, at, value FROM rows
    WHERE grp = ?1 AND (at, k) >= (?2, ?3) AND at < ?4 ORDER BY at, k LIMIT ?5";
pub(super) const NEWEST_FIRST: &str = "
    SELECT k, version, fence, grp, at, value FROM rows
    WHERE grp = ?1 AND (at, k) < (?2, ?3) ORDER BY at DESC, k DESC LIMIT ?4";
