//! Writes: put, delete and append, their order, and what a row may hold.

use std::sync::Arc;

use farthing_core::{
    bounds,
    port::backend::{Backend, Batch, Commit, Key, Partition, Place, Row, StoreError, Write},
};

use super::{
    OTHER, ROWS, absent, add, all, append, at_guard, at_write, batch, commit, counter, delete, get,
    key, names, place, put, put_at, put_fenced, range, row, write,
};

/// A put replaces value, fence and place, and the version counts the writes since the row began.
pub async fn put_replaces_everything_and_counts_versions(store: Arc<dyn Backend>) {
    let store = &*store;
    let first = Write::Put {
        table: ROWS,
        key: key("a"),
        value: b"one".to_vec(),
        fence: 4,
        place: place("g", 9),
    };
    write(store, vec![first]).await;
    let expected = Row {
        key: key("a"),
        value: b"one".to_vec(),
        version: 1,
        fence: 4,
        place: place("g", 9),
    };
    assert_eq!(row(store, "a").await, expected);
    write(store, vec![put("a", "two")]).await;
    let expected = Row {
        key: key("a"),
        value: b"two".to_vec(),
        version: 2,
        fence: 0,
        place: None,
    };
    assert_eq!(row(store, "a").await, expected);
}

/// A deleted row is gone; a row of the same key starts again at version one.
pub async fn delete_removes_and_is_no_error_twice(store: Arc<dyn Backend>) {
    let store = &*store;
    write(store, vec![delete("a")]).await;
    write(store, vec![put("a", "1"), put("a", "2")]).await;
    write(store, vec![delete("a")]).await;
    assert_eq!(get(store, "a").await, None);
    write(store, vec![delete("a"), put("a", "3")]).await;
    assert_eq!(row(store, "a").await.version, 1);
}

/// Writes are applied in order, and each sees the ones before it.
pub async fn writes_see_the_ones_before_them(store: Arc<dyn Backend>) {
    let store = &*store;
    write(
        store,
        vec![put("a", "1"), put("a", "2"), put("b", "1"), delete("b")],
    )
    .await;
    assert_eq!(
        (row(store, "a").await.version, get(store, "b").await),
        (2, None)
    );
    write(
        store,
        vec![add("n", 5, 0, 9), add("n", -5, 0, 9), add("n", 9, 0, 9)],
    )
    .await;
    assert_eq!(counter(store, "n").await, 9);
    write(store, vec![delete("n"), add("n", 2, 0, 9)]).await;
    assert_eq!(counter(store, "n").await, 2);
    // Each sum has to hold where it stands, even if a later write would bring it back.
    let outcome = commit(store, vec![], vec![add("n", 8, 0, 9), add("n", -8, 0, 9)]).await;
    assert_eq!(outcome, at_write(0));
}

/// A batch without writes commits when its guards hold, and conflicts when they do not.
pub async fn an_empty_batch_commits(store: Arc<dyn Backend>) {
    let store = &*store;
    assert_eq!(commit(store, vec![], vec![]).await, Commit::Committed);
    assert_eq!(
        commit(store, vec![absent("a")], vec![]).await,
        Commit::Committed
    );
    write(store, vec![put("a", "")]).await;
    assert_eq!(commit(store, vec![absent("a")], vec![]).await, at_guard(0));
}

/// Values may be empty or large; keys are any bytes up to the bound.
pub async fn large_values_and_binary_keys_are_kept(store: Arc<dyn Backend>) {
    let every: Vec<u8> = (0..=255).collect();
    let keys = [vec![], vec![0], vec![0, 0], vec![255; bounds::KEY], every];
    let large: Vec<u8> = (0..1_000_003_u32).map(|at| (at % 251) as u8).collect();
    for (at, bytes) in keys.iter().enumerate() {
        let value = if at % 2 == 0 { large.clone() } else { vec![] };
        let name = Key::new(bytes.clone());
        let place = Some(Place {
            group: name.clone(),
            at: 1,
        });
        let put = Write::Put {
            table: ROWS,
            key: name,
            value,
            fence: 0,
            place,
        };
        write(&*store, vec![put]).await;
    }
    for (at, bytes) in keys.iter().enumerate() {
        let name = Key::new(bytes.clone());
        let found = store
            .get(&Partition::Store, ROWS, &name)
            .await
            .expect("a healthy store");
        let found = found.expect("the row was written before");
        assert_eq!(found.value.len(), if at % 2 == 0 { large.len() } else { 0 });
        assert!(found.value.is_empty() || found.value == large);
        assert_eq!(found.place.as_ref().map(|place| &place.group), Some(&name));
        let listed = range(
            &*store,
            super::Range {
                group: name,
                ..all("")
            },
        )
        .await;
        assert_eq!(listed, vec![found]);
    }
}

/// Fences and positions use all their sixty-four bits.
pub async fn every_number_of_a_row_is_kept(store: Arc<dyn Backend>) {
    let store = &*store;
    for number in [0, 1, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX] {
        let value = vec![];
        let place = place("g", number);
        let put = Write::Put {
            table: ROWS,
            key: key("a"),
            value,
            fence: number,
            place,
        };
        write(store, vec![put]).await;
        let found = row(store, "a").await;
        assert_eq!(
            (found.fence, found.place.map(|place| place.at)),
            (number, Some(number))
        );
        assert_eq!(
            commit(store, vec![super::fence("a", number)], vec![]).await,
            Commit::Committed
        );
    }
}

/// A key means another row in another table, in another partition, and in another channel.
pub async fn partitions_and_tables_are_separate(store: Arc<dyn Backend>) {
    let homes = [
        (Partition::Store, ROWS),
        (Partition::Store, OTHER),
        (Partition::Channel(key("")), ROWS),
        (Partition::Channel(key("c")), ROWS),
        (Partition::Channel(key("c")), OTHER),
        (Partition::Channel(key("d")), ROWS),
    ];
    for (at, (partition, table)) in homes.iter().enumerate() {
        let (table, group) = (*table, key("g"));
        let fresh = Batch {
            partition: partition.clone(),
            guards: vec![super::Guard::Absent {
                table,
                key: key("a"),
            }],
            writes: vec![
                Write::Put {
                    table,
                    key: key("a"),
                    value: vec![at as u8],
                    fence: 0,
                    place: place("g", 5),
                },
                Write::Append {
                    table,
                    group: group.clone(),
                    value: vec![],
                },
            ],
        };
        assert_eq!(
            store.commit(fresh).await.expect("a healthy store"),
            Commit::Committed
        );
    }
    for (at, (partition, table)) in homes.into_iter().enumerate() {
        let found = store
            .get(&partition, table, &key("a"))
            .await
            .expect("a healthy store");
        assert_eq!(
            found.expect("the row was written before").value,
            vec![at as u8]
        );
        let listed = range(
            &*store,
            super::Range {
                partition,
                table,
                ..all("g")
            },
        )
        .await;
        let places: Vec<_> = listed.into_iter().filter_map(|row| row.place).collect();
        let expected: Vec<_> = [1, 5].into_iter().filter_map(|at| place("g", at)).collect();
        assert_eq!(places, expected);
    }
}

/// Appended rows are numbered 1, 2, 3 a group; key and place say so.
pub async fn append_numbers_each_group_from_one(store: Arc<dyn Backend>) {
    let store = &*store;
    write(
        store,
        vec![append("g", "1"), append("h", "1"), append("g", "2")],
    )
    .await;
    write(store, vec![append("g", "3")]).await;
    let rows = range(store, all("g")).await;
    for (row, number) in rows.iter().zip(1_u64..) {
        let expected = Row {
            key: key([b"g".as_slice(), &number.to_be_bytes()].concat()),
            value: number.to_string().into_bytes(),
            version: 1,
            fence: 0,
            place: place("g", number),
        };
        assert_eq!(*row, expected);
    }
    assert_eq!((rows.len(), range(store, all("h")).await.len()), (3, 1));
}

/// A number is not given again after its row was deleted: a reader who pages would miss the row.
pub async fn append_never_gives_a_number_twice(store: Arc<dyn Backend>) {
    let store = &*store;
    write(store, vec![append("g", "1"), append("g", "2")]).await;
    for row in range(store, all("g")).await {
        write(
            store,
            vec![Write::Delete {
                table: ROWS,
                key: row.key,
            }],
        )
        .await;
    }
    write(store, vec![append("g", "3")]).await;
    let rows = range(store, all("g")).await;
    assert_eq!(
        rows.iter().map(|row| row.place.clone()).collect::<Vec<_>>(),
        [place("g", 3)]
    );
}

/// A conflicting batch takes no number, not even the first of a group.
pub async fn append_in_a_conflict_takes_no_number(store: Arc<dyn Backend>) {
    let store = &*store;
    for expected in 1..=2 {
        let writes = vec![append("g", "x"), append("g", "x"), add("n", 1, 0, 0)];
        assert_eq!(commit(store, vec![], writes).await, at_write(2));
        write(store, vec![append("g", "kept")]).await;
        let rows = range(store, all("g")).await;
        assert_eq!(
            rows.last().and_then(|row| row.place.clone()),
            place("g", expected)
        );
    }
}

/// A group that leaves no room for the number is refused, and its batch writes nothing.
pub async fn append_keeps_within_the_key_bound(store: Arc<dyn Backend>) {
    let longest = "g".repeat(bounds::KEY - 8);
    write(&*store, vec![append(&longest, "fits")]).await;
    assert_eq!(range(&*store, all(&longest)).await.len(), 1);
    let writes = vec![
        put_fenced("a", 1),
        put_at("b", "g", 1),
        append(&(longest + "g"), ""),
    ];
    let refused = store.commit(batch(vec![], writes)).await;
    assert!(
        matches!(refused, Err(StoreError::Corrupt(_))),
        "{refused:?}"
    );
    assert_eq!(
        (
            get(&*store, "a").await,
            names(&*store, all("g")).await.len()
        ),
        (None, 0)
    );
}
