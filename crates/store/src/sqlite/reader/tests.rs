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
    let by_key = "(part=? AND tbl=? AND key=?)";
    for query in [sql::GET, sql::STATE, sql::COUNTER, sql::DELETE] {
        let plan = plan(&store, query);
        assert!(
            plan.starts_with("SEARCH rows USING INDEX") && plan.contains(by_key),
            "{plan}"
        );
    }
    let group = "SEARCH rows USING INDEX places (part=? AND tbl=? AND grp=? AND ";
    let oldest = plan(&store, sql::OLDEST_FIRST);
    assert_eq!(oldest, format!("{group}(at,key)>(?,?) AND at<?)"));
    let newest = plan(&store, sql::NEWEST_FIRST);
    assert_eq!(newest, format!("{group}(at,key)<(?,?))"));
}

#[test]
fn a_key_longer_than_any_is_damage_and_no_panic() {
    let dir = TempDir::new().unwrap();
    let store = schema::open(&SqliteOptions::new(dir.path().join("store.db"))).unwrap();
    store.execute(sql::ADD_NAME, ["suite.rows"]).unwrap();
    let long = vec![b'k'; Key::MAX + 1];
    let columns = (&b""[..], 1, long, 0, b"g", position(1), &b""[..]);
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
        .execute("UPDATE rows SET key = x'00', at = NULL", [])
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
