//! Forgetting channels that are over, so that a store does not grow for ever.
//!
//! What is over locks nothing, and its budgets were given back in the write that ended it. It is kept for as
//! long as somebody may want to know what became of it, and holds against its seller what that said.

use farthing_core::{bounds, domain::claims::ChangeError};

use super::purse::ENDED;
use crate::{client::Inner, error::Error, pay::store_error};

impl Inner {
    /// Forgets the purses that ended long enough ago.
    pub(super) async fn prune_purses(&self) -> Result<(), Error> {
        let (now, keep) = (self.clock.now(), self.options.keep_ended);
        let mut last = None;
        loop {
            let page = self.purses.list(ENDED, last.as_ref(), bounds::PAGE).await?;
            last = page.last().map(|held| held.record.clone());
            let is_last = page.len() < bounds::PAGE;
            for held in page {
                // Of those that ended before that was noted, it is known when they paid last.
                let ended = held.record.ended_at.unwrap_or(held.record.used_at);
                if now.since(ended) <= keep {
                    continue;
                }
                match self.purses.forget(held).await {
                    // Whoever else forgets it does the same.
                    Ok(()) | Err(ChangeError::Stale) => {}
                    Err(error) => return Err(store_error(error).into()),
                }
            }
            if is_last {
                return Ok(());
            }
        }
    }
}
