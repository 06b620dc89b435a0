//! One channel in memory.
//!
//! What is here is a cache: each step is a compare-and-set in the store, and what came of it is told
//! only when it is durable. Steps that come while one is being written wait in a [line](line), and
//! whoever is next takes them all into one write. A voucher's signature is checked before, and under
//! no lock.

mod directory;
mod line;
mod place;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use farthing_core::{
    domain::channels::{Buying, Caps, ChannelError, Channels, Held, Purchase, Step, Stepping},
    intent::session::{
        Admitted, Balance, Channel, ChannelId, Protocol, Refused, Standing, Terms, Voucher,
    },
    port::{
        clock::Clock,
        method::Refusal,
        session::{Said, Session, Verifier},
    },
    value::{Amount, Timestamp},
};
use tokio::sync::watch;

pub(crate) use directory::Directory;
pub(crate) use place::StreamPlace;

use crate::{
    event::{Event, Events, Movement, What},
    limits::Allowance,
};
use line::Line;

/// A channel in memory. There is one of each channel in a process at a time.
pub(crate) struct Live {
    id: ChannelId,
    terms: Terms,
    verifier: Arc<dyn Verifier>,
    rail: Arc<dyn Session>,
    caps: Caps,
    channels: Channels,
    clock: Arc<dyn Clock>,
    line: Line,
    protocol: Protocol,
    known: Mutex<Known>,
    /// The last voucher whose signature was found good: the same one needs no second check.
    good: Mutex<Option<Said>>,
    allowance: Mutex<Allowance>,
    /// What was delivered since the channel was written last.
    served: Mutex<Amount>,
    changes: watch::Sender<u64>,
    streams: watch::Sender<u64>,
    /// Held by each who may have something of it in flight.
    serving: Arc<()>,
    events: Events,
}

/// What is known of a channel, as of its last durable step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// What is there.
    pub(crate) balance: Balance,
    /// Whether it serves.
    pub(crate) standing: Standing,
    /// What a paused stream waits for.
    pub(crate) awaited: Option<Amount>,
}

impl Known {
    fn of(channel: &Channel) -> Self {
        Self {
            balance: channel.balance(),
            standing: channel.standing(),
            awaited: channel.awaited(),
        }
    }
}

/// What a channel in memory is made of, apart from what is read of it.
#[derive(Clone)]
pub(crate) struct Making {
    pub(crate) rail: Arc<dyn Session>,
    pub(crate) caps: Caps,
    pub(crate) channels: Channels,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) allowance: Allowance,
    pub(crate) events: Events,
}

impl Live {
    /// # Errors
    /// When the terms are none of its method's.
    pub(crate) fn new(held: Held, terms: Terms, making: Making) -> Result<Self, Refusal> {
        let id = held.id().clone();
        Ok(Self {
            verifier: making.rail.verifier(&id, &terms)?,
            known: Mutex::new(Known::of(held.channel())),
            protocol: held.channel().protocol(),
            line: Line::new(held),
            id,
            terms,
            rail: making.rail,
            caps: making.caps,
            channels: making.channels,
            clock: making.clock,
            good: Mutex::default(),
            allowance: Mutex::new(making.allowance),
            served: Mutex::default(),
            changes: watch::Sender::new(0),
            streams: watch::Sender::new(0),
            serving: Arc::default(),
            events: making.events,
        })
    }

    pub(crate) const fn id(&self) -> &ChannelId {
        &self.id
    }

    pub(crate) const fn terms(&self) -> &Terms {
        &self.terms
    }

    pub(crate) const fn rail(&self) -> &Arc<dyn Session> {
        &self.rail
    }

    /// What is known of it, as of its last durable step here. Another process may know better.
    pub(crate) fn last(&self) -> Known {
        *lock(&self.known)
    }

    /// Rises with each durable change that this process learns of. Take it before looking at
    /// [`last`](Self::last), or a change between the two is missed.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Begins a stream, and ends the older one, where there is one.
    pub(crate) fn begin_stream(&self) -> StreamPlace {
        StreamPlace::take(&self.streams)
    }

    /// Checks the signature of a voucher. It takes as long as that, unless it is the last good one
    /// again.
    ///
    /// # Errors
    /// When it is not the channel's signer who signed it.
    pub(crate) fn check(&self, said: &Said) -> Result<Voucher, Refusal> {
        let is_known = lock(&self.good).as_ref().is_some_and(|good| {
            good.cumulative == said.cumulative && good.signature == said.signature
        });
        if is_known
            && let Ok(voucher) = Voucher::new(self.protocol, said.cumulative, said.signature)
        {
            return Ok(voucher);
        }
        let voucher = self.verifier.check(said)?;
        *lock(&self.good) = Some(said.clone());
        Ok(voucher)
    }

    /// Takes one voucher of the allowance that the channel's signer has. Strangers have no part in it.
    ///
    /// # Errors
    /// When there were too many that paid for nothing: how long to wait.
    pub(crate) fn admit_voucher(&self, now: Timestamp) -> Result<(), std::time::Duration> {
        lock(&self.allowance).take(now)
    }

    /// A voucher that paid for its request counts against no allowance.
    pub(crate) fn give_back_voucher(&self) {
        lock(&self.allowance).give_back();
    }

    /// Takes a step of the channel, together with those of others. Durable when it returns.
    ///
    /// The step may be taken several times, on what the channel is by then, so it must have no
    /// effect of its own.
    ///
    /// # Errors
    /// As [`Channels::update`].
    pub(crate) async fn step<T, F>(&self, step: F) -> Result<T, ChannelError>
    where
        T: Send + 'static,
        F: FnMut(&mut Channel) -> Result<Step<T>, Refused> + Send + 'static,
    {
        let taken = self.line.take(self, Stepping::new(step)).await?;
        taken.into_outcome()
    }

    /// Takes a request's voucher and charges its price, within the caps of what may be unsettled.
    /// Durable when it returns.
    ///
    /// # Errors
    /// As [`Channels::accept_and_charge`].
    pub(crate) async fn pay(&self, purchase: Purchase) -> Result<Admitted, ChannelError> {
        let price = purchase.price;
        let taken = self.line.take(self, Buying::new(purchase)).await?;
        let admitted = taken.into_outcome()?;
        self.tell_voucher(admitted.voucher.added);
        if admitted.charge.is_ok() {
            self.tell_charged(price);
        }
        Ok(admitted)
    }

    /// Notes that what was charged for a request was delivered. It is written with the channel's
    /// next step.
    pub(crate) fn served(&self, price: Amount) {
        if price.is_zero() {
            return;
        }
        let mut served = lock(&self.served);
        *served = served.checked_add(price).unwrap_or(*served);
    }

    /// Whether something was delivered that is not written yet.
    pub(crate) fn is_unwritten(&self) -> bool {
        !lock(&self.served).is_zero()
    }

    /// Is held by whoever may have something of it in flight.
    pub(crate) fn serving(&self) -> Arc<()> {
        Arc::clone(&self.serving)
    }

    /// Whether this process may have something of it in flight.
    pub(crate) fn is_serving(&self) -> bool {
        Arc::strong_count(&self.serving) > 1
    }

    /// Tells whoever wants to know what happened to it, once that is durable.
    pub(crate) fn tell(&self, what: impl FnOnce() -> What) {
        let event = || Event::Session(Movement::of(&self.id, &self.terms, what()));
        self.events.tell(event);
    }

    /// Tells by how much a voucher raised what is accepted.
    pub(crate) fn tell_voucher(&self, added: Amount) {
        if !added.is_zero() {
            self.tell(|| What::Voucher { added });
        }
    }

    /// Tells what was charged.
    pub(crate) fn tell_charged(&self, amount: Amount) {
        if !amount.is_zero() {
            self.tell(|| What::Charged { amount });
        }
    }

    /// Tells what was read or written.
    fn publish(&self, channel: &Channel) {
        let next = Known::of(channel);
        let mut known = lock(&self.known);
        if *known != next {
            *known = next;
            drop(known);
            self.changes.send_modify(|number| *number += 1);
        }
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live")
            .field("id", &self.id)
            .field("known", &self.last())
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
