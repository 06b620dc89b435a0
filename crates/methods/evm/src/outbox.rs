//! Nonces, and what is signed with them.
//!
//! A nonce is given out by signing with it: the lane's next nonce, the signed bytes and the piece of work
//! they are for are written in one batch, before anybody is sent the bytes. So there is
//! - no nonce that was given out and not signed with: whatever dies in between leaves nothing behind,
//! - no gap that cannot be filled: for every nonce that was used there are bytes to send again,
//! - no work that is signed twice: whoever does it again, here or in another process, gets the same bytes.
//!
//! A batch names the version of the lane it read, so two processes cannot use one nonce; the one that
//! comes second signs again with the next. Within a process they take turns.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use alloy_primitives::{Address, TxHash, U256, keccak256};
use farthing_core::port::backend::{
    Backend, Batch, Commit, Guard, Key, Partition, Place, Range, Row, Source, StoreError, Table,
    Write,
};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, MutexGuard};

use crate::{ChainId, RawTransaction};

const LANES: Table = Table::new("evm.lanes");
const SENT: Table = Table::new("evm.sent");
const JOBS: Table = Table::new("evm.jobs");

/// How often a nonce is tried again that another process took first.
const TRIES: usize = 256;

/// A sequence of nonces: an account has one, and on some chains many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LaneId {
    /// The chain.
    pub chain: ChainId,
    /// The account.
    pub account: Address,
    /// Which of the account's sequences: zero is the one every account has.
    pub lane: U256,
}

impl LaneId {
    fn key(&self) -> Key {
        let chain = self.chain.get().to_be_bytes();
        let lane = self.lane.to_be_bytes::<32>();
        Key::new([&chain[..], self.account.as_slice(), &lane].concat())
    }

    fn key_of(&self, nonce: u64) -> Key {
        Key::new([self.key().as_bytes(), &nonce.to_be_bytes()].concat())
    }
}

/// A piece of work that is done by one transaction, by a name of its own: a payment's id, for example.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct JobId(Key);

impl JobId {
    /// A name. It is hashed, so it may be of any length, and of any kind as long as kinds cannot collide.
    #[must_use]
    pub fn new(kind: &str, name: &[u8]) -> Self {
        let bytes = [&(kind.len() as u64).to_be_bytes(), kind.as_bytes(), name].concat();
        Self(Key::new(&keccak256(bytes)[..]))
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JobId({:?})", self.0)
    }
}

/// What is kept of a transaction: enough to send it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The sequence its nonce is of.
    pub lane: LaneId,
    /// Its nonce.
    pub nonce: u64,
    /// Its bytes and hash.
    pub raw: RawTransaction,
    job: Key,
    version: u64,
}

impl Entry {
    /// Its hash.
    #[must_use]
    pub const fn hash(&self) -> TxHash {
        self.raw.hash()
    }
}

/// Why a transaction was not written down. It was not sent either.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboxError {
    /// The store failed. Where it did not confirm, the same job gives what was written, if it was.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// It could not be signed.
    #[error("the transaction could not be signed")]
    Signing(#[source] Source),
    /// Others took every nonce that was tried.
    #[error("the nonces of the account are contended")]
    Contended,
    /// A nonce the chain waits for was used, and what was signed with it is not kept: the store is older
    /// than the chain, or the chain was replaced. Nothing with a later nonce would ever be executed.
    #[error("nonce {nonce} was used, and what was signed with it is not in the store")]
    Lost {
        /// The nonce.
        nonce: u64,
    },
}

#[derive(Serialize, Deserialize)]
struct StoredLane {
    next: u64,
}

#[derive(Serialize, Deserialize)]
struct StoredEntry {
    job: Vec<u8>,
    raw: alloy_primitives::Bytes,
}

#[derive(Serialize, Deserialize)]
struct StoredJob {
    chain: ChainId,
    account: Address,
    lane: U256,
    nonce: u64,
}

/// The transactions of a store. Clones are the same.
#[derive(Clone)]
pub struct Outbox {
    backend: Arc<dyn Backend>,
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outbox")
    }
}

/// One sequence of nonces, as one process uses it.
#[derive(Debug)]
pub struct Lane {
    outbox: Outbox,
    id: LaneId,
    /// What the chain counted when it was asked last.
    counted: AtomicU64,
    /// Held while a nonce is read, signed with and written. Without it, those who wait would sign in vain.
    turn: Mutex<()>,
}

impl Outbox {
    /// Transactions kept in a backend.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self { backend }
    }

    /// A sequence of nonces, with the next one as the chain counts it now.
    #[must_use]
    pub fn lane(&self, id: LaneId, counted: u64) -> Lane {
        Lane {
            outbox: self.clone(),
            id,
            counted: AtomicU64::new(counted),
            turn: Mutex::new(()),
        }
    }

    /// What was signed for a job, if anything was.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn find(&self, job: &JobId) -> Result<Option<Entry>, OutboxError> {
        let Some(row) = self.get(JOBS, &job.0).await? else {
            return Ok(None);
        };
        let stored: StoredJob = unpack(&row)?;
        let lane = LaneId {
            chain: stored.chain,
            account: stored.account,
            lane: stored.lane,
        };
        let lost = OutboxError::Lost {
            nonce: stored.nonce,
        };
        self.entry(lane, stored.nonce).await?.ok_or(lost).map(Some)
    }

    /// What was signed with a nonce, if anything was.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn entry(&self, lane: LaneId, nonce: u64) -> Result<Option<Entry>, OutboxError> {
        let Some(row) = self.get(SENT, &lane.key_of(nonce)).await? else {
            return Ok(None);
        };
        entry(lane, nonce, &row).map(Some)
    }

    /// Forgets a transaction and its job. Only for one that is in a block so deep that no reorganisation
    /// reaches it, or that is [dead](crate::Fate::Dead): the job may then be signed anew.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn forget(&self, entry: &Entry) -> Result<(), OutboxError> {
        let key = entry.lane.key_of(entry.nonce);
        let mut batch = Batch::new(Partition::Store);
        batch.guards.push(Guard::Version {
            table: SENT,
            key: key.clone(),
            version: entry.version,
        });
        batch.writes.push(Write::Delete { table: SENT, key });
        batch.writes.push(Write::Delete {
            table: JOBS,
            key: entry.job.clone(),
        });
        // A conflict means that another did it.
        let _ = self.backend.commit(batch).await?;
        Ok(())
    }

    /// What is kept of a sequence with nonces below one, the lowest first, at most a page.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn below(&self, lane: LaneId, nonce: u64) -> Result<Vec<Entry>, OutboxError> {
        let range = Range {
            partition: Partition::Store,
            table: SENT,
            group: lane.key(),
            before: nonce,
            after: None,
            newest_first: false,
            limit: farthing_core::bounds::PAGE,
        };
        let rows = self.backend.range(range).await?;
        let read = |row: &Row| {
            let at = row.place.as_ref().map_or(0, |place| place.at);
            entry(lane, at, row)
        };
        rows.iter().map(read).collect()
    }

    async fn get(&self, table: Table, key: &Key) -> Result<Option<Row>, StoreError> {
        self.backend.get(&Partition::Store, table, key).await
    }
}

impl Lane {
    /// Which it is.
    #[must_use]
    pub const fn id(&self) -> LaneId {
        self.id
    }

    pub(crate) const fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// The transaction of a job: the one that is written down, or one that is signed with the next nonce
    /// and written down now. `sign` may be called more than once; only the last bytes count, and nobody
    /// sees the others.
    ///
    /// # Errors
    /// When it cannot be signed or written. Nothing was sent, and the same job may be prepared again.
    pub async fn prepare<E: Into<Source>>(
        &self,
        job: &JobId,
        sign: impl FnMut(u64) -> Result<RawTransaction, E>,
    ) -> Result<Entry, OutboxError> {
        Ok(self.prepare_in_turn(job, sign).await?.0)
    }

    /// The same, with the turn: until it is dropped, nobody here prepares the next.
    pub(crate) async fn prepare_in_turn<E: Into<Source>>(
        &self,
        job: &JobId,
        mut sign: impl FnMut(u64) -> Result<RawTransaction, E>,
    ) -> Result<(Entry, MutexGuard<'_, ()>), OutboxError> {
        let turn = self.turn.lock().await;
        for _ in 0..TRIES {
            if let Some(entry) = self.outbox.find(job).await? {
                return Ok((entry, turn));
            }
            let row = self.outbox.get(LANES, &self.id.key()).await?;
            let nonce = self.next(row.as_ref())?;
            let raw = sign(nonce).map_err(|error| OutboxError::Signing(error.into()))?;
            if self.write(job, nonce, &raw, row.as_ref()).await? {
                let job = job.0.clone();
                let entry = Entry {
                    lane: self.id,
                    nonce,
                    raw,
                    job,
                    version: 1,
                };
                return Ok((entry, turn));
            }
        }
        Err(OutboxError::Contended)
    }

    /// Learns what the chain counts now: nonces below it are used, by whomever.
    pub fn counted(&self, nonce: u64) {
        self.counted.fetch_max(nonce, Ordering::Relaxed);
    }

    /// What has to be sent again so that everything up to a nonce can be executed, in order. Given is what
    /// the chain counts now.
    ///
    /// # Errors
    /// When the store fails, or has lost one of them.
    pub async fn waiting(&self, counted: u64, up_to: u64) -> Result<Vec<Entry>, OutboxError> {
        self.counted(counted);
        let mut waiting = Vec::new();
        for nonce in counted..=up_to.min(counted.saturating_add(PAGE)) {
            let entry = self.outbox.entry(self.id, nonce).await?;
            waiting.push(entry.ok_or(OutboxError::Lost { nonce })?);
        }
        Ok(waiting)
    }

    /// The highest nonce that was given out, if any was.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn last(&self) -> Result<Option<u64>, OutboxError> {
        let row = self.outbox.get(LANES, &self.id.key()).await?;
        let lane: Option<StoredLane> = row.as_ref().map(unpack).transpose()?;
        Ok(lane.and_then(|lane| lane.next.checked_sub(1)))
    }

    fn next(&self, row: Option<&Row>) -> Result<u64, StoreError> {
        let stored: Option<StoredLane> = row.map(unpack).transpose()?;
        let counted = self.counted.load(Ordering::Relaxed);
        Ok(stored.map_or(counted, |lane| lane.next.max(counted)))
    }

    /// Whether the batch was taken; otherwise somebody else took the nonce, or the job.
    async fn write(
        &self,
        job: &JobId,
        nonce: u64,
        raw: &RawTransaction,
        row: Option<&Row>,
    ) -> Result<bool, StoreError> {
        let lane = self.id.key();
        let absent = |table, key| Guard::Absent { table, key };
        let mut batch = Batch::new(Partition::Store);
        batch.guards.push(match row {
            Some(row) => Guard::Version {
                table: LANES,
                key: lane.clone(),
                version: row.version,
            },
            None => absent(LANES, lane.clone()),
        });
        batch.guards.push(absent(JOBS, job.0.clone()));
        batch.guards.push(absent(SENT, self.id.key_of(nonce)));
        let put = |table, key, value, place| Write::Put {
            table,
            key,
            value,
            fence: 0,
            place,
        };
        let next = pack(&StoredLane { next: nonce + 1 })?;
        batch.writes.push(put(LANES, lane.clone(), next, None));
        let stored = pack(&StoredJob {
            chain: self.id.chain,
            account: self.id.account,
            lane: self.id.lane,
            nonce,
        })?;
        batch.writes.push(put(JOBS, job.0.clone(), stored, None));
        let entry = pack(&StoredEntry {
            job: job.0.as_bytes().to_vec(),
            raw: raw.bytes().clone(),
        })?;
        let place = Place {
            group: lane,
            at: nonce,
        };
        batch
            .writes
            .push(put(SENT, self.id.key_of(nonce), entry, Some(place)));
        Ok(self.outbox.backend.commit(batch).await? == Commit::Committed)
    }
}

/// How many transactions are sent again at once.
const PAGE: u64 = 256;

fn entry(lane: LaneId, nonce: u64, row: &Row) -> Result<Entry, OutboxError> {
    let stored: StoredEntry = unpack(row)?;
    let raw = RawTransaction::new(stored.raw);
    Ok(Entry {
        lane,
        nonce,
        raw: raw.map_err(|error| StoreError::Corrupt(error.into()))?,
        job: Key::new(stored.job),
        version: row.version,
    })
}

fn pack(value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|error| StoreError::Corrupt(error.into()))
}

fn unpack<'a, T: Deserialize<'a>>(row: &'a Row) -> Result<T, StoreError> {
    serde_json::from_slice(&row.value).map_err(|error| StoreError::Corrupt(error.into()))
}
