//! Pruning: what is over is forgotten, so that a store holds no more than what goes on and what its
//! owner wants to keep of the past.
//!
//! Nothing that could do harm when it is replayed is forgotten before it is harmless by itself:
//!
//! | what is shown again | why it does nothing |
//! |---|---|
//! | a voucher, a close | the channel is not there: nothing is served, nothing handed in |
//! | what opened or funded a channel | it is good for a bounded time, and its record is kept for longer; what is sent all the same is refused by the rail, whose books or nonces have it |
//! | a channel's id | by both protocols of a chain its contract never opens one twice; on a ledger the id holds the day on which it may be opened |
//! | a call under a key | the channel stays until the last promise to remember one is over |
//!
//! A process that dies in between leaves what the next turn finds. What a rail keeps in our store is
//! forgotten before our record of it, and a channel before its end, so that nothing is left that
//! nobody finds, and nothing is counted twice.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use farthing_core::{
    bounds,
    domain::{
        calls::Calls,
        channels::{Held, Listed},
        hours,
        settlements::Past,
    },
    intent::session::{ChannelId, Standing, Terms},
    port::{
        backend::StoreError,
        session::{Bygone, Session},
    },
    value::Timestamp,
};

use super::{
    till::{Till, stored},
    watch::cursor,
};

/// How much of each kind a turn forgets.
const MOST: usize = 200;

/// Pages of ends that a turn looks through for some that may be forgotten.
const PAGES: usize = 4;

/// When what could not be forgotten yet is looked at again.
const AGAIN: Duration = Duration::from_secs(60 * 60);

/// How long a counter of an hour is kept after it.
const COUNTERS: Duration = Duration::from_secs(24 * 60 * 60);

/// Who prunes, in whatever process.
const LEASE: &str = "prune";
const TERM: Duration = Duration::from_secs(60);

/// What a turn forgot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pruned {
    /// Channels.
    pub channels: usize,
    /// Ends of channels.
    pub ends: usize,
    /// Settlements.
    pub settlements: usize,
    /// Calls of channels that go on.
    pub calls: usize,
    /// Counters of hours.
    pub counters: usize,
}

impl Pruned {
    /// Whether there may be more to forget at once.
    const fn is_full(&self) -> bool {
        self.channels >= MOST
            || self.ends >= MOST
            || self.settlements >= MOST
            || self.counters >= MOST
    }
}

/// Which channel's calls were looked at last.
#[derive(Debug, Default)]
pub(super) struct Sweep(Mutex<Option<Listed>>);

impl Till {
    /// Forgets what is over for as long as its [`Retention`](super::Retention) says: a bounded number of
    /// rows of each kind. Where another process is at it, nothing.
    ///
    /// # Errors
    /// When the store fails. What was forgotten until then is forgotten.
    pub async fn prune(&self) -> Result<Pruned, StoreError> {
        let mut pruned = Pruned::default();
        let leases = &self.0.leases;
        let Some(lease) = leases.acquire(LEASE, self.now(), TERM).await? else {
            return Ok(pruned);
        };
        let done = self.prune_all(&mut pruned).await;
        leases.release(lease).await?;
        done.map(|()| pruned)
    }

    pub(super) async fn keep_pruning(&self) {
        let every = self.0.options.retention.every;
        let mut wait = every;
        loop {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.0.stop.cancelled() => return,
            }
            wait = match self.prune().await {
                Ok(pruned) if pruned.is_full() => Duration::ZERO,
                Ok(_) => every,
                Err(error) => {
                    tracing::warn!("what is over could not be forgotten: {error}");
                    every
                }
            };
        }
    }

    async fn prune_all(&self, pruned: &mut Pruned) -> Result<(), StoreError> {
        pruned.channels = self.forget_channels().await?;
        pruned.ends = self.forget_ends().await?;
        for desk in self.0.desks.values() {
            pruned.settlements += self.forget_settlements(&*desk.rail).await?;
            self.forget_news(&*desk.rail).await?;
        }
        pruned.calls = self.forget_calls().await?;
        let (store, now) = (self.0.fundings.claims().backend(), self.now());
        pruned.counters = hours::forget(store, now, COUNTERS, MOST).await?;
        Ok(())
    }

    async fn forget_channels(&self) -> Result<usize, StoreError> {
        let (channels, now) = (&self.0.channels, self.now());
        let ended = channels.ended(now, None, MOST).await?;
        if ended.is_empty() {
            return Ok(0);
        }
        let mut busy = HashSet::new();
        for method in self.0.desks.keys() {
            busy.extend(self.handed_in(method).await?);
        }
        let mut forgotten = 0;
        for Listed { id, .. } in ended {
            match self.forget_ended(&id, &busy).await {
                Ok(is_forgotten) => forgotten += usize::from(is_forgotten),
                // One row that cannot be read must not keep all others.
                Err(error @ StoreError::Corrupt(_)) => {
                    tracing::error!(channel = %id, "a channel that ended could not be forgotten: {error}");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(forgotten)
    }

    /// Whether a channel that ended is forgotten; else it is looked at again later.
    async fn forget_ended(
        &self,
        id: &ChannelId,
        busy: &HashSet<ChannelId>,
    ) -> Result<bool, StoreError> {
        let channels = &self.0.channels;
        let Some(held) = channels.load(id).await? else {
            // Whoever forgot it died over its last rows.
            return channels.forget(id).await.map_err(stored);
        };
        let until = self.keep_until(&held, busy).await?;
        if let Some(until) = until {
            channels.retire(&held, until).await?;
        }
        Ok(until.is_none())
    }

    /// Forgets a channel, or says when to try again.
    async fn keep_until(
        &self,
        held: &Held,
        busy: &HashSet<ChannelId>,
    ) -> Result<Option<Timestamp>, StoreError> {
        let (id, channels) = (held.id(), &self.0.channels);
        let again = Some(self.now().saturating_add(AGAIN));
        let promised = self.calls().promised(id).await?;
        if let Some(until) = promised.filter(|until| *until > self.now()) {
            return Ok(Some(until));
        }
        let Some(terms) = channels.terms(id).await? else {
            return Ok(again);
        };
        let is_over = held.channel().standing() == Standing::Closed && !busy.contains(id);
        let Some(desk) = self.desk(&terms.method).filter(|_| is_over) else {
            return Ok(again);
        };
        self.give_back(id, &terms).await.map_err(stored)?;
        let bygone = Bygone::Channel {
            channel: id,
            terms: &terms,
        };
        if !self.is_forgotten(&*desk.rail, bygone).await {
            return Ok(again);
        }
        self.0.settlements.forget_payouts(id).await?;
        self.forget_counter(&terms).await?;
        self.forget_payer(id, &terms).await?;
        let forgotten = channels.forget(id).await.map_err(stored)?;
        Ok(again.filter(|_| !forgotten))
    }

    /// The counter of a payer who has nothing unsettled is as good as none.
    async fn forget_counter(&self, terms: &Terms) -> Result<(), StoreError> {
        if let Some(caps) = self.no_caps(terms) {
            self.0.channels.forget_counter(&caps).await?;
        }
        Ok(())
    }

    /// How channels ended that are forgotten themselves.
    async fn forget_ends(&self) -> Result<usize, StoreError> {
        let before = self.now().saturating_sub(self.0.options.retention.ends);
        let (settlements, mut forgotten) = (&self.0.settlements, 0);
        let mut last: Option<Past> = None;
        for _ in 0..PAGES {
            let page = settlements.ends_before(before, last.as_ref(), MOST).await?;
            let mut over = Vec::new();
            for past in &page {
                if self.0.channels.load(&past.channel).await?.is_none() {
                    over.push(past.channel.clone());
                }
            }
            settlements.forget_ends(&over).await?;
            forgotten += over.len();
            last = page.last().cloned();
            if page.len() < MOST || forgotten >= MOST {
                break;
            }
        }
        Ok(forgotten)
    }

    async fn forget_settlements(&self, rail: &dyn Session) -> Result<usize, StoreError> {
        let before = self
            .now()
            .saturating_sub(self.0.options.retention.settlements);
        let settlements = &self.0.settlements;
        let over = settlements.jobs_over(rail.method(), before, MOST).await?;
        let mut forgotten = Vec::with_capacity(over.len());
        for id in over {
            if self.is_forgotten(rail, Bygone::Settlement { id }).await {
                forgotten.push(id);
            }
        }
        if !forgotten.is_empty() {
            settlements.forget_jobs(&forgotten).await?;
        }
        Ok(forgotten.len())
    }

    async fn forget_news(&self, rail: &dyn Session) -> Result<(), StoreError> {
        let name = cursor(rail.method());
        if let Some(block) = self.0.settlements.cursor(&name).await? {
            self.is_forgotten(rail, Bygone::News { block }).await;
        }
        Ok(())
    }

    /// Calls whose time is over, of some of the channels that go on: one after the other has its turn.
    async fn forget_calls(&self) -> Result<usize, StoreError> {
        let last = self.0.sweep.lock().clone();
        let page = self.0.channels.list(last.as_ref(), MOST).await?;
        let (calls, now, mut forgotten) = (self.calls(), self.now(), 0);
        for listed in &page {
            forgotten += calls.forget(&listed.id, now).await?;
        }
        let is_last = page.len() < MOST;
        *self.0.sweep.lock() = page.into_iter().next_back().filter(|_| !is_last);
        Ok(forgotten)
    }

    /// Whether a rail forgot what it kept of something.
    pub(super) async fn is_forgotten(&self, rail: &dyn Session, over: Bygone<'_>) -> bool {
        match self.within(rail.forget(over)).await {
            Ok(is_forgotten) => is_forgotten,
            Err(refusal) => {
                tracing::warn!(method = %rail.method(), ?over, "a rail could not forget what is over: {refusal}");
                false
            }
        }
    }

    fn calls(&self) -> Calls {
        Calls::new(self.0.fundings.claims().backend().clone())
    }
}

impl Sweep {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Listed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const _: () = assert!(MOST <= bounds::PAGE, "a page is no longer than that");
