//! The line of those who want to write a channel.
//!
//! Whoever finds nobody at work leads: it takes all that wait, together with its own, in one write,
//! and hands the lead to the next in line. Nobody holds a lock while it waits for the store, and who
//! goes away while it leads, or before it learns that it does, leaves the lead to the next.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use farthing_core::{
    domain::channels::{ChannelError, Held, Step},
    port::backend::{Guard, StoreError, Write},
    value::Amount,
};
use tokio::sync::oneshot;

use super::{
    Live, lock,
    work::{Outcome, Rows, Taken, Work},
};

/// How many are taken in one write.
const MOST: usize = 256;

pub(super) struct Line(Arc<Mutex<State>>);

struct State {
    /// The channel as it was read or written last; none while somebody leads.
    held: Option<Box<Held>>,
    waiting: VecDeque<Box<dyn Waiter>>,
}

/// Somebody in the line.
trait Waiter: Send {
    fn work(&mut self) -> &mut dyn Work;

    /// Tells it what came of its work.
    fn tell(self: Box<Self>);

    /// Makes it lead, or gives the lead back where nobody waits any more.
    fn lead(self: Box<Self>, lead: Lead) -> Result<(), Lead>;
}

struct Waiting<J> {
    job: J,
    turn: oneshot::Sender<Turn<J>>,
}

/// What one who waited is told.
enum Turn<J> {
    Done(J),
    Lead(Lead, J),
}

impl<J: Work> Waiter for Waiting<J> {
    fn work(&mut self) -> &mut dyn Work {
        &mut self.job
    }

    fn tell(self: Box<Self>) {
        // One who went away is not told.
        let _ = self.turn.send(Turn::Done(self.job));
    }

    fn lead(self: Box<Self>, lead: Lead) -> Result<(), Lead> {
        match self.turn.send(Turn::Lead(lead, self.job)) {
            Err(Turn::Lead(lead, _)) => Err(lead),
            _ => Ok(()),
        }
    }
}

/// The right to write the channel. Whoever drops it hands it on.
struct Lead {
    line: Arc<Mutex<State>>,
    held: Option<Box<Held>>,
}

impl Drop for Lead {
    fn drop(&mut self) {
        let Some(mut held) = self.held.take() else {
            return;
        };
        loop {
            let mut state = lock(&self.line);
            let Some(next) = state.waiting.pop_front() else {
                state.held = Some(held);
                return;
            };
            drop(state);
            let lead = Self {
                line: Arc::clone(&self.line),
                held: Some(held),
            };
            match next.lead(lead) {
                Ok(()) => return,
                Err(mut lead) => match lead.held.take() {
                    Some(same) => held = same,
                    None => return,
                },
            }
        }
    }
}

impl Line {
    pub(super) fn new(held: Held) -> Self {
        Self(Arc::new(Mutex::new(State {
            held: Some(Box::new(held)),
            waiting: VecDeque::new(),
        })))
    }

    /// Takes a piece of work, as the one who leads or with the one who does.
    pub(super) async fn take<J>(&self, live: &Live, job: J) -> Result<J::Value, ChannelError>
    where
        J: Work + Outcome + 'static,
    {
        let (mut lead, mut job) = match self.enter(job) {
            Ok(entered) => entered,
            Err(turn) => match turn.await {
                Ok(Turn::Lead(lead, job)) => (lead, job),
                Ok(Turn::Done(job)) => return job.outcome().unwrap_or_else(|| Err(in_doubt())),
                // The one who led went away in the middle of it.
                Err(_) => return Err(in_doubt()),
            },
        };
        let mut others = self.waiting(MOST - 1);
        if let Some(held) = &mut lead.held {
            let works = others.iter_mut().map(|other| other.work());
            let works = std::iter::once(&mut job as &mut dyn Work).chain(works);
            write(live, held, works.collect()).await;
        }
        drop(lead);
        for other in others {
            other.tell();
        }
        job.outcome().unwrap_or_else(|| Err(in_doubt()))
    }

    fn enter<J: Work + 'static>(&self, job: J) -> Result<(Lead, J), oneshot::Receiver<Turn<J>>> {
        let mut state = lock(&self.0);
        if let Some(held) = state.held.take() {
            let lead = Lead {
                line: Arc::clone(&self.0),
                held: Some(held),
            };
            return Ok((lead, job));
        }
        let (turn, told) = oneshot::channel();
        state.waiting.push_back(Box::new(Waiting { job, turn }));
        Err(told)
    }

    fn waiting(&self, most: usize) -> Vec<Box<dyn Waiter>> {
        let mut state = lock(&self.0);
        let count = state.waiting.len().min(most);
        state.waiting.drain(..count).collect()
    }
}

/// Takes all the work there is, in as few writes as it needs.
async fn write(live: &Live, held: &mut Held, mut works: Vec<&mut dyn Work>) {
    let mut is_full = false;
    while !works.is_empty() {
        let now = live.clock.now();
        let served = *lock(&live.served);
        let mut round = Round::default();
        let written = live
            .channels
            .update(held, now, |channel| {
                round = Round::default();
                if !served.is_zero() {
                    channel.served(served);
                }
                for (at, work) in works.iter_mut().enumerate() {
                    let mut next = channel.clone();
                    if round.add(at, work.take(&mut next, is_full)) {
                        *channel = next;
                    }
                }
                Ok(Step::to(()).with(round.guards.clone(), round.writes.clone()))
            })
            .await;
        live.publish(held.channel());
        match written {
            Ok(()) => {
                delivered(live, served);
                works = keep(works, |at| round.comes_again(at));
            }
            Err(error) => {
                let Some((at, error)) = round.whose(&error) else {
                    return fail(works, error);
                };
                works[at].fail(error);
                works = keep(works, |other| other != at);
                continue;
            }
        }
        if let Some(needs) = round.needs() {
            let backed = live.channels.back(held, needs, &live.caps, now).await;
            live.publish(held.channel());
            match backed {
                Ok(backed) => is_full = !backed,
                Err(error) => return fail(works, error),
            }
        }
    }
}

fn keep(works: Vec<&mut dyn Work>, stays: impl Fn(usize) -> bool) -> Vec<&mut dyn Work> {
    let numbered = works.into_iter().enumerate();
    numbered
        .filter(|(at, _)| stays(*at))
        .map(|(_, work)| work)
        .collect()
}

fn fail(works: Vec<&mut dyn Work>, error: ChannelError) {
    let shared = Shared::from(error);
    for work in works {
        work.fail(shared.again());
    }
}

/// What was noted as delivered has been written.
fn delivered(live: &Live, written: Amount) {
    let mut served = lock(&live.served);
    *served = served.checked_sub(written).unwrap_or_default();
}

/// What one write takes.
#[derive(Default)]
struct Round {
    guards: Vec<Guard>,
    writes: Vec<Write>,
    /// Whose rows begin where: the work, its first guard, its first write.
    rows: Vec<(usize, usize, usize)>,
    /// Those for which more has to be drawn, and how much in all.
    unbacked: Vec<(usize, Amount)>,
    clashing: Vec<usize>,
}

impl Round {
    /// Takes a piece of work in; `false` where it changes nothing now.
    fn add(&mut self, at: usize, taken: Taken) -> bool {
        match taken {
            Taken::Whole((guards, writes)) if self.clashes(&guards) => {
                drop(writes);
                self.clashing.push(at);
                false
            }
            Taken::Whole(rows) => {
                self.take_rows(at, rows);
                true
            }
            Taken::Refused => false,
            Taken::Unbacked(needs) => {
                self.unbacked.push((at, needs));
                false
            }
        }
    }

    /// Whether a piece of work was put off.
    fn comes_again(&self, at: usize) -> bool {
        self.clashing.contains(&at) || self.unbacked.iter().any(|(it, _)| *it == at)
    }

    /// How much has to be drawn. What the first needs is asked for: those behind it take what a draw
    /// brings beyond that, and where the caps are near, one of them is better than none.
    fn needs(&self) -> Option<Amount> {
        self.unbacked.first().map(|(_, needs)| *needs)
    }

    fn take_rows(&mut self, at: usize, (guards, writes): Rows) {
        if !guards.is_empty() || !writes.is_empty() {
            self.rows.push((at, self.guards.len(), self.writes.len()));
            self.guards.extend(guards);
            self.writes.extend(writes);
        }
    }

    /// Guards are asked about what was there before the whole write, so what one of them is about
    /// must not be written by an earlier one in it.
    fn clashes(&self, guards: &[Guard]) -> bool {
        guards.iter().any(|guard| {
            let (Guard::Absent { table, key }
            | Guard::Version { table, key, .. }
            | Guard::Fence { table, key, .. }) = guard
            else {
                return true;
            };
            self.writes.iter().any(|write| match write {
                Write::Put {
                    table: other,
                    key: written,
                    ..
                }
                | Write::Delete {
                    table: other,
                    key: written,
                }
                | Write::Add {
                    table: other,
                    key: written,
                    ..
                } => other == table && written == key,
                _ => true,
            })
        })
    }

    /// Whose rows did not hold, with what that one is told.
    fn whose(&self, error: &ChannelError) -> Option<(usize, ChannelError)> {
        match error {
            ChannelError::Guarded(at) => {
                let mut rows = self.rows.iter().rev();
                let (work, first, _) = rows.find(|(_, first, _)| first <= at)?;
                Some((*work, ChannelError::Guarded(at - first)))
            }
            ChannelError::Short(at) => {
                let mut rows = self.rows.iter().rev();
                let (work, _, first) = rows.find(|(_, _, first)| first <= at)?;
                Some((*work, ChannelError::Short(at - first)))
            }
            _ => None,
        }
    }
}

/// An error that several are told.
enum Shared {
    Store(Arc<StoreError>),
    Leased(farthing_core::value::Timestamp),
    Unknown,
    Contended,
}

impl From<ChannelError> for Shared {
    fn from(error: ChannelError) -> Self {
        match error {
            ChannelError::Store(error) => Self::Store(Arc::new(error)),
            ChannelError::Leased { until } => Self::Leased(until),
            ChannelError::Unknown => Self::Unknown,
            ChannelError::Contended => Self::Contended,
            other => Self::Store(Arc::new(StoreError::Corrupt(other.into()))),
        }
    }
}

impl Shared {
    fn again(&self) -> ChannelError {
        match self {
            Self::Store(error) => again(error).into(),
            Self::Leased(until) => ChannelError::Leased { until: *until },
            Self::Unknown => ChannelError::Unknown,
            Self::Contended => ChannelError::Contended,
        }
    }
}

fn again(error: &Arc<StoreError>) -> StoreError {
    let source = Box::new(Told(Arc::clone(error)));
    match &**error {
        StoreError::Full(_) => StoreError::Full(source),
        StoreError::Busy(_) => StoreError::Busy(source),
        StoreError::Unavailable(_) => StoreError::Unavailable(source),
        StoreError::Schema { found, known } => StoreError::Schema {
            found: *found,
            known: *known,
        },
        StoreError::Corrupt(_) => StoreError::Corrupt(source),
        // Of one that is not known here nobody knows whether it was written.
        _ => StoreError::InDoubt(source),
    }
}

/// A store's error, told to several.
#[derive(Debug)]
struct Told(Arc<StoreError>);

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Told {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

fn in_doubt() -> ChannelError {
    StoreError::InDoubt("whoever was writing the channel went away".into()).into()
}
