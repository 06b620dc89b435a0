//! Fundings that nobody works on, finished: the rail is asked until it says what became of them.

use farthing_core::{
    bounds,
    domain::{claims::Held, fundings::FundingRecord},
    port::{backend::StoreError, session::Bygone},
};
use tokio::task::JoinSet;

use super::NotFunded;
use crate::session::till::Till;

/// How many are worked on at the same time.
const AT_ONCE: usize = 16;

impl Till {
    /// Looks once at every funding that is due, and says how many came to an end.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn reconcile_fundings(&self) -> Result<usize, StoreError> {
        let (now, mut ended) = (self.now(), 0);
        let mut under_way = JoinSet::new();
        let mut last: Option<Held<FundingRecord>> = None;
        loop {
            let due = self
                .0
                .fundings
                .due(now, last.as_ref(), bounds::PAGE)
                .await?;
            last = due.last().filter(|_| due.len() == bounds::PAGE).cloned();
            for held in due {
                if under_way.len() >= AT_ONCE {
                    ended += count(under_way.join_next().await);
                }
                let till = self.clone();
                under_way.spawn(async move { till.finish_due(held).await });
            }
            if last.is_none() {
                break;
            }
        }
        while let Some(done) = under_way.join_next().await {
            ended += count(Some(done));
        }
        Ok(ended)
    }

    /// Whether its rail keeps nothing of it any more. One that is not here keeps what it has.
    async fn is_forgotten_by_rail(&self, record: &FundingRecord) -> bool {
        let Some(desk) = self.desk(&record.terms.method) else {
            return true;
        };
        let over = Bygone::Funding {
            channel: &record.channel,
            reference: record.reference.as_ref().or(record.awaits.as_ref()),
        };
        self.is_forgotten(&*desk.rail, over).await
    }

    /// Whether it came to an end, or was forgotten after one.
    async fn finish_due(&self, held: Held<FundingRecord>) -> bool {
        if held.record.state.is_final() {
            if !self.is_forgotten_by_rail(&held.record).await {
                return false;
            }
            let forgotten = self.0.fundings.claims().forget(held, Vec::new()).await;
            return forgotten.is_ok();
        }
        let FundingRecord { channel, terms, .. } = held.record.clone();
        let Some(desk) = self.desk(&terms.method) else {
            tracing::warn!(%channel, method = %terms.method, "a channel is being funded by a method that is not here");
            return false;
        };
        match self.resume(&*desk.rail, held).await {
            Ok(_) | Err(NotFunded::Method(_) | NotFunded::Failed(_) | NotFunded::Ended) => true,
            Err(error) => {
                tracing::debug!(%channel, "a channel is not funded yet: {error}");
                false
            }
        }
    }
}

fn count(done: Option<Result<bool, tokio::task::JoinError>>) -> usize {
    match done {
        Some(Err(error)) => {
            tracing::error!("a funding could not be reconciled: {error}");
            0
        }
        Some(Ok(true)) => 1,
        _ => 0,
    }
}
