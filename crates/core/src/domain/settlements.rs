//! Settlements: what is handed in to a rail for channels, and what became of them.
//!
//! | part | what it holds |
//! |---|---|
//! | jobs | what was handed in and is not written off yet: journaled before it is sent |
//! | agenda | channels that somebody wants settled or closed, by when |
//! | payouts | what the rail paid out of each channel last, and what it took for that |
//! | ends | how a channel ended, once for each |
//! | cursors | how far somebody came with what only goes forward |
//!
//! All of them lie in the store's own partition. A channel's books lie in the channel's, so what is
//! written here comes before or after them and never with them: a job stays until the books of each
//! of its channels show what the rail said.

use std::sync::Arc;

use super::claims::COUNTERS;
use crate::{
    bounds,
    encoding::packed::{Packer, UnpackError, Unpacker},
    port::backend::{
        Backend, Batch, Commit, Guard, Key, Partition, Place, Range, Row, StoreError, Table, Write,
    },
    value::{Amount, CurrencyCode, MethodId, Timestamp},
};

mod agenda;
mod cursor;
mod ends;
mod jobs;
mod payouts;

pub use agenda::{Agenda, Wish};
pub use ends::{End, Past};
pub use jobs::{Item, Job, Open, Outcome};
pub use payouts::Payout;

/// The settlements of a store.
#[derive(Clone)]
pub struct Settlements {
    backend: Arc<dyn Backend>,
}

impl std::fmt::Debug for Settlements {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Settlements")
    }
}

/// What was added up over all channels of a method and a currency, for good: it stays when that which it
/// was added up of is forgotten.
///
/// What all channels ever spent is `spent` and what those did that are open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// What was paid out by settlements that we handed in.
    pub settled: Amount,
    /// What was served out of channels that ended and was never paid out.
    pub lost: Amount,
    /// Settlements that the rail took.
    pub settlements: u64,
    /// What rails took of this currency for settlements, those that failed included.
    pub fees: Amount,
    /// Channels that ended.
    pub ended: u64,
    /// What was charged out of those.
    pub spent: Amount,
}

impl Settlements {
    /// Settlements kept in a backend.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self { backend }
    }

    /// What was added up of a method and a currency.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn totals(
        &self,
        method: &MethodId,
        currency: &CurrencyCode,
    ) -> Result<Totals, StoreError> {
        let mut sums = [0; 6];
        let kinds = [SETTLED, LOST, COUNT, FEES, ENDED, SPENT];
        for (sum, what) in sums.iter_mut().zip(kinds) {
            let key = counter(what, method, currency);
            let row = self.backend.get(&Partition::Store, COUNTERS, &key).await?;
            let counted = row.and_then(|row| row.counter()).unwrap_or_default();
            *sum = u128::try_from(counted).unwrap_or_default();
        }
        let [settled, lost, count, fees, ended, spent] = sums;
        Ok(Totals {
            settled: Amount::new(settled),
            lost: Amount::new(lost),
            settlements: u64::try_from(count).unwrap_or(u64::MAX),
            fees: Amount::new(fees),
            ended: u64::try_from(ended).unwrap_or(u64::MAX),
            spent: Amount::new(spent),
        })
    }

    async fn page(
        &self,
        table: Table,
        group: &Key,
        stretch: (u64, Option<(u64, Key)>, bool),
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let (before, after, newest_first) = stretch;
        let range = Range {
            partition: Partition::Store,
            table,
            group: group.clone(),
            before,
            after,
            newest_first,
            limit: limit.min(bounds::PAGE),
        };
        self.backend.range(range).await
    }

    async fn commit(&self, guards: Vec<Guard>, writes: Vec<Write>) -> Result<bool, StoreError> {
        let batch = Batch {
            guards,
            writes,
            ..Batch::new(Partition::Store)
        };
        Ok(self.backend.commit(batch).await? == Commit::Committed)
    }
}

const SETTLED: &str = "sessions settled";
const LOST: &str = "sessions lost";
const COUNT: &str = "sessions settlements";
const FEES: &str = "sessions fees";
const ENDED: &str = "sessions ended";
const SPENT: &str = "sessions spent";

fn counter(what: &str, method: &MethodId, currency: &CurrencyCode) -> Key {
    let whose = super::budgets::hashed(&[method.as_str(), currency.as_str()]);
    Key::from(format!("{what} {whose}").as_str())
}

/// Adds to one of the totals, for good.
fn count(what: &str, method: &MethodId, currency: &CurrencyCode, by: Amount) -> Option<Write> {
    (!by.is_zero()).then(|| Write::Add {
        table: COUNTERS,
        key: counter(what, method, currency),
        delta: by.to_delta().unwrap_or_default(),
        min: i128::MIN,
        max: i128::MAX,
    })
}

/// A row of ours with its place in a table's index.
fn put(table: Table, key: Key, value: Vec<u8>, place: Option<(Key, Timestamp)>) -> Write {
    Write::Put {
        table,
        key,
        value,
        fence: 0,
        place: place.map(|(group, at)| Place {
            group,
            at: at.as_millis(),
        }),
    }
}

fn as_read(table: Table, row: &Row) -> Guard {
    Guard::Version {
        table,
        key: row.key.clone(),
        version: row.version,
    }
}

fn at(row: &Row) -> Timestamp {
    Timestamp::from_millis(row.place.as_ref().map_or(0, |place| place.at))
}

fn read<T>(
    row: &Row,
    form: u8,
    read: impl FnOnce(&mut Unpacker<'_>) -> Result<T, UnpackError>,
) -> Result<T, StoreError> {
    let all = || {
        let mut from = Unpacker::new(&row.value, form)?;
        let value = read(&mut from)?;
        from.end()?;
        Ok(value)
    };
    all().map_err(|error: UnpackError| StoreError::Corrupt(error.into()))
}

fn packed(form: u8, write: impl FnOnce(&mut Packer)) -> Vec<u8> {
    let mut out = Packer::new(form, 128);
    write(&mut out);
    out.finish()
}

fn group(method: &MethodId) -> Key {
    Key::from(method.as_str())
}
