//! Channels: what vouchers said and what was charged, each channel atomic by itself.
//!
//! A channel lies in a partition of its own, and every step of it is a compare-and-set: the step is
//! taken on what was read, and written if nobody wrote in between; else it is read again and the
//! step is taken anew. What a caller holds in memory is a cache. A step that writes nothing — a
//! refusal, an equal voucher that was too short — is as good as what it was read from, so it counts
//! only when that was just read, or while a [lease](Channels::acquire) keeps all others from
//! writing. Steps of many requests are taken in one write: see [`Channels::apply`].
//!
//! What channels hold unsettled is bounded, of a payer and of all: see [`Caps`].

use std::{sync::Arc, time::Duration};

use crate::{
    intent::session::{Admitted, Channel, ChannelId, Refused, Rule, Terms, Voucher},
    noun::problem::ProblemKind,
    port::backend::{
        Backend, Batch, Commit, Guard, Key, Partition, StoreError, Table, Which, Write,
    },
    value::{Amount, Timestamp},
};

mod exposure;
mod lease;
mod list;
mod row;
mod together;

pub use exposure::{Caps, Exposed};
pub use list::Listed;
pub use together::{Buying, Rows, Stepping, Work};

const CHANNELS: Table = Table::new("core.channels");
const STATE: &str = "state";

/// What never changes of a channel lies apart, so that those that are charged lie close together.
const TERMS: Table = Table::new("core.channel_terms");
const ALL: &str = "all";

/// How often a step is taken anew before the channel counts as contended. Each time somebody else's
/// step was taken, so it is the number of those who got ahead.
const TRIES: usize = 256;

/// The channels of a store.
#[derive(Clone)]
pub struct Channels {
    backend: Arc<dyn Backend>,
}

impl std::fmt::Debug for Channels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Channels")
    }
}

/// A channel as we read it last. There is one for each owner of a lease, so it is no copy of another.
#[derive(Debug)]
pub struct Held {
    id: ChannelId,
    channel: Channel,
    version: u64,
    fence: u64,
    leased_until: Timestamp,
    active_at: Timestamp,
    is_ours: bool,
}

impl Held {
    /// Its id.
    #[must_use]
    pub const fn id(&self) -> &ChannelId {
        &self.id
    }

    /// What it was.
    #[must_use]
    pub const fn channel(&self) -> &Channel {
        &self.channel
    }

    /// The fence it was last written under. It rises with each owner.
    #[must_use]
    pub const fn fence(&self) -> u64 {
        self.fence
    }

    /// When a request last used it: took a voucher, was charged, or reserved. What the rail did to it,
    /// and what is done to end what was left, does not count.
    #[must_use]
    pub const fn active_at(&self) -> Timestamp {
        self.active_at
    }

    /// Whether nobody else may write it now.
    #[must_use]
    pub fn is_leased(&self, now: Timestamp) -> bool {
        self.is_ours && self.leased_until > now
    }
}

/// What opening led to.
#[derive(Debug)]
#[must_use]
pub enum Opened {
    /// It is new.
    New(Held),
    /// It was there already, and is as it was.
    Known(Held),
}

/// What a step led to, and what is written with it.
#[derive(Clone, Debug)]
pub struct Step<T> {
    outcome: T,
    guards: Vec<Guard>,
    writes: Vec<Write>,
}

impl<T> Step<T> {
    /// A step of the channel and of nothing else.
    #[must_use]
    pub const fn to(outcome: T) -> Self {
        Self {
            outcome,
            guards: Vec::new(),
            writes: Vec::new(),
        }
    }

    /// Writes rows of the channel's partition with it, if guards there hold: what makes a repeated
    /// request the same one.
    #[must_use]
    pub fn with(mut self, guards: Vec<Guard>, writes: Vec<Write>) -> Self {
        self.guards = guards;
        self.writes = writes;
        self
    }

    /// What it led to, and the rows that are written with it: for those who take several steps in one.
    #[must_use]
    pub fn into_parts(self) -> (T, Rows) {
        (self.outcome, (self.guards, self.writes))
    }

    const fn is_alone(&self) -> bool {
        self.guards.is_empty() && self.writes.is_empty()
    }
}

/// A step of a channel that was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// The channel does not allow it. Nothing was written.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// There is no such channel.
    #[error("there is no such channel")]
    Unknown,
    /// Another process has the channel to itself, until this time at the latest. Nothing was
    /// written; try again, or ask there.
    #[error("another process has the channel to itself until {until}")]
    Leased {
        /// Until when.
        until: Timestamp,
    },
    /// What was to be written with the step did not hold: the guard at this position. Nothing was
    /// written.
    #[error("what is written with the step does not hold")]
    Guarded(usize),
    /// A bounded addition among what was to be written with the step did not hold: the write at this
    /// position. Nothing was written.
    #[error("a counter that is written with the step would leave its bounds")]
    Short(usize),
    /// Others got ahead too often. Nothing was written; try again.
    #[error("the channel is contended")]
    Contended,
    /// The store failed. Only after [`StoreError::InDoubt`] may the step have been taken.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ChannelError {
    /// What the peer is told.
    #[must_use]
    pub const fn kind(&self) -> ProblemKind {
        match self {
            Self::Refused(refused) => refused.kind(),
            Self::Unknown => ProblemKind::SessionChannelNotFound,
            Self::Leased { .. } | Self::Contended => ProblemKind::Overloaded,
            Self::Guarded(_) | Self::Short(_) => ProblemKind::Internal,
            Self::Store(_) => ProblemKind::StoreUnavailable,
        }
    }
}

/// What one request is to be charged, with what it brought.
#[derive(Clone, Debug)]
pub struct Purchase {
    /// Its voucher, whose signature was checked.
    pub voucher: Option<Voucher>,
    /// What is asked of its voucher.
    pub rule: Rule,
    /// What it costs.
    pub price: Amount,
    /// What has to hold in the channel's partition for it to be charged.
    pub guards: Vec<Guard>,
    /// What is written there, if and only if it is charged.
    pub writes: Vec<Write>,
}

impl Channels {
    /// Channels kept in a backend.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self { backend }
    }

    /// Keeps a channel that the rail showed, and lists it. Whoever opens the same one again finds it as
    /// it is.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn open(
        &self,
        id: &ChannelId,
        terms: &Terms,
        channel: Channel,
        now: Timestamp,
    ) -> Result<Opened, ChannelError> {
        self.enlist(id, now).await?;
        let mut batch = Batch::new(partition(id));
        batch.guards.push(Guard::Absent {
            table: CHANNELS,
            key: Key::from(STATE),
        });
        let (value, fence) = (row::pack(&channel, Timestamp::EPOCH, now), 1);
        let terms = serde_json::to_vec(terms).map_err(|error| StoreError::Corrupt(error.into()))?;
        batch.writes.push(put(CHANNELS, STATE, value, fence));
        batch.writes.push(put(TERMS, ALL, terms, fence));
        match self.backend.commit(batch).await? {
            Commit::Committed => Ok(Opened::New(Held {
                id: id.clone(),
                channel,
                version: 1,
                fence,
                leased_until: Timestamp::EPOCH,
                active_at: now,
                is_ours: false,
            })),
            Commit::Conflict(_) => {
                let held = self.load(id).await?;
                held.map(Opened::Known).ok_or(ChannelError::Contended)
            }
        }
    }

    /// Reads a channel.
    ///
    /// # Errors
    /// When the store fails, or holds what no channel can be.
    pub async fn load(&self, id: &ChannelId) -> Result<Option<Held>, StoreError> {
        let row = self.read(id, (CHANNELS, STATE)).await?;
        row.map(|row| row::held(id, &row)).transpose()
    }

    /// Reads what never changes of a channel.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn terms(&self, id: &ChannelId) -> Result<Option<Terms>, StoreError> {
        let row = self.read(id, (TERMS, ALL)).await?;
        row.map(|row| serde_json::from_slice(&row.value))
            .transpose()
            .map_err(|error| StoreError::Corrupt(error.into()))
    }

    /// Takes a step, on what is held or on what is there by now. The step is taken anew each time
    /// somebody got ahead, so it must have no effect of its own.
    ///
    /// # Errors
    /// When the channel refuses it, is another's to write, or the store fails.
    pub async fn update<T>(
        &self,
        held: &mut Held,
        now: Timestamp,
        mut step: impl FnMut(&mut Channel) -> Result<Step<T>, Refused>,
    ) -> Result<T, ChannelError> {
        let mut is_fresh = false;
        for _ in 0..TRIES {
            if held.leased_until > now && !held.is_ours {
                if is_fresh {
                    let until = held.leased_until;
                    return Err(ChannelError::Leased { until });
                }
                self.reload(held).await?;
                is_fresh = true;
                continue;
            }
            let mut next = held.channel.clone();
            let taken = step(&mut next);
            let is_known = is_fresh || held.is_leased(now);
            match taken {
                Ok(step) if next != held.channel || !step.is_alone() => {
                    if self
                        .write(held, next, now, (step.guards, step.writes))
                        .await?
                    {
                        return Ok(step.outcome);
                    }
                }
                Ok(step) if is_known => return Ok(step.outcome),
                Err(refused) if is_known => return Err(refused.into()),
                Ok(_) | Err(_) => {}
            }
            self.reload(held).await?;
            is_fresh = true;
        }
        Err(ChannelError::Contended)
    }

    /// Ends what is left over on a channel that no request used for so long that whoever served one is
    /// dead: reservations come free that ran out, and what is [unsure](Channel::make_sure) counts as
    /// served. Answers how much that was.
    ///
    /// `idle` has to be longer than a request takes from its charge to its end. How long it is unused
    /// is asked of what is there, and not of what is held: another process may be serving.
    ///
    /// # Errors
    /// When the channel is another's to write, or the store fails.
    pub async fn end_left_over(
        &self,
        held: &mut Held,
        now: Timestamp,
        idle: Duration,
    ) -> Result<Amount, ChannelError> {
        for _ in 0..TRIES {
            self.reload(held).await?;
            if held.leased_until > now && !held.is_ours {
                let until = held.leased_until;
                return Err(ChannelError::Leased { until });
            }
            if held.active_at.saturating_add(idle) > now {
                return Ok(Amount::ZERO);
            }
            let mut next = held.channel.clone();
            next.lapse(now);
            let sure = next.make_sure();
            if next == held.channel || self.write(held, next, now, Rows::default()).await? {
                return Ok(sure);
            }
        }
        Err(ChannelError::Contended)
    }

    /// Takes a request's voucher and charges its price, in one step, durable when it returns. Where
    /// the channel holds as much unsettled as it was granted, more is drawn within the caps.
    ///
    /// # Errors
    /// As [`Channels::update`].
    pub async fn accept_and_charge(
        &self,
        held: &mut Held,
        now: Timestamp,
        purchase: &Purchase,
        caps: &Caps,
    ) -> Result<Admitted, ChannelError> {
        let mut buying = Buying::new(purchase);
        self.apply(held, now, Amount::ZERO, vec![&mut buying], caps)
            .await;
        buying.into_outcome()
    }

    /// Writes the next state; `false` when somebody wrote before.
    async fn write(
        &self,
        held: &mut Held,
        next: Channel,
        now: Timestamp,
        (guards, writes): Rows,
    ) -> Result<bool, ChannelError> {
        let (fence, until) = if held.is_leased(now) {
            (held.fence, held.leased_until)
        } else if held.leased_until == Timestamp::EPOCH {
            (held.fence, Timestamp::EPOCH)
        } else {
            // An owner whose time is over learns from the fence that it is none any more.
            (held.fence + 1, Timestamp::EPOCH)
        };
        let active_at = if next.is_used_since(&held.channel) {
            now
        } else {
            held.active_at
        };
        let mut batch = Batch::new(partition(&held.id));
        batch.guards.push(version(held));
        batch.guards.extend(guards);
        let value = row::pack(&next, until, active_at);
        batch.writes.push(put(CHANNELS, STATE, value, fence));
        batch.writes.extend(writes);
        let written = self.backend.commit(batch).await;
        if written.is_err() {
            // Nobody knows what is there now, so nothing is known without reading.
            held.is_ours = false;
        }
        match written? {
            Commit::Committed => {
                held.channel = next;
                held.active_at = active_at;
                held.version += 1;
                held.is_ours &= held.fence == fence && until != Timestamp::EPOCH;
                (held.fence, held.leased_until) = (fence, until);
                Ok(true)
            }
            Commit::Conflict(Which::Guard(0)) => Ok(false),
            // The first guard and the first write are the channel's own.
            Commit::Conflict(Which::Guard(at)) => Err(ChannelError::Guarded(at - 1)),
            Commit::Conflict(Which::Write(at)) => Err(ChannelError::Short(at.saturating_sub(1))),
        }
    }

    async fn reload(&self, held: &mut Held) -> Result<(), ChannelError> {
        let mut read = self.load(&held.id).await?.ok_or(ChannelError::Unknown)?;
        read.is_ours = held.is_ours && held.fence == read.fence;
        *held = read;
        Ok(())
    }

    async fn read(
        &self,
        id: &ChannelId,
        (table, key): (Table, &str),
    ) -> Result<Option<crate::port::backend::Row>, StoreError> {
        let (partition, key) = (partition(id), Key::from(key));
        self.backend.get(&partition, table, &key).await
    }
}

fn partition(id: &ChannelId) -> Partition {
    Partition::Channel(id.to_key())
}

fn version(held: &Held) -> Guard {
    Guard::Version {
        table: CHANNELS,
        key: Key::from(STATE),
        version: held.version,
    }
}

fn put(table: Table, key: &str, value: Vec<u8>, fence: u64) -> Write {
    Write::Put {
        table,
        key: Key::from(key),
        value,
        fence,
        place: None,
    }
}
