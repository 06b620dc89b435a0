//! What may have happened to the file.

use std::{
    fs::{self, OpenOptions},
    io::{Seek as _, SeekFrom, Write as _},
    path::Path,
};

use farthing_core::port::backend::{Backend as _, Partition, Range, StoreError};
use farthing_store::{SqliteBackend, SqliteOptions};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::{ROWS, fresh, get, options, put, value, write, wrote};

/// A store of some dozen pages, closed.
async fn filled(dir: &TempDir) {
    let store = SqliteBackend::open(options(dir)).unwrap();
    for n in 0..40 {
        wrote(&store, vec![put(&format!("k{n:02}"), vec![n; 1000])]).await;
    }
    store.close().await;
}

fn overwrite(path: &Path, from: u64, bytes: &[u8]) {
    let mut file = OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(from)).unwrap();
    file.write_all(bytes).unwrap();
}

fn refused(dir: &TempDir) -> StoreError {
    SqliteBackend::open(options(dir)).expect_err("the file is no store")
}

#[tokio::test]
async fn reopening_keeps_everything() {
    let dir = TempDir::new().unwrap();
    filled(&dir).await;
    let store = SqliteBackend::open(SqliteOptions {
        create: false,
        ..options(&dir)
    })
    .unwrap();
    for n in 0..40 {
        assert_eq!(
            value(&store, &format!("k{n:02}")).await,
            Some(vec![n; 1000])
        );
    }
    wrote(&store, vec![put("k00", "new")]).await;
    assert_eq!(get(&store, "k00").await.unwrap().unwrap().version, 2);
}

#[tokio::test]
async fn a_file_that_is_no_store_is_refused() {
    let dir = TempDir::new().unwrap();
    let path = options(&dir).path;
    fs::write(&path, "# notes\n".repeat(2000)).unwrap();
    assert!(matches!(refused(&dir), StoreError::Corrupt(_)));
    assert_eq!(fs::read_to_string(&path).unwrap(), "# notes\n".repeat(2000));

    fs::remove_file(&path).unwrap();
    let foreign = Connection::open(&path).unwrap();
    foreign
        .execute_batch("CREATE TABLE theirs (a); PRAGMA user_version = 1;")
        .unwrap();
    drop(foreign);
    let before = fs::read(&path).unwrap();
    assert!(matches!(refused(&dir), StoreError::Corrupt(_)));
    assert_eq!(fs::read(&path).unwrap(), before);
}

type Damage<'a> = &'a dyn Fn(&Path);

#[tokio::test]
async fn damage_is_reported_and_never_a_panic() {
    let intact = TempDir::new().unwrap();
    filled(&intact).await;
    let bytes = fs::read(options(&intact).path).unwrap();
    let length = bytes.len() as u64;
    let damages: [(&str, Damage<'_>); 6] = [
        ("the header", &|path| overwrite(path, 0, &[0xff; 16])),
        ("all of page one", &|path| {
            overwrite(path, 100, &[0xff; 3996])
        }),
        ("everything after page one", &|path| {
            overwrite(path, 4096, &vec![0xa5; bytes.len() - 4096]);
        }),
        ("zeros after page one", &|path| {
            overwrite(path, 4096, &vec![0; bytes.len() - 4096])
        }),
        ("cut to a page and a half", &|path| {
            OpenOptions::new()
                .write(true)
                .open(path)
                .unwrap()
                .set_len(6000)
                .unwrap();
        }),
        ("cut in half", &|path| {
            OpenOptions::new()
                .write(true)
                .open(path)
                .unwrap()
                .set_len(length / 2)
                .unwrap();
        }),
    ];
    for (what, damage) in damages {
        let dir = TempDir::new().unwrap();
        fs::write(options(&dir).path, &bytes).unwrap();
        damage(&options(&dir).path);
        assert!(touches_damage(&dir).await, "{what} went unnoticed");
    }
}

/// Opens the store and uses all of it. Answers whether damage was reported; anything but damage,
/// and a value that was never written, is a failure.
async fn touches_damage(dir: &TempDir) -> bool {
    let mut damaged = false;
    let mut note = |error: StoreError| {
        assert!(matches!(error, StoreError::Corrupt(_)), "{error:?}");
        damaged = true;
    };
    match SqliteBackend::open(options(dir)) {
        Err(error) => note(error),
        Ok(store) => {
            for n in 0..40 {
                match get(&store, &format!("k{n:02}")).await {
                    Ok(found) => {
                        assert!(found.is_none_or(|row| row.value == vec![n; 1000]));
                    }
                    Err(error) => note(error),
                }
            }
            let range = Range {
                partition: Partition::Store,
                table: ROWS,
                group: "".into(),
                before: u64::MAX,
                after: None,
                newest_first: false,
                limit: 9,
            };
            store.range(range).await.map(drop).unwrap_or_else(&mut note);
            let rewrite = (0..40).map(|n| put(&format!("k{n:02}"), vec![n; 1000]));
            write(&store, rewrite.collect())
                .await
                .map(|_| ())
                .unwrap_or_else(&mut note);
        }
    }
    damaged
}

#[tokio::test]
async fn a_newer_schema_is_refused_also_when_it_comes_while_we_run() {
    let (store, dir) = fresh();
    wrote(&store, vec![put("a", "1")]).await;
    let newer = Connection::open(options(&dir).path).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    let late = write(&store, vec![put("a", "2")]).await;
    assert!(
        matches!(
            late,
            Err(StoreError::Schema {
                found: 99,
                known: 2
            })
        ),
        "{late:?}"
    );
    assert_eq!(value(&store, "a").await, Some(b"1".to_vec()));
    // The refusal left no transaction open: another may write, and so may we when it is over.
    newer.pragma_update(None, "user_version", 2).unwrap();
    wrote(&store, vec![put("a", "3")]).await;
    newer.pragma_update(None, "user_version", 99).unwrap();
    store.close().await;
    assert!(matches!(
        refused(&dir),
        StoreError::Schema {
            found: 99,
            known: 2
        }
    ));
}

#[tokio::test]
async fn a_store_that_must_exist_is_not_made() {
    let dir = TempDir::new().unwrap();
    let must_exist = SqliteOptions {
        create: false,
        ..options(&dir)
    };
    let missing = SqliteBackend::open(must_exist.clone()).map(drop);
    assert!(
        matches!(missing, Err(StoreError::Unavailable(_))),
        "{missing:?}"
    );
    assert!(!must_exist.path.exists());
    fs::write(&must_exist.path, "").unwrap();
    let empty = SqliteBackend::open(must_exist.clone()).map(drop);
    assert!(matches!(empty, Err(StoreError::Corrupt(_))), "{empty:?}");
    // Where it may be made, an empty file is what a crash on the first start leaves behind.
    drop(SqliteBackend::open(options(&dir)).unwrap());
    drop(SqliteBackend::open(must_exist).unwrap());

    let nowhere = SqliteOptions::new(dir.path().join("missing").join("store.db"));
    let nowhere = SqliteBackend::open(nowhere).map(drop);
    assert!(
        matches!(nowhere, Err(StoreError::Unavailable(_))),
        "{nowhere:?}"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let (store, dir) = fresh();
    wrote(&store, vec![put("a", "1")]).await;
    let modes: Vec<_> = ["store.db", "store.db-wal", "store.db-shm"]
        .map(|name| {
            fs::metadata(dir.path().join(name))
                .unwrap()
                .permissions()
                .mode()
                & 0o777
        })
        .into();
    assert_eq!(modes, [0o600; 3]);
}
