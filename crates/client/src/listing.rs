//! What a client has spent, has open, and may yet spend.

use std::collections::HashMap;

use farthing_core::{
    domain::claims::Held,
    value::{Amount, Currency, PaymentId, Worth},
};

use crate::{
    client::Client,
    error::Error,
    legacy::formerly_counted,
    outgoing::{Outgoing, Standing},
    policy::Limit,
};

/// Pending payments that are read at once.
const PAGE: usize = 200;

/// A budget, and how much of it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetUse {
    /// The budget, as its owner wrote it.
    pub limit: Limit,
    /// The currency it is counted in.
    pub currency: Currency,
    /// The most that may be spent.
    pub most: Amount,
    /// What is spent or reserved.
    pub used: Amount,
    /// How much of that is reserved for payments whose outcome is not known.
    pub reserved: Amount,
}

impl BudgetUse {
    /// What may yet be spent; nothing where the limit was set below what is used already.
    #[must_use]
    pub fn left(&self) -> Amount {
        self.most.checked_sub(self.used).unwrap_or_default()
    }

    /// What is spent for good.
    #[must_use]
    pub fn spent(&self) -> Amount {
        self.used.checked_sub(self.reserved).unwrap_or_default()
    }
}

impl Client {
    /// The pending payments, the oldest first, going on after the last one of the page before.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn pending(
        &self,
        after: Option<&Outgoing>,
        limit: usize,
    ) -> Result<Vec<Outgoing>, Error> {
        let held = self.inner.book.pending(after, limit).await?;
        Ok(held.into_iter().map(|held| held.record).collect())
    }

    /// The payments that were served without a receipt, the oldest first, going on after the last
    /// one of the page before.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn unconfirmed(
        &self,
        after: Option<&Outgoing>,
        limit: usize,
    ) -> Result<Vec<Outgoing>, Error> {
        let held = self.inner.book.unconfirmed(after, limit).await?;
        Ok(held.into_iter().map(|held| held.record).collect())
    }

    /// The payments of which the rail said that value moved, and for which no receipt came, by their
    /// ids, going on after the last one of the page before. Unlike other payments that are final
    /// they are never forgotten.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn unreceipted(
        &self,
        after: Option<&Outgoing>,
        limit: usize,
    ) -> Result<Vec<Outgoing>, Error> {
        let mut found = Vec::new();
        let mut last = after.cloned();
        while found.len() < limit {
            let page = self.inner.book.for_ever(last.as_ref(), PAGE).await?;
            let Some(end) = page.last() else { break };
            last = Some(end.record.clone());
            // A challenge without an end is kept for ever too, with its receipt beside it.
            for held in page {
                let is_paid = held.record.standing == Standing::Paid;
                if is_paid && self.receipts().get(held.record.id).await?.is_none() {
                    found.push(held.record);
                }
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    /// One payment.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn payment(&self, id: PaymentId) -> Result<Option<Outgoing>, Error> {
        Ok(self.inner.book.load(id).await?.map(|held| held.record))
    }

    /// The budgets in a currency's unit, and their use, told in that currency: two currencies of one
    /// unit have the same budgets. Those that each host has for itself are told
    /// only with a host. What is used and what of it is reserved are read one after the other:
    /// while payments are going on they may be of two moments.
    ///
    /// # Errors
    /// When the store fails, or a limit cannot be said in the currency.
    pub async fn budgets(
        &self,
        currency: &Currency,
        host: Option<&str>,
    ) -> Result<Vec<BudgetUse>, Error> {
        let inner = &self.inner;
        let bounds = match host {
            Some(host) => inner.policy.budgets(host, &currency.symbol)?,
            None => inner.policy.standing_budgets(&currency.symbol)?,
        };
        let mut uses = Vec::with_capacity(bounds.len());
        if bounds.is_empty() {
            return Ok(uses);
        }
        let now = inner.clock.now();
        let reserved = self.reserved().await?;
        for bound in bounds {
            let budget = &bound.budget;
            inner.fold(budget, currency, now).await?;
            let used = inner.budgets.used(budget, now).await?.rounded_up(currency);
            let count = |counter: &str| reserved.get(counter).copied().unwrap_or_default();
            let mut waits = Worth::counted(count(&budget.counter(now)).units());
            for former in formerly_counted(currency) {
                let earlier = count(&budget.former_counter(&former, now));
                let earlier = former.worth(earlier).unwrap_or_default();
                waits = waits.checked_add(earlier).unwrap_or(waits);
            }
            uses.push(BudgetUse {
                most: budget.limit.rounded_down(currency),
                limit: bound.limit,
                currency: currency.clone(),
                used,
                reserved: waits.rounded_up(currency).min(used),
            });
        }
        Ok(uses)
    }

    /// What pending payments reserve, by the counter they reserve it on.
    async fn reserved(&self) -> Result<HashMap<Box<str>, Amount>, Error> {
        let mut sums: HashMap<Box<str>, Amount> = HashMap::new();
        let mut last: Option<Outgoing> = None;
        loop {
            let page = self.inner.book.pending(last.as_ref(), PAGE).await?;
            for debit in page.iter().flat_map(Held::debits) {
                let sum = sums.entry(debit.counter.clone()).or_default();
                *sum = sum.checked_add(debit.amount).unwrap_or(*sum);
            }
            match page.last() {
                Some(held) if page.len() == PAGE => last = Some(held.record.clone()),
                _ => return Ok(sums),
            }
        }
    }
}
