//! What the store says of channels against what their rail says.

use std::sync::Arc;

use farthing_core::{
    domain::claims::ChangeError,
    intent::session::{OnChain, Seen},
    port::session_payer::SessionPayer,
    value::{Amount, Timestamp},
};

use super::{
    close::Closing,
    lock::Sight,
    purse::{Purse, Stage, more},
    store::{HeldPurse, Step, Which, erase_locking},
};
use crate::{client::Inner, error::Error, pay::store_error};

/// A purse after a look at its rail.
#[derive(Debug)]
#[non_exhaustive]
pub struct Synced {
    /// As it is now.
    pub purse: Purse,
    /// Whether the look changed it.
    pub changed: bool,
    /// Why nothing could be learnt, where that is so.
    pub error: Option<Error>,
}

impl Inner {
    /// Looks at the channel of every purse in which money may be locked, and forgets those that ended long
    /// ago.
    pub(super) async fn sync(&self) -> Result<Vec<Synced>, Error> {
        self.prune_purses().await?;
        let mut all = Vec::new();
        for held in self.purses.live().await? {
            let before = held.record.clone();
            let looked = match self.payer_of(&before) {
                Ok(payer) => self.sync_one(held, &payer).await,
                Err(error) => Err(error),
            };
            let error = match looked {
                Ok(()) => None,
                Err(error @ Error::Store { .. }) => return Err(error),
                Err(error) => Some(error),
            };
            let after = self.purses.load(before.id).await?;
            let purse = after.map_or_else(|| before.clone(), |held| held.record);
            all.push(Synced {
                changed: purse != before,
                purse,
                error,
            });
        }
        Ok(all)
    }

    async fn sync_one(&self, held: HeldPurse, payer: &Arc<dyn SessionPayer>) -> Result<(), Error> {
        let purse = &held.record;
        let opening = self.purses.locking(purse.id, Which::Opening).await?;
        match (purse.stage, opening, purse.keeping()) {
            (_, _, None) => self.forget_unsigned(held).await,
            (Stage::Opening, Some(kept), _) => self
                .opening_outcome(held, &**payer, &kept.transaction)
                .await
                .map(drop),
            (_, opening, Some(keeping)) => {
                let seen = match self.sight(&**payer, &keeping).await? {
                    Sight::Blind => return Ok(()),
                    Sight::There(seen) => Some(seen),
                    Sight::Nowhere => None,
                };
                // The seller said that it is open, and the rail does not show it, or not any more.
                let was_there = seen.is_some_and(|seen| seen.proves_it_was());
                if let Some(kept) = opening.filter(|_| !was_there) {
                    let asked = payer.may_come(&kept.transaction, self.clock.now());
                    if !self.within(asked).await? {
                        return self.end(held, None).await.map(drop);
                    } else if seen.is_none() {
                        return Ok(());
                    }
                }
                match seen {
                    Some(seen) => self.take_over_seen(held, payer, seen).await,
                    None => self.end(held, None).await.map(drop),
                }
            }
        }
    }

    /// Nothing was signed, and whoever was about to is gone.
    async fn forget_unsigned(&self, held: HeldPurse) -> Result<(), Error> {
        if held.record.lease_until > self.clock.now() {
            return Ok(());
        }
        match self.purses.forget(held).await {
            // Whoever was faster goes on with it.
            Ok(()) | Err(ChangeError::Stale) => Ok(()),
            Err(error) => Err(store_error(error).into()),
        }
    }

    async fn take_over_seen(
        &self,
        held: HeldPurse,
        payer: &Arc<dyn SessionPayer>,
        seen: Seen,
    ) -> Result<(), Error> {
        let (deposit, asked) = match seen.state {
            OnChain::Finalized { .. } => return self.end(held, Some(seen)).await.map(drop),
            OnChain::Open {
                deposit,
                close_requested_at,
                ..
            } => (deposit, close_requested_at),
        };
        let mut purse = held.record.clone();
        if purse.stage == Stage::Closing {
            purse.close_requested_at = asked.or(purse.close_requested_at);
            let (id, due) = (purse.id, purse.close_requested_at);
            purse.deposit = deposit;
            self.stepped(held, Step::to(purse)).await?;
            let is_due = |at: Timestamp| self.clock.now() >= at.saturating_add(payer.grace());
            if due.is_some_and(is_due)
                && let Some(held) = self.purses.load(id).await?
            {
                let _: Closing = self.close_alone(held, payer).await?;
            }
            return Ok(());
        }
        if asked.is_some() {
            // Somebody with our key asked for its end.
            return self.end(held, Some(seen)).await.map(drop);
        }
        let mut writes = vec![erase_locking(purse.id, Which::Opening)];
        let mut least = Amount::ZERO;
        if let Some(kept) = self.purses.locking(purse.id, Which::TopUp).await? {
            let came = match purse.adding {
                Some(adding) => deposit >= more(purse.deposit, adding),
                // Its seller said that it came, and it was counted.
                None => deposit >= purse.deposit,
            };
            let over = came || {
                let asked = payer.may_come(&kept.transaction, self.clock.now());
                !self.within(asked).await?
            };
            if over {
                purse.adding = None;
                writes.push(erase_locking(purse.id, Which::TopUp));
            } else {
                least = purse.deposit;
            }
        }
        purse.deposit = deposit.max(least);
        let step = Step {
            writes,
            ..Step::to(purse)
        };
        self.stepped(held, step).await
    }

    async fn stepped(&self, held: HeldPurse, step: Step) -> Result<(), Error> {
        match self.purses.step(held, step).await {
            // Whoever was faster knows more.
            Ok(_) | Err(ChangeError::Stale) => Ok(()),
            Err(error) => Err(store_error(error).into()),
        }
    }
}
