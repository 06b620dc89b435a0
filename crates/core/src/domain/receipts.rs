//! Receipts: what was paid, kept for as long as the owner wants.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    bounds,
    noun::Receipt,
    port::backend::{Backend, Key, Partition, Place, Range, Row, StoreError, Table, Write},
    value::{Amount, CurrencyCode, Did, PaymentId, Recipient, Timestamp},
};

const RECEIPTS: Table = Table::new("core.receipts");
const ALL: &str = "all";

/// A receipt, with what it was for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// The payment.
    pub payment: PaymentId,
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub currency: CurrencyCode,
    /// To whom.
    pub payee: Option<Recipient>,
    /// By whom, where it is known.
    pub payer: Option<Did>,
    /// What it bought: a route on the seller's side, a URL on the buyer's.
    pub bought: Box<str>,
    /// When value moved.
    pub at: Timestamp,
    /// The receipt as it went over the wire.
    pub receipt: Receipt,
}

/// The receipts of a store.
#[derive(Clone)]
pub struct Receipts {
    backend: Arc<dyn Backend>,
}

impl std::fmt::Debug for Receipts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Receipts")
    }
}

impl Receipts {
    /// Receipts kept in a backend.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self { backend }
    }

    /// The write that keeps a receipt, for the batch that makes it true.
    ///
    /// # Errors
    /// Never in practice: the error is the serializer's.
    pub fn write(kept: &Kept) -> Result<Write, StoreError> {
        Ok(Write::Put {
            table: RECEIPTS,
            key: kept.payment.to_key(),
            value: serde_json::to_vec(kept).map_err(|error| StoreError::Corrupt(error.into()))?,
            fence: 0,
            place: Some(Place {
                group: Key::from(ALL),
                at: kept.at.as_millis(),
            }),
        })
    }

    /// One receipt.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn get(&self, payment: PaymentId) -> Result<Option<Kept>, StoreError> {
        let row = self
            .backend
            .get(&Partition::Store, RECEIPTS, &payment.to_key())
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// The newest receipts first, going on after the last one of the page before.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, after: Option<&Kept>, limit: usize) -> Result<Vec<Kept>, StoreError> {
        let range = Range {
            partition: Partition::Store,
            table: RECEIPTS,
            group: Key::from(ALL),
            before: u64::MAX,
            after: after.map(|kept| (kept.at.as_millis(), kept.payment.to_key())),
            newest_first: true,
            limit: limit.min(bounds::PAGE),
        };
        self.backend.range(range).await?.iter().map(read).collect()
    }

    /// The receipts of a stretch of time, the oldest first, going on after the last one of the page
    /// before: from its first moment, and before its last.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn between(
        &self,
        time: std::ops::Range<Timestamp>,
        after: Option<&Kept>,
        limit: usize,
    ) -> Result<Vec<Kept>, StoreError> {
        // No key is empty, so everything at the first moment comes after this.
        let first = (time.start.as_millis(), Key::from(""));
        let range = Range {
            partition: Partition::Store,
            table: RECEIPTS,
            group: Key::from(ALL),
            before: time.end.as_millis(),
            after: Some(after.map_or(first, |kept| (kept.at.as_millis(), kept.payment.to_key()))),
            newest_first: false,
            limit: limit.min(bounds::PAGE),
        };
        self.backend.range(range).await?.iter().map(read).collect()
    }
}

fn read(row: &Row) -> Result<Kept, StoreError> {
    serde_json::from_slice(&row.value).map_err(|error| StoreError::Corrupt(error.into()))
}
