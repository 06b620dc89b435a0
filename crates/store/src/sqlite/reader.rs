//! A thread that reads. It starts a read after it was asked, so it sees everything that was
//! answered as committed before.

use std::sync::Arc;

use farthing_core::{
    bounds,
    port::backend::{Key, Partition, Range, Row, StoreError, Table},
};
use rusqlite::{Connection, OptionalExtension as _};
use tokio::sync::oneshot;

use super::{
    Shared,
    codec::{self, Prefix, position},
    error::Failure,
    names::Names,
    options::SqliteOptions,
    schema, sql,
};

/// A read that waits, and who waits for it.
pub(super) enum Ask {
    Get {
        partition: Partition,
        table: Table,
        key: Key,
        answer: oneshot::Sender<Result<Option<Row>, StoreError>>,
    },
    Range {
        range: Range,
        answer: oneshot::Sender<Result<Vec<Row>, StoreError>>,
    },
}

pub(super) struct Reader {
    shared: Arc<Shared>,
    /// Dropped after an error that it may not have come through unharmed.
    connection: Option<Connection>,
    /// Only ever read from what is committed, and no name is ever removed.
    names: Names,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>) -> Result<Self, Failure> {
        let connection = schema::open_reader(&shared.options).map_err(Failure::before_commit)?;
        Ok(Self {
            shared,
            connection: Some(connection),
            names: Names::default(),
        })
    }

    pub(super) fn run(mut self) {
        let _last_words = LastWords(Arc::clone(&self.shared));
        while let Some(ask) = self.shared.reads.take() {
            // Whoever asked may be gone.
            match ask {
                Ask::Get {
                    partition,
                    table,
                    key,
                    answer,
                } => {
                    let _ = answer.send(self.read(&partition, |connection, names, part| {
                        get(connection, names, part, table, &key)
                    }));
                }
                Ask::Range { range, answer } => {
                    let _ = answer.send(self.read(&range.partition, |connection, names, part| {
                        list(connection, names, part, &range)
                    }));
                }
            }
        }
    }

    fn read<T>(
        &mut self,
        partition: &Partition,
        query: impl FnOnce(&Connection, &mut Names, &[u8]) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let part = codec::partition(partition)?;
        let names = &mut self.names;
        let run = || {
            let connection = match self.connection.take() {
                Some(connection) => connection,
                None => schema::open_reader(&self.shared.options)?,
            };
            let found = query(&connection, names, &part)?;
            self.connection = Some(connection);
            Ok(found)
        };
        run().map_err(|error| {
            let failure = Failure::before_commit(error);
            newer(&self.shared.options).unwrap_or(failure).error()
        })
    }
}

/// Another process, of a newer version, may have migrated the file since it was opened. What is read
/// then looks like damage, and is none.
fn newer(options: &SqliteOptions) -> Option<Failure> {
    let connection = schema::open_reader(options).ok()?;
    schema::refuse_newer(&connection).err()
}

fn get(
    connection: &Connection,
    names: &mut Names,
    part: &[u8],
    table: Table,
    key: &Key,
) -> rusqlite::Result<Option<Row>> {
    let Some(id) = names.find(connection, table)? else {
        return Ok(None);
    };
    let prefix = Prefix::new(id, part);
    let mut statement = connection.prepare_cached(sql::GET)?;
    statement
        .query_row([prefix.with(key.as_bytes())], |row| {
            codec::row(&prefix, row)
        })
        .optional()
}

fn list(
    connection: &Connection,
    names: &mut Names,
    part: &[u8],
    range: &Range,
) -> rusqlite::Result<Vec<Row>> {
    let Some(id) = names.find(connection, range.table)? else {
        return Ok(Vec::new());
    };
    let limit = i64::try_from(range.limit.min(bounds::PAGE)).unwrap_or_default();
    let prefix = Prefix::new(id, part);
    let group = prefix.with(range.group.as_bytes());
    let after = range.after.as_ref().map(|(at, key)| (*at, key.as_bytes()));
    let read = |row: &rusqlite::Row<'_>| codec::row(&prefix, row);
    if range.newest_first {
        // The empty key comes first at its position, so this leaves out all of `before`.
        let end = (range.before, &[][..]);
        let (at, key) = after.map_or(end, |after| after.min(end));
        let mut statement = connection.prepare_cached(sql::NEWEST_FIRST)?;
        let columns = (group, position(at), prefix.with(key), limit);
        return statement.query_map(columns, read)?.collect();
    }
    // The next key after one is the same with a zero byte at its end.
    let (at, key) = after.map_or((0, Vec::new()), |(at, key)| (at, [key, &[0]].concat()));
    let before = position(range.before);
    let mut statement = connection.prepare_cached(sql::OLDEST_FIRST)?;
    let columns = (group, position(at), prefix.with(&key), before, limit);
    statement.query_map(columns, read)?.collect()
}

/// When a reader ends, even by a panic, nobody waits for it any longer.
struct LastWords(Arc<Shared>);

impl Drop for LastWords {
    fn drop(&mut self) {
        drop(self.0.reads.abandon());
    }
}

#[cfg(test)]
mod tests;
