//! HandedIn: what was spent is handed in to its rail, many channels at once.
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
        channels::{Exposed, Held},
        leases::Lease,
        settlements::{Agenda, Item, Job, Wish},
    },
    intent::session::{ChannelId, Standing},
    port::{backend::StoreError, session::Session},
    value::{MethodId, Timestamp},
};
use tokio::task::JoinSet;

pub(super) use memo::Settler;
pub use policy::SettleOptions;
pub(super) use policy::can_close;
pub use wanted::Payable;

use super::{
    silence::Silent,
    till::{RailStep, Till, stored},
    watch::LOOK,
};
use crate::{abort, event::What, random};
use policy::{Decision, InFlight, Wanted, decide, only_a_close_takes, together};

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

/// Something to be handed in.
struct Prepared {
    item: Item,
    refused: u32,
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
        let mut busy = HashSet::new();
        let mut last = None;
        loop {
            let jobs = self.0.settlements.jobs(method, last.as_ref()).await?;
            let items = jobs.iter().flat_map(|open| &open.job.items);
            busy.extend(items.map(|item| item.channel.clone()));
            last = jobs.last().cloned();
            if last.is_none() {
                return Ok(busy);
            }
        }
    }

    /// Everything that is to be handed in now, of channels that nothing is handed in of.
    async fn due(
        &self,
        method: &MethodId,
        rail: &dyn Session,
        busy: &mut HashSet<ChannelId>,
        everything: Everything,
    ) -> Result<Vec<Prepared>, StoreError> {
        let (now, options) = (self.now(), &self.0.options.settle);
        let mut prepared = Vec::new();
        let mut last: Option<Agenda> = None;
        while prepared.len() < bounds::PAGE {
            let wanted = &self.0.settlements;
            let page = wanted.due(method, now, last.as_ref(), bounds::PAGE).await?;
            last = page.last().cloned();
            for entry in page {
                if busy.contains(&entry.channel) {
                    continue;
                }
                let one = self.prepare_wanted(method, rail, &entry).await?;
                self.add(one, &mut prepared, busy, method);
            }
            if last.is_none() {
                break;
            }
        }
        let rested = match everything.is_wanted {
            true => now,
            false => now.saturating_sub(options.rest()),
        };
        let mut last: Option<Exposed> = None;
        while prepared.len() < bounds::PAGE {
            let page = self.0.channels.exposed(last.as_ref(), LOOK).await?;
            last = page.last().filter(|last| last.since <= rested).cloned();
            for exposed in page {
                let id = exposed.id;
                let skip = exposed.since > rested || busy.contains(&id);
                if skip || self.is_passed(method, &id) && !everything.is_wanted {
                    continue;
                }
                let one = self.prepare_exposed(method, rail, &id).await?;
                self.add(one, &mut prepared, busy, method);
            }
            if last.is_none() {
                break;
            }
        }
        Ok(prepared)
    }

    fn add(
        &self,
        one: Option<Item>,
        prepared: &mut Vec<Prepared>,
        busy: &mut HashSet<ChannelId>,
        method: &MethodId,
    ) {
        let Some(item) = one else { return };
        let desk = self.desk(method);
        let refused = desk.map_or(0, |desk| desk.settler.memo().refused(&item.channel));
        busy.insert(item.channel.clone());
        prepared.push(Prepared { item, refused });
    }

    fn is_passed(&self, method: &MethodId, id: &ChannelId) -> bool {
        let desk = self.desk(method);
        desk.is_some_and(|desk| desk.settler.memo().is_passed(id, self.now()))
    }

    /// What is handed in of a channel that stands on the agenda.
    async fn prepare_wanted(
        &self,
        method: &MethodId,
        rail: &dyn Session,
        entry: &Agenda,
    ) -> Result<Option<Item>, StoreError> {
        let wanted = Some((entry.wish, entry.since));
        let agenda = &self.0.settlements;
        match self.prepare(rail, &entry.channel, wanted).await? {
            Ready::Hand(item) => return Ok(Some(item)),
            Ready::Wait(until) => {
                // A close stays due: what it waits for is known by the process that serves, which looks
                // for what is due, and one that waits beside it would put it off each time.
                if entry.wish != Wish::Close {
                    agenda.put_off(method, entry, Some(until)).await?;
                }
            }
            Ready::Closing => {
                let (now, id) = (self.now(), &entry.channel);
                agenda.want(method, id, Wish::Close, (now, now)).await?;
            }
            Ready::Used(spent, until) => {
                let again = Wish::CloseIfIdle(spent);
                // Taken off before it is put on again: where that is not reached, it stays open.
                if agenda.put_off(method, entry, None).await? {
                    let at = (self.now(), until);
                    agenda.want(method, &entry.channel, again, at).await?;
                }
            }
            Ready::Nothing => {
                agenda.put_off(method, entry, None).await?;
            }
        }
        Ok(None)
    }

    /// What is handed in of a channel that has something unsettled.
    async fn prepare_exposed(
        &self,
        method: &MethodId,
        rail: &dyn Session,
        id: &ChannelId,
    ) -> Result<Option<Item>, StoreError> {
        let until = match self.prepare(rail, id, None).await? {
            Ready::Hand(item) => return Ok(Some(item)),
            Ready::Closing => {
                // Its patience begins with the entry.
                let (now, wanted) = (self.now(), &self.0.settlements);
                wanted.want(method, id, Wish::Close, (now, now)).await?;
                now.saturating_add(self.0.options.settle.every)
            }
            Ready::Wait(until) => until,
            Ready::Used(..) | Ready::Nothing => {
                let rest = self.0.options.settle.rest();
                self.now().saturating_add(rest)
            }
        };
        if let Some(desk) = self.desk(method) {
            desk.settler.memo().pass(id, until);
        }
        Ok(None)
    }

    async fn prepare(
        &self,
        rail: &dyn Session,
        id: &ChannelId,
        wanted: Wanted,
    ) -> Result<Ready, StoreError> {
        let Some(terms) = self.0.channels.terms(id).await? else {
            return Ok(Ready::Nothing);
        };
        let (now, options) = (self.now(), &self.0.options.settle);
        let Some(desk) = self.desk(&terms.method) else {
            return Ok(Ready::Nothing);
        };
        // What is on another rail is that one's to settle.
        if terms.method != *rail.method() {
            return Ok(Ready::Nothing);
        }
        if desk.settler.memo().may_be_handed(id, now).is_none() {
            return Ok(Ready::Wait(now.saturating_add(options.every)));
        }
        let held = self.made_sure(id).await?;
        let in_flight = self.in_flight(&held).await?;
        let mut channel = held.channel().clone();
        loop {
            let is_stuck = self.is_stuck(rail, &held, &terms).await?;
            let since = (wanted, in_flight, is_stuck);
            match decide(&channel, since, now, rail.grace(), options) {
                Decision::Hand(how) => {
                    return Ok(Ready::Hand(Item {
                        channel: id.clone(),
                        how,
                        currency: terms.currency.clone(),
                        before: channel.balance().settled,
                    }));
                }
                Decision::Stop => {
                    let unsettled = only_a_close_takes(&channel);
                    let stopped = self.step(id, RailStep::Close(None)).await;
                    stopped.map_err(stored)?;
                    if is_stuck {
                        self.tell(id, &terms, What::Stopped { unsettled });
                    }
                    channel = self.held(id).await.map_err(stored)?.channel().clone();
                }
                Decision::Wait(until) => {
                    let spent = channel.balance().spent;
                    let is_closing = channel.standing() == Standing::Closing;
                    if is_closing && !matches!(wanted, Some((Wish::Close, _))) {
                        return Ok(Ready::Closing);
                    }
                    return Ok(match wanted {
                        Some((Wish::CloseIfIdle(seen), _)) if spent > seen => {
                            Ready::Used(spent, until)
                        }
                        _ => Ready::Wait(until),
                    });
                }
                Decision::Over => {
                    self.end(id, &terms, &channel, None).await?;
                    return Ok(Ready::Nothing);
                }
                Decision::Nothing => {
                    if channel.exposure().is_zero() {
                        self.give_back(id, &terms).await.map_err(stored)?;
                    }
                    return Ok(Ready::Nothing);
                }
            }
        }
    }

    /// A channel with all that was delivered counted as served: what memory knows, and what nobody
    /// can be serving any more.
    async fn made_sure(&self, id: &ChannelId) -> Result<Held, StoreError> {
        let held = self.held(id).await.map_err(stored)?;
        if held.channel().is_idle() {
            return Ok(held);
        }
        self.step(id, RailStep::Flush).await.map_err(stored)?;
        let mut held = self.held(id).await.map_err(stored)?;
        if held.channel().is_idle() || self.is_serving(id) {
            return Ok(held);
        }
        let (now, charged) = (self.now(), held.active_at());
        // Nobody is serving it any more; whoever used it since makes it young again.
        let idle = match self.are_others_gone(charged).await? {
            true => now.since(charged),
            false => self.0.options.settle.serve_within,
        };
        let ended = self.0.channels.end_left_over(&mut held, now, idle).await;
        let ended = ended.map_err(stored)?;
        if !ended.is_zero() {
            tracing::info!(channel = %id, amount = %ended, "what was charged for requests that nobody finished counts as served");
            // Whoever has it in memory learns of it.
            self.step(id, RailStep::Flush).await.map_err(stored)?;
        }
        Ok(held)
    }

    /// Since when something that is in flight on a channel may have been charged. Of this process it is
    /// known whether there is anything; another one may have charged when the channel was last used.
    async fn in_flight(&self, held: &Held) -> Result<InFlight, StoreError> {
        if self.is_serving(held.id()) {
            return Ok(InFlight::Here);
        }
        let charged = held.active_at();
        let is_closing = held.channel().standing() == Standing::Closing;
        if is_closing && !held.channel().is_idle() && self.are_others_gone(charged).await? {
            return Ok(InFlight::Nowhere);
        }
        Ok(InFlight::Elsewhere(charged))
    }

    fn is_serving(&self, id: &ChannelId) -> bool {
        let memory = self.0.memory.as_ref();
        memory.is_some_and(|memory| memory.is_serving(id))
    }

    /// Whether all that is unsettled is to be settled now: the rail was silent, or the schedule says
    /// so.
    async fn wants_everything(&self, method: &MethodId) -> Result<Everything, StoreError> {
        let mut everything = Everything {
            is_wanted: matches!(self.heard(method), Err(Silent::Since(_))),
            slot: None,
        };
        if let Some(each) = self.0.options.settle.schedule {
            let each = u64::try_from(each.as_millis()).unwrap_or(u64::MAX).max(1);
            let slot = self.now().as_millis() / each;
            let last = self.0.settlements.cursor(&schedule(method)).await?;
            if last.is_none_or(|last| last < slot) {
                everything.slot = Some(slot);
                // The first slot that it sees began before it did.
                everything.is_wanted |= last.is_some();
            }
        }
        Ok(everything)
    }
}

/// Whether all that is unsettled is to be settled.
#[derive(Clone, Copy)]
struct Everything {
    is_wanted: bool,
    /// The slot of the schedule that is dealt with by that.
    slot: Option<u64>,
}

/// What came of looking at a channel.
enum Ready {
    Hand(Item),
    Wait(Timestamp),
    /// It is stopped, waits for what is being served, and nobody had put its closing on the agenda.
    Closing,
    /// It was used since somebody looked whether it is: so much was spent, and it is looked at again
    /// then.
    Used(farthing_core::value::Amount, Timestamp),
    Nothing,
}

fn schedule(method: &MethodId) -> String {
    format!("schedule {method}")
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
