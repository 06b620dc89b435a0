//! What a client has spent, has open, and may yet spend.

use farthing_core::value::{Amount, Currency, PaymentId};

use crate::{client::Client, error::Error, outgoing::Outgoing, policy::Limit};

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

    /// The payments that were served without a receipt, the oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn unconfirmed(&self, limit: usize) -> Result<Vec<Outgoing>, Error> {
        let held = self.inner.book.unconfirmed(limit).await?;
        Ok(held.into_iter().map(|held| held.record).collect())
    }

    /// One payment.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn payment(&self, id: PaymentId) -> Result<Option<Outgoing>, Error> {
        Ok(self.inner.book.load(id).await?.map(|held| held.record))
    }

    /// The budgets in a currency, and their use. Those that each host has for itself are told
    /// only with a host.
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
            Some(host) => inner.policy.budgets(host, currency)?,
            None => inner.policy.standing_budgets(currency)?,
        };
        let mut uses = Vec::with_capacity(bounds.len());
        for bound in bounds {
            let used = inner.budgets.used(&bound.budget, inner.clock.now()).await?;
            let most = bound.budget.limit;
            uses.push(BudgetUse {
                limit: bound.limit,
                currency: currency.clone(),
                most,
                used,
            });
        }
        Ok(uses)
    }
}
