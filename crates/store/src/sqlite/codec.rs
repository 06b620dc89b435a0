//! How the nouns of the port stand in columns.

use std::error::Error;

use farthing_core::port::backend::{Batch, Guard, Key, Partition, Place, Row, Write};
use rusqlite::types::Type;

use super::error::Refused;

/// Nothing for the store's own partition, which most rows are in; else a kind and its key.
pub(super) fn partition(partition: &Partition) -> Result<Vec<u8>, Refused> {
    match partition {
        Partition::Store => Ok(Vec::new()),
        Partition::Channel(key) => Ok([b"c", key.as_bytes()].concat()),
        _ => Err(Refused::Unknown),
    }
}

/// What the rows of one table in one partition have in common: the first bytes of their keys and of
/// their groups. Both lengths are fixed, so no two tables or partitions ever share a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Prefix(Vec<u8>);

impl Prefix {
    pub(super) fn new(table: u16, part: &[u8]) -> Self {
        Self(column(table, part, b""))
    }

    /// A key or a group, as a column has it.
    pub(super) fn with(&self, key: &[u8]) -> Vec<u8> {
        [&self.0, key].concat()
    }

    fn strip<'a>(&self, column: usize, bytes: &'a [u8]) -> rusqlite::Result<&'a [u8]> {
        bytes
            .strip_prefix(&self.0[..])
            .ok_or_else(|| broken(column, Misplaced))
    }
}

/// A key or a group, as a column has it.
pub(super) fn column(table: u16, part: &[u8], key: &[u8]) -> Vec<u8> {
    // A partition is a key and one byte, so its length fits.
    let length = u16::try_from(part.len()).unwrap_or(u16::MAX);
    let mut bytes = Vec::with_capacity(4 + part.len() + key.len());
    bytes.extend_from_slice(&table.to_be_bytes());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(part);
    bytes.extend_from_slice(key);
    bytes
}

/// Sixty-four bits as SQLite has them. The order is lost for the upper half.
pub(super) const fn bits(number: u64) -> i64 {
    number.cast_signed()
}

const fn number(bits: i64) -> u64 {
    bits.cast_unsigned()
}

/// A position as SQLite has it, in the same order.
pub(super) const fn position(at: u64) -> i64 {
    bits(at ^ (1 << 63))
}

/// A row of the columns `k, version, fence, grp, at, value`.
pub(super) fn row(prefix: &Prefix, row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let key = |column, bytes| key(column, prefix.strip(column, bytes)?);
    let group: Option<&[u8]> = row.get_ref(3)?.as_blob_or_null()?;
    let place = match group {
        None => None,
        Some(group) => {
            let at = number(row.get(4)?) ^ (1 << 63);
            Some(Place {
                group: key(3, group)?,
                at,
            })
        }
    };
    Ok(Row {
        key: key(0, row.get_ref(0)?.as_blob()?)?,
        version: number(row.get(1)?),
        fence: number(row.get(2)?),
        place,
        value: row.get(5)?,
    })
}

#[derive(Debug, thiserror::Error)]
#[error("a key of {0} bytes is longer than any that was written")]
struct TooLong(usize);

#[derive(Debug, thiserror::Error)]
#[error("a row stands among those of another table")]
struct Misplaced;

fn key(column: usize, bytes: &[u8]) -> rusqlite::Result<Key> {
    if bytes.len() <= Key::MAX {
        Ok(Key::new(bytes))
    } else {
        Err(broken(column, TooLong(bytes.len())))
    }
}

fn broken(column: usize, cause: impl Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, Box::new(cause))
}

/// About how much memory a waiting batch holds.
pub(super) fn weight(batch: &Batch) -> usize {
    let guards = batch.guards.iter().map(|guard| match guard {
        Guard::Absent { key, .. } | Guard::Version { key, .. } | Guard::Fence { key, .. } => {
            size_of::<Guard>() + key.as_bytes().len()
        }
        _ => size_of::<Guard>(),
    });
    let writes = batch
        .writes
        .iter()
        .map(|write| size_of::<Write>() + held(write));
    size_of::<Batch>() + guards.sum::<usize>() + writes.sum::<usize>()
}

fn held(write: &Write) -> usize {
    match write {
        Write::Put {
            key, value, place, ..
        } => {
            let group = place
                .as_ref()
                .map_or(0, |place| place.group.as_bytes().len());
            key.as_bytes().len() + value.len() + group
        }
        Write::Append { group, value, .. } => group.as_bytes().len() + value.len(),
        Write::Delete { key, .. } | Write::Add { key, .. } => key.as_bytes().len(),
        _ => 0,
    }
}
