//! Budgets: how much may be spent, in total and within a window of time.
//!
//! A budget is a bounded counter. Asking for room in it gives a [`Debit`], which is reserved
//! with a claim and released or settled with it. A window has a counter of its own, named after
//! its start, so nothing has to be reset.

use std::sync::Arc;

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::claims::{COUNTERS, Debit};
use crate::{
    encoding::base64url,
    port::backend::{Backend, Key, Partition, StoreError},
    value::{Amount, Currency, Timestamp},
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

/// A limit on what is spent of a currency, under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// What is limited, for example a host; empty for everything.
    pub scope: Box<str>,
    /// Over what time.
    pub window: Window,
    /// The currency that is counted.
    pub currency: Currency,
    /// The most that may be spent.
    pub limit: Amount,
}

impl Budget {
    /// What a payment of an amount reserves on this budget.
    #[must_use]
    pub fn debit(&self, amount: Amount, now: Timestamp) -> Debit {
        Debit {
            counter: self.counter(now),
            amount,
            limit: self.limit,
            keep: true,
        }
    }

    /// The counter's name. Parts that come from outside may be of any length and hold anything, so
    /// they stand hashed, each behind its length: none can pose as another budget's.
    fn counter(&self, now: Timestamp) -> Box<str> {
        let window = match self.window {
            Window::Total => "total".to_owned(),
            Window::Day => format!("day {}", now.as_secs() / 86_400),
        };
        let mut hash = Context::new(&SHA256);
        let Currency { code, rail, .. } = &self.currency;
        for part in [rail.as_str(), code.as_str(), &self.scope] {
            hash.update(&(part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let whose = base64url::encode(hash.finish());
        format!("budget {window} {whose}").into()
    }
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
    pub async fn used(&self, budget: &Budget, now: Timestamp) -> Result<Amount, StoreError> {
        let key = Key::from(&*budget.counter(now));
        let row = self.backend.get(&Partition::Store, COUNTERS, &key).await?;
        let Some(row) = row else {
            return Ok(Amount::ZERO);
        };
        row.counter()
            .and_then(|count| u128::try_from(count).ok())
            .map(Amount::new)
            .ok_or_else(|| StoreError::Corrupt("a budget's counter is no amount".into()))
    }
}
