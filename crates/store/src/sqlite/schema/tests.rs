use std::sync::Barrier;

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

/// What this program knows, and what the later version adds to it.
fn later() -> Vec<&'static str> {
    [sql::MIGRATIONS, &[LATER]].concat()
}

/// A store as this version writes it, with one row.
fn older(dir: &TempDir) {
    create(&options(dir).path).unwrap();
    let store = open_with(&options(dir), sql::MIGRATIONS).unwrap();
    let group: Option<&[u8]> = None;
    let at: Option<i64> = None;
    store
        .execute(sql::PUT, (&b"k"[..], 0, group, at, &b"value"[..]))
        .unwrap();
}

fn schema_of(dir: &TempDir) -> u32 {
    let plain = Connection::open(options(dir).path).unwrap();
    plain.query_row(sql::SCHEMA, [], |row| row.get(0)).unwrap()
}

#[test]
fn whoever_comes_while_a_file_is_made_finds_a_store() {
    const AT_ONCE: usize = 8;
    for _ in 0..40 {
        let dir = TempDir::new().unwrap();
        let options = options(&dir);
        let all = Barrier::new(AT_ONCE);
        let open = || {
            all.wait();
            open_with(&options, sql::MIGRATIONS).map(drop)
        };
        create(&options.path).unwrap();
        thread::scope(|scope| {
            let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(open)).collect();
            for thread in threads {
                assert!(thread.join().unwrap().is_ok());
            }
        });
    }
}

#[test]
fn an_older_schema_is_migrated_and_keeps_its_rows() {
    let dir = TempDir::new().unwrap();
    older(&dir);
    assert_eq!(schema_of(&dir), known());
    for _ in 0..2 {
        let store = open_with(&options(&dir), &later()).unwrap();
        let found: (Vec<u8>, i64) = store
            .query_row("SELECT value, size FROM rows", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        assert_eq!(found, (b"value".to_vec(), 5));
    }
    assert_eq!(schema_of(&dir), known() + 1);
}

#[test]
fn a_migration_that_fails_leaves_the_older_store_whole() {
    let dir = TempDir::new().unwrap();
    older(&dir);
    let broken = [&later()[..], &["UPDATE nowhere SET a = 1;"]].concat();
    let failure = open_with(&options(&dir), &broken).unwrap_err();
    assert!(matches!(failure.error(), StoreError::Corrupt(_)));
    assert_eq!(schema_of(&dir), known());
    let store = open_with(&options(&dir), sql::MIGRATIONS).unwrap();
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
    drop(open_with(&options(&dir), &later()).unwrap());
    let failure = open_with(&options(&dir), sql::MIGRATIONS).unwrap_err();
    let newer = failure.error();
    let told = format!(
        "the store has schema {}, and this program knows up to {}",
        known() + 1,
        known()
    );
    assert!(matches!(newer, StoreError::Schema { .. }), "{newer:?}");
    assert_eq!(newer.to_string(), told);
}

/// A process that dies while it migrates leaves whatever it had written beside the file. None of it
/// counts.
#[test]
fn a_crash_in_the_midst_of_a_migration_leaves_the_older_store_whole() {
    const ROWS: u32 = 2000;
    let (dir, after) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    create(&options(&dir).path).unwrap();
    let first = |dir: &TempDir| {
        let mut store = connect(&options(dir)).unwrap();
        use_journal(&store, Duration::ZERO).unwrap();
        migrate(&mut store, &sql::MIGRATIONS[..1]).unwrap();
        store
    };
    let store = first(&dir);
    let insert = "INSERT INTO rows (part, tbl, key, version, fence, value)
        VALUES (x'', 1, CAST(printf('k%04d', ?1) AS BLOB), 1, 0, zeroblob(500))";
    for n in 0..ROWS {
        store.execute(insert, [n]).unwrap();
    }
    // A small cache makes it write before it commits.
    store.pragma_update(None, "cache_size", 10).unwrap();
    store.execute_batch(sql::BEGIN).unwrap();
    store.execute_batch(sql::MIGRATIONS[1]).unwrap();
    let count = "SELECT count(*) FROM rows WHERE k > x''";
    let count = |store: &Connection| store.query_row(count, [], |row| row.get::<_, u32>(0));
    assert_eq!(count(&store), Ok(ROWS));
    for beside in ["store.db", "store.db-wal"] {
        std::fs::copy(dir.path().join(beside), after.path().join(beside)).unwrap();
    }
    drop(store);
    let journal = std::fs::metadata(after.path().join("store.db-wal")).unwrap();
    assert!(
        journal.len() > 500 * u64::from(ROWS),
        "nothing was written yet"
    );

    assert_eq!(schema_of(&after), 1);
    assert!(count(&first(&after)).is_err(), "it is half migrated");
    let whole = open(&options(&after)).unwrap();
    assert_eq!((count(&whole), schema_of(&after)), (Ok(ROWS), known()));
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
