//! A settlement at its rail: handed in, asked about, and written down in the books of its channels.

use farthing_core::{
    domain::settlements::{Item, Open, Outcome},
    intent::session::{OnChain, Seen, Terms},
    port::{
        backend::StoreError,
        method::Refusal,
        session::{Cost, Handing, Session, SettleItem, SettleJob, Settled},
    },
    value::Timestamp,
};

use super::{HandedIn, policy::unsettled};
use crate::{
    abort,
    event::What,
    session::{
        till::{Till, stored},
        watch::LOOK,
    },
};

/// What a rail says that refuses a settlement for good.
struct Refused {
    culprits: Vec<usize>,
    refusal: Refusal,
    fee: Option<Cost>,
}

impl Till {
    /// Hands a journaled settlement in, or asks what became of it.
    pub(super) async fn hand_in(
        &self,
        rail: &dyn Session,
        open: Open,
    ) -> Result<HandedIn, StoreError> {
        let Some((job, terms)) = self.job_of(&open).await? else {
            return Ok(HandedIn::default());
        };
        let asking = tokio::time::timeout(self.0.options.rail_deadline, rail.settle(&job));
        let settled = asking.await.unwrap_or(Settled::Unknown { refusal: None });
        abort::point("settlement-handed-in");
        match settled {
            Settled::Done {
                reference,
                at,
                fee,
                details,
            } => {
                let details = serde_json::Value::Object(details);
                tracing::info!(method = %open.job.method, %reference, %at, ?fee, channels = job.items.len(), %details, "a settlement is done");
                let outcome = Outcome::Settled { reference, at, fee };
                self.note_done(rail, open, &terms, outcome).await
            }
            Settled::Refused {
                culprits,
                refusal,
                fee,
            } => {
                let refused = Refused {
                    culprits,
                    refusal,
                    fee,
                };
                self.note_refused(rail, open, &terms, refused).await
            }
            Settled::Pending { ask_after } => {
                let ask_at = self.now().saturating_add(ask_after);
                self.ask_later(open, ask_at).await
            }
            Settled::Unknown { refusal } => {
                let cause = refusal.as_ref().map(tracing::field::display);
                tracing::warn!(method = %open.job.method, cause, "the rail gave no answer about a settlement");
                self.ask_in_a_while(open).await
            }
            _ => self.ask_in_a_while(open).await,
        }
    }

    /// The job as its rail is handed it. What channels are never changes, so it is read each time.
    async fn job_of(&self, open: &Open) -> Result<Option<(SettleJob, Vec<Terms>)>, StoreError> {
        let mut all = Vec::with_capacity(open.job.items.len());
        for item in &open.job.items {
            let Some(terms) = self.0.channels.terms(&item.channel).await? else {
                tracing::error!(channel = %item.channel, "what was handed in is of a channel that is not in the store");
                return Ok(None);
            };
            all.push(terms);
        }
        let items = open.job.items.iter().zip(&all);
        let items = items.map(|(item, terms)| SettleItem {
            channel: item.channel.clone(),
            terms: terms.clone(),
            how: item.how.clone(),
        });
        let job = SettleJob {
            id: open.job.id,
            items: items.collect(),
        };
        Ok(Some((job, all)))
    }

    /// Takes into the books what the rail has for good, and writes the job off.
    async fn note_done(
        &self,
        rail: &dyn Session,
        open: Open,
        terms: &[Terms],
        outcome: Outcome,
    ) -> Result<HandedIn, StoreError> {
        let reference = match &outcome {
            Outcome::Settled { reference, .. } => Some(reference),
            Outcome::Refused { .. } => None,
        };
        let Some(seen) = self.look_at_items(rail, &open, terms).await else {
            return self.ask_in_a_while(open).await;
        };
        let items = open.job.items.iter();
        let shown: Option<Vec<Seen>> = items
            .zip(seen)
            .map(|(item, seen)| as_paid(item, seen?))
            .collect();
        // A node that is behind shows what was there before.
        let Some(shown) = shown else {
            return self.ask_in_a_while(open).await;
        };
        for ((item, terms), seen) in open.job.items.iter().zip(terms).zip(shown) {
            let is_close = matches!(item.how, Handing::Close { .. });
            let ours = reference.filter(|_| is_close).cloned();
            self.observe(&item.channel, terms, seen, ours).await?;
            abort::point("settlement-observed");
            self.give_back(&item.channel, terms).await.map_err(stored)?;
            if let Some(desk) = self.desk(&open.job.method) {
                let mut memo = desk.settler.memo();
                memo.acquit(&item.channel);
                memo.clear(&item.channel);
            }
        }
        abort::point("settlement-booked");
        // Two processes may have asked: one of them adds it up and tells.
        if self.0.settlements.finish(&open, &outcome).await? {
            for (item, terms) in open.job.items.iter().zip(terms) {
                if let (Handing::Settle(_), Some(reference)) = (&item.how, reference) {
                    let amount = unsettled(item.pays(), item.before);
                    let reference = reference.clone();
                    self.tell(&item.channel, terms, What::Settled { amount, reference });
                }
            }
        }
        abort::point("settlement-written-off");
        Ok(HandedIn {
            done: 1,
            channels: open.job.items.len(),
            ..HandedIn::default()
        })
    }

    /// The rail refused a settlement for good. Its channels are looked at anew, and handed in again
    /// in smaller company; those it was refused for, after a while.
    async fn note_refused(
        &self,
        rail: &dyn Session,
        open: Open,
        terms: &[Terms],
        refused: Refused,
    ) -> Result<HandedIn, StoreError> {
        let Refused {
            culprits,
            refusal,
            fee,
        } = refused;
        let cause = refusal.source.as_ref().map(tracing::field::display);
        tracing::warn!(method = %open.job.method, channels = open.job.items.len(), ?culprits, ?fee, cause, "the rail refused a settlement: {refusal}");
        let Some(seen) = self.look_at_items(rail, &open, terms).await else {
            return self.ask_in_a_while(open).await;
        };
        let items = open.job.items.iter().zip(terms).zip(seen);
        for ((item, terms), seen) in items {
            if let Some(seen) = seen {
                self.observe(&item.channel, terms, seen, None).await?;
            }
        }
        let is_alone = open.job.items.len() == 1;
        for (at, (item, terms)) in open.job.items.iter().zip(terms).enumerate() {
            let is_culprit = culprits.contains(&at) || is_alone;
            if !is_culprit && !culprits.is_empty() {
                continue;
            }
            if let Some(desk) = self.desk(&open.job.method) {
                let mut memo = desk.settler.memo();
                let refused = memo.refused(&item.channel);
                let until = match is_culprit {
                    true => self.now().saturating_add(self.ask_again(refused)),
                    false => self.now(),
                };
                memo.suspect(&item.channel, until);
            }
            if is_culprit {
                self.tell(&item.channel, terms, What::NotSettled);
            }
        }
        let outcome = Outcome::Refused { fee };
        self.0.settlements.finish(&open, &outcome).await?;
        Ok(HandedIn {
            refused: 1,
            ..HandedIn::default()
        })
    }

    async fn look_at_items(
        &self,
        rail: &dyn Session,
        open: &Open,
        terms: &[Terms],
    ) -> Option<Vec<Option<Seen>>> {
        let items = open.job.items.iter().zip(terms);
        let asked: Vec<_> = items
            .map(|(item, terms)| (item.channel.clone(), terms.clone()))
            .collect();
        let mut all = Vec::with_capacity(asked.len());
        for page in asked.chunks(LOOK) {
            match self.within(rail.look(page)).await {
                Ok(seen) if seen.len() == page.len() => all.extend(seen),
                Ok(_) => return None,
                Err(refusal) => {
                    tracing::warn!("what was handed in could not be looked at: {refusal}");
                    return None;
                }
            }
        }
        Some(all)
    }

    async fn ask_in_a_while(&self, open: Open) -> Result<HandedIn, StoreError> {
        let wait = self.ask_again(open.job.asked);
        let ask_at = self.now().saturating_add(wait);
        self.ask_later(open, ask_at).await
    }

    async fn ask_later(&self, open: Open, ask_at: Timestamp) -> Result<HandedIn, StoreError> {
        // Where somebody else wrote to it, that one asks.
        self.0.settlements.ask_later(open, ask_at).await?;
        Ok(HandedIn {
            waiting: 1,
            ..HandedIn::default()
        })
    }
}

/// What the rail shows of a channel once it has an item; `None` where it does not show it yet. A
/// rail that keeps nothing of a channel's end is told what we know: what was paid out by it.
fn as_paid(item: &Item, seen: Seen) -> Option<Seen> {
    let state = match (seen.state, &item.how) {
        (OnChain::Finalized { settled: None }, _) => OnChain::Finalized {
            settled: Some(item.pays()),
        },
        (OnChain::Finalized { .. }, _) => seen.state,
        (OnChain::Open { settled, .. }, Handing::Settle(_)) if settled >= item.pays() => seen.state,
        (OnChain::Open { .. }, _) => return None,
    };
    Some(Seen { state, ..seen })
}
