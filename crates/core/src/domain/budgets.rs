//! Budgets: how much may be spent, in total and within a window of time.
//!
//! A budget is a bounded counter. Asking for room in it gives a [`Debit`], which is reserved
//! with a claim and released or settled with it. A window has a counter of its own, named after
//! its start, so nothing has to be reset.
//!
//! It counts in a unit, `USD`, whatever the rail and the token are: an owner who says "a dollar a
//! day" means a dollar. Every currency is counted at one scale, at which each amount is exact.

use std::sync::Arc;

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::claims::{COUNTERS, Debit};
use crate::{
    encoding::base64url,
    port::backend::{Backend, Batch, Key, Partition, StoreError, Write},
    value::{Amount, Currency, Timestamp, Worth},
};

/// Over what time a budget counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Window {
    /// For ever.
    Total,
    /// A day of UTC.
    Day,
}

/// A limit on what is spent in a unit, under a name. All currencies of the unit count on it, on
/// whatever rail they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// What is limited, for example a host; empty for everything.
    pub scope: Box<str>,
    /// Over what time.
    pub window: Window,
    /// What is counted: `USD`.
    pub unit: Box<str>,
    /// The most that may be spent.
    pub limit: Worth,
}

impl Budget {
    /// What a payment reserves on this budget.
    #[must_use]
    pub fn debit(&self, worth: Worth, now: Timestamp) -> Debit {
        Debit {
            counter: self.counter(now),
            amount: worth.count(),
            limit: self.limit.count(),
            keep: true,
        }
    }

    /// The counter it is counted on at a time.
    #[must_use]
    pub fn counter(&self, now: Timestamp) -> Box<str> {
        let whose = hashed(&[&self.unit, &self.scope]);
        format!("spent {} {whose}", self.window_at(now)).into()
    }

    /// The counter that one currency had for itself before budgets were counted in units. What was
    /// reserved then may still be on it: see [`Budgets::fold`].
    #[must_use]
    pub fn former_counter(&self, currency: &Currency, now: Timestamp) -> Box<str> {
        let Currency { code, rail, .. } = currency;
        let whose = hashed(&[rail.as_str(), code.as_str(), &self.scope]);
        format!("budget {} {whose}", self.window_at(now)).into()
    }

    fn window_at(&self, now: Timestamp) -> String {
        match self.window {
            Window::Total => "total".to_owned(),
            Window::Day => format!("day {}", now.as_secs() / 86_400),
        }
    }
}

/// Parts that come from outside may be of any length and hold anything, so they stand hashed, each
/// behind its length: none can pose as another budget's.
pub(super) fn hashed(parts: &[&str]) -> String {
    let mut hash = Context::new(&SHA256);
    for part in parts {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    base64url::encode(hash.finish())
}

/// The budgets of a store: how much of them is used.
#[derive(Clone)]
pub struct Budgets {
    backend: Arc<dyn Backend>,
}

impl std::fmt::Debug for Budgets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Budgets")
    }
}

impl Budgets {
    /// Budgets counted in a backend.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self { backend }
    }

    /// What is spent or reserved of a budget at a time.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn used(&self, budget: &Budget, now: Timestamp) -> Result<Worth, StoreError> {
        let count = self.count(&budget.counter(now)).await?;
        u128::try_from(count)
            .map(Worth::counted)
            .map_err(|_| StoreError::Corrupt("a budget's counter is no amount".into()))
    }

    /// Adds to a budget what an older version of this software counted of one currency by itself.
    /// Whoever does it, and however often, each unit is added once; a payment that was reserved
    /// before and is released after is taken off again the next time.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn fold(
        &self,
        budget: &Budget,
        currency: &Currency,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let former = budget.former_counter(currency, now);
        let count = self.count(&former).await?;
        if count == 0 {
            return Ok(());
        }
        // What is too large to be counted is more than any limit.
        let worth = currency
            .worth(Amount::new(count.unsigned_abs()))
            .and_then(|worth| worth.count().to_delta())
            .unwrap_or(i128::MAX / 2);
        let add = |counter: &str, delta: i128, (min, max): (i128, i128)| Write::Add {
            table: COUNTERS,
            key: Key::from(counter),
            delta,
            min,
            max,
        };
        let mut batch = Batch::new(Partition::Store);
        // Of two who do it at once, one would take it past zero.
        let toward_zero = if count > 0 {
            (0, i128::MAX)
        } else {
            (i128::MIN, 0)
        };
        batch.writes.push(add(&former, -count, toward_zero));
        let any = (i128::MIN, i128::MAX);
        batch
            .writes
            .push(add(&budget.counter(now), count.signum() * worth, any));
        let _ = self.backend.commit(batch).await?;
        Ok(())
    }

    async fn count(&self, counter: &str) -> Result<i128, StoreError> {
        let key = Key::from(counter);
        let row = self.backend.get(&Partition::Store, COUNTERS, &key).await?;
        let Some(row) = row else { return Ok(0) };
        row.counter()
            .ok_or_else(|| StoreError::Corrupt("a budget's counter is no number".into()))
    }
}
