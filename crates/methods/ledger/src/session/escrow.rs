//! The books of channels: what is locked, by whom, and under which name it was done.
//!
//! Every step reads the rows it changes, and writes them if nobody wrote in between; else it reads
//! again. What has a name (a signed lock, a job) ends with a row of that name in the same batch, so a
//! process that dies finds out which it was: done, refused, or not begun.
//!
//! How what is over is forgotten is in `forget.rs`.

use std::{fmt, sync::Arc, time::Duration};

use farthing_core::{
    intent::session::{ChannelId, Seen},
    port::{
        backend::{
            Backend, Batch, Commit, Guard, Key, Partition, Range, StoreError, Table, Which, Write,
        },
        clock::Clock,
        session::News,
    },
    value::{Amount, CurrencyCode, Reference, Timestamp},
};
use tokio::sync::Notify;

use super::{
    descriptor::PROTOCOL,
    row::{CHANNELS, DONE, Done, Kept, NEWS, Why, all},
    signed::ChannelLock,
};
use crate::{
    account::Account,
    books::{BALANCES, HELD, MOST, delta},
    entry::Holder,
};

/// How often a step is taken anew before others count as getting ahead for too long.
pub(super) const TRIES: usize = 64;

/// How long one waits for news of other processes.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The channels' part of a ledger's store.
pub(super) struct Escrow {
    pub(super) backend: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    /// Woken when this process wrote news.
    written: Notify,
}

/// Why a step is not known to be taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum EscrowError {
    /// Others got ahead too often. Nothing was written.
    #[error("too many write the same channels at once")]
    Contended,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Escrow {
    pub(super) fn new(backend: Arc<dyn Backend>, clock: Arc<dyn Clock>) -> Self {
        Self {
            backend,
            clock,
            written: Notify::new(),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Locks what a payer signed, once.
    pub(super) async fn lock(&self, lock: &ChannelLock) -> Result<Done, EscrowError> {
        let (id, name) = (lock.channel.id(), lock.name().reference());
        for _ in 0..TRIES {
            if let Some(done) = self.done(&name).await? {
                return Ok(done);
            }
            let row = self.kept(&id).await?;
            let version = row.as_ref().map(|(_, version)| *version);
            let kept = row.map(|(kept, _)| kept);
            let kept = match self.locked(lock, kept) {
                Ok(kept) => kept,
                Err(why) => return self.refuse(&name, why, Vec::new()).await,
            };
            let mut batch = self.step(&name, self.now());
            batch.guards.push(unchanged(&id, version));
            let (payer, currency) = (&lock.channel.payer, &lock.channel.currency);
            let short = batch.writes.len();
            batch
                .writes
                .push(add(BALANCES, payer, currency, delta(lock.amount, -1)));
            batch
                .writes
                .push(add(HELD, payer, currency, delta(lock.amount, 1)));
            batch.writes.push(kept.put(&id));
            batch.writes.push(news(&id));
            match self.backend.commit(batch).await? {
                Commit::Committed => self.written.notify_waiters(),
                Commit::Conflict(Which::Write(at)) if at == short => {
                    return self.refuse(&name, Why::Short, Vec::new()).await;
                }
                Commit::Conflict(Which::Write(_)) => {
                    return self.refuse(&name, Why::Deposit, Vec::new()).await;
                }
                Commit::Conflict(Which::Guard(_)) => {}
            }
        }
        Err(EscrowError::Contended)
    }

    /// The channel with what a lock adds to it.
    fn locked(&self, lock: &ChannelLock, kept: Option<Kept>) -> Result<Kept, Why> {
        let now = self.now();
        if lock.valid_until <= now {
            return Err(Why::Late);
        }
        let mut kept = match (lock.opens, kept) {
            (true, None) => Kept {
                channel: lock.channel.clone(),
                deposit: Amount::ZERO,
                settled: Amount::ZERO,
                is_closed: false,
                opened_at: now,
            },
            (true, Some(_)) => return Err(Why::There),
            (false, Some(kept)) if !kept.is_closed => kept,
            (false, _) => return Err(Why::Gone),
        };
        let deposit = kept.deposit.checked_add(lock.amount);
        kept.deposit = deposit
            .filter(|deposit| *deposit <= PROTOCOL.most())
            .ok_or(Why::Deposit)?;
        Ok(kept)
    }

    /// Writes down that something will never be done; or says what was written before.
    pub(super) async fn refuse(
        &self,
        name: &Reference,
        why: Why,
        culprits: Vec<usize>,
    ) -> Result<Done, EscrowError> {
        let refused = Done::Refused(why, culprits);
        let mut batch = Batch::new(Partition::Store);
        batch.guards.push(fresh(name));
        batch.writes.push(refused.put(name));
        match self.backend.commit(batch).await? {
            Commit::Committed => Ok(refused),
            Commit::Conflict(_) => {
                let done = self.done(name).await?;
                let missing = || StoreError::Corrupt("what was done went missing".into());
                Ok(done.ok_or_else(missing)?)
            }
        }
    }

    /// The beginning of a step that is taken once, under a name.
    pub(super) fn step(&self, name: &Reference, at: Timestamp) -> Batch {
        let mut batch = Batch::new(Partition::Store);
        batch.guards.push(fresh(name));
        batch.writes.push(Done::At(at).put(name));
        batch
    }

    pub(super) fn tell(&self) {
        self.written.notify_waiters();
    }

    pub(super) async fn done(&self, name: &Reference) -> Result<Option<Done>, StoreError> {
        let key = Key::from(name.as_str());
        let row = self.backend.get(&Partition::Store, DONE, &key).await?;
        row.as_ref().map(Done::read).transpose()
    }

    /// A channel, and the version it was read in.
    pub(super) async fn kept(&self, id: &ChannelId) -> Result<Option<(Kept, u64)>, StoreError> {
        let key = id.to_key();
        let row = self.backend.get(&Partition::Store, CHANNELS, &key).await?;
        row.map(|row| Ok((Kept::read(&row)?, row.version)))
            .transpose()
    }

    /// What an account may spend.
    pub(super) async fn available(
        &self,
        account: &Account,
        currency: &CurrencyCode,
    ) -> Result<i128, StoreError> {
        let key = Holder::from(account).key(currency);
        let row = self.backend.get(&Partition::Store, BALANCES, &key).await?;
        let damaged = || StoreError::Corrupt("a balance is no number".into());
        row.map_or(Ok(0), |row| row.counter().ok_or_else(damaged))
    }

    /// What the channels are, all as of one block: rows that are read one after the other are of one
    /// moment if nothing was written meanwhile.
    pub(super) async fn look(
        &self,
        ids: &[&ChannelId],
    ) -> Result<Vec<Option<(Kept, Seen)>>, EscrowError> {
        let mut block = self.newest().await?;
        for _ in 0..TRIES {
            let mut found = Vec::with_capacity(ids.len());
            for id in ids {
                let kept = self.kept(id).await?.map(|(kept, _)| kept);
                found.push(kept.map(|kept| {
                    let state = kept.seen();
                    (kept, Seen { block, state })
                }));
            }
            let after = self.newest().await?;
            if after == block {
                return Ok(found);
            }
            block = after;
        }
        Err(EscrowError::Contended)
    }

    /// What happened after a block.
    pub(super) async fn news(&self, since: Option<u64>) -> Result<News, StoreError> {
        let at = self.now();
        let block = self.newest().await?;
        let mut channels = Vec::new();
        let mut from = since.unwrap_or(block);
        while from < block {
            let rows = self.news_after(from).await?;
            let Some(last) = rows.last().and_then(|row| row.place.as_ref()) else {
                break;
            };
            // They are numbered without a gap, but for those that are forgotten.
            let first = rows.first().and_then(|row| row.place.as_ref());
            if first.is_some_and(|first| first.at > from + 1) {
                channels.extend(self.all_channels().await?);
            }
            from = last.at;
            for row in rows {
                let id = std::str::from_utf8(&row.value).ok();
                let id = id.and_then(|id| ChannelId::new(id).ok());
                channels.push(id.ok_or_else(|| StoreError::Corrupt("news of no channel".into()))?);
            }
        }
        channels.sort_unstable();
        channels.dedup();
        Ok(News {
            block: from.max(block),
            at,
            channels,
        })
    }

    /// Waits until this process wrote news, or another one may have.
    pub(super) async fn wait_for_news(&self) {
        drop(tokio::time::timeout(LOOK_AGAIN, self.written.notified()).await);
    }

    pub(super) async fn newest(&self) -> Result<u64, StoreError> {
        let range = Range {
            newest_first: true,
            limit: 1,
            ..everything()
        };
        let rows = self.backend.range(range).await?;
        let newest = rows.first().and_then(|row| row.place.as_ref());
        Ok(newest.map_or(0, |place| place.at))
    }

    async fn news_after(
        &self,
        block: u64,
    ) -> Result<Vec<farthing_core::port::backend::Row>, StoreError> {
        // The place of the row before the first one is as good as that row.
        let mut key = all().as_bytes().to_vec();
        key.extend_from_slice(&block.to_be_bytes());
        let range = Range {
            after: Some((block, Key::new(key))),
            ..everything()
        };
        self.backend.range(range).await
    }
}

pub(super) fn everything() -> Range {
    Range {
        partition: Partition::Store,
        table: NEWS,
        group: all(),
        before: u64::MAX,
        after: None,
        newest_first: false,
        limit: farthing_core::bounds::PAGE,
    }
}

/// Nothing was done under a name.
fn fresh(name: &Reference) -> Guard {
    Guard::Absent {
        table: DONE,
        key: Key::from(name.as_str()),
    }
}

/// A channel is as it was read.
pub(super) fn unchanged(id: &ChannelId, version: Option<u64>) -> Guard {
    let (table, key) = (CHANNELS, id.to_key());
    match version {
        Some(version) => Guard::Version {
            table,
            key,
            version,
        },
        None => Guard::Absent { table, key },
    }
}

/// Something happened to a channel.
pub(super) fn news(id: &ChannelId) -> Write {
    Write::Append {
        table: NEWS,
        group: all(),
        value: id.as_str().as_bytes().to_vec(),
    }
}

/// A change of one counter, which never leaves nothing..=[`MOST`].
pub(super) fn add(table: Table, account: &Account, currency: &CurrencyCode, delta: i128) -> Write {
    Write::Add {
        table,
        key: Holder::from(account).key(currency),
        delta,
        min: 0,
        max: MOST,
    }
}

impl fmt::Debug for Escrow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Escrow")
    }
}
