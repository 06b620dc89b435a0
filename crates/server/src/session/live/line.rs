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
    domain::channels::{ChannelError, Held, Work},
    port::backend::StoreError,
};
use tokio::sync::oneshot;

use super::{Live, lock};

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

    /// Has a piece of work taken, as the one who leads or with the one who does, and gives it back
    /// with what it led to.
    pub(super) async fn take<J>(&self, live: &Live, job: J) -> Result<J, ChannelError>
    where
        J: Work + 'static,
    {
        let (mut lead, mut job) = match self.enter(job) {
            Ok(entered) => entered,
            Err(turn) => match turn.await {
                Ok(Turn::Lead(lead, job)) => (lead, job),
                Ok(Turn::Done(job)) => return Ok(job),
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
        Ok(job)
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

/// Takes all the work there is, in as few writes as it needs, with what was noted as delivered.
async fn write(live: &Live, held: &mut Held, works: Vec<&mut dyn Work>) {
    // The note is taken before it is written: of one who goes away in the middle nobody knows whether
    // it was, and said twice it would end what was charged for others.
    let served = std::mem::take(&mut *lock(&live.served));
    let now = live.clock.now();
    let written = live
        .channels
        .apply(held, now, served, works, &live.caps)
        .await;
    live.served(served.checked_sub(written).unwrap_or_default());
    live.publish(held.channel());
}

fn in_doubt() -> ChannelError {
    StoreError::InDoubt("whoever was writing the channel went away".into()).into()
}
