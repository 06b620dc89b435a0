use tempfile::TempDir;

use super::*;
use crate::SqliteOptions;

fn plan(connection: &Connection, query: &str) -> String {
    let mut statement = connection
        .prepare(&format!("EXPLAIN QUERY PLAN {query}"))
        .unwrap();
    let lines = statement.raw_query().mapped(|row| row.get::<_, String>(3));
    lines.collect::<Result<Vec<_>, _>>().unwrap().join("; ")
}

/// The cost of a read must not grow with what is stored: each goes straight to where it begins,
/// in an index that has the order already.
#[test]
fn no_read_scans_or_sorts() {
    let dir = TempDir::new().unwrap();
    let store = schema::open(&SqliteOptions::new(dir.path().join("store.db"))).unwrap();
    let by_key = [sql::GET, sql::STATE, sql::COUNTER, sql::DELETE];
    for query in by_key.into_iter().chain([sql::MOVE, sql::CHANGE]) {
        let plan = plan(&store, query);
        assert_eq!(plan, "SEARCH rows USING PRIMARY KEY (k=?)", "{query}");
    }
    let group = "SEARCH rows USING INDEX places (grp=? AND ";
    let oldest = plan(&store, sql::OLDEST_FIRST);
    assert_eq!(oldest, format!("{group}(at,k)>(?,?) AND at<?)"));
    let newest = plan(&store, sql::NEWEST_FIRST);
    assert_eq!(newest, format!("{group}(at,k)<(?,?))"));
}

#[test]
fn a_key_longer_than_any_is_damage_and_no_panic() {
    let dir = TempDir::new().unwrap();
    let store = schema::open(&SqliteOptions::new(dir.path().join("store.db"))).unwrap();
    let name = |row: &rusqlite::Row<'_>| row.get(0);
    let id: u16 = store
        .query_row(sql::ADD_NAME, ["suite.rows"], name)
        .unwrap();
    let prefix = Prefix::new(id, b"");
    let long = prefix.with(&[b'k'; Key::MAX + 1]);
    let columns = (long, 0, prefix.with(b"g"), position(1), &b""[..]);
    store.execute(sql::PUT, columns).unwrap();
    let range = Range {
        partition: Partition::Store,
        table: Table::new("suite.rows"),
        group: "g".into(),
        before: u64::MAX,
        after: None,
        newest_first: true,
        limit: 1,
    };
    let error = list(&store, &mut Names::default(), b"", &range).unwrap_err();
    assert!(matches!(
        Failure::before_commit(error).error(),
        StoreError::Corrupt(_)
    ));
    // A position without its half is damage as well.
    store
        .execute("UPDATE rows SET k = ?1, at = NULL", [prefix.with(&[0])])
        .unwrap();
    let found = get(
        &store,
        &mut Names::default(),
        b"",
        range.table,
        &Key::new([0]),
    );
    assert!(found.is_err(), "{found:?}");
}

#[test]
fn what_a_newer_program_migrated_is_no_damage() {
    let dir = TempDir::new().unwrap();
    let options = SqliteOptions::new(dir.path().join("store.db"));
    let store = schema::open(&options).unwrap();
    let (partition, table) = (Partition::Store, Table::new("suite.rows"));
    let shared = Arc::new(Shared::new(options));
    let mut reader = Reader::new(shared).unwrap();
    store
        .execute_batch("DROP TABLE rows; DROP TABLE names; PRAGMA user_version = 99")
        .unwrap();
    let key = Key::new([]);
    let found = reader.read(&partition, |connection, names, part| {
        get(connection, names, part, table, &key)
    });
    assert!(
        matches!(found, Err(StoreError::Schema { found: 99, .. })),
        "{found:?}"
    );
}
