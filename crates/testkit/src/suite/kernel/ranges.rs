//! Reading a stretch of the index.

use std::sync::Arc;

use farthing_core::{
    bounds,
    port::backend::{Backend, Key, Range},
};

use super::{all, key, names, put_at, range, write};

/// Seven rows over three positions, written out of order.
async fn fill(store: &dyn Backend) {
    let rows = [
        ("c", 2),
        ("a", 2),
        ("x", 1),
        ("b", 3),
        ("b0", 2),
        ("b", 2),
        ("z", 3),
    ];
    for (name, at) in rows {
        write(store, vec![put_at(&format!("{at}{name}"), "g", at)]).await;
    }
}

const ORDER: [&str; 7] = ["1x", "2a", "2b", "2b0", "2c", "3b", "3z"];

/// Rows come by position, then by key as bytes; or all of that reversed.
pub async fn ranges_are_ordered_by_position_then_key(store: Arc<dyn Backend>) {
    fill(&*store).await;
    assert_eq!(names(&*store, all("g")).await, ORDER);
    let mut reversed = ORDER;
    reversed.reverse();
    assert_eq!(
        names(
            &*store,
            Range {
                newest_first: true,
                ..all("g")
            }
        )
        .await,
        reversed
    );
}

/// Pages of every size, joined, are the whole in both directions, even when a page ends within a
/// position, and when the row that a page ended with is gone.
pub async fn ranges_page_in_both_directions(store: Arc<dyn Backend>) {
    let store = &*store;
    fill(store).await;
    for newest_first in [false, true] {
        let mut order = ORDER;
        if newest_first {
            order.reverse();
        }
        for limit in 1..=ORDER.len() {
            let mut seen = Vec::new();
            let mut after = None;
            loop {
                let page = Range {
                    after: after.clone(),
                    limit,
                    newest_first,
                    ..all("g")
                };
                let rows = range(store, page).await;
                let Some(last) = rows.last() else { break };
                let place = last.place.clone().expect("a listed row has a place");
                after = Some((place.at, last.key.clone()));
                assert!(
                    rows.len() <= limit && seen.len() < ORDER.len(),
                    "pages of {limit}"
                );
                seen.extend(rows.into_iter().map(|row| row.key));
            }
            assert_eq!(seen, order.map(key), "pages of {limit}");
        }
    }
    let gone = Some((2, key("2bb")));
    let rest = Range {
        after: gone.clone(),
        ..all("g")
    };
    assert_eq!(names(store, rest).await, ["2c", "3b", "3z"]);
    let rest = Range {
        after: gone,
        newest_first: true,
        ..all("g")
    };
    assert_eq!(names(store, rest).await, ["2b0", "2b", "2a", "1x"]);
}

/// `before` leaves out its own position, in both directions and together with `after`.
pub async fn ranges_stop_before(store: Arc<dyn Backend>) {
    let store = &*store;
    fill(store).await;
    assert_eq!(
        names(
            store,
            Range {
                before: 2,
                ..all("g")
            }
        )
        .await,
        ["1x"]
    );
    assert!(
        names(
            store,
            Range {
                before: 1,
                ..all("g")
            }
        )
        .await
        .is_empty()
    );
    assert!(
        names(
            store,
            Range {
                before: 0,
                ..all("g")
            }
        )
        .await
        .is_empty()
    );
    let newest = Range {
        before: 3,
        newest_first: true,
        limit: 2,
        ..all("g")
    };
    assert_eq!(names(store, newest.clone()).await, ["2c", "2b0"]);
    let next = Range {
        after: Some((2, key("2b0"))),
        ..newest.clone()
    };
    assert_eq!(names(store, next).await, ["2b", "2a"]);
    let beyond = Range {
        after: Some((9, key("9"))),
        ..newest
    };
    assert_eq!(names(store, beyond).await, ["2c", "2b0"]);
    let rest = Range {
        before: 3,
        after: Some((2, key("2b"))),
        ..all("g")
    };
    assert_eq!(names(store, rest.clone()).await, ["2b0", "2c"]);
    let crossed = Range {
        after: Some((7, key(""))),
        ..rest
    };
    assert!(names(store, crossed).await.is_empty());
}

/// Positions at both ends of a `u64` sort as numbers, and nothing is below zero or lost.
pub async fn ranges_hold_at_the_ends_of_the_numbers(store: Arc<dyn Backend>) {
    let store = &*store;
    let middle = i64::MAX as u64;
    let ends = [0, 1, middle, middle + 1, u64::MAX - 1, u64::MAX];
    for (name, at) in ["a", "b", "c", "d", "e", "f"].into_iter().zip(ends) {
        write(store, vec![put_at(name, "g", at)]).await;
    }
    // `before` excludes: the last position of all is listed by no range, only found by its key.
    assert_eq!(names(store, all("g")).await, ["a", "b", "c", "d", "e"]);
    assert_eq!(
        names(
            store,
            Range {
                before: middle + 1,
                ..all("g")
            }
        )
        .await,
        ["a", "b", "c"]
    );
    let newest = Range {
        newest_first: true,
        limit: 2,
        ..all("g")
    };
    assert_eq!(names(store, newest).await, ["e", "d"]);
    let longest = Key::new(vec![255; bounds::KEY]);
    let rest = Range {
        after: Some((middle, longest)),
        ..all("g")
    };
    assert_eq!(names(store, rest).await, ["d", "e"]);
    let none = Range {
        after: Some((0, key(""))),
        newest_first: true,
        ..all("g")
    };
    assert!(names(store, none).await.is_empty());
}

/// A limit of zero is an empty page, and no limit brings more than a page.
pub async fn ranges_are_bounded(store: Arc<dyn Backend>) {
    let store = &*store;
    let rows = bounds::PAGE + 1;
    write(
        store,
        (0..rows)
            .map(|at| put_at(&format!("{at:05}"), "g", 1))
            .collect(),
    )
    .await;
    assert!(
        names(
            store,
            Range {
                limit: 0,
                ..all("g")
            }
        )
        .await
        .is_empty()
    );
    for newest_first in [false, true] {
        let most = Range {
            limit: usize::MAX,
            newest_first,
            ..all("g")
        };
        assert_eq!(names(store, most).await.len(), bounds::PAGE);
    }
}

/// A range stays within its group, where one is a prefix of another too.
pub async fn groups_are_separate(store: Arc<dyn Backend>) {
    let store = &*store;
    for (at, group) in ["", "g", "g\0", "gg", "h"].into_iter().enumerate() {
        write(store, vec![put_at(&format!("row{at}"), group, 1)]).await;
    }
    for (at, group) in ["", "g", "g\0", "gg", "h"].into_iter().enumerate() {
        for newest_first in [false, true] {
            let found = names(
                store,
                Range {
                    newest_first,
                    ..all(group)
                },
            )
            .await;
            assert_eq!(found, [format!("row{at}")], "group {group:?}");
        }
    }
    assert!(names(store, all("f")).await.is_empty());
}
