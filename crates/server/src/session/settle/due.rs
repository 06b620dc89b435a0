//! What is due: which channels something is handed in of in this round, and what of each.

use std::collections::HashSet;

use farthing_core::{
    bounds,
    domain::{
        channels::{Exposed, Held},
        settlements::{Agenda, Item, Wish},
    },
    intent::session::{ChannelId, Standing},
    port::{backend::StoreError, session::Session},
    value::{Amount, MethodId, Timestamp},
};

use super::policy::{Decision, InFlight, Wanted, decide, only_a_close_takes};
use crate::{
    event::What,
    session::{
        silence::Silent,
        till::{RailStep, Till, stored},
        watch::LOOK,
    },
};

/// Something to be handed in.
pub(super) struct Prepared {
    pub(super) item: Item,
    pub(super) refused: u32,
}

impl Till {
    /// Everything that is to be handed in now, of channels that nothing is handed in of.
    pub(super) async fn due(
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
    pub(super) async fn made_sure(&self, id: &ChannelId) -> Result<Held, StoreError> {
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

    pub(super) fn is_serving(&self, id: &ChannelId) -> bool {
        let memory = self.0.memory.as_ref();
        memory.is_some_and(|memory| memory.is_serving(id))
    }

    /// Whether all that is unsettled is to be settled now: the rail was silent, or the schedule says
    /// so.
    pub(super) async fn wants_everything(
        &self,
        method: &MethodId,
    ) -> Result<Everything, StoreError> {
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
pub(super) struct Everything {
    is_wanted: bool,
    /// The slot of the schedule that is dealt with by that.
    pub(super) slot: Option<u64>,
}

/// What came of looking at a channel.
enum Ready {
    Hand(Item),
    Wait(Timestamp),
    /// It is stopped, waits for what is being served, and nobody had put its closing on the agenda.
    Closing,
    /// It was used since somebody looked whether it is: so much was spent, and it is looked at again
    /// then.
    Used(Amount, Timestamp),
    Nothing,
}

pub(super) fn schedule(method: &MethodId) -> String {
    format!("schedule {method}")
}
