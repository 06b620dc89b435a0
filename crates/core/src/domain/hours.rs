//! Counters that are of one stretch of time, and are forgotten when it is long over.
//!
//! What is bounded by the hour, or by the day, has a counter for each: the stretch stands in its name, so
//! nothing has to be reset. A counter has no place in an index, so each of them has a row beside it that
//! does, written in the batch that counts. By that it is found, and both go together.
//!
//! | name | of | what it counts |
//! |---|---|---|
//! | `lost N …` | an hour | what a rail took for nothing: [`losses`](super::losses) |
//! | `openings N …` | an hour | the channels that a payer opened |
//! | `spent day N …`, `budget day N …` | a day | a buyer's [`budgets`](super::budgets) |
//!
//! What was reserved and is given back later than that is counted once more, below zero, and goes the
//! same way: nobody asks what a stretch that is over has left.

use std::{sync::Arc, time::Duration};

use super::claims::{COUNTERS, Debit};
use crate::{
    port::backend::{Backend, Batch, Key, Partition, Place, Range, StoreError, Table, Write},
    value::Timestamp,
};

const STRETCHES: Table = Table::new("core.counter_ends");
const ALL: &str = "all";

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

/// What the names begin with, and how many seconds a stretch has. No other counter's name begins so.
const KINDS: [(&str, u64); 4] = [
    ("lost ", HOUR),
    ("openings ", HOUR),
    ("spent day ", DAY),
    ("budget day ", DAY),
];

/// When the stretch of a counter is over, where it has one.
fn end(counter: &str) -> Option<Timestamp> {
    let (rest, secs) = KINDS
        .iter()
        .find_map(|(prefix, secs)| Some((counter.strip_prefix(prefix)?, secs)))?;
    let (number, _) = rest.split_once(' ')?;
    let number: u64 = number.parse().ok()?;
    number
        .checked_add(1)?
        .checked_mul(*secs)
        .map(Timestamp::from_secs)
}

/// The row by which the counter of a debit is found again, where it is of a stretch of time.
pub(super) fn noted(debit: &Debit) -> Option<Write> {
    let end = end(&debit.counter)?;
    Some(Write::Put {
        table: STRETCHES,
        key: Key::from(&*debit.counter),
        value: Vec::new(),
        fence: 0,
        place: Some(Place {
            group: Key::from(ALL),
            at: end.as_millis(),
        }),
    })
}

/// Forgets the counters whose stretch was over for so long: at most so many. Answers how many.
///
/// # Errors
/// When the store fails. It is safe to repeat.
pub async fn forget(
    backend: &Arc<dyn Backend>,
    now: Timestamp,
    keep: Duration,
    limit: usize,
) -> Result<usize, StoreError> {
    let range = Range {
        partition: Partition::Store,
        table: STRETCHES,
        group: Key::from(ALL),
        before: now.saturating_sub(keep).as_millis(),
        after: None,
        newest_first: false,
        limit,
    };
    let rows = backend.range(range).await?;
    if rows.is_empty() {
        return Ok(0);
    }
    let mut batch = Batch::new(Partition::Store);
    for row in &rows {
        for table in [COUNTERS, STRETCHES] {
            let key = row.key.clone();
            batch.writes.push(Write::Delete { table, key });
        }
    }
    // There is nothing in it that could conflict.
    let _ = backend.commit(batch).await?;
    Ok(rows.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_says_when_its_stretch_is_over() {
        let check = |counter: &str, expect: Option<u64>| {
            assert_eq!(end(counter), expect.map(Timestamp::from_secs), "{counter}");
        };
        check("lost 2 rail/fees", Some(3 * HOUR));
        check("openings 0 fake abc", Some(HOUR));
        check("spent day 20833 abc", Some(20_834 * DAY));
        check("budget day 1 abc", Some(2 * DAY));
        check("spent total abc", None);
        check("unsettled abc", None);
        check("credit USD", None);
        check("lost many rail", None);
        check("lost 18446744073709551615 rail", None);
        check("openings 5", None);
    }
}
