//! Batches within an open transaction.
//!
//! A batch is looked at before anything of it is written: its guards first, then its additions. What
//! could stop it has then stopped it, and no way back is needed. Only a batch with an append, or
//! with an addition to a row that it writes otherwise as well, may stop halfway; such a one gets a
//! savepoint.

use farthing_core::port::backend::{
    Batch, Commit, Guard, Key, Place, StoreError, Table, Which, Write,
};
use rusqlite::{Connection, ffi};

use super::{
    codec::{self, bits, position},
    error::Refused,
    names::Names,
    sql,
    statements::{Statements, Verb},
    sums::Sums,
};

/// What a group of batches shares: one transaction, its statements, and the counters it changes.
pub(super) struct Group<'a> {
    connection: &'a Connection,
    names: &'a mut Names,
    statements: Statements<'a>,
    sums: Sums,
}

/// Why a batch did not go on.
pub(super) enum Stop {
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

impl<'a> Group<'a> {
    pub(super) fn new(connection: &'a Connection, names: &'a mut Names) -> Self {
        Self {
            connection,
            names,
            statements: Statements::new(connection),
            sums: Sums::default(),
        }
    }

    /// Applies a batch, or leaves the transaction as it was. The inner result is the batch's own;
    /// the outer error is the transaction's, which has to be rolled back.
    pub(super) fn apply(&mut self, batch: &Batch) -> rusqlite::Result<Result<Commit, StoreError>> {
        let part = match codec::partition(&batch.partition) {
            Ok(part) => part,
            Err(refused) => return Ok(Err(refused.into())),
        };
        let mut within = Within {
            group: self,
            part,
            found: None,
        };
        match within.batch(batch) {
            Ok(()) => Ok(Ok(Commit::Committed)),
            Err(Stop::Conflict(which)) => Ok(Ok(Commit::Conflict(which))),
            Err(Stop::Misfit(why)) => Ok(Err(StoreError::Corrupt(why.into()))),
            Err(Stop::Unknown) => Ok(Err(Refused::Unknown.into())),
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    /// Writes what is left to write. The transaction may be committed then.
    pub(super) fn finish(mut self) -> rusqlite::Result<()> {
        self.sums.write_all(&mut self.statements)
    }
}

/// One batch.
struct Within<'g, 'a> {
    group: &'g mut Group<'a>,
    part: Vec<u8>,
    /// The row that a guard found there last. Most batches change the one they are about.
    found: Option<Found>,
}

/// A row that is there, and its place.
struct Found {
    k: Vec<u8>,
    version: i64,
    fence: i64,
    group: Option<Vec<u8>>,
    at: Option<i64>,
}

impl Within<'_, '_> {
    fn batch(&mut self, batch: &Batch) -> Result<(), Stop> {
        if self.exchanged(batch)? {
            return Ok(());
        }
        for (at, guard) in batch.guards.iter().enumerate() {
            if !self.holds(guard)? {
                return Err(Stop::Conflict(Which::Guard(at)));
            }
        }
        if may_stop_halfway(&batch.writes) {
            return self.one_by_one(&batch.writes);
        }
        let additions = self.add_up(&batch.writes)?;
        for write in &batch.writes {
            self.write(write)?;
        }
        self.group.sums.keep(additions);
        Ok(())
    }

    /// Carries out a batch that changes one row if it is of a version, which is what most are: one
    /// statement finds the row, looks at it and changes it. Whether it did; if not, nothing was changed,
    /// and why is found out on the longer way.
    fn exchanged(&mut self, batch: &Batch) -> Result<bool, Stop> {
        let (
            [
                Guard::Version {
                    table,
                    key,
                    version,
                },
            ],
            [
                Write::Put {
                    table: written,
                    key: row,
                    value,
                    fence,
                    place: None,
                },
            ],
        ) = (&batch.guards[..], &batch.writes[..])
        else {
            return Ok(false);
        };
        if (table, key) != (written, row) {
            return Ok(false);
        }
        let Some(id) = self.group.names.find(self.group.connection, *table)? else {
            return Ok(false);
        };
        let k = self.settled(id, key)?;
        let statement = self.group.statements.of(Verb::Exchange)?;
        let changed = statement.execute((k, bits(*version), bits(*fence), value))?;
        Ok(changed == 1)
    }

    fn holds(&mut self, guard: &Guard) -> Result<bool, Stop> {
        Ok(match guard {
            Guard::Absent { table, key } => !self.find(*table, key)?,
            Guard::Version {
                table,
                key,
                version,
            } => self.find(*table, key)? && self.is_found(|row| row.version == bits(*version)),
            Guard::Fence { table, key, fence } => {
                self.find(*table, key)? && self.is_found(|row| row.fence == bits(*fence))
            }
            _ => return Err(Stop::Unknown),
        })
    }

    fn is_found(&self, is: impl FnOnce(&Found) -> bool) -> bool {
        self.found.as_ref().is_some_and(is)
    }

    /// Whether there is a row under a key.
    fn find(&mut self, table: Table, key: &Key) -> rusqlite::Result<bool> {
        let Some(id) = self.group.names.find(self.group.connection, table)? else {
            return Ok(false);
        };
        let k = self.settled(id, key)?;
        let statement = self.group.statements.of(Verb::State)?;
        let mut rows = statement.query([&k])?;
        let Some(row) = rows.next()? else {
            return Ok(false);
        };
        self.found = Some(Found {
            version: row.get(0)?,
            fence: row.get(1)?,
            group: row.get(2)?,
            at: row.get(3)?,
            k,
        });
        Ok(true)
    }

    /// The sums that the batch's additions lead to; nothing is written.
    fn add_up(&mut self, writes: &[Write]) -> Result<Sums, Stop> {
        let mut after = Sums::default();
        for (at, write) in writes.iter().enumerate() {
            if let Write::Add {
                table,
                key,
                delta,
                min,
                max,
            } = write
            {
                let id = self.id(*table)?;
                let k = self.column(id, key);
                let now = match after.get(&k).or_else(|| self.group.sums.get(&k)) {
                    Some(sum) => sum,
                    None => self.counter(&k)?,
                };
                let sum = now
                    .checked_add(*delta)
                    .filter(|sum| (min..=max).contains(&sum));
                let sum = sum.ok_or(Stop::Conflict(Which::Write(at)))?;
                after.add(id, k, sum);
            }
        }
        Ok(after)
    }

    /// Writes what no longer can stop.
    fn write(&mut self, write: &Write) -> Result<(), Stop> {
        match write {
            Write::Put {
                table,
                key,
                value,
                fence,
                place,
            } => Ok(self.put(*table, key, value, *fence, place.as_ref())?),
            Write::Delete { table, key } => Ok(self.delete(*table, key)?),
            // Added up already.
            Write::Add { .. } => Ok(()),
            Write::Append {
                table,
                group,
                value,
            } => self.append(*table, group, value),
            _ => Err(Stop::Unknown),
        }
    }

    /// Each write after the one before, with a way back.
    fn one_by_one(&mut self, writes: &[Write]) -> Result<(), Stop> {
        // Sums that others left must not go with this batch, nor be missed by it.
        self.group.sums.write_all(&mut self.group.statements)?;
        self.run(sql::SAVEPOINT)?;
        let outcome = writes.iter().enumerate().try_for_each(|(at, write)| {
            let mut added = self.add_up(std::slice::from_ref(write)).map_err(|stop| {
                let here = Stop::Conflict(Which::Write(at));
                if matches!(stop, Stop::Conflict(_)) {
                    here
                } else {
                    stop
                }
            })?;
            added.write_all(&mut self.group.statements)?;
            self.write(write)
        });
        match outcome {
            Ok(()) => self.run(sql::RELEASE)?,
            failed @ Err(Stop::Failed(_)) => return failed,
            stopped => {
                self.run(sql::ROLLBACK_TO)?;
                self.run(sql::RELEASE)?;
                self.group.names.forget();
                return stopped;
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
        let id = self.id(table)?;
        let k = self.settled(id, key)?;
        let group = place.map(|place| self.column(id, &place.group));
        let at = place.map(|place| position(place.at));
        // A row that is known to be there is not looked for twice, and where its place stays the
        // same, the tree of places is left alone.
        let verb = match self.found.take_if(|found| found.k == k) {
            Some(found) if found.group == group && found.at == at => {
                let statement = self.group.statements.of(Verb::Change)?;
                return statement.execute((k, bits(fence), value)).map(drop);
            }
            Some(_) => Verb::Move,
            None => Verb::Put,
        };
        let statement = self.group.statements.of(verb)?;
        statement
            .execute((k, bits(fence), group, at, value))
            .map(drop)
    }

    fn delete(&mut self, table: Table, key: &Key) -> rusqlite::Result<()> {
        let Some(id) = self.group.names.find(self.group.connection, table)? else {
            return Ok(());
        };
        let k = self.settled(id, key)?;
        self.found.take_if(|found| found.k == k);
        self.group
            .statements
            .of(Verb::Delete)?
            .execute([k])
            .map(drop)
    }

    fn append(&mut self, table: Table, group: &Key, value: &[u8]) -> Result<(), Stop> {
        if group.as_bytes().len() + 8 > Key::MAX {
            return Err(Stop::Misfit("the group of an appended row is too long"));
        }
        let id = self.id(table)?;
        let group = self.column(id, group);
        let next = self.group.statements.of(Verb::Number)?;
        let number: i64 = next.query_row([&group], |row| row.get(0))?;
        let number = number.cast_unsigned();
        let k = [&group[..], &number.to_be_bytes()].concat();
        let statement = self.group.statements.of(Verb::Append)?;
        match statement.execute((k, group, position(number), value)) {
            Err(error) if is_taken(&error) => {
                Err(Stop::Misfit("the next number of a group is taken"))
            }
            other => Ok(other.map(drop)?),
        }
    }

    fn counter(&mut self, k: &[u8]) -> Result<i128, Stop> {
        let statement = self.group.statements.of(Verb::Counter)?;
        let mut rows = statement.query([k])?;
        let Some(row) = rows.next()? else {
            return Ok(0);
        };
        let value = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
        let value = value
            .try_into()
            .map_err(|_| Stop::Misfit("a row is no counter"))?;
        Ok(i128::from_be_bytes(value))
    }

    fn id(&mut self, table: Table) -> rusqlite::Result<u16> {
        self.group.names.add(self.group.connection, table)
    }

    fn column(&self, id: u16, key: &Key) -> Vec<u8> {
        codec::column(id, &self.part, key.as_bytes())
    }

    /// A row's key, with what was added to the row written.
    fn settled(&mut self, id: u16, key: &Key) -> rusqlite::Result<Vec<u8>> {
        let k = self.column(id, key);
        self.group
            .sums
            .write_one(id, &k, &mut self.group.statements)?;
        Ok(k)
    }

    fn run(&self, sql: &str) -> rusqlite::Result<()> {
        self.group
            .connection
            .prepare_cached(sql)?
            .execute([])
            .map(drop)
    }
}

/// Whether a write may stop the batch after something of it was written. Additions are checked
/// before anything is written, unless they add to what the batch writes otherwise; an append is
/// checked only while it is written.
fn may_stop_halfway(writes: &[Write]) -> bool {
    writes.iter().any(|write| match write {
        Write::Put { .. } | Write::Delete { .. } => false,
        Write::Add { table, key, .. } => writes.iter().any(|other| match other {
            Write::Put {
                table: other,
                key: its,
                ..
            }
            | Write::Delete {
                table: other,
                key: its,
            } => table == other && key == its,
            _ => false,
        }),
        _ => true,
    })
}

fn is_taken(error: &rusqlite::Error) -> bool {
    let taken = [
        ffi::SQLITE_CONSTRAINT_UNIQUE,
        ffi::SQLITE_CONSTRAINT_PRIMARYKEY,
    ];
    error
        .sqlite_error()
        .is_some_and(|e| taken.contains(&e.extended_code))
}
