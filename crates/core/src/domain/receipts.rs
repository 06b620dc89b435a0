//! Receipts: what was paid, kept for as long as the owner wants.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    bounds,
    encoding::packed::{Packer, UnpackError, Unpacker},
    noun::Receipt,
    port::backend::{Backend, Key, Partition, Place, Range, Row, StoreError, Table, Write},
    value::{Amount, CurrencyCode, Did, Entropy, PaymentId, Recipient, Timestamp},
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
            value: kept
                .pack()
                .map_err(|error| StoreError::Corrupt(error.into()))?,
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
    // Older stores hold them as JSON, which begins with a brace.
    let read = if row.value.first() == Some(&b'{') {
        serde_json::from_slice(&row.value).map_err(UnpackError::from)
    } else {
        Kept::unpack(&row.value)
    };
    read.map_err(|error| StoreError::Corrupt(error.into()))
}

/// The form that is written.
const FORM: u8 = 1;

/// Room for a usual receipt, so that it is allocated once.
const USUAL_ROW: usize = 256;

impl Kept {
    fn pack(&self) -> Result<Vec<u8>, serde_json::Error> {
        let Self {
            payment,
            amount,
            currency,
            payee,
            payer,
            bought,
            at,
            receipt,
        } = self;
        let mut out = Packer::new(FORM, USUAL_ROW);
        out.byte(
            u8::from(payee.is_some())
                | u8::from(payer.is_some()) << 1
                | u8::from(!receipt.extra().is_empty()) << 2,
        );
        out.array(payment.as_bytes());
        out.amount(*amount);
        out.text(currency.as_str());
        if let Some(payee) = payee {
            out.text(payee.as_str());
        }
        if let Some(payer) = payer {
            out.text(payer.as_str());
        }
        out.text(bought);
        out.time(*at);
        out.text(receipt.method().as_str());
        out.time(receipt.timestamp());
        out.text(receipt.reference().as_str());
        if !receipt.extra().is_empty() {
            out.json(receipt.extra())?;
        }
        Ok(out.finish())
    }

    fn unpack(bytes: &[u8]) -> Result<Self, UnpackError> {
        let mut from = Unpacker::new(bytes, FORM)?;
        let flags = from.byte()?;
        if flags > 0b111 {
            return Err(UnpackError::Code("flag"));
        }
        let has = |bit: u8| flags >> bit & 1 == 1;
        let kept = Self {
            payment: PaymentId::new(Entropy(from.array()?)),
            amount: from.amount()?,
            currency: from.text()?,
            payee: has(0).then(|| from.text()).transpose()?,
            payer: has(1).then(|| from.text()).transpose()?,
            bought: from.text::<String>()?.into(),
            at: from.time()?,
            receipt: Receipt::new(from.text()?, from.time()?, from.text()?),
        };
        let extra: Map<String, Value> = if has(2) { from.json()? } else { Map::new() };
        from.end()?;
        Ok(Self {
            receipt: kept.receipt.with_extra(extra),
            ..kept
        })
    }
}
