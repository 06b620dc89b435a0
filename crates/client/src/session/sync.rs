//! What the store says of channels against what their rail says, and channels the store forgot.

use std::sync::Arc;

use farthing_core::{
    domain::claims::ChangeError,
    header::{ACCEPT_PAYMENT, PAYMENT_SESSION_SNAPSHOT, payment_session},
    intent::session::{OnChain, Seen},
    port::session_payer::{SessionPayer, Told},
    value::{Amount, Timestamp},
};
use http::{HeaderMap, Method};
use reqwest::Request;
use serde_json::Value;
use url::Url;

use super::{
    close::Closing,
    fault::SessionFault,
    lock::Sight,
    offer::SessionChoice,
    purse::{Purse, Stage},
    store::{HeldPurse, Step, Which, erase_locking},
};
use crate::{
    client::Inner,
    error::{Error, RequestFault, TransportError},
    pay::{payment_id, store_error},
    target::Target,
};

/// A purse after a look at its rail.
#[derive(Debug)]
pub struct Synced {
    /// As it is now.
    pub purse: Purse,
    /// Whether the look changed it.
    pub changed: bool,
    /// Why nothing could be learnt, where that is so.
    pub error: Option<Error>,
}

/// A channel that its seller told of and the store did not know.
#[derive(Debug)]
pub struct Found {
    /// The purse that it is kept under from now on. It pays nothing, and can be closed.
    pub purse: Purse,
    /// What the seller says that vouchers said. Nobody here knows.
    pub accepted: Amount,
    /// What the seller says was charged.
    pub spent: Amount,
}

impl Inner {
    /// Looks at the channel of every purse in which money may be locked.
    pub(super) async fn sync(&self) -> Result<Vec<Synced>, Error> {
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
        if let Some(kept) = self.purses.locking(purse.id, Which::TopUp).await? {
            let came = deposit > purse.deposit;
            let over = came || {
                let asked = payer.may_come(&kept.transaction, self.clock.now());
                !self.within(asked).await?
            };
            if over {
                purse.adding = None;
                writes.push(erase_locking(purse.id, Which::TopUp));
            }
        }
        purse.deposit = deposit;
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

    /// Asks a seller for the channels it knows of ours, and keeps those that the rail has and the store
    /// does not. How much was signed on them nobody here knows, and a seller's word is no evidence: so
    /// they pay nothing, and are closed.
    pub(super) async fn recover(&self, url: &str) -> Result<Vec<Found>, Error> {
        let wrong = |error: TransportError| RequestFault::Build(error);
        let url: Url = url.parse().map_err(|e: url::ParseError| wrong(e.into()))?;
        let target = Target::new(Method::GET, url.clone());
        let mut request = Request::new(Method::GET, url);
        request
            .headers_mut()
            .insert(ACCEPT_PAYMENT, self.accept.clone());
        let response = self.ask_unpaid(request).await?;
        let choices = match self.sessions_offered(&target, response.headers()) {
            Ok(choices) => choices,
            Err(Some(error)) => return Err(error),
            Err(None) => return Ok(Vec::new()),
        };
        let mut found = Vec::new();
        for choice in choices {
            for snapshot in snapshots(&choice, response.headers()) {
                let told = choice.payer.read_snapshot(&choice.offer, &snapshot);
                let told = told.map_err(SessionFault::Rail)?;
                if let Some(told) = told {
                    found.extend(self.adopt(&choice, &target, told).await?);
                }
            }
        }
        Ok(found)
    }

    async fn adopt(
        &self,
        choice: &SessionChoice,
        target: &Target,
        told: Told,
    ) -> Result<Option<Found>, Error> {
        let live = self.purses.live().await?;
        let is_known = |held: &HeldPurse| held.record.channel.as_ref() == Some(&told.channel.id);
        if live.iter().any(is_known) {
            return Ok(None);
        }
        let sight = self.sight(&*choice.payer, &told.channel).await?;
        let (deposit, settled, close_requested_at) = match sight {
            Sight::There(Seen {
                state:
                    OnChain::Open {
                        deposit,
                        settled,
                        close_requested_at,
                    },
                ..
            }) => (deposit, settled, close_requested_at),
            Sight::There(_) | Sight::Nowhere => return Ok(None),
            // The seller's books are the rail.
            Sight::Blind => (told.deposit, Amount::ZERO, None),
        };
        let keeper = self.keepers.of(&choice.scope);
        let purse = Purse {
            id: payment_id()?,
            channel: Some(told.channel.id),
            protocol: told.channel.protocol,
            details: told.channel.details,
            stage: Stage::Closing,
            deposit,
            // What the rail paid out was signed, whatever else was.
            signed: settled,
            owed: settled,
            close_requested_at,
            lease_until: Timestamp::EPOCH,
            ..self.new_purse(&keeper, choice, target)?
        };
        self.purses.adopt(purse.clone()).await?;
        Ok(Some(Found {
            purse,
            accepted: told.accepted,
            spent: told.spent,
        }))
    }
}

/// What a seller tells of channels with a challenge.
fn snapshots(choice: &SessionChoice, headers: &HeaderMap) -> Vec<Value> {
    let details = &choice.offer.request.method_details;
    let mut all: Vec<Value> = details
        .get("sessionSnapshot")
        .cloned()
        .into_iter()
        .collect();
    let header = headers.get(PAYMENT_SESSION_SNAPSHOT);
    let header = header.and_then(|value| payment_session::parse_snapshot(value.as_bytes()).ok());
    if let Some(snapshot) = header.map(|snapshot| snapshot.to_value())
        && !all.contains(&snapshot)
    {
        all.push(snapshot);
    }
    all
}
