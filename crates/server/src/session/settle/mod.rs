//! Settling: what was spent is handed in to its rail, many channels at once.
//!
//! There is one settler of a rail at a time, in whatever process: the one that holds the lease. A
//! round first goes on with what was handed in before, and then hands in what is due.
//!
//! What is in the store if the process dies after each step, as `tests/session_crash` proves:
//!
//! | step | in the store | what becomes of it |
//! |---|---|---|
//! | decided | what is due | it is decided anew |
//! | journaled | the job | the rail is handed it, under the same id |
//! | handed in | the job | the rail is asked; one id is one settlement, whoever asks |
//! | the rail's answer | the job | the rail is asked again, and answers the same |
//! | a channel's books | the job | the rail is asked again; what is taken in twice changes nothing |
//! | a channel's end | the job, the end | the same |
//! | written off | what was paid out is added up, once | |
//!
//! A settlement whose answer is lost is asked about until the rail says that it has it, or that it
//! never will: only then is anything of those channels handed in again.

mod due;
mod job;
mod memo;
mod policy;
mod scout;
mod stuck;
mod wanted;

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering},
};

use farthing_core::{
    bounds,
    domain::{
        leases::Lease,
        settlements::{Item, Job},
    },
    intent::session::ChannelId,
    port::{backend::StoreError, session::Session},
    value::MethodId,
};
use tokio::task::JoinSet;

pub(super) use memo::Settler;
pub use policy::SettleOptions;
pub(super) use policy::can_close;
pub use wanted::Payable;

use super::till::Till;
use crate::{abort, random};
use due::{Prepared, schedule};
use policy::together;

/// How many settlements a rail is handed at the same time.
const JOBS_AT_ONCE: usize = 8;

/// What a round of settling did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HandedIn {
    /// Settlements that the rail has for good.
    pub done: usize,
    /// Channels that were paid out or closed with them.
    pub channels: usize,
    /// Settlements that the rail refused.
    pub refused: usize,
    /// Settlements that were handed in and are not done.
    pub waiting: usize,
    /// Whether another process settles on this rail at the moment.
    pub is_elsewhere: bool,
}

impl HandedIn {
    fn add(&mut self, other: Self) {
        self.done += other.done;
        self.channels += other.channels;
        self.refused += other.refused;
        self.waiting += other.waiting;
    }
}

impl Till {
    /// Goes on with what was handed in to a rail, and hands in what is due: one round. Of many who
    /// ask while one is under way, one makes the next round for all of them.
    ///
    /// # Errors
    /// When the store fails. What was begun is found by the next round.
    pub async fn settle(&self, method: &MethodId) -> Result<HandedIn, StoreError> {
        let mut settling = HandedIn::default();
        let Some(desk) = self.desk(method) else {
            return Ok(settling);
        };
        let begun = &desk.settler.begun;
        let asked = begun.load(Ordering::SeqCst);
        let _turn = desk.settler.turn.lock().await;
        if begun.load(Ordering::SeqCst) > asked {
            // One began after we asked, and is over.
            return Ok(settling);
        }
        begun.fetch_add(1, Ordering::SeqCst);
        let name = format!("settle {method}");
        let term = self.0.options.alive;
        let Some(lease) = self.0.leases.acquire(&name, self.now(), term).await? else {
            settling.is_elsewhere = true;
            return Ok(settling);
        };
        let round = {
            let round = self.round(method, &desk.rail, &lease, &mut settling);
            self.holding(lease.clone(), round).await
        };
        // One that is not given back runs out.
        let released = self.0.leases.release(lease).await;
        round.and(released)?;
        Ok(settling)
    }

    /// Does something while a lease is renewed: short as it is, whoever dies is soon followed, and
    /// whoever is only slow is not.
    async fn holding<T>(&self, lease: Lease, work: impl Future<Output = T>) -> T {
        let term = self.0.options.alive;
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = tokio::time::sleep(term / 3) => {}
            }
            let renewed = self.0.leases.renew(lease.clone(), self.now(), term).await;
            match renewed {
                Ok(Some(_)) => {}
                // Nothing more is journaled under it. What was handed in is asked about by both.
                Ok(None) => return work.await,
                Err(error) => tracing::warn!("the settler's lease could not be renewed: {error}"),
            }
        }
    }

    pub(super) async fn keep_settling(&self, method: &MethodId) {
        let Some(desk) = self.desk(method) else {
            return;
        };
        while !self.0.stop.is_cancelled() {
            let round = async {
                self.scout(method).await?;
                self.settle(method).await
            };
            if let Err(error) = round.await {
                tracing::warn!(%method, "a round of settling stopped: {error}");
            }
            tokio::select! {
                () = tokio::time::sleep(self.0.options.settle.every) => {}
                () = desk.settler.wake.notified() => {}
                () = self.0.stop.cancelled() => {}
            }
        }
    }

    async fn round(
        &self,
        method: &MethodId,
        rail: &Arc<dyn Session>,
        lease: &Lease,
        settling: &mut HandedIn,
    ) -> Result<(), StoreError> {
        let mut busy = self.go_on_with_jobs(method, rail, settling).await?;
        let everything = self.wants_everything(method).await?;
        let prepared = self.due(method, &**rail, &mut busy, everything).await?;
        let limit = rail.settlement_limit().max(1);
        let is_full = prepared.len() >= bounds::PAGE;
        let mut under_way = JoinSet::new();
        for batch in batches(prepared, limit) {
            if under_way.len() >= JOBS_AT_ONCE {
                settle_one(&mut under_way, settling).await?;
            }
            let job = Job {
                id: random::entropy()
                    .map_err(|error| StoreError::Unavailable(error.into()))?
                    .0,
                method: method.clone(),
                items: batch,
                asked: 0,
                made_at: self.now(),
                ask_at: self.now(),
            };
            abort::point("settlement-decided");
            let Some(open) = self.0.settlements.begin(lease, job).await? else {
                tracing::warn!(%method, "another process has taken the settling over");
                break;
            };
            abort::point("settlement-journaled");
            let (till, rail) = (self.clone(), Arc::clone(rail));
            under_way.spawn(async move { till.hand_in(&*rail, open).await });
        }
        while !under_way.is_empty() {
            settle_one(&mut under_way, settling).await?;
        }
        // What did not fit into this round is what the next one begins with.
        if let Some(slot) = everything.slot.filter(|_| !is_full) {
            let name = schedule(method);
            self.0.settlements.move_cursor(&name, slot).await?;
        }
        Ok(())
    }

    /// Asks about what was handed in before, and says which channels it still concerns.
    async fn go_on_with_jobs(
        &self,
        method: &MethodId,
        rail: &Arc<dyn Session>,
        settling: &mut HandedIn,
    ) -> Result<HashSet<ChannelId>, StoreError> {
        let mut under_way = JoinSet::new();
        let mut last = None;
        loop {
            let jobs = self.0.settlements.jobs(method, last.as_ref()).await?;
            last = jobs.last().cloned();
            for open in jobs {
                if open.job.ask_at > self.now() {
                    settling.waiting += 1;
                    continue;
                }
                if under_way.len() >= JOBS_AT_ONCE {
                    settle_one(&mut under_way, settling).await?;
                }
                let (till, rail) = (self.clone(), Arc::clone(rail));
                under_way.spawn(async move { till.hand_in(&*rail, open).await });
            }
            if last.is_none() {
                break;
            }
        }
        while !under_way.is_empty() {
            settle_one(&mut under_way, settling).await?;
        }
        self.handed_in(method).await
    }

    /// The channels that something is handed in of, and is not done.
    pub(super) async fn handed_in(
        &self,
        method: &MethodId,
    ) -> Result<HashSet<ChannelId>, StoreError> {
        let mut channels = HashSet::new();
        let mut last = None;
        loop {
            let jobs = self.0.settlements.jobs(method, last.as_ref()).await?;
            let items = jobs.iter().flat_map(|open| &open.job.items);
            channels.extend(items.map(|item| item.channel.clone()));
            last = jobs.last().cloned();
            if last.is_none() {
                return Ok(channels);
            }
        }
    }
}

/// What goes into one settlement each: those that were refused apart from those that were not.
fn batches(mut prepared: Vec<Prepared>, limit: usize) -> Vec<Vec<Item>> {
    prepared.sort_by_key(|one| one.refused);
    let mut batches: Vec<Vec<Item>> = Vec::new();
    let mut open: Option<u32> = None;
    for Prepared { item, refused } in prepared {
        match batches.last_mut() {
            Some(batch) if open == Some(refused) && batch.len() < together(limit, refused) => {
                batch.push(item);
            }
            _ => batches.push(vec![item]),
        }
        open = Some(refused);
    }
    batches
}

async fn settle_one(
    under_way: &mut JoinSet<Result<HandedIn, StoreError>>,
    settling: &mut HandedIn,
) -> Result<(), StoreError> {
    match under_way.join_next().await {
        Some(Ok(done)) => settling.add(done?),
        Some(Err(error)) => tracing::error!("a settlement could not be handed in: {error}"),
        None => {}
    }
    Ok(())
}
