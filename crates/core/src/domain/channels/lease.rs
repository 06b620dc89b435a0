//! Having a channel to oneself for a while, so that what is in memory is what is there.

use std::time::Duration;

use super::{ChannelError, Channels, Held, partition, put, row, version};
use crate::{
    port::backend::{Batch, Commit},
    value::Timestamp,
};

impl Channels {
    /// Keeps all others from writing a channel until a time, or goes on doing so. `false` where
    /// somebody else does.
    ///
    /// Nothing rests on it but speed: a step of one whose time is over is a conflict like any other,
    /// and it learns from the fence that the channel is not its own any more.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn acquire(
        &self,
        held: &mut Held,
        now: Timestamp,
        term: Duration,
    ) -> Result<bool, ChannelError> {
        self.reload(held).await?;
        if held.leased_until > now && !held.is_ours {
            return Ok(false);
        }
        let fence = if held.is_leased(now) {
            held.fence
        } else {
            held.fence + 1
        };
        let until = held.leased_until.max(now.saturating_add(term));
        self.lease(held, fence, until).await
    }

    /// Lets others write a channel again.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn release(&self, held: &mut Held) -> Result<(), ChannelError> {
        if held.is_ours {
            let fence = held.fence;
            self.lease(held, fence, Timestamp::EPOCH).await?;
        }
        held.is_ours = false;
        Ok(())
    }

    async fn lease(
        &self,
        held: &mut Held,
        fence: u64,
        until: Timestamp,
    ) -> Result<bool, ChannelError> {
        let mut batch = Batch::new(partition(&held.id));
        batch.guards.push(version(held));
        let value = row::pack(&held.channel, until, held.active_at);
        batch
            .writes
            .push(put(super::CHANNELS, super::STATE, value, fence));
        let written = self.backend.commit(batch).await;
        held.is_ours = matches!(written, Ok(Commit::Committed));
        if held.is_ours {
            held.version += 1;
            (held.fence, held.leased_until) = (fence, until);
        }
        Ok(written? == Commit::Committed)
    }
}
