use farthing_core::port::backend::StoreError;
use tempfile::TempDir;

use super::*;

/// What a later version might do: a column more, filled from what is there.
const LATER: &str = "
    ALTER TABLE rows ADD COLUMN size INTEGER NOT NULL DEFAULT 0;
    UPDATE rows SET size = length(value);";

fn options(dir: &TempDir) -> SqliteOptions {
    SqliteOptions::new(dir.path().join("store.db"))
}

/// A store as the first version writes it, with one row.
fn older(dir: &TempDir) {
    create(&options(dir).path).unwrap();
    let store = open_with(&options(dir), &sql::MIGRATIONS[..1]).unwrap();
    store.execute(sql::ADD_NAME, ["suite.rows"]).unwrap();
    let group: Option<&[u8]> = None;
    let at: Option<i64> = None;
    store
        .execute(
            sql::PUT,
            (&b""[..], 1, &b"k"[..], 0, group, at, &b"value"[..]),
        )
        .unwrap();
}

fn schema_of(dir: &TempDir) -> u32 {
    let plain = Connection::open(options(dir).path).unwrap();
    plain.query_row(sql::SCHEMA, [], |row| row.get(0)).unwrap()
}

#[test]
fn an_older_schema_is_migrated_and_keeps_its_rows() {
    let dir = TempDir::new().unwrap();
    older(&dir);
    assert_eq!(schema_of(&dir), 1);
    for _ in 0..2 {
        let store = open_with(&options(&dir), &[sql::MIGRATIONS[0], LATER]).unwrap();
        let found: (Vec<u8>, i64) = store
            .query_row("SELECT value, size FROM rows", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        assert_eq!(found, (b"value".to_vec(), 5));
    }
    assert_eq!(schema_of(&dir), 2);
}

#[test]
fn a_migration_that_fails_leaves_the_older_store_whole() {
    let dir = TempDir::new().unwrap();
    older(&dir);
    let broken = [sql::MIGRATIONS[0], LATER, "UPDATE nowhere SET a = 1;"];
    let failure = open_with(&options(&dir), &broken).unwrap_err();
    assert!(matches!(failure.error(), StoreError::Corrupt(_)));
    assert_eq!(schema_of(&dir), 1);
    let store = open_with(&options(&dir), &sql::MIGRATIONS[..1]).unwrap();
    assert!(store.prepare("SELECT size FROM rows").is_err());
    assert_eq!(
        store.query_row("SELECT count(*) FROM rows", [], |row| row.get(0)),
        Ok(1)
    );
}

#[test]
fn the_older_program_refuses_the_newer_store() {
    let dir = TempDir::new().unwrap();
    older(&dir);
    drop(open_with(&options(&dir), &[sql::MIGRATIONS[0], LATER]).unwrap());
    let failure = open_with(&options(&dir), &sql::MIGRATIONS[..1]).unwrap_err();
    assert!(matches!(
        failure.error(),
        StoreError::Schema { found: 2, known: 1 }
    ));
}

#[test]
fn a_commit_is_flushed_before_it_is_answered() {
    let dir = TempDir::new().unwrap();
    let full = 2;
    for store in [
        open(&options(&dir)).unwrap(),
        reopen(&options(&dir)).unwrap(),
    ] {
        let synchronous: i32 = store
            .query_row("PRAGMA synchronous", [], |row| row.get(0))
            .unwrap();
        let journal: String = store
            .query_row("PRAGMA journal_mode", [], |row| row.get(0))
            .unwrap();
        assert_eq!((synchronous, journal.as_str()), (full, "wal"));
    }
}
