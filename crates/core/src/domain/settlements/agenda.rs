//! The agenda: channels that somebody wants settled or closed, and by when.
//!
//! A wish is written by whoever finds that a channel is due: a process that serves it, a watcher, a
//! buyer that closes. One settler works the list off, in whatever process. Losing a wish loses no
//! money, for what is unsettled is found in the list of what is exposed too; it only comes later.

use super::{Settlements, as_read, at, packed, put, read};
use crate::{
    intent::session::ChannelId,
    port::backend::{Guard, Key, Partition, Row, StoreError, Table, Write},
    value::{Amount, MethodId, Timestamp},
};

const AGENDA: Table = Table::new("core.settlement_agenda");
const FORM: u8 = 1;

/// What is wanted of a channel. A later one outranks the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wish {
    /// To be closed if it was not used since: if no more was spent than this.
    CloseIfIdle(Amount),
    /// To be settled.
    Settle,
    /// To be closed.
    Close,
}

/// An entry of the agenda, as it was read.
#[derive(Clone, Debug)]
pub struct Agenda {
    /// The channel.
    pub channel: ChannelId,
    /// What is wanted.
    pub wish: Wish,
    /// Since when.
    pub since: Timestamp,
    /// When it is due.
    pub due: Timestamp,
    row: Row,
}

impl Settlements {
    /// Puts a channel on the agenda. What is there already stays where it wants more, and is moved
    /// to the earlier of the two times.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn want(
        &self,
        method: &MethodId,
        channel: &ChannelId,
        wish: Wish,
        (now, due): (Timestamp, Timestamp),
    ) -> Result<(), StoreError> {
        let key = key(channel, wish);
        loop {
            let row = self.backend.get(&Partition::Store, AGENDA, &key).await?;
            let (guard, wish, since, due) = match row {
                None => {
                    let (table, key) = (AGENDA, key.clone());
                    (Guard::Absent { table, key }, wish, now, due)
                }
                Some(row) => {
                    let old = entry(&row)?;
                    if old.wish >= wish && old.due <= due {
                        return Ok(());
                    }
                    // A closing begins when it is wanted first; a settlement's wait is its own.
                    let since = if old.wish < wish { now } else { old.since };
                    let (wish, due) = (old.wish.max(wish), old.due.min(due));
                    (as_read(AGENDA, &row), wish, since, due)
                }
            };
            let write = write(method, key.clone(), wish, since, due);
            if self.commit(vec![guard], vec![write]).await? {
                return Ok(());
            }
        }
    }

    /// What is due of a method, the longest due first; going on after the last one of the page
    /// before.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn due(
        &self,
        method: &MethodId,
        now: Timestamp,
        last: Option<&Agenda>,
        limit: usize,
    ) -> Result<Vec<Agenda>, StoreError> {
        let after = last.map(|last| (last.due.as_millis(), last.row.key.clone()));
        let stretch = (now.as_millis().saturating_add(1), after, false);
        let rows = self
            .page(AGENDA, &super::group(method), stretch, limit)
            .await?;
        rows.iter().map(entry).collect()
    }

    /// Moves an entry to a later time, or takes it off the agenda. `false` where somebody wrote to
    /// it since, who wants it looked at again.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put_off(
        &self,
        method: &MethodId,
        entry: &Agenda,
        until: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        let key = entry.row.key.clone();
        let write = match until {
            Some(due) => write(method, key, entry.wish, entry.since, due),
            None => Write::Delete { table: AGENDA, key },
        };
        self.commit(vec![as_read(AGENDA, &entry.row)], vec![write])
            .await
    }
}

/// What is wanted when nobody uses a channel stands beside what is wanted of it in any case.
fn key(channel: &ChannelId, wish: Wish) -> Key {
    let kind = match wish {
        Wish::CloseIfIdle(_) => "idle",
        Wish::Settle | Wish::Close => "wish",
    };
    Key::from(format!("{kind} {channel}").as_str())
}

fn write(method: &MethodId, key: Key, wish: Wish, since: Timestamp, due: Timestamp) -> Write {
    let value = packed(FORM, |out| {
        let (code, spent) = match wish {
            Wish::CloseIfIdle(spent) => (1, spent),
            Wish::Settle => (2, Amount::ZERO),
            Wish::Close => (3, Amount::ZERO),
        };
        out.byte(code);
        out.amount(spent);
        out.time(since);
    });
    put(AGENDA, key, value, Some((super::group(method), due)))
}

fn entry(row: &Row) -> Result<Agenda, StoreError> {
    let corrupt = || StoreError::Corrupt("an entry of the agenda names no channel".into());
    let key = std::str::from_utf8(row.key.as_bytes()).map_err(|_| corrupt())?;
    let (_, channel) = key.split_once(' ').ok_or_else(corrupt)?;
    let channel = ChannelId::new(channel).map_err(|_| corrupt())?;
    let (wish, since) = read(row, FORM, |from| {
        let (code, spent, since) = (from.byte()?, from.amount()?, from.time()?);
        let wish = match code {
            1 => Wish::CloseIfIdle(spent),
            2 => Wish::Settle,
            3 => Wish::Close,
            _ => return Err(crate::encoding::packed::UnpackError::Code("wish")),
        };
        Ok((wish, since))
    })?;
    Ok(Agenda {
        channel,
        wish,
        since,
        due: at(row),
        row: row.clone(),
    })
}
