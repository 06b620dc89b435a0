//! Leases: who does a piece of work at the moment.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    port::backend::{Backend, Batch, Commit, Guard, Key, Partition, Row, StoreError, Table, Write},
    value::Timestamp,
};

const LEASES: Table = Table::new("core.leases");

/// A piece of work that is ours until a time. Its fence is higher than that of every lease on the
/// same work before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    name: Key,
    /// The fence under which the work is done.
    pub fence: u64,
    /// Until when it is ours.
    pub until: Timestamp,
}

impl Lease {
    /// That nobody took it over, for a batch that must not be written otherwise.
    #[must_use]
    pub fn guard(&self) -> Guard {
        Guard::Fence {
            table: LEASES,
            key: self.name.clone(),
            fence: self.fence,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    until: Timestamp,
}

/// The leases of a store.
#[derive(Clone)]
pub struct Leases {
    backend: Arc<dyn Backend>,
}

impl std::fmt::Debug for Leases {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Leases")
    }
}

impl Leases {
    /// Leases kept in a backend.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self { backend }
    }

    /// Takes a lease that nobody holds, or whose time is over. Whoever asks for a piece of work asks for
    /// about the same term.
    ///
    /// One that lasts for more than two terms yet was taken by a clock that was set back since, or is
    /// wrong, and its holder may be dead: it counts as over, or the work would wait until the clock is
    /// there again. One term is what a lease may last, the other is room for clocks that differ a
    /// little. Should its holder live all the same, nothing is done twice that its fence guards: the
    /// fence rises, and whatever the holder writes under [`guard`](Lease::guard) is refused from then on,
    /// just as when it slept through its term.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn acquire(
        &self,
        name: &str,
        now: Timestamp,
        term: Duration,
    ) -> Result<Option<Lease>, StoreError> {
        let name = Key::from(name);
        let row = self.backend.get(&Partition::Store, LEASES, &name).await?;
        let (guard, fence) = match row {
            None => (
                Guard::Absent {
                    table: LEASES,
                    key: name.clone(),
                },
                1,
            ),
            Some(row) if is_yet_to_end(read(&row)?.until, now, term) => return Ok(None),
            Some(row) => (
                Guard::Version {
                    table: LEASES,
                    key: name.clone(),
                    version: row.version,
                },
                row.fence + 1,
            ),
        };
        self.put(
            guard,
            Lease {
                name,
                fence,
                until: now.saturating_add(term),
            },
        )
        .await
    }

    /// Goes on holding a lease. `None` when somebody took it over: the work has to stop.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn renew(
        &self,
        lease: Lease,
        now: Timestamp,
        term: Duration,
    ) -> Result<Option<Lease>, StoreError> {
        let guard = lease.guard();
        self.put(
            guard,
            Lease {
                until: now.saturating_add(term),
                ..lease
            },
        )
        .await
    }

    /// Gives a lease back. The row stays, so that fences go on rising.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn release(&self, lease: Lease) -> Result<(), StoreError> {
        let guard = lease.guard();
        self.put(
            guard,
            Lease {
                until: Timestamp::EPOCH,
                ..lease
            },
        )
        .await
        .map(drop)
    }

    async fn put(&self, guard: Guard, lease: Lease) -> Result<Option<Lease>, StoreError> {
        let value = serde_json::to_vec(&Stored { until: lease.until })
            .map_err(|error| StoreError::Corrupt(error.into()))?;
        let mut batch = Batch::new(Partition::Store);
        batch.guards.push(guard);
        batch.writes.push(Write::Put {
            table: LEASES,
            key: lease.name.clone(),
            value,
            fence: lease.fence,
            place: None,
        });
        Ok(match self.backend.commit(batch).await? {
            Commit::Committed => Some(lease),
            Commit::Conflict(_) => None,
        })
    }
}

/// Whether what somebody took or said for a term goes on. It does not where its end is further ahead than
/// two terms: then it was said by a clock that no longer shows that time.
pub(super) fn is_yet_to_end(until: Timestamp, now: Timestamp, term: Duration) -> bool {
    until > now && until <= now.saturating_add(term.saturating_mul(2))
}

fn read(row: &Row) -> Result<Stored, StoreError> {
    serde_json::from_slice(&row.value).map_err(|error| StoreError::Corrupt(error.into()))
}
