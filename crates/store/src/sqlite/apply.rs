//! One batch within an open transaction.

use farthing_core::port::backend::{
    Batch, Commit, Guard, Key, Place, StoreError, Table, Which, Write,
};
use rusqlite::{Connection, OptionalExtension as _, ffi};

use super::{
    codec::{self, bits, position},
    error::Refused,
    names::Names,
    sql,
};

/// Applies a batch, or leaves the transaction as it was. The inner result is the batch's own; the
/// outer error is the transaction's, which has to be rolled back.
pub(super) fn apply(
    connection: &Connection,
    names: &mut Names,
    batch: &Batch,
) -> rusqlite::Result<Result<Commit, StoreError>> {
    let part = match codec::partition(&batch.partition) {
        Ok(part) => part,
        Err(refused) => return Ok(Err(refused.into())),
    };
    let mut within = Within {
        connection,
        names,
        part,
    };
    match within.batch(batch) {
        Ok(()) => Ok(Ok(Commit::Committed)),
        Err(Stop::Conflict(which)) => Ok(Ok(Commit::Conflict(which))),
        Err(Stop::Misfit(why)) => Ok(Err(StoreError::Corrupt(why.into()))),
        Err(Stop::Unknown) => Ok(Err(Refused::Unknown.into())),
        Err(Stop::Failed(error)) => Err(error),
    }
}

/// Why a batch did not go on.
enum Stop {
    Conflict(Which),
    /// What is there is not what the write needs: the caller and the store disagree.
    Misfit(&'static str),
    Unknown,
    Failed(rusqlite::Error),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error)
    }
}

struct Within<'a> {
    connection: &'a Connection,
    names: &'a mut Names,
    part: Vec<u8>,
}

impl Within<'_> {
    fn batch(&mut self, batch: &Batch) -> Result<(), Stop> {
        for (at, guard) in batch.guards.iter().enumerate() {
            if !self.holds(guard)? {
                return Err(Stop::Conflict(Which::Guard(at)));
            }
        }
        // Guards have written nothing, so most batches need no way back of their own.
        if !may_stop_halfway(&batch.writes) {
            return self.writes(&batch.writes);
        }
        self.run(sql::SAVEPOINT)?;
        match self.writes(&batch.writes) {
            Ok(()) => self.run(sql::RELEASE)?,
            failed @ Err(Stop::Failed(_)) => return failed,
            stopped => {
                self.run(sql::ROLLBACK_TO)?;
                self.run(sql::RELEASE)?;
                self.names.forget();
                return stopped;
            }
        }
        Ok(())
    }

    fn holds(&mut self, guard: &Guard) -> Result<bool, Stop> {
        Ok(match guard {
            Guard::Absent { table, key } => self.state(*table, key)?.is_none(),
            Guard::Version {
                table,
                key,
                version,
            } => self
                .state(*table, key)?
                .is_some_and(|(now, _)| now == bits(*version)),
            Guard::Fence { table, key, fence } => self
                .state(*table, key)?
                .is_some_and(|(_, now)| now == bits(*fence)),
            _ => return Err(Stop::Unknown),
        })
    }

    fn state(&mut self, table: Table, key: &Key) -> rusqlite::Result<Option<(i64, i64)>> {
        let Some(id) = self.names.find(self.connection, table)? else {
            return Ok(None);
        };
        let mut statement = self.connection.prepare_cached(sql::STATE)?;
        let columns = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        statement
            .query_row((&self.part, id, key.as_bytes()), columns)
            .optional()
    }

    fn writes(&mut self, writes: &[Write]) -> Result<(), Stop> {
        for (at, write) in writes.iter().enumerate() {
            match write {
                Write::Put {
                    table,
                    key,
                    value,
                    fence,
                    place,
                } => {
                    self.put(*table, key, value, *fence, place.as_ref())?;
                }
                Write::Delete { table, key } => self.delete(*table, key)?,
                Write::Append {
                    table,
                    group,
                    value,
                } => self.append(*table, group, value)?,
                Write::Add {
                    table,
                    key,
                    delta,
                    min,
                    max,
                } => {
                    let now = self.counter(*table, key)?;
                    let sum = now
                        .checked_add(*delta)
                        .filter(|sum| (min..=max).contains(&sum));
                    let sum = sum.ok_or(Stop::Conflict(Which::Write(at)))?;
                    self.count(*table, key, sum)?;
                }
                _ => return Err(Stop::Unknown),
            }
        }
        Ok(())
    }

    fn put(
        &mut self,
        table: Table,
        key: &Key,
        value: &[u8],
        fence: u64,
        place: Option<&Place>,
    ) -> rusqlite::Result<()> {
        let id = self.names.add(self.connection, table)?;
        let group = place.map(|place| place.group.as_bytes());
        let at = place.map(|place| position(place.at));
        let mut statement = self.connection.prepare_cached(sql::PUT)?;
        statement.execute((
            &self.part,
            id,
            key.as_bytes(),
            bits(fence),
            group,
            at,
            value,
        ))?;
        Ok(())
    }

    fn delete(&mut self, table: Table, key: &Key) -> rusqlite::Result<()> {
        let Some(id) = self.names.find(self.connection, table)? else {
            return Ok(());
        };
        let mut statement = self.connection.prepare_cached(sql::DELETE)?;
        statement.execute((&self.part, id, key.as_bytes()))?;
        Ok(())
    }

    fn append(&mut self, table: Table, group: &Key, value: &[u8]) -> Result<(), Stop> {
        if group.as_bytes().len() + 8 > Key::MAX {
            return Err(Stop::Misfit("the group of an appended row is too long"));
        }
        let id = self.names.add(self.connection, table)?;
        let mut next = self.connection.prepare_cached(sql::NUMBER)?;
        let number: i64 = next.query_row((&self.part, id, group.as_bytes()), |row| row.get(0))?;
        let number = number.cast_unsigned();
        let key = [group.as_bytes(), &number.to_be_bytes()].concat();
        let mut statement = self.connection.prepare_cached(sql::APPEND)?;
        let columns = (
            &self.part,
            id,
            key,
            group.as_bytes(),
            position(number),
            value,
        );
        match statement.execute(columns) {
            Err(error) if is_taken(&error) => {
                Err(Stop::Misfit("the next number of a group is taken"))
            }
            other => Ok(other.map(drop)?),
        }
    }

    fn counter(&mut self, table: Table, key: &Key) -> Result<i128, Stop> {
        let Some(id) = self.names.find(self.connection, table)? else {
            return Ok(0);
        };
        let mut statement = self.connection.prepare_cached(sql::COUNTER)?;
        let mut rows = statement.query((&self.part, id, key.as_bytes()))?;
        let Some(row) = rows.next()? else {
            return Ok(0);
        };
        let value = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
        let value = value
            .try_into()
            .map_err(|_| Stop::Misfit("a row is no counter"))?;
        Ok(i128::from_be_bytes(value))
    }

    fn count(&mut self, table: Table, key: &Key, sum: i128) -> rusqlite::Result<()> {
        let id = self.names.add(self.connection, table)?;
        let mut statement = self.connection.prepare_cached(sql::COUNT)?;
        statement.execute((&self.part, id, key.as_bytes(), sum.to_be_bytes().as_slice()))?;
        Ok(())
    }

    fn run(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }
}

/// Whether a write may stop the batch after something of it was written. An addition is checked
/// before it writes, an append only while it does.
fn may_stop_halfway(writes: &[Write]) -> bool {
    writes.iter().enumerate().any(|(at, write)| match write {
        Write::Put { .. } | Write::Delete { .. } => false,
        Write::Add { .. } => at > 0,
        _ => true,
    })
}

fn is_taken(error: &rusqlite::Error) -> bool {
    error
        .sqlite_error()
        .is_some_and(|e| e.extended_code == ffi::SQLITE_CONSTRAINT_UNIQUE)
}
