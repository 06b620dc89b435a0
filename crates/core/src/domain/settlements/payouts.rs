//! Payouts: what the rail paid out of a channel, the last ones of each, and what rails took for that.
//!
//! They are for whoever reads the books: nothing is decided by them. They are written with what
//! writes a job off, so each is there once, and what was added up is what they say.

use std::cmp::Reverse;

use super::{FEES, Job, Outcome, Settlements, at, count, packed, put, read};
use crate::{
    bounds,
    intent::session::ChannelId,
    port::{
        backend::{Key, Row, StoreError, Table, Write},
        session::{Cost, Handing},
    },
    value::{Amount, CurrencyCode, MethodId, Reference, Timestamp},
};

const PAYOUTS: Table = Table::new("core.channel_payouts");
/// In which currencies something was added up.
const FEES_IN: Table = Table::new("core.settlement_fees");
const ALL: &str = "all";
const FORM: u8 = 1;

/// How many are kept of a channel: of one that is settled each hour, those of more than a day. What
/// was paid out before is in the sums.
const KEPT: usize = 32;

/// What a settlement paid out of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payout {
    /// When.
    pub at: Timestamp,
    /// What the rail calls the settlement.
    pub reference: Reference,
    /// Whether it closed the channel.
    pub is_close: bool,
    /// What it paid out.
    pub amount: Amount,
    /// What was paid out of the channel in all by then.
    pub settled: Amount,
    /// How many channels the settlement was of.
    pub channels: u64,
    /// What the rail took for the settlement, all channels together.
    pub fee: Option<Cost>,
}

impl Settlements {
    /// What was paid out of a channel, the latest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn payouts(&self, channel: &ChannelId) -> Result<Vec<Payout>, StoreError> {
        let rows = self.rows_of(channel).await?;
        let payouts: Result<Vec<_>, _> = rows.iter().map(payout).collect();
        let mut payouts = payouts?;
        // Some may be of one block; what was paid out of a channel only rises.
        payouts.sort_by_key(|it| Reverse((it.at, it.settled, it.is_close)));
        Ok(payouts)
    }

    /// Forgets what was paid out of a channel. The sums stay.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn forget_payouts(&self, channel: &ChannelId) -> Result<(), StoreError> {
        let rows = self.rows_of(channel).await?;
        let writes = rows.into_iter().map(|row| delete(row.key)).collect();
        self.commit(Vec::new(), writes).await.map(drop)
    }

    /// In which currencies rails took something for settlements, or channels ended.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn fee_currencies(&self) -> Result<Vec<(MethodId, CurrencyCode)>, StoreError> {
        let stretch = (u64::MAX, None, false);
        let rows = self
            .page(FEES_IN, &Key::from(ALL), stretch, bounds::PAGE)
            .await?;
        let of = |row: &Row| read(row, FORM, |from| Ok((from.text()?, from.text()?)));
        rows.iter().map(of).collect()
    }

    /// What notes a job with its channels, and forgets what is too much of each.
    pub(super) async fn noted(
        &self,
        job: &Job,
        outcome: &Outcome,
    ) -> Result<Vec<Write>, StoreError> {
        let Outcome::Settled { reference, at, fee } = outcome else {
            return Ok(Vec::new());
        };
        let mut writes = Vec::new();
        for item in &job.items {
            let rows = self.rows_of(&item.channel).await?;
            let too_many = rows.into_iter().skip(KEPT - 1);
            writes.extend(too_many.map(|row| delete(row.key)));
            let payout = Payout {
                at: *at,
                reference: reference.clone(),
                is_close: matches!(item.how, Handing::Close { .. }),
                amount: item.pays().checked_sub(item.before).unwrap_or_default(),
                settled: item.pays(),
                channels: job.items.len() as u64,
                fee: fee.clone(),
            };
            let key = [item.channel.as_str().as_bytes(), b" ", &job.id].concat();
            let place = Some((group(&item.channel), *at));
            writes.push(put(PAYOUTS, Key::new(key), value(&payout), place));
        }
        Ok(writes)
    }

    /// The rows of a channel, the latest first. There are never more than a page.
    async fn rows_of(&self, channel: &ChannelId) -> Result<Vec<Row>, StoreError> {
        let stretch = (u64::MAX, None, true);
        self.page(PAYOUTS, &group(channel), stretch, bounds::PAGE)
            .await
    }
}

/// What adds a cost up, and notes that there is one in its currency.
pub(super) fn counted(method: &MethodId, cost: &Cost) -> Vec<Write> {
    let Some(counted) = count(FEES, method, &cost.currency, cost.amount) else {
        return Vec::new();
    };
    vec![counted, named(method, &cost.currency)]
}

/// What notes that something is added up in a currency.
pub(super) fn named(method: &MethodId, currency: &CurrencyCode) -> Write {
    let key = super::counter(FEES, method, currency);
    let value = packed(FORM, |out| {
        out.text(method.as_str());
        out.text(currency.as_str());
    });
    let place = Some((Key::from(ALL), Timestamp::EPOCH));
    put(FEES_IN, key, value, place)
}

fn group(channel: &ChannelId) -> Key {
    Key::from(channel.as_str())
}

fn delete(key: Key) -> Write {
    Write::Delete {
        table: PAYOUTS,
        key,
    }
}

fn value(payout: &Payout) -> Vec<u8> {
    packed(FORM, |out| {
        out.text(payout.reference.as_str());
        out.byte(u8::from(payout.is_close));
        out.amount(payout.amount);
        out.amount(payout.settled);
        out.number(payout.channels);
        out.byte(u8::from(payout.fee.is_some()));
        if let Some(fee) = &payout.fee {
            out.text(fee.currency.as_str());
            out.amount(fee.amount);
        }
    })
}

fn payout(row: &Row) -> Result<Payout, StoreError> {
    read(row, FORM, |from| {
        Ok(Payout {
            at: at(row),
            reference: from.text()?,
            is_close: from.byte()? != 0,
            amount: from.amount()?,
            settled: from.amount()?,
            channels: from.number(u64::MAX)?,
            fee: match from.byte()? {
                0 => None,
                _ => Some(Cost {
                    currency: from.text()?,
                    amount: from.amount()?,
                }),
            },
        })
    })
}
