//! Counters that a transaction changes: each is written once, however many batches added to it.
//!
//! A seller's own account is one counter that every payment adds to, so a group of payments would
//! write one row over and over.

use std::collections::HashMap;

use super::statements::{Statements, Verb};

/// What counters are, after what was added in this transaction.
#[derive(Default)]
pub(super) struct Sums {
    rows: HashMap<Vec<u8>, Sum>,
    /// The tables there are counters of. Few tables have any, so most rows are no matter of this.
    tables: Vec<u16>,
}

struct Sum {
    value: i128,
    /// How often it was added to: as many versions later the row is.
    times: i64,
}

impl Sums {
    pub(super) fn get(&self, k: &[u8]) -> Option<i128> {
        self.rows.get(k).map(|sum| sum.value)
    }

    /// Notes what a counter of a table came to by one more addition.
    pub(super) fn add(&mut self, table: u16, k: Vec<u8>, value: i128) {
        self.merge(k, Sum { value, times: 1 });
        self.note(table);
    }

    /// Takes over what a batch came to.
    pub(super) fn keep(&mut self, batch: Self) {
        for (k, sum) in batch.rows {
            self.merge(k, sum);
        }
        for table in batch.tables {
            self.note(table);
        }
    }

    /// Writes one counter, if anything was added to it: its row is about to be read or written.
    pub(super) fn write_one(
        &mut self,
        table: u16,
        k: &[u8],
        statements: &mut Statements<'_>,
    ) -> rusqlite::Result<()> {
        if !self.tables.contains(&table) {
            return Ok(());
        }
        match self.rows.remove(k) {
            Some(sum) => write(k, &sum, statements),
            None => Ok(()),
        }
    }

    pub(super) fn write_all(&mut self, statements: &mut Statements<'_>) -> rusqlite::Result<()> {
        self.tables.clear();
        self.rows
            .drain()
            .try_for_each(|(k, sum)| write(&k, &sum, statements))
    }

    fn merge(&mut self, k: Vec<u8>, more: Sum) {
        let sum = self.rows.entry(k).or_insert(Sum { value: 0, times: 0 });
        sum.value = more.value;
        sum.times += more.times;
    }

    fn note(&mut self, table: u16) {
        if !self.tables.contains(&table) {
            self.tables.push(table);
        }
    }
}

fn write(k: &[u8], sum: &Sum, statements: &mut Statements<'_>) -> rusqlite::Result<()> {
    let statement = statements.of(Verb::Count)?;
    statement
        .execute((k, sum.times, sum.value.to_be_bytes().as_slice()))
        .map(drop)
}
