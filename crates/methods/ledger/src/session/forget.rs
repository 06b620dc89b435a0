//! How what is over is forgotten, so that the books hold no more than what goes on.
//!
//! | rows | until when |
//! |---|---|
//! | what was done under a lock's name | the lock is good no more, so it cannot be done again |
//! | what was done under a job's name | the job is written off, so nobody asks what became of it |
//! | a channel | it is closed, and an opening with its salt is good no more, so its id cannot come back |
//! | news | they were taken in, but for the last ones, which other processes may not have read |

use farthing_core::{
    intent::session::ChannelId,
    port::{
        backend::{Batch, Commit, Key, Partition, Range, StoreError, Write},
        session::Bygone,
    },
    value::Reference,
};

use super::{
    escrow::{Escrow, everything, unchanged},
    row::{CHANNELS, DONE, NEWS},
    settle,
};

/// News that are kept although they were taken in: so far behind may another process be. One that is
/// further looks at every channel.
const KEPT: u64 = 1024;

impl Escrow {
    /// Forgets what is kept of something that is over; `false` where it has to be kept yet.
    pub(super) async fn forget(&self, over: Bygone<'_>) -> Result<bool, StoreError> {
        match over {
            Bygone::Funding {
                reference: Some(name),
                ..
            } => self.forget_done(name).await,
            Bygone::Settlement { id } => self.forget_done(&settle::name_of(&id)).await,
            Bygone::Channel { channel, .. } => self.forget_channel(channel).await,
            Bygone::News { block } => self.forget_news(block).await,
            _ => Ok(true),
        }
    }

    async fn forget_done(&self, name: &Reference) -> Result<bool, StoreError> {
        let mut batch = Batch::new(Partition::Store);
        let key = Key::from(name.as_str());
        batch.writes.push(Write::Delete { table: DONE, key });
        Ok(self.backend.commit(batch).await? == Commit::Committed)
    }

    async fn forget_channel(&self, id: &ChannelId) -> Result<bool, StoreError> {
        let Some((kept, version)) = self.kept(id).await? else {
            return Ok(true);
        };
        if !kept.is_closed || kept.channel.salt.last() >= self.now() {
            return Ok(false);
        }
        let mut batch = Batch::new(Partition::Store);
        batch.guards.push(unchanged(id, Some(version)));
        let (table, key) = (CHANNELS, id.to_key());
        batch.writes.push(Write::Delete { table, key });
        Ok(self.backend.commit(batch).await? == Commit::Committed)
    }

    /// Forgets a page of old news; `false` where there is more.
    async fn forget_news(&self, block: u64) -> Result<bool, StoreError> {
        let range = Range {
            before: block.min(self.newest().await?).saturating_sub(KEPT),
            ..everything()
        };
        let rows = self.backend.range(range).await?;
        let is_all = rows.len() < farthing_core::bounds::PAGE;
        let mut batch = Batch::new(Partition::Store);
        let keys = rows.into_iter().map(|row| row.key);
        batch
            .writes
            .extend(keys.map(|key| Write::Delete { table: NEWS, key }));
        if !batch.writes.is_empty() {
            let _ = self.backend.commit(batch).await?;
        }
        Ok(is_all)
    }

    /// Every channel there is: for who missed what happened.
    pub(super) async fn all_channels(&self) -> Result<Vec<ChannelId>, StoreError> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let range = Range {
                table: CHANNELS,
                after,
                ..everything()
            };
            let rows = self.backend.range(range).await?;
            for row in &rows {
                let id = std::str::from_utf8(row.key.as_bytes()).ok();
                let id = id.and_then(|id| ChannelId::new(id).ok());
                all.push(id.ok_or_else(|| StoreError::Corrupt("a channel without an id".into()))?);
            }
            after = rows
                .last()
                .and_then(|row| Some((row.place.as_ref()?.at, row.key.clone())));
            if after.is_none() {
                return Ok(all);
            }
        }
    }
}
