//! Claims: a record that one owner at a time may change, held under a set of unique keys.
//!
//! The claim is one batch: every key absent, every counter within its bound, the record written.
//! From then on each change names the fence under which it was last written. A process that
//! takes a record over raises the fence, and what the former owner still tries is refused.
//!
//! Debits belong to the claim. They are reserved with it, and settled or released by the change
//! that makes the outcome final, in the same batch, so neither can happen twice.

use std::{marker::PhantomData, sync::Arc};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    bounds,
    encoding::packed::{Packer, UnpackError, Unpacker},
    port::backend::{
        Backend, Batch, Commit, Guard, Key, Partition, Place, Row, StoreError, Table, Which, Write,
    },
    value::{Amount, ClaimKey},
};

use super::{credit, hours, losses};

mod row;

/// The counters that debits reserve on.
pub const COUNTERS: Table = Table::new("core.counters");

/// What is held by a claim.
///
/// It is written packed. Stores that are older than that hold it as JSON, which is read as long as
/// there are such stores: a row takes the new form when it is written the next time.
pub trait Record: DeserializeOwned + Clone + Send + Sync + 'static {
    /// Where the records are.
    const TABLE: Table;
    /// Where their keys are.
    const KEYS: Table;

    /// Where the record stands in its table's index.
    fn place(&self) -> Option<Place>;

    /// Writes the record.
    ///
    /// # Errors
    /// When a part of it that is written as JSON cannot be.
    fn pack(&self, out: &mut Packer) -> Result<(), serde_json::Error>;

    /// Reads what [`Record::pack`] wrote.
    ///
    /// # Errors
    /// When it is anything else.
    fn unpack(from: &mut Unpacker<'_>) -> Result<Self, UnpackError>;
}

/// A reservation on a bounded counter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Debit {
    /// The counter's name.
    pub counter: Box<str>,
    /// How much is reserved.
    pub amount: Amount,
    /// The most the counter may hold.
    pub limit: Amount,
    /// Whether the amount stays on the counter when the payment settled (a budget) or is taken
    /// off (what is in flight).
    pub keep: bool,
}

/// A record to be claimed.
#[derive(Clone, Debug)]
pub struct Claim<R> {
    /// The record's own key.
    pub id: Key,
    /// The record.
    pub record: R,
    /// What it claims. At most [`bounds::CLAIM_KEYS`].
    pub keys: Vec<ClaimKey>,
    /// What it reserves. At most [`bounds::DEBITS`].
    pub debits: Vec<Debit>,
    /// What else must hold.
    pub guards: Vec<Guard>,
    /// What else is written with it.
    pub effect: Vec<Write>,
    /// What becomes of the debits at once: settled where the claim already is the settlement.
    pub debts: Debts,
}

/// What a claim led to.
#[derive(Clone, Debug)]
#[must_use]
pub enum Claimed<R> {
    /// It is ours.
    New(Held<R>),
    /// Somebody holds this key.
    Taken(ClaimKey),
    /// This debit would exceed its limit. Nothing was reserved.
    Exceeded(Debit),
    /// The guard at this position did not hold.
    Guarded(usize),
    /// The bounded addition at this position of the effect did not hold.
    Short(usize),
}

/// A record we hold, with the fence under which we hold it.
#[derive(Clone, Debug)]
pub struct Held<R> {
    /// The record.
    pub record: R,
    id: Key,
    fence: u64,
    version: u64,
    envelope: Envelope,
}

/// What becomes of a claim's debits with a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Debts {
    /// They stay reserved.
    #[default]
    Keep,
    /// The payment is final and value moved.
    Settle,
    /// The payment is final and nothing moved.
    Release,
    /// Nothing moved, and what was given on credit is lost: all is released but the debits of
    /// [`credit`], which stay until a later change releases them.
    Default,
}

/// A change of a held record.
#[derive(Clone, Debug)]
pub struct Change<R> {
    /// The record as it is from now on.
    pub record: R,
    /// What becomes of its debits.
    pub debts: Debts,
    /// Whether the rail took something for itself although nothing moved. The debits of [`losses`] stay
    /// on their counters then, whatever becomes of the others. Nothing where debits stay reserved.
    pub lost: bool,
    /// What is reserved beside them from now on. Only where they are kept; on a counter that has
    /// a debit already, that one grows.
    pub debits: Vec<Debit>,
    /// Keys that are free for others from now on.
    pub free: Vec<ClaimKey>,
    /// What else is written with it.
    pub writes: Vec<Write>,
}

impl<R> Change<R> {
    /// A change of the record and of nothing else.
    #[must_use]
    pub const fn to(record: R) -> Self {
        Self {
            record,
            debts: Debts::Keep,
            lost: false,
            debits: Vec::new(),
            free: Vec::new(),
            writes: Vec::new(),
        }
    }
}

/// A change that was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// Somebody else took the record over. What we know of it is out of date.
    #[error("the record was taken over by another owner")]
    Stale,
    /// A bounded addition among the writes did not hold.
    #[error("a counter would leave its bounds")]
    Short(usize),
    /// What is to be reserved beside exceeds this debit's limit.
    #[error("a debit would exceed its limit")]
    Exceeded(Debit),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Claims of one kind of record.
pub struct Claims<R> {
    backend: Arc<dyn Backend>,
    kind: PhantomData<fn() -> R>,
}

impl<R> Clone for Claims<R> {
    fn clone(&self) -> Self {
        Self {
            backend: Arc::clone(&self.backend),
            kind: PhantomData,
        }
    }
}

impl<R> std::fmt::Debug for Claims<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Claims")
    }
}

/// What the store keeps beside a record.
#[derive(Clone, Debug)]
struct Envelope {
    keys: Vec<ClaimKey>,
    debits: Vec<Debit>,
}

impl<R: Record> Claims<R> {
    /// Claims kept in a backend.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self {
            backend,
            kind: PhantomData,
        }
    }

    /// The backend, for what is read beside the claims.
    #[must_use]
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    /// Claims every key of a record, or none.
    ///
    /// # Errors
    /// When the store fails. Only after [`StoreError::InDoubt`] may the claim be there.
    pub async fn claim(&self, claim: Claim<R>) -> Result<Claimed<R>, StoreError> {
        let Claim {
            id,
            record,
            keys,
            debits,
            guards,
            effect,
            debts,
        } = claim;
        assert!(
            keys.len() <= bounds::CLAIM_KEYS,
            "a method claims more keys than it may"
        );
        assert!(
            debits.len() <= bounds::DEBITS,
            "a method reserves on more counters than it may"
        );
        let mut batch = Batch::new(Partition::Store);
        for key in &keys {
            batch.guards.push(Guard::Absent {
                table: R::KEYS,
                key: key.to_key(),
            });
            batch.writes.push(key_row::<R>(key, &id));
        }
        batch.guards.push(Guard::Absent {
            table: R::TABLE,
            key: id.clone(),
        });
        batch.guards.extend(guards);
        let mut envelope = Envelope { keys, debits };
        let own = envelope.keys.len();
        let first_debit = batch.writes.len();
        batch.writes.extend(envelope.debits.iter().map(reserve));
        let reserved = envelope.debits.clone();
        batch.writes.extend(envelope.close(debts));
        batch
            .writes
            .extend(reserved.iter().filter_map(hours::noted));
        let first_effect = batch.writes.len();
        batch.writes.extend(effect);
        let held = Held {
            record,
            id,
            fence: 1,
            version: 1,
            envelope,
        };
        batch.writes.push(held.put()?);
        let commit = self.backend.commit(batch).await?;
        Ok(match commit {
            Commit::Committed => Claimed::New(held),
            Commit::Conflict(Which::Guard(at)) if at < own => {
                Claimed::Taken(held.envelope.keys[at].clone())
            }
            Commit::Conflict(Which::Guard(at)) => Claimed::Guarded(at.saturating_sub(own + 1)),
            Commit::Conflict(Which::Write(at)) if at >= first_effect => {
                Claimed::Short(at - first_effect)
            }
            Commit::Conflict(Which::Write(at)) => Claimed::Exceeded(
                reserved[at.saturating_sub(first_debit).min(reserved.len() - 1)].clone(),
            ),
        })
    }

    /// Finds the record that holds a key.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn find(&self, key: &ClaimKey) -> Result<Option<Held<R>>, StoreError> {
        match self
            .backend
            .get(&Partition::Store, R::KEYS, &key.to_key())
            .await?
        {
            Some(row) => self.load(&Key::from(row.value.as_slice())).await,
            None => Ok(None),
        }
    }

    /// Reads a record by its own key.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn load(&self, id: &Key) -> Result<Option<Held<R>>, StoreError> {
        self.backend
            .get(&Partition::Store, R::TABLE, id)
            .await?
            .map(Held::read)
            .transpose()
    }

    /// Changes a record under the fence we hold it by.
    ///
    /// # Errors
    /// [`ChangeError::Stale`] when somebody took it over; nothing was written then.
    pub async fn change(&self, held: Held<R>, change: Change<R>) -> Result<Held<R>, ChangeError> {
        let (guard, fence) = (held.fence_guard(), held.fence);
        self.write(held, change, guard, fence).await
    }

    /// Takes a record over from whoever held it, with a higher fence. Whether the former owner's
    /// time is over is the caller's to decide; that it has not moved in between is checked here.
    ///
    /// # Errors
    /// [`ChangeError::Stale`] when somebody else was faster, or the owner went on.
    pub async fn take_over(&self, held: Held<R>, record: R) -> Result<Held<R>, ChangeError> {
        self.take_over_with(held, Change::to(record)).await
    }

    /// The same with everything that a change may write. For changes by somebody who was not the
    /// owner: two of them read the record under one fence, and only one may write.
    ///
    /// # Errors
    /// As [`Claims::take_over`], and [`ChangeError::Short`].
    pub async fn take_over_with(
        &self,
        held: Held<R>,
        change: Change<R>,
    ) -> Result<Held<R>, ChangeError> {
        let (guard, fence) = (held.version_guard(), held.fence + 1);
        self.write(held, change, guard, fence).await
    }

    /// Removes a record and frees its keys. Only for records that are final and whose proof the
    /// rail no longer takes.
    ///
    /// # Errors
    /// [`ChangeError::Stale`] when it was changed in between.
    pub async fn forget(&self, held: Held<R>, writes: Vec<Write>) -> Result<(), ChangeError> {
        let mut batch = Batch::new(Partition::Store);
        batch.guards.push(held.version_guard());
        for key in &held.envelope.keys {
            batch.writes.push(Write::Delete {
                table: R::KEYS,
                key: key.to_key(),
            });
        }
        batch.writes.push(Write::Delete {
            table: R::TABLE,
            key: held.id,
        });
        batch.writes.extend(writes);
        match self.backend.commit(batch).await? {
            Commit::Committed => Ok(()),
            Commit::Conflict(_) => Err(ChangeError::Stale),
        }
    }

    async fn write(
        &self,
        held: Held<R>,
        change: Change<R>,
        guard: Guard,
        fence: u64,
    ) -> Result<Held<R>, ChangeError> {
        let mut batch = Batch::new(Partition::Store);
        batch.guards.push(guard);
        let version = held.version + 1;
        let mut next = Held {
            record: change.record,
            fence,
            version,
            ..held
        };
        if change.lost && change.debts != Debts::Keep {
            next.envelope.lose();
        }
        batch.writes.extend(next.envelope.close(change.debts));
        let first_debit = batch.writes.len();
        batch.writes.extend(change.debits.iter().map(reserve));
        batch
            .writes
            .extend(change.debits.iter().filter_map(hours::noted));
        next.envelope.add(&change.debits);
        for key in change
            .free
            .iter()
            .filter(|key| next.envelope.keys.contains(key))
        {
            batch.writes.push(Write::Delete {
                table: R::KEYS,
                key: key.to_key(),
            });
        }
        next.envelope.keys.retain(|key| !change.free.contains(key));
        let own = batch.writes.len();
        batch.writes.extend(change.writes);
        batch.writes.push(next.put()?);
        match self.backend.commit(batch).await? {
            Commit::Committed => Ok(next),
            Commit::Conflict(Which::Write(at)) => {
                let debit = at.checked_sub(first_debit);
                let debit = debit.and_then(|at| change.debits.get(at));
                Err(debit.map_or_else(
                    || ChangeError::Short(at.saturating_sub(own)),
                    |debit| ChangeError::Exceeded(debit.clone()),
                ))
            }
            Commit::Conflict(Which::Guard(_)) => Err(ChangeError::Stale),
        }
    }
}

impl<R: Record> Held<R> {
    /// The record's own key.
    #[must_use]
    pub fn id(&self) -> &Key {
        &self.id
    }

    /// The fence we hold it by.
    #[must_use]
    pub const fn fence(&self) -> u64 {
        self.fence
    }

    /// The keys it claims.
    #[must_use]
    pub fn keys(&self) -> &[ClaimKey] {
        &self.envelope.keys
    }

    /// What is still reserved for it.
    #[must_use]
    pub fn debits(&self) -> &[Debit] {
        &self.envelope.debits
    }

    /// Reads a row of the record's table.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it is none.
    pub fn read(row: Row) -> Result<Self, StoreError> {
        let (envelope, record) =
            row::read(&row.value).map_err(|error| StoreError::Corrupt(error.into()))?;
        Ok(Self {
            record,
            id: row.key,
            fence: row.fence,
            version: row.version,
            envelope,
        })
    }

    fn fence_guard(&self) -> Guard {
        Guard::Fence {
            table: R::TABLE,
            key: self.id.clone(),
            fence: self.fence,
        }
    }

    fn version_guard(&self) -> Guard {
        Guard::Version {
            table: R::TABLE,
            key: self.id.clone(),
            version: self.version,
        }
    }

    fn put(&self) -> Result<Write, StoreError> {
        let value = row::write(&self.envelope, &self.record)
            .map_err(|error| StoreError::Corrupt(error.into()))?;
        Ok(Write::Put {
            table: R::TABLE,
            key: self.id.clone(),
            value,
            fence: self.fence,
            place: self.record.place(),
        })
    }
}

impl Envelope {
    /// Adds to what is reserved.
    fn add(&mut self, debits: &[Debit]) {
        for more in debits {
            let same =
                |debit: &&mut Debit| debit.counter == more.counter && debit.keep == more.keep;
            match self.debits.iter_mut().find(same) {
                // A sum that is too large for an amount is too large for a counter, and the batch
                // is a conflict.
                Some(debit) => {
                    let sum = debit.amount.checked_add(more.amount);
                    debit.amount = sum.unwrap_or(debit.amount);
                }
                None => self.debits.push(more.clone()),
            }
        }
        assert!(
            self.debits.len() <= bounds::DEBITS,
            "a record reserves on more counters than it may"
        );
    }

    /// Leaves what was lost on its counters: nobody gives it back any more.
    fn lose(&mut self) {
        self.debits.retain(|debit| losses::scope(debit).is_none());
    }

    /// Settles or releases the debits, once: they are gone from the envelope afterwards.
    fn close(&mut self, debts: Debts) -> Vec<Write> {
        match debts {
            Debts::Keep => Vec::new(),
            Debts::Settle => self
                .debits
                .drain(..)
                .filter(|d| !d.keep)
                .flat_map(|d| give_back(&d))
                .collect(),
            Debts::Release => self.debits.drain(..).flat_map(|d| give_back(&d)).collect(),
            Debts::Default => {
                let (lost, others) = self.debits.drain(..).partition(credit::is_of_credit);
                self.debits = lost;
                others.iter().flat_map(give_back).collect()
            }
        }
    }
}

fn key_row<R: Record>(key: &ClaimKey, id: &Key) -> Write {
    Write::Put {
        table: R::KEYS,
        key: key.to_key(),
        value: id.as_bytes().to_vec(),
        fence: 0,
        place: None,
    }
}

fn reserve(debit: &Debit) -> Write {
    Write::Add {
        table: COUNTERS,
        key: Key::from(&*debit.counter),
        delta: debit.amount.to_delta().unwrap_or(i128::MAX),
        min: 0,
        max: debit.limit.to_delta().unwrap_or(i128::MAX - 1),
    }
}

fn give_back(debit: &Debit) -> impl Iterator<Item = Write> + use<> {
    let add = Write::Add {
        table: COUNTERS,
        key: Key::from(&*debit.counter),
        delta: -debit.amount.to_delta().unwrap_or(i128::MAX),
        min: i128::MIN,
        max: i128::MAX,
    };
    std::iter::once(add).chain(hours::noted(debit))
}
