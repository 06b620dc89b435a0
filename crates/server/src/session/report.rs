//! The report: what was accepted, spent and settled, and what is at risk.
//!
//! It is made from the store, so whoever has the store can make it: an operator beside a gate that
//! runs, or after one that died. Reading takes as long as there are channels; nothing else waits for
//! it.

use std::collections::BTreeMap;

use farthing_core::{
    domain::{
        channels::Listed,
        settlements::{End, Totals},
    },
    intent::session::{Balance, ChannelId, Protocol, Standing, Terms, Voucher},
    port::backend::StoreError,
    value::{Amount, CurrencyCode, Did, MethodId, Timestamp},
};

use super::till::Till;

/// How many payers are named. What the others have is in one sum without a name.
const PAYERS: usize = 10_000;

/// Channels of one page.
const PAGE: usize = 500;

/// One channel, as the books have it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Books {
    /// The channel.
    pub channel: ChannelId,
    /// What it is.
    pub terms: Terms,
    /// Whether it serves.
    pub standing: Standing,
    /// What is there.
    pub balance: Balance,
    /// What was charged for requests that are still being served.
    pub unsure: Amount,
    /// What was served out of it and is not paid out.
    pub at_risk: Amount,
    /// By which rules its rail keeps it.
    pub protocol: Protocol,
    /// What the highest voucher says that could be handed in now. Where it is more than what is settled,
    /// the difference would be paid out.
    pub payable: Option<Amount>,
    /// When a request last used it.
    pub used_at: Timestamp,
    /// What it was found with in the list: when it was opened, or when it may be forgotten.
    pub listed_at: Timestamp,
    /// How it ended, if it did.
    pub end: Option<End>,
}

/// What all channels of one method and currency have, or those of one payer of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sum {
    /// How many channels are open, or being closed.
    pub channels: u64,
    /// What is locked in them.
    pub deposit: Amount,
    /// What their vouchers say.
    pub accepted: Amount,
    /// What was charged.
    pub spent: Amount,
    /// What was charged for requests that are still being served.
    pub unsure: Amount,
    /// What was paid out of them.
    pub settled: Amount,
    /// What was served and is not paid out.
    pub at_risk: Amount,
}

/// What was accepted, spent, settled, and is at risk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Of each method and currency.
    pub currencies: BTreeMap<(MethodId, CurrencyCode), InCurrency>,
}

/// What there is in one currency of a method.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InCurrency {
    /// All its open channels.
    pub all: Sum,
    /// Each payer's, as far as so many are named.
    pub payers: BTreeMap<Did, Sum>,
    /// What was added up since the store began: settled, lost, how many settlements, and what they
    /// cost. Where rails take their fees in another currency, the fees stand with that one.
    pub ever: Totals,
}

impl Sum {
    fn add(&mut self, books: &Books) {
        let Balance {
            deposit,
            accepted,
            spent,
            settled,
            ..
        } = books.balance;
        self.channels += 1;
        for (sum, amount) in [
            (&mut self.deposit, deposit),
            (&mut self.accepted, accepted),
            (&mut self.spent, spent),
            (&mut self.unsure, books.unsure),
            (&mut self.settled, settled),
            (&mut self.at_risk, books.at_risk),
        ] {
            *sum = sum.checked_add(amount).unwrap_or(*sum);
        }
    }
}

impl Till {
    /// What is accepted, spent, settled, at risk and lost, from the store.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn report(&self) -> Result<Report, StoreError> {
        let mut report = Report::default();
        let mut last: Option<Listed> = None;
        loop {
            let page = self.0.channels.list(last.as_ref(), PAGE).await?;
            for listed in &page {
                let Some(books) = self.books_of(listed).await? else {
                    continue;
                };
                if books.standing == Standing::Closed {
                    continue;
                }
                let Terms {
                    method,
                    currency,
                    payer,
                    ..
                } = &books.terms;
                let of = (method.clone(), currency.clone());
                let in_currency = report.currencies.entry(of).or_default();
                in_currency.all.add(&books);
                let is_named = in_currency.payers.len() < PAYERS;
                if is_named || in_currency.payers.contains_key(payer) {
                    let sum = in_currency.payers.entry(payer.clone()).or_default();
                    sum.add(&books);
                }
            }
            last = page.last().cloned();
            if page.len() < PAGE {
                break;
            }
        }
        self.add_what_ended(&mut report).await?;
        for ((method, currency), in_currency) in &mut report.currencies {
            in_currency.ever = self.0.settlements.totals(method, currency).await?;
        }
        Ok(report)
    }

    /// Channels that are open or being closed, the latest first: a page, after the last one of the
    /// page before.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(
        &self,
        after: Option<&Books>,
        limit: usize,
    ) -> Result<Vec<Books>, StoreError> {
        let after = after.map(|books| Listed {
            id: books.channel.clone(),
            at: books.listed_at,
        });
        let mut all = Vec::new();
        for listed in self.0.channels.list(after.as_ref(), limit).await? {
            all.extend(self.books_of(&listed).await?);
        }
        Ok(all)
    }

    /// One channel, open or not.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn show(&self, channel: &ChannelId) -> Result<Option<Books>, StoreError> {
        let listed = Listed {
            id: channel.clone(),
            at: Timestamp::EPOCH,
        };
        self.books_of(&listed).await
    }

    async fn books_of(&self, listed: &Listed) -> Result<Option<Books>, StoreError> {
        let id = &listed.id;
        let Some(terms) = self.0.channels.terms(id).await? else {
            return Ok(None);
        };
        let Some(held) = self.0.channels.load(id).await? else {
            return Ok(None);
        };
        let channel = held.channel();
        Ok(Some(Books {
            channel: id.clone(),
            terms,
            standing: channel.standing(),
            balance: channel.balance(),
            unsure: channel.unsure(),
            at_risk: channel.exposure(),
            protocol: channel.protocol(),
            payable: channel.to_settle().map(Voucher::cumulative),
            used_at: held.active_at(),
            listed_at: listed.at,
            end: self.0.settlements.ended(id).await?,
        }))
    }

    /// Names the currencies in which channels only ended, and those in which fees were paid.
    async fn add_what_ended(&self, report: &mut Report) -> Result<(), StoreError> {
        let page = self.0.settlements.ends(None, PAGE).await?;
        let ended = page.into_iter().map(|it| (it.end.method, it.end.currency));
        let paid = self.0.settlements.fee_currencies().await?;
        for of in ended.chain(paid) {
            report.currencies.entry(of).or_default();
        }
        Ok(())
    }
}
