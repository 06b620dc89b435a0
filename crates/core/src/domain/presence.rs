//! Presence: which processes serve out of a store, and until when each of them did for sure.
//!
//! A process says every few seconds that it is there. One that is killed says nothing any more, so a
//! while later the others know that whatever it had in flight nobody works on. It is word of mouth and
//! guards nothing: whoever must not be wrong takes a [lease](super::leases).
//!
//! All say it for about the same time. One that says it for more than twice as long from now said it by a
//! clock that was set back since, or is wrong: it counts as gone, or one that was killed would be waited
//! for until the clock is there again. If it lives, it is back as soon as it says so anew.

use std::{sync::Arc, time::Duration};

use super::leases::is_yet_to_end;
use crate::{
    bounds,
    encoding::packed::{Packer, Unpacker},
    port::backend::{Backend, Batch, Key, Partition, Place, Range, Row, StoreError, Table, Write},
    value::Timestamp,
};

const PRESENT: Table = Table::new("core.present");
const ALL: &str = "all";
const FORM: u8 = 1;

/// A process that is gone is remembered for so long, for those who ask whether it was there.
const REMEMBER: Duration = Duration::from_secs(24 * 60 * 60);

/// What a process is called. Another start is another process.
pub type Who = [u8; 16];

/// The processes that serve out of a store.
#[derive(Clone)]
pub struct Presence {
    backend: Arc<dyn Backend>,
}

impl std::fmt::Debug for Presence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Presence")
    }
}

/// What a process said of itself last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// Which one.
    pub who: Who,
    /// When it began.
    pub since: Timestamp,
    /// Until when it counts as there.
    pub until: Timestamp,
}

impl Presence {
    /// Presence kept in a backend.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self { backend }
    }

    /// Says that a process is there, or, with a time that is over, that it is not any more. Those that
    /// are gone for long are forgotten with it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn say(&self, said: Said, now: Timestamp) -> Result<(), StoreError> {
        let mut batch = Batch::new(Partition::Store);
        let mut out = Packer::new(FORM, 8);
        out.time(said.since);
        batch.writes.push(Write::Put {
            table: PRESENT,
            key: Key::from(&said.who[..]),
            value: out.finish(),
            fence: 0,
            place: Some(Place {
                group: Key::from(ALL),
                at: said.until.as_millis(),
            }),
        });
        let old = now.saturating_sub(REMEMBER).as_millis();
        for row in self.rows(old, false).await? {
            let (table, key) = (PRESENT, row.key);
            batch.writes.push(Write::Delete { table, key });
        }
        self.backend.commit(batch).await.map(drop)
    }

    /// Whether any process but one is there. They say so for `alive` each time.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn is_anybody_there(
        &self,
        but: &Who,
        now: Timestamp,
        alive: Duration,
    ) -> Result<bool, StoreError> {
        let rows = self.rows(u64::MAX, true).await?;
        let all = rows.iter().map(said).collect::<Result<Vec<_>, _>>()?;
        let mut others = all.iter().filter(|said| said.who != *but);
        Ok(others.any(|said| is_yet_to_end(said.until, now, alive)))
    }

    /// Whether all but one process are gone, and one of them was there at a time: then nobody works on
    /// what was begun at that time, unless it is the one that asks. They say that they are there for
    /// `alive` each time.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn are_gone(
        &self,
        but: &Who,
        at: Timestamp,
        now: Timestamp,
        alive: Duration,
    ) -> Result<bool, StoreError> {
        let rows = self.rows(u64::MAX, true).await?;
        let all = rows.iter().map(said).collect::<Result<Vec<_>, _>>()?;
        let mut others = all.iter().filter(|said| said.who != *but);
        let is_over = |said: &Said| !is_yet_to_end(said.until, now, alive);
        let are_over = others.clone().all(is_over);
        Ok(are_over && others.any(|said| said.since <= at && at <= said.until))
    }

    async fn rows(&self, before: u64, newest_first: bool) -> Result<Vec<Row>, StoreError> {
        let range = Range {
            partition: Partition::Store,
            table: PRESENT,
            group: Key::from(ALL),
            before,
            after: None,
            newest_first,
            limit: bounds::PAGE,
        };
        self.backend.range(range).await
    }
}

fn said(row: &Row) -> Result<Said, StoreError> {
    let corrupt = |error: crate::encoding::packed::UnpackError| StoreError::Corrupt(error.into());
    let who = row.key.as_bytes().try_into();
    let who = who.map_err(|_| StoreError::Corrupt("a process has no name".into()))?;
    let mut from = Unpacker::new(&row.value, FORM).map_err(corrupt)?;
    let since = from.time().map_err(corrupt)?;
    from.end().map_err(corrupt)?;
    let until = row.place.as_ref().map_or(0, |place| place.at);
    Ok(Said {
        who,
        since,
        until: Timestamp::from_millis(until),
    })
}
