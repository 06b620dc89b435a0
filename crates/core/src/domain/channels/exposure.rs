//! What channels may hold unsettled: slices of two counters, one of the payer's and one of all.
//!
//! The counters lie in the store's own partition, together with a row for each channel that says
//! how much was drawn for it in all; that row's version is the number of the draw. A channel's own
//! grant is never above it: see [`Channel::grant`](crate::intent::session::Channel::grant). If a
//! process dies between the two, too much is counted until the channel draws or gives back again.

use super::{ChannelError, Channels, Held, Step, TRIES};
use crate::{
    domain::{budgets::hashed, claims::COUNTERS},
    encoding::packed::{Packer, UnpackError, Unpacker},
    intent::session::ChannelId,
    port::backend::{
        Batch, Commit, Guard, Key, Partition, Place, Range, Row, StoreError, Table, Which, Write,
    },
    value::{Amount, Currency, Did, Timestamp, Worth},
};

pub(super) const EXPOSURES: Table = Table::new("core.exposures");
const OPEN: &str = "open";
const FORM: u8 = 1;

/// How much may be served and not paid out yet, in a unit over all channels, methods and tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Whose channel it is.
    pub payer: Did,
    /// What the channel holds.
    pub currency: Currency,
    /// The most that one payer's channels may hold unsettled.
    pub per_payer: Worth,
    /// The most that all channels may.
    pub in_total: Worth,
    /// How much is drawn beyond what a request needs, where there is room: so that few requests
    /// have to draw.
    pub slice: Amount,
}

/// A channel that has something drawn for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposed {
    /// Which one.
    pub id: ChannelId,
    /// How much is counted for it, in base units.
    pub drawn: Amount,
    /// When that last changed.
    pub since: Timestamp,
}

impl Caps {
    /// What is counted of this payer's channels in the currency's unit.
    #[must_use]
    pub fn counter(&self) -> Key {
        let whose = hashed(&[&self.currency.symbol, self.payer.as_str()]);
        Key::from(format!("unsettled {whose}").as_str())
    }

    /// What is counted of all channels in the currency's unit.
    #[must_use]
    pub fn total_counter(&self) -> Key {
        let whose = hashed(&[&self.currency.symbol]);
        Key::from(format!("unsettled {whose}").as_str())
    }

    /// The writes that count a channel from one amount to another; `None` where that cannot be
    /// counted at all.
    fn count(&self, from: Amount, to: Amount) -> Option<[Write; 2]> {
        let worth = |amount| self.currency.worth(amount)?.count().to_delta();
        let delta = worth(to)? - worth(from)?;
        let add = |key: Key, cap: Worth| {
            let cap = cap.count().to_delta().unwrap_or(i128::MAX);
            Write::Add {
                table: COUNTERS,
                key,
                delta,
                min: 0,
                // What is given back is taken, also where a cap was lowered below what is out.
                max: if delta > 0 { cap } else { i128::MAX },
            }
        };
        Some([
            add(self.counter(), self.per_payer),
            add(self.total_counter(), self.in_total),
        ])
    }
}

/// What is drawn for a channel, and under which number.
pub(super) struct Drawn {
    pub(super) amount: Amount,
    number: u64,
}

impl Channels {
    /// Draws for a channel until it may hold `needs` unsettled, and answers the draw's number and
    /// what is drawn in all; `None` where a cap leaves no room.
    pub(super) async fn draw(
        &self,
        held: &Held,
        needs: Amount,
        caps: &Caps,
        now: Timestamp,
    ) -> Result<Option<(u64, Amount)>, ChannelError> {
        let ample = needs.checked_add(caps.slice).unwrap_or(needs);
        let mut wanted = ample;
        for _ in 0..TRIES {
            let drawn = self.drawn(&held.id).await?;
            let is_enough = drawn.amount >= needs;
            if is_enough && drawn.number >= held.channel.grant_number() {
                return Ok(Some((drawn.number, drawn.amount)));
            }
            // What is enough and outdated is written again for its number.
            let to = if is_enough { drawn.amount } else { wanted };
            let Some(writes) = caps.count(drawn.amount, to) else {
                return Ok(None);
            };
            match self.draw_to(&held.id, &drawn, to, writes, now).await? {
                Commit::Committed => return Ok(Some((drawn.number + 1, to))),
                Commit::Conflict(Which::Guard(_)) => {}
                Commit::Conflict(Which::Write(_)) if wanted > needs => wanted = needs,
                Commit::Conflict(Which::Write(_)) => return Ok(None),
            }
        }
        Err(ChannelError::Contended)
    }

    /// Gives back what a channel does not need any more, because it was settled or closed, but for
    /// `spare`. Answers how much came free.
    ///
    /// # Errors
    /// When the channel is another's to write, or the store fails. It is safe to repeat.
    pub async fn give_back(
        &self,
        held: &mut Held,
        caps: &Caps,
        spare: Amount,
        now: Timestamp,
    ) -> Result<Amount, ChannelError> {
        for _ in 0..TRIES {
            let drawn = self.drawn(&held.id).await?;
            let stays = self
                .update(held, now, |channel| {
                    Ok(Step::to(channel.give_back(
                        drawn.number,
                        drawn.amount,
                        spare,
                    )))
                })
                .await?;
            let Some(to) = stays else { continue };
            let freed = drawn.amount.checked_sub(to).unwrap_or_default();
            if freed.is_zero() {
                return Ok(freed);
            }
            let writes = caps
                .count(drawn.amount, to)
                .ok_or_else(|| StoreError::Corrupt("a draw that cannot be counted".into()))?;
            match self.draw_to(&held.id, &drawn, to, writes, now).await? {
                Commit::Committed => return Ok(freed),
                Commit::Conflict(Which::Guard(_)) => {}
                Commit::Conflict(Which::Write(_)) => {
                    return Err(StoreError::Corrupt("less is counted than was drawn".into()).into());
                }
            }
        }
        Err(ChannelError::Contended)
    }

    /// The channels that have something drawn for them, the longest unchanged first: those that a
    /// settler has to look at. A page of them, after the last one of the page before.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn exposed(
        &self,
        after: Option<&Exposed>,
        limit: usize,
    ) -> Result<Vec<Exposed>, StoreError> {
        let range = Range {
            partition: Partition::Store,
            table: EXPOSURES,
            group: Key::from(OPEN),
            before: u64::MAX,
            after: after.map(|last| (last.since.as_millis(), last.id.to_key())),
            newest_first: false,
            limit,
        };
        let rows = self.backend.range(range).await?;
        rows.iter().map(exposed).collect()
    }

    /// Forgets the counter of a payer that has nothing unsettled any more. `false` where it has, or
    /// something was counted meanwhile. It is safe to repeat.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn forget_counter(&self, caps: &Caps) -> Result<bool, StoreError> {
        let (table, key) = (COUNTERS, caps.counter());
        let row = self.backend.get(&Partition::Store, table, &key).await?;
        let Some(row) = row else { return Ok(true) };
        if row.counter() != Some(0) {
            return Ok(false);
        }
        let mut batch = Batch::new(Partition::Store);
        batch.guards.push(Guard::Version {
            table,
            key: key.clone(),
            version: row.version,
        });
        batch.writes.push(Write::Delete { table, key });
        Ok(self.backend.commit(batch).await? == Commit::Committed)
    }

    pub(super) async fn drawn(&self, id: &ChannelId) -> Result<Drawn, StoreError> {
        let row = self
            .backend
            .get(&Partition::Store, EXPOSURES, &id.to_key())
            .await?;
        let Some(row) = row else {
            return Ok(Drawn {
                amount: Amount::ZERO,
                number: 0,
            });
        };
        Ok(Drawn {
            amount: amount(&row)?,
            number: row.version,
        })
    }

    async fn draw_to(
        &self,
        id: &ChannelId,
        drawn: &Drawn,
        to: Amount,
        counts: [Write; 2],
        now: Timestamp,
    ) -> Result<Commit, StoreError> {
        let (table, key) = (EXPOSURES, id.to_key());
        let mut batch = Batch::new(Partition::Store);
        batch.guards.push(match drawn.number {
            0 => Guard::Absent {
                table,
                key: key.clone(),
            },
            version => Guard::Version {
                table,
                key: key.clone(),
                version,
            },
        });
        let mut packed = Packer::new(FORM, 20);
        packed.amount(to);
        batch.writes.extend(counts);
        batch.writes.push(Write::Put {
            table,
            key,
            value: packed.finish(),
            fence: 0,
            // One that holds nothing is listed no more. Its row stays, so that numbers go on rising.
            place: (!to.is_zero()).then(|| Place {
                group: Key::from(OPEN),
                at: now.as_millis(),
            }),
        });
        self.backend.commit(batch).await
    }
}

fn amount(row: &Row) -> Result<Amount, StoreError> {
    let read = || {
        let mut from = Unpacker::new(&row.value, FORM)?;
        let amount = from.amount()?;
        from.end()?;
        Ok(amount)
    };
    read().map_err(|error: UnpackError| StoreError::Corrupt(error.into()))
}

fn exposed(row: &Row) -> Result<Exposed, StoreError> {
    let at = row.place.as_ref().map_or(0, |place| place.at);
    Ok(Exposed {
        id: super::row::id(&row.key)?,
        drawn: amount(row)?,
        since: Timestamp::from_millis(at),
    })
}
