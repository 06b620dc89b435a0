//! The till: where the money of sessions passes through.
//!
//! What a request does to its channel asks no rail. Everything that does is here: channels are
//! funded, looked at, settled and closed, and each of it is journaled before a rail hears of it. A
//! till needs a store, a clock and rails; a gate has one, and an operator may have one without a
//! gate.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use farthing_core::{
    binding::Secrets,
    domain::{
        channels::{Caps, ChannelError, Channels, Held, Step},
        fundings::Fundings,
        leases::Leases,
        presence::{Presence, Who},
        settlements::Settlements,
    },
    intent::session::{Balance, Channel, ChannelId, Refused, Seen, Terms, Voucher},
    port::{
        BoxFuture,
        backend::{Backend, StoreError},
        clock::Clock,
        method::{Fault, Refusal},
        session::Session,
    },
    value::{Amount, Currency, MethodId, Price, Timestamp, Worth},
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{
    prune::Sweep,
    retention::Retention,
    settle::{SettleOptions, Settler},
    silence::Hearing,
};
use crate::{
    event::{Event, Events, Movement, Observer, What},
    random::{self, NoRandomness},
};

/// Where the money of sessions passes through: cheap to clone, one for a process.
#[derive(Clone)]
pub struct Till(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) channels: Channels,
    pub(super) fundings: Fundings,
    pub(super) settlements: Settlements,
    pub(super) leases: Leases,
    pub(super) presence: Presence,
    /// What this process is called, and when it said first that it is there.
    pub(super) who: Who,
    pub(super) since: OnceLock<Timestamp>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) secrets: Secrets,
    pub(super) desks: HashMap<MethodId, Desk>,
    pub(super) memory: Option<Arc<dyn Memory>>,
    pub(super) options: TillOptions,
    pub(super) events: Events,
    pub(super) at_once: Arc<Semaphore>,
    pub(super) closing_at_once: Arc<Semaphore>,
    pub(super) sweep: Sweep,
    pub(super) stop: CancellationToken,
}

/// One rail, with what this process knows of it.
pub(super) struct Desk {
    pub(super) rail: Arc<dyn Session>,
    pub(super) hearing: Hearing,
    pub(super) settler: Settler,
}

/// What a till is made of.
pub struct TillParts {
    /// Where everything is kept.
    pub store: Arc<dyn Backend>,
    /// What tells the time.
    pub clock: Arc<dyn Clock>,
    /// What journaled effects are sealed with.
    pub secrets: Secrets,
    /// The rails, of different methods.
    pub rails: Vec<Arc<dyn Session>>,
    /// The channels that are in memory, where some are.
    pub memory: Option<Arc<dyn Memory>>,
    /// Somebody who is told what happens.
    pub observer: Option<Observer>,
    /// Times and bounds.
    pub options: TillOptions,
}

/// Times and bounds of a till.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TillOptions {
    /// How long a rail may take to answer.
    pub rail_deadline: Duration,
    /// How long to wait before a rail is asked again.
    pub ask_again: Duration,
    /// How long work counts as alive without being renewed. Longer than a rail may take.
    pub lease: Duration,
    /// How long a process counts as alive after it said so last, which it does three times in that
    /// time: as the one that settles, and as one that serves. When it dies, another one settles after
    /// that and [`settle.every`](SettleOptions::every), and what it was serving is waited for no longer
    /// than that.
    pub alive: Duration,
    /// The least that has to be locked for a channel to be taken.
    pub min_deposit: Option<Price>,
    /// How many channels one payer may open within an hour.
    pub openings_an_hour: u32,
    /// Fundings that are worked on at the same time; and as many closes that wait for their rail.
    pub fundings_at_once: usize,
    /// How long a buyer that closes waits for the rail before it is told to ask again.
    pub close_within: Duration,
    /// When what was spent is settled, and unused channels are closed.
    pub settle: SettleOptions,
    /// How long what is over is kept.
    pub retention: Retention,
}

impl Default for TillOptions {
    fn default() -> Self {
        Self {
            rail_deadline: Duration::from_secs(20),
            ask_again: Duration::from_secs(2),
            lease: Duration::from_secs(30),
            alive: Duration::from_secs(10),
            min_deposit: None,
            openings_an_hour: 20,
            fundings_at_once: 256,
            close_within: Duration::from_secs(20),
            settle: SettleOptions::default(),
            retention: Retention::default(),
        }
    }
}

/// The channels that a process has in memory. What is done to one of them goes through it, so that
/// requests that are being served see it at once.
pub trait Memory: Send + Sync + 'static {
    /// Takes a step on a channel, durable when it returns; `None` of one that is not in memory.
    fn take<'a>(
        &'a self,
        channel: &'a ChannelId,
        step: RailStep,
    ) -> Option<BoxFuture<'a, Result<(), ChannelError>>>;

    /// Whether this process may be serving something out of a channel at the moment.
    fn is_serving(&self, channel: &ChannelId) -> bool;

    /// Shows every channel that is in memory, as it was after its last step.
    fn each(&self, look: &mut dyn FnMut(&ChannelId, &Terms, Balance));
}

/// What is done to a channel on its rail's account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RailStep {
    /// What the rail says is taken in.
    Observe(Seen),
    /// It is being closed, with this voucher where its payer closes it.
    Close(Option<Voucher>),
    /// Nothing but that what is known in memory alone is written.
    Flush,
}

impl RailStep {
    /// Takes it on a channel.
    ///
    /// # Errors
    /// When the channel does not allow it.
    pub fn apply(&self, channel: &mut Channel) -> Result<(), Refused> {
        match self {
            Self::Observe(seen) => channel.observe(*seen).map(drop),
            Self::Close(voucher) => channel.close(voucher.as_ref()).map(drop),
            Self::Flush => Ok(()),
        }
    }
}

/// A till that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TillError {
    /// Two rails are of one method.
    #[error("the method {0} is given twice")]
    DoubleMethod(MethodId),
    /// The system has no randomness.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    /// Times or bounds that nothing can work by.
    #[error("the options of sessions cannot be: {0}")]
    Options(&'static str),
}

impl Till {
    /// A till.
    ///
    /// # Errors
    /// When two rails are of one method, or the options make no sense.
    pub fn new(parts: TillParts) -> Result<Self, TillError> {
        let options = parts.options;
        options.check()?;
        let mut desks = HashMap::new();
        for rail in parts.rails {
            let method = rail.method().clone();
            let desk = Desk {
                rail,
                hearing: Hearing::default(),
                settler: Settler::default(),
            };
            if desks.insert(method.clone(), desk).is_some() {
                return Err(TillError::DoubleMethod(method));
            }
        }
        Ok(Self(Arc::new(Inner {
            channels: Channels::new(Arc::clone(&parts.store)),
            fundings: Fundings::new(Arc::clone(&parts.store)),
            settlements: Settlements::new(Arc::clone(&parts.store)),
            presence: Presence::new(Arc::clone(&parts.store)),
            who: random::entropy()?.0,
            since: OnceLock::new(),
            leases: Leases::new(parts.store),
            clock: parts.clock,
            secrets: parts.secrets,
            desks,
            memory: parts.memory,
            events: Events::new(parts.observer),
            at_once: Arc::new(Semaphore::new(options.fundings_at_once)),
            closing_at_once: Arc::new(Semaphore::new(options.fundings_at_once)),
            sweep: Sweep::default(),
            stop: CancellationToken::new(),
            options,
        })))
    }

    /// The channels of its store.
    #[must_use]
    pub fn channels(&self) -> &Channels {
        &self.0.channels
    }

    /// What was handed in to its rails, and how channels ended.
    #[must_use]
    pub fn settlements(&self) -> &Settlements {
        &self.0.settlements
    }

    /// Watches every rail, settles what is due and forgets what is over, until [`stop`](Self::stop). Spawn it once a
    /// process.
    pub async fn keep(&self) {
        let mut loops = tokio::task::JoinSet::new();
        for method in self.0.desks.keys() {
            let (till, method) = (self.clone(), method.clone());
            loops.spawn(async move { till.keep_watching(&method).await });
        }
        for method in self.0.desks.keys() {
            let (till, method) = (self.clone(), method.clone());
            loops.spawn(async move { till.keep_settling(&method).await });
        }
        let till = self.clone();
        loops.spawn(async move { till.keep_pruning().await });
        let till = self.clone();
        loops.spawn(async move { till.keep_present().await });
        while let Some(ended) = loops.join_next().await {
            if let Err(error) = ended {
                tracing::error!("a task of the till ended: {error}");
            }
        }
    }

    /// Ends what [`keep`](Self::keep) does, between two rounds. Nothing that was begun is lost: what
    /// was handed in is journaled, and whoever comes next goes on with it.
    pub fn stop(&self) {
        self.0.stop.cancel();
    }

    pub(super) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    pub(super) fn desk(&self, method: &MethodId) -> Option<&Desk> {
        self.0.desks.get(method)
    }

    /// Takes a step on a channel, where it is: in memory or in the store.
    ///
    /// # Errors
    /// As [`Channels::update`].
    pub(super) async fn step(&self, id: &ChannelId, step: RailStep) -> Result<(), ChannelError> {
        let memory = self.0.memory.as_ref();
        if let Some(taken) = memory.and_then(|memory| memory.take(id, step.clone())) {
            return taken.await;
        }
        let mut held = self.held(id).await?;
        let step = |channel: &mut Channel| step.apply(channel).map(Step::to);
        self.0.channels.update(&mut held, self.now(), step).await
    }

    pub(super) async fn held(&self, id: &ChannelId) -> Result<Held, ChannelError> {
        let held = self.0.channels.load(id).await?;
        held.ok_or(ChannelError::Unknown)
    }

    /// Gives back what a channel does not need of its caps any more.
    pub(super) async fn give_back(
        &self,
        id: &ChannelId,
        terms: &Terms,
    ) -> Result<(), ChannelError> {
        let Some(caps) = self.no_caps(terms) else {
            return Ok(());
        };
        let mut held = self.held(id).await?;
        let freed = self
            .0
            .channels
            .give_back(&mut held, &caps, Amount::ZERO, self.now())
            .await?;
        if !freed.is_zero() {
            tracing::debug!(channel = %id, %freed, "exposure was given back");
        }
        Ok(())
    }

    /// The caps of those who draw nothing, so that nothing is bounded.
    pub(super) fn no_caps(&self, terms: &Terms) -> Option<Caps> {
        Some(Caps {
            payer: terms.payer.clone(),
            currency: self.currency(terms)?.clone(),
            per_payer: Worth::UNLIMITED,
            in_total: Worth::UNLIMITED,
            slice: Amount::ZERO,
        })
    }

    pub(super) fn currency(&self, terms: &Terms) -> Option<&Currency> {
        self.desk(&terms.method)?.rail.currency(&terms.currency)
    }

    /// Asks a rail for a while.
    ///
    /// # Errors
    /// When it does not answer in time, or refuses.
    pub(super) async fn within<T>(
        &self,
        asking: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        match tokio::time::timeout(self.0.options.rail_deadline, asking).await {
            Ok(answered) => answered,
            Err(late) => Err(unavailable().caused_by(late)),
        }
    }

    /// How long to wait before a rail is asked again: doubling, up to 64 times the first wait.
    pub(super) fn ask_again(&self, asked: u32) -> Duration {
        self.0.options.ask_again.saturating_mul(1 << asked.min(6))
    }

    pub(super) fn tell(&self, id: &ChannelId, terms: &Terms, what: What) {
        let movement = Movement::of(id, terms, what);
        movement.log();
        self.0.events.tell(|| Event::Session(movement));
    }
}

impl TillOptions {
    fn check(&self) -> Result<(), TillError> {
        let wrong = if self.rail_deadline.is_zero() || self.ask_again.is_zero() {
            "a rail needs time to answer in"
        } else if self.rail_deadline >= self.lease {
            "a rail may take as long as the lease, so what is being asked would be taken over"
        } else if self.alive.is_zero() {
            "a settler that is never alive settles nothing"
        } else if self.fundings_at_once == 0 || self.fundings_at_once > Semaphore::MAX_PERMITS {
            "no such number of channels can be opened at once"
        } else if self.openings_an_hour == 0 {
            "nobody could open a channel"
        } else {
            let kept = self.retention.check();
            return kept.and(self.settle.check()).map_err(TillError::Options);
        };
        Err(TillError::Options(wrong))
    }
}

pub(super) fn unavailable() -> Refusal {
    Refusal::new(Fault::Unavailable, "the rail does not answer")
}

/// A store's error, where a channel's is one.
pub(super) fn stored(error: ChannelError) -> StoreError {
    match error {
        ChannelError::Store(error) => error,
        ChannelError::Leased { .. } | ChannelError::Contended => StoreError::Busy(error.into()),
        other => StoreError::Corrupt(other.into()),
    }
}

impl fmt::Debug for Till {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Till")
            .field("rails", &self.0.desks.keys())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for TillParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TillParts")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
