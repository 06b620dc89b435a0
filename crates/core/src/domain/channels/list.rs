//! The channels of a store: which there are, and how they are forgotten.
//!
//! Each channel lies in a partition of its own, and no list goes over partitions. So the store's own
//! partition has a row for each. It is written before the channel and goes after it: a process that
//! dies in between leaves a row without a channel, and never a channel that nobody finds.

use super::{
    ALL, CHANNELS, ChannelError, Channels, Held, STATE, TERMS, exposure::EXPOSURES, partition,
};
use crate::{
    domain::calls::{self, Calls},
    intent::session::{ChannelId, Standing},
    port::backend::{
        Batch, Commit, Guard, Key, Partition, Place, Range, Row, StoreError, Table, Write,
    },
    value::Timestamp,
};

const INDEX: Table = Table::new("core.channel_index");
const OPEN: &str = "open";
const ENDED: &str = "ended";

/// The row says nothing but that the channel is there.
const FORM: u8 = 1;

/// A channel in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Which one.
    pub id: ChannelId,
    /// When it was opened; of one that ended, when it may be forgotten.
    pub at: Timestamp,
}

impl Channels {
    /// The channels that did not end, the newest first: a page of them, after the last one of the page
    /// before. One that is named may not be there yet, or not any more.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(
        &self,
        after: Option<&Listed>,
        limit: usize,
    ) -> Result<Vec<Listed>, StoreError> {
        self.listed((OPEN, u64::MAX, true), after, limit).await
    }

    /// The channels that ended and may be forgotten before a time, the earliest first: a page of them,
    /// after the last one of the page before.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn ended(
        &self,
        before: Timestamp,
        after: Option<&Listed>,
        limit: usize,
    ) -> Result<Vec<Listed>, StoreError> {
        let before = before.as_millis();
        self.listed((ENDED, before, false), after, limit).await
    }

    /// Notes that a channel is closed, and when it may be forgotten. `false` where it is not closed. It
    /// is safe to repeat.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn retire(&self, held: &Held, forget_at: Timestamp) -> Result<bool, StoreError> {
        if held.channel().standing() != Standing::Closed {
            return Ok(false);
        }
        let mut batch = Batch::new(Partition::Store);
        batch.writes.push(entry(held.id(), ENDED, forget_at));
        Ok(self.backend.commit(batch).await? == Commit::Committed)
    }

    /// Forgets a channel that is closed and has given back what was drawn for it, with all that lies in
    /// its partition. `false` where it is neither. It is safe to repeat.
    ///
    /// A process that still has it in memory learns that it is not there: give it the time for that.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn forget(&self, id: &ChannelId) -> Result<bool, ChannelError> {
        if !self.drawn(id).await?.amount.is_zero() {
            return Ok(false);
        }
        if let Some(held) = self.load(id).await? {
            if held.channel().standing() != Standing::Closed {
                return Ok(false);
            }
            Calls::new(self.backend.clone()).forget_all(id).await?;
            let mut batch = Batch::new(partition(id));
            batch.guards.push(super::version(&held));
            for (table, key) in [(CHANNELS, STATE), (TERMS, ALL), (calls::ROOM, calls::USED)] {
                let key = Key::from(key);
                batch.writes.push(Write::Delete { table, key });
            }
            if self.backend.commit(batch).await? != Commit::Committed {
                return Ok(false);
            }
        }
        let mut batch = Batch::new(Partition::Store);
        for table in [EXPOSURES, INDEX] {
            let key = id.to_key();
            batch.writes.push(Write::Delete { table, key });
        }
        Ok(self.backend.commit(batch).await? == Commit::Committed)
    }

    /// Names a channel that is about to be there. One that is named already stays as it is.
    pub(super) async fn enlist(&self, id: &ChannelId, now: Timestamp) -> Result<(), StoreError> {
        let mut batch = Batch::new(Partition::Store);
        batch.guards.push(Guard::Absent {
            table: INDEX,
            key: id.to_key(),
        });
        batch.writes.push(entry(id, OPEN, now));
        let _is_new = self.backend.commit(batch).await? == Commit::Committed;
        Ok(())
    }

    async fn listed(
        &self,
        (group, before, newest_first): (&str, u64, bool),
        after: Option<&Listed>,
        limit: usize,
    ) -> Result<Vec<Listed>, StoreError> {
        let range = Range {
            partition: Partition::Store,
            table: INDEX,
            group: Key::from(group),
            before,
            after: after.map(|last| (last.at.as_millis(), last.id.to_key())),
            newest_first,
            limit,
        };
        let rows = self.backend.range(range).await?;
        rows.iter().map(read).collect()
    }
}

fn entry(id: &ChannelId, group: &str, at: Timestamp) -> Write {
    Write::Put {
        table: INDEX,
        key: id.to_key(),
        value: vec![FORM],
        fence: 0,
        place: Some(Place {
            group: Key::from(group),
            at: at.as_millis(),
        }),
    }
}

fn read(row: &Row) -> Result<Listed, StoreError> {
    let at = row.place.as_ref().map_or(0, |place| place.at);
    Ok(Listed {
        id: super::row::id(&row.key)?,
        at: Timestamp::from_millis(at),
    })
}
