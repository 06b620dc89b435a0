//! Jobs: settlements that were handed in, or may have been.

use super::{COUNT, SETTLED, Settlements, count, group, packed, payouts, put, read};
use crate::{
    bounds,
    domain::leases::Lease,
    encoding::packed::{Packer, UnpackError, Unpacker},
    intent::session::{ChannelId, Protocol, RawSignature, Voucher},
    port::{
        backend::{Key, Row, StoreError, Table, Write},
        session::{Cost, Handing},
    },
    value::{Amount, CurrencyCode, MethodId, Reference, Timestamp},
};

const JOBS: Table = Table::new("core.settlement_jobs");
/// Jobs that are over and that their rail may remember.
const OVER: Table = Table::new("core.settlements_over");
const FORM: u8 = 1;

/// A settlement that was handed in, or is about to be. Its items never change: the rail knows it by
/// its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its id.
    pub id: [u8; 16],
    /// The method whose rail it goes to.
    pub method: MethodId,
    /// What is handed in.
    pub items: Vec<Item>,
    /// How often the rail was asked.
    pub asked: u32,
    /// When it was made.
    pub made_at: Timestamp,
    /// When the rail is asked next.
    pub ask_at: Timestamp,
}

/// What is handed in of one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The channel.
    pub channel: ChannelId,
    /// What is done with it.
    pub how: Handing,
    /// What it holds.
    pub currency: CurrencyCode,
    /// What was paid out of it when the job was made.
    pub before: Amount,
}

impl Item {
    /// What is paid out of the channel in all, once the rail has this.
    #[must_use]
    pub const fn pays(&self) -> Amount {
        match &self.how {
            Handing::Settle(voucher) => voucher.cumulative(),
            Handing::Close { capture, .. } => *capture,
        }
    }
}

/// How a job ended, for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The rail has it.
    Settled {
        /// What the rail calls it.
        reference: Reference,
        /// When.
        at: Timestamp,
        /// What the rail took for it.
        fee: Option<Cost>,
    },
    /// The rail refused it.
    Refused {
        /// What the rail took all the same.
        fee: Option<Cost>,
    },
}

/// A job as it was read.
#[derive(Clone, Debug)]
pub struct Open {
    /// The job.
    pub job: Job,
    version: u64,
}

impl Settlements {
    /// Journals a job, while the lease on its method's settlements is ours. `None` where it is not
    /// any more: nothing is to be handed in then.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn begin(&self, lease: &Lease, job: Job) -> Result<Option<Open>, StoreError> {
        let write = row(&job);
        let begun = self.commit(vec![lease.guard()], vec![write]).await?;
        Ok(begun.then_some(Open { job, version: 1 }))
    }

    /// The jobs of a method, those first that are to be asked about first; going on after the last
    /// one of the page before.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn jobs(
        &self,
        method: &MethodId,
        last: Option<&Open>,
    ) -> Result<Vec<Open>, StoreError> {
        let after = last.map(|last| {
            let key = Key::from(&last.job.id[..]);
            (last.job.ask_at.as_millis(), key)
        });
        let stretch = (u64::MAX, after, false);
        let rows = self
            .page(JOBS, &group(method), stretch, bounds::PAGE)
            .await?;
        rows.iter().map(|row| open(method, row)).collect()
    }

    /// Notes when the rail is asked again. `None` where somebody else wrote to it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn ask_later(
        &self,
        mut open: Open,
        ask_at: Timestamp,
    ) -> Result<Option<Open>, StoreError> {
        let guard = guard(&open);
        open.job.asked = open.job.asked.saturating_add(1);
        open.job.ask_at = ask_at;
        open.version += 1;
        let written = self.commit(vec![guard], vec![row(&open.job)]).await?;
        Ok(written.then_some(open))
    }

    /// Writes a job off: the books of its channels show what became of it. What it paid out, where the
    /// rail has it, and what the rail took for it is added up, once. That there was such a job is kept
    /// until its rail forgets it too: see [`Settlements::jobs_over`].
    ///
    /// # Errors
    /// When the store fails.
    pub async fn finish(&self, open: &Open, outcome: &Outcome) -> Result<bool, StoreError> {
        let Job { method, items, .. } = &open.job;
        let key = Key::from(&open.job.id[..]);
        let place = Some((group(method), open.job.ask_at));
        let mut writes = vec![
            Write::Delete {
                table: JOBS,
                key: key.clone(),
            },
            put(OVER, key, packed(FORM, |_| ()), place),
        ];
        let fee = match outcome {
            Outcome::Settled { fee, .. } => {
                for item in items {
                    let paid = item.pays().checked_sub(item.before).unwrap_or_default();
                    writes.extend(count(SETTLED, method, &item.currency, paid));
                }
                // One settlement of channels in two currencies is one of each.
                let mut currencies: Vec<_> = items.iter().map(|item| &item.currency).collect();
                currencies.sort_unstable();
                currencies.dedup();
                for currency in currencies {
                    writes.extend(count(COUNT, method, currency, Amount::new(1)));
                }
                fee
            }
            Outcome::Refused { fee } => fee,
        };
        if let Some(fee) = fee {
            writes.extend(payouts::counted(method, fee));
        }
        writes.extend(self.noted(&open.job, outcome).await?);
        self.commit(vec![guard(open)], writes).await
    }

    /// The ids of a method's settlements that were asked about last before a time and are over, the
    /// earliest first: those whose rail may forget them.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn jobs_over(
        &self,
        method: &MethodId,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<[u8; 16]>, StoreError> {
        let stretch = (before.as_millis(), None, false);
        let rows = self.page(OVER, &group(method), stretch, limit).await?;
        rows.iter().map(id).collect()
    }

    /// Forgets that there were settlements that their rail forgot. It is safe to repeat.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn forget_jobs(&self, over: &[[u8; 16]]) -> Result<(), StoreError> {
        let writes = over.iter().map(|id| Write::Delete {
            table: OVER,
            key: Key::from(&id[..]),
        });
        self.commit(Vec::new(), writes.collect()).await.map(drop)
    }
}

fn guard(open: &Open) -> crate::port::backend::Guard {
    crate::port::backend::Guard::Version {
        table: JOBS,
        key: Key::from(&open.job.id[..]),
        version: open.version,
    }
}

fn row(job: &Job) -> Write {
    let value = packed(FORM, |out| {
        out.number(u64::from(job.asked));
        out.time(job.made_at);
        out.number(job.items.len() as u64);
        for item in &job.items {
            pack_item(out, item);
        }
    });
    let key = Key::from(&job.id[..]);
    put(JOBS, key, value, Some((group(&job.method), job.ask_at)))
}

fn pack_item(out: &mut Packer, item: &Item) {
    out.text(item.channel.as_str());
    out.text(item.currency.as_str());
    out.amount(item.before);
    let (code, capture, voucher) = match &item.how {
        Handing::Settle(voucher) => (1, Amount::ZERO, Some(voucher)),
        Handing::Close {
            capture,
            voucher: None,
        } => (2, *capture, None),
        Handing::Close {
            capture,
            voucher: Some(voucher),
        } => (3, *capture, Some(voucher)),
    };
    out.byte(code);
    out.amount(capture);
    if let Some(voucher) = voucher {
        out.amount(voucher.cumulative());
        out.array(&voucher.signature().r);
        out.array(&voucher.signature().s);
    }
}

fn open(method: &MethodId, row: &Row) -> Result<Open, StoreError> {
    let id = id(row)?;
    let job = read(row, FORM, |from| {
        let (asked, made_at) = (from.number(u32::MAX)?, from.time()?);
        let items = from.number(bounds::PAGE)?;
        let items = (0..items)
            .map(|_| unpack_item(from))
            .collect::<Result<_, _>>()?;
        Ok(Job {
            id,
            method: method.clone(),
            items,
            asked,
            made_at,
            ask_at: super::at(row),
        })
    })?;
    Ok(Open {
        job,
        version: row.version,
    })
}

fn id(row: &Row) -> Result<[u8; 16], StoreError> {
    let id = row.key.as_bytes().try_into();
    id.map_err(|_| StoreError::Corrupt("a settlement's id is none".into()))
}

fn unpack_item(from: &mut Unpacker<'_>) -> Result<Item, UnpackError> {
    let (channel, currency, before) = (from.text()?, from.text()?, from.amount()?);
    let (code, capture) = (from.byte()?, from.amount()?);
    let how = match code {
        1 => Handing::Settle(unpack_voucher(from)?),
        2 => Handing::Close {
            capture,
            voucher: None,
        },
        3 => Handing::Close {
            capture,
            voucher: Some(unpack_voucher(from)?),
        },
        _ => return Err(UnpackError::Code("way to hand in")),
    };
    Ok(Item {
        channel,
        how,
        currency,
        before,
    })
}

fn unpack_voucher(from: &mut Unpacker<'_>) -> Result<Voucher, UnpackError> {
    let cumulative = from.amount()?;
    let signature = RawSignature {
        r: from.array()?,
        s: from.array()?,
    };
    // What it was checked by when it was taken; the first protocol has room for all.
    Voucher::new(Protocol::V1, cumulative, signature).map_err(|_| UnpackError::Number)
}
