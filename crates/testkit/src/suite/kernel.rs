//! The suite of the storage kernel: every promise of [`farthing_core::port::backend`].
//!
//! A case is an async function that takes an empty store and panics where a promise is broken.
//! [`kernel_suite!`](crate::kernel_suite) makes a test of each; [`run_all`] runs them in a row.

use std::sync::Arc;

use farthing_core::port::backend::{
    Backend, Batch, Commit, Guard, Key, Partition, Place, Range, Row, Table, Which, Write,
};

mod counters;
mod guards;
mod places;
mod races;
mod ranges;
mod writes;

pub use counters::*;
pub use guards::*;
pub use places::*;
pub use races::*;
pub use ranges::*;
pub use writes::*;

/// Makes one test a case, each by its own name.
///
/// The argument is called once a test and answers with `(Arc<dyn Backend>, kept)`: an empty store,
/// and whatever has to live as long as it does. The caller needs `tokio` with `macros` and
/// `rt-multi-thread` among its dependencies.
///
/// ```
/// mod memory {
///     use std::sync::Arc;
///     use farthing_core::memory::MemoryBackend;
///     farthing_testkit::kernel_suite!(|| (Arc::new(MemoryBackend::new()), ()));
/// }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! kernel_suite {
    (@names $($rest:tt)*) => {
        $crate::kernel_suite! { $($rest)* ;
            absent_holds_only_where_no_row_is
            version_holds_only_at_that_version
            fence_holds_only_at_that_fence
            the_first_broken_guard_is_named
            guards_see_the_state_before_the_batch
            a_broken_guard_is_named_before_a_broken_write
            a_conflict_writes_nothing
            put_replaces_everything_and_counts_versions
            delete_removes_and_is_no_error_twice
            writes_see_the_ones_before_them
            an_empty_batch_commits
            large_values_and_binary_keys_are_kept
            every_number_of_a_row_is_kept
            partitions_and_tables_are_separate
            append_numbers_each_group_from_one
            append_never_gives_a_number_twice
            append_in_a_conflict_takes_no_number
            append_keeps_within_the_key_bound
            counters_start_at_zero_and_keep_their_bounds
            counters_reach_the_ends_and_never_overflow
            counters_keep_fence_and_place
            adding_to_what_is_no_counter_is_refused_whole
            a_conflict_names_the_write
            ranges_are_ordered_by_position_then_key
            ranges_page_in_both_directions
            ranges_stop_before
            ranges_hold_at_the_ends_of_the_numbers
            ranges_are_bounded
            groups_are_separate
            places_follow_their_rows
            places_come_back_after_a_conflict
            one_of_many_claims_wins
            one_of_many_advances_wins
            a_stale_fence_is_refused_after_a_takeover
            counters_are_exact_under_contention
            counters_never_leave_their_bounds_under_contention
            appends_are_numbered_without_gaps_under_contention
            batches_are_seen_whole
        }
    };
    (@tests $make:expr ; $($name:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let (store, kept) = ($make)();
                $crate::suite::kernel::$name(store).await;
                drop(kept);
            }
        )*
    };
    (@run $make:ident ; $($name:ident)*) => {
        $(
            let (store, kept) = $make();
            $name(store).await;
            drop(kept);
        )*
    };
    ($make:expr) => {
        $crate::kernel_suite! { @names @tests $make }
    };
}

/// Runs every case against a store of its own.
///
/// # Panics
/// When a promise is broken.
pub async fn run_all<K>(make: impl Fn() -> (Arc<dyn Backend>, K)) {
    crate::kernel_suite! { @names @run make }
}

/// The table most cases use.
const ROWS: Table = Table::new("suite.rows");
/// Another one.
const OTHER: Table = Table::new("suite.other");

fn key(bytes: impl AsRef<[u8]>) -> Key {
    Key::new(bytes.as_ref())
}

fn place(group: &str, at: u64) -> Option<Place> {
    Some(Place {
        group: key(group),
        at,
    })
}

fn put(name: &str, value: &str) -> Write {
    Write::Put {
        table: ROWS,
        key: key(name),
        value: value.into(),
        fence: 0,
        place: None,
    }
}

fn put_at(name: &str, group: &str, at: u64) -> Write {
    Write::Put {
        table: ROWS,
        key: key(name),
        value: vec![],
        fence: 0,
        place: place(group, at),
    }
}

fn put_fenced(name: &str, fence: u64) -> Write {
    Write::Put {
        table: ROWS,
        key: key(name),
        value: vec![],
        fence,
        place: None,
    }
}

fn delete(name: &str) -> Write {
    Write::Delete {
        table: ROWS,
        key: key(name),
    }
}

fn append(group: &str, value: &str) -> Write {
    Write::Append {
        table: ROWS,
        group: key(group),
        value: value.into(),
    }
}

fn add(name: &str, delta: i128, min: i128, max: i128) -> Write {
    Write::Add {
        table: ROWS,
        key: key(name),
        delta,
        min,
        max,
    }
}

fn absent(name: &str) -> Guard {
    Guard::Absent {
        table: ROWS,
        key: key(name),
    }
}

fn version(name: &str, version: u64) -> Guard {
    Guard::Version {
        table: ROWS,
        key: key(name),
        version,
    }
}

fn fence(name: &str, fence: u64) -> Guard {
    Guard::Fence {
        table: ROWS,
        key: key(name),
        fence,
    }
}

fn batch(guards: Vec<Guard>, writes: Vec<Write>) -> Batch {
    Batch {
        guards,
        writes,
        ..Batch::new(Partition::Store)
    }
}

fn all(group: &str) -> Range {
    Range {
        partition: Partition::Store,
        table: ROWS,
        group: key(group),
        before: u64::MAX,
        after: None,
        newest_first: false,
        limit: 100,
    }
}

async fn commit(store: &dyn Backend, guards: Vec<Guard>, writes: Vec<Write>) -> Commit {
    store
        .commit(batch(guards, writes))
        .await
        .expect("a healthy store answers")
}

async fn write(store: &dyn Backend, writes: Vec<Write>) {
    assert_eq!(commit(store, vec![], writes).await, Commit::Committed);
}

async fn get(store: &dyn Backend, name: &str) -> Option<Row> {
    store
        .get(&Partition::Store, ROWS, &key(name))
        .await
        .expect("a healthy store answers")
}

async fn row(store: &dyn Backend, name: &str) -> Row {
    get(store, name).await.expect("the row was written before")
}

async fn counter(store: &dyn Backend, name: &str) -> i128 {
    row(store, name)
        .await
        .counter()
        .expect("the row is a counter")
}

async fn range(store: &dyn Backend, range: Range) -> Vec<Row> {
    store.range(range).await.expect("a healthy store answers")
}

async fn names(store: &dyn Backend, wanted: Range) -> Vec<String> {
    let rows = range(store, wanted).await;
    rows.iter()
        .map(|row| String::from_utf8_lossy(row.key.as_bytes()).into_owned())
        .collect()
}

const fn at_guard(at: usize) -> Commit {
    Commit::Conflict(Which::Guard(at))
}

const fn at_write(at: usize) -> Commit {
    Commit::Conflict(Which::Write(at))
}
