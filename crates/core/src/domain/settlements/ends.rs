//! Ends: how a channel ended. There is one of each channel, whoever finds it and however often.

use super::{ENDED, LOST, SPENT, Settlements, as_read, at, count, payouts::named, put};
use crate::{
    intent::session::ChannelId,
    port::backend::{Guard, Key, Partition, Row, StoreError, Table, Write},
    value::{Amount, CurrencyCode, Did, MethodId, Reference, Timestamp},
};
use serde::{Deserialize, Serialize};

const ENDS: Table = Table::new("core.channel_ends");
const ALL: &str = "all";

/// How a channel ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct End {
    /// The method whose rail it was on.
    pub method: MethodId,
    /// What it held.
    pub currency: CurrencyCode,
    /// Who paid out of it.
    pub payer: Did,
    /// When the rail closed it, or we heard of it.
    pub at: Timestamp,
    /// What vouchers had said.
    pub accepted: Amount,
    /// What was charged.
    pub spent: Amount,
    /// What was paid out of it in all.
    pub settled: Amount,
    /// What was served out of it and never paid out.
    pub lost: Amount,
    /// What the rail calls its closing, where it was ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
}

/// A channel that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// The channel.
    pub channel: ChannelId,
    /// How it ended.
    pub end: End,
}

impl Settlements {
    /// Writes down how a channel ended, and adds up what was charged and what was lost. `false` where that was
    /// known. Whoever hears of an end from the rail may be faster than who brought it about, so what
    /// the rail calls it may come later.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end(&self, channel: &ChannelId, end: &End) -> Result<bool, StoreError> {
        let key = channel.to_key();
        loop {
            let row = self.backend.get(&Partition::Store, ENDS, &key).await?;
            let known = row.as_ref().map(end_of).transpose()?;
            let (guard, end, is_new) = match (row, known) {
                (Some(row), Some(known)) => {
                    if known.reference.is_some() || end.reference.is_none() {
                        return Ok(false);
                    }
                    let reference = end.reference.clone();
                    (as_read(ENDS, &row), End { reference, ..known }, false)
                }
                _ => {
                    let (table, key) = (ENDS, key.clone());
                    (Guard::Absent { table, key }, end.clone(), true)
                }
            };
            let value =
                serde_json::to_vec(&end).map_err(|error| StoreError::Corrupt(error.into()))?;
            let place = Some((Key::from(ALL), end.at));
            let mut writes = vec![put(ENDS, key.clone(), value, place)];
            if is_new {
                for (what, by) in [
                    (LOST, end.lost),
                    (ENDED, Amount::new(1)),
                    (SPENT, end.spent),
                ] {
                    writes.extend(count(what, &end.method, &end.currency, by));
                }
                writes.push(named(&end.method, &end.currency));
            }
            if self.commit(vec![guard], writes).await? {
                return Ok(is_new);
            }
        }
    }

    /// How a channel ended, if it did.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn ended(&self, channel: &ChannelId) -> Result<Option<End>, StoreError> {
        let key = channel.to_key();
        let row = self.backend.get(&Partition::Store, ENDS, &key).await?;
        row.as_ref().map(end_of).transpose()
    }

    /// The channels that ended, the latest first; going on after the last one of the page before.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn ends(&self, last: Option<&Past>, limit: usize) -> Result<Vec<Past>, StoreError> {
        let after = last.map(|last| (last.end.at.as_millis(), last.channel.to_key()));
        let stretch = (u64::MAX, after, true);
        let rows = self.page(ENDS, &Key::from(ALL), stretch, limit).await?;
        rows.iter().map(past).collect()
    }

    /// The channels that ended before a time, the earliest first; going on after the last one of the
    /// page before.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn ends_before(
        &self,
        before: Timestamp,
        last: Option<&Past>,
        limit: usize,
    ) -> Result<Vec<Past>, StoreError> {
        let after = last.map(|last| (last.end.at.as_millis(), last.channel.to_key()));
        let stretch = (before.as_millis(), after, false);
        let rows = self.page(ENDS, &Key::from(ALL), stretch, limit).await?;
        rows.iter().map(past).collect()
    }

    /// Forgets how channels ended. What was added up of them stays. It is safe to repeat.
    ///
    /// Only of channels that are [forgotten](crate::domain::channels::Channels::forget): what is still
    /// there could be found at its end once more, and be counted twice.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn forget_ends(&self, channels: &[ChannelId]) -> Result<(), StoreError> {
        let writes = channels.iter().map(|channel| Write::Delete {
            table: ENDS,
            key: channel.to_key(),
        });
        self.commit(Vec::new(), writes.collect()).await.map(drop)
    }
}

fn past(row: &Row) -> Result<Past, StoreError> {
    let channel = std::str::from_utf8(row.key.as_bytes())
        .map_err(|error| StoreError::Corrupt(error.into()))?;
    let channel = ChannelId::new(channel).map_err(|error| StoreError::Corrupt(error.into()))?;
    let end = End {
        at: at(row),
        ..end_of(row)?
    };
    Ok(Past { channel, end })
}

fn end_of(row: &Row) -> Result<End, StoreError> {
    serde_json::from_slice(&row.value).map_err(|error| StoreError::Corrupt(error.into()))
}
