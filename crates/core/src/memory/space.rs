//! One partition: its tables, and a batch applied to them with a way back.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, hash_map::Entry},
    ops::Bound,
};

use crate::{
    bounds,
    port::backend::{Commit, Guard, Key, Place, Range, Row, StoreError, Table, Which, Write},
};

/// The rows of one partition.
#[derive(Default)]
pub(super) struct Space {
    tables: BTreeMap<Table, Rows>,
}

/// The rows of one table.
#[derive(Default)]
struct Rows {
    by_key: HashMap<Key, Row>,
    index: BTreeSet<(Key, u64, Key)>,
    /// The last number given in each group. It outlives its row: no number is given twice.
    last: HashMap<Key, u64>,
}

/// How to take one change back.
enum Undo {
    Row {
        table: Table,
        key: Key,
        before: Option<Row>,
    },
    Number {
        table: Table,
        group: Key,
        before: u64,
    },
}

/// Why a write did not hold.
enum Refusal {
    /// A counter would leave its bounds: a conflict.
    OutOfBounds,
    /// What is there is not what the write needs: the caller and the store disagree.
    Misfit(&'static str),
}

impl Space {
    pub(super) fn is_empty(&self) -> bool {
        self.tables
            .values()
            .all(|rows| rows.by_key.is_empty() && rows.last.is_empty())
    }

    /// How many rows its tables have, where they have any.
    pub(super) fn counts(&self) -> impl Iterator<Item = (Table, usize)> + '_ {
        let counts = self.tables.iter();
        let counts = counts.map(|(table, rows)| (*table, rows.by_key.len()));
        counts.filter(|(_, count)| *count > 0)
    }

    pub(super) fn get(&self, table: Table, key: &Key) -> Option<&Row> {
        self.tables.get(&table)?.by_key.get(key)
    }

    pub(super) fn range(&self, range: &Range) -> Vec<Row> {
        let Some(rows) = self.tables.get(&range.table) else {
            return Vec::new();
        };
        let Some(bounds) = stretch(range) else {
            return Vec::new();
        };
        let found = rows.index.range(bounds);
        let row = |(_, _, key): &(Key, u64, Key)| rows.by_key.get(key).cloned();
        let limit = range.limit.min(bounds::PAGE);
        if range.newest_first {
            found.rev().take(limit).filter_map(row).collect()
        } else {
            found.take(limit).filter_map(row).collect()
        }
    }

    pub(super) fn commit(
        &mut self,
        guards: &[Guard],
        writes: Vec<Write>,
    ) -> Result<Commit, StoreError> {
        if let Some(at) = guards.iter().position(|guard| !self.holds(guard)) {
            return Ok(Commit::Conflict(Which::Guard(at)));
        }
        let mut done = Vec::with_capacity(writes.len());
        for (at, write) in writes.into_iter().enumerate() {
            let Err(refusal) = self.write(write, &mut done) else {
                continue;
            };
            self.take_back(done);
            return match refusal {
                Refusal::OutOfBounds => Ok(Commit::Conflict(Which::Write(at))),
                Refusal::Misfit(why) => Err(StoreError::Corrupt(why.into())),
            };
        }
        Ok(Commit::Committed)
    }

    fn holds(&self, guard: &Guard) -> bool {
        match guard {
            Guard::Absent { table, key } => self.get(*table, key).is_none(),
            Guard::Version {
                table,
                key,
                version,
            } => self
                .get(*table, key)
                .is_some_and(|row| row.version == *version),
            Guard::Fence { table, key, fence } => {
                self.get(*table, key).is_some_and(|row| row.fence == *fence)
            }
        }
    }

    fn write(&mut self, write: Write, done: &mut Vec<Undo>) -> Result<(), Refusal> {
        match write {
            Write::Put {
                table,
                key,
                value,
                fence,
                place,
            } => {
                let row = Row {
                    key: key.clone(),
                    value,
                    version: 1,
                    fence,
                    place,
                };
                let before = self.table(table).put(row);
                done.push(Undo::Row { table, key, before });
            }
            Write::Delete { table, key } => {
                let before = self.table(table).remove(&key);
                done.push(Undo::Row { table, key, before });
            }
            Write::Append {
                table,
                group,
                value,
            } => self.append(table, group, value, done)?,
            Write::Add {
                table,
                key,
                delta,
                min,
                max,
            } => {
                let before = self.get(table, &key);
                let now = match before {
                    Some(row) => row
                        .counter()
                        .ok_or(Refusal::Misfit("a row is no counter"))?,
                    None => 0,
                };
                let sum = now
                    .checked_add(delta)
                    .filter(|sum| (min..=max).contains(sum));
                let value = sum.ok_or(Refusal::OutOfBounds)?.to_be_bytes().to_vec();
                let row = match before {
                    Some(row) => {
                        let place = row.place.clone();
                        Row {
                            key,
                            value,
                            version: row.version + 1,
                            fence: row.fence,
                            place,
                        }
                    }
                    None => Row {
                        key,
                        value,
                        version: 1,
                        fence: 0,
                        place: None,
                    },
                };
                self.replace(table, row, done);
            }
        }
        Ok(())
    }

    fn append(
        &mut self,
        table: Table,
        group: Key,
        value: Vec<u8>,
        done: &mut Vec<Undo>,
    ) -> Result<(), Refusal> {
        if group.as_bytes().len() + 8 > Key::MAX {
            return Err(Refusal::Misfit("the group of an appended row is too long"));
        }
        let before = self.table(table).last.get(&group).copied().unwrap_or(0);
        let number = before + 1;
        let key = Key::new([group.as_bytes(), &number.to_be_bytes()].concat());
        if self.get(table, &key).is_some() {
            return Err(Refusal::Misfit("the next number of a group is taken"));
        }
        self.table(table).last.insert(group.clone(), number);
        done.push(Undo::Number {
            table,
            group: group.clone(),
            before,
        });
        let place = Some(Place { group, at: number });
        self.replace(
            table,
            Row {
                key,
                value,
                version: 1,
                fence: 0,
                place,
            },
            done,
        );
        Ok(())
    }

    fn table(&mut self, table: Table) -> &mut Rows {
        self.tables.entry(table).or_default()
    }

    fn replace(&mut self, table: Table, row: Row, done: &mut Vec<Undo>) {
        let key = row.key.clone();
        let before = self.table(table).insert(row);
        done.push(Undo::Row { table, key, before });
    }

    fn take_back(&mut self, done: Vec<Undo>) {
        for undo in done.into_iter().rev() {
            match undo {
                Undo::Row {
                    table,
                    before: Some(row),
                    ..
                } => {
                    self.table(table).insert(row);
                }
                Undo::Row {
                    table,
                    key,
                    before: None,
                } => {
                    self.table(table).remove(&key);
                }
                Undo::Number {
                    table,
                    group,
                    before: 0,
                } => {
                    self.table(table).last.remove(&group);
                }
                Undo::Number {
                    table,
                    group,
                    before,
                } => {
                    self.table(table).last.insert(group, before);
                }
            }
        }
    }
}

impl Rows {
    /// Writes a row one version above the one that is there.
    fn put(&mut self, mut row: Row) -> Option<Row> {
        let placed = placed(&row);
        let before = match self.by_key.entry(row.key.clone()) {
            Entry::Occupied(mut there) => {
                row.version = there.get().version + 1;
                Some(there.insert(row))
            }
            Entry::Vacant(free) => {
                free.insert(row);
                None
            }
        };
        self.unplace(before.as_ref());
        self.index.extend(placed);
        before
    }

    fn insert(&mut self, row: Row) -> Option<Row> {
        let placed = placed(&row);
        let before = self.by_key.insert(row.key.clone(), row);
        self.unplace(before.as_ref());
        self.index.extend(placed);
        before
    }

    fn remove(&mut self, key: &Key) -> Option<Row> {
        let before = self.by_key.remove(key);
        self.unplace(before.as_ref());
        before
    }

    fn unplace(&mut self, row: Option<&Row>) {
        let Some(Row {
            key,
            place: Some(place),
            ..
        }) = row
        else {
            return;
        };
        self.index
            .remove(&(place.group.clone(), place.at, key.clone()));
    }
}

fn placed(row: &Row) -> Option<(Key, u64, Key)> {
    let place = row.place.as_ref()?;
    Some((place.group.clone(), place.at, row.key.clone()))
}

type Ends = (Bound<(Key, u64, Key)>, Bound<(Key, u64, Key)>);

/// The part of the index that a range asks for, or nothing where it is empty by its own bounds.
fn stretch(range: &Range) -> Option<Ends> {
    let end = |at: u64, key: Key| (range.group.clone(), at, key);
    let first = Key::new([]);
    let mut low = Bound::Included(end(0, first.clone()));
    // The empty key comes first at its position, so this leaves out all of `before`.
    let mut high = end(range.before, first);
    let mut floor = end(0, Key::new([]));
    if let Some((at, key)) = range.after.clone() {
        let after = end(at, key);
        if range.newest_first {
            high = high.min(after);
        } else {
            floor = after.clone();
            low = Bound::Excluded(after);
        }
    }
    (floor < high).then_some((low, Bound::Excluded(high)))
}
