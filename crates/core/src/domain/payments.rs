//! A seller's payments: claims of [`Payment`] records, and what is due when.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::claims::{Change, ChangeError, Claims, Held, Record};
use crate::{
    bounds,
    encoding::packed::{Packer, UnpackError, Unpacker},
    payment::{Payment, State},
    port::backend::{Backend, Key, Partition, Place, Range, StoreError, Table, Write},
    value::{Secret, Timestamp},
};

const PAYMENTS: Table = Table::new("core.payments");
const KEYS: Table = Table::new("core.payment_keys");
const JOURNAL: Table = Table::new("core.journal");

/// How long a final payment is remembered after its proof ran out, for late questions.
pub const REMEMBER: Duration = Duration::from_secs(60 * 60);

/// How long one is remembered that ended with nothing moved. Its challenge has run out by then, and
/// would a gate whose clock is behind take it once more, it would be for the first time that value
/// moves. Whoever can make a handler fail leaves such rows, so they go soon.
const REMEMBER_UNMOVED: Duration = Duration::from_secs(60);

/// The groups of the index: what the reconciler looks at, and what is listed for people.
const DUE: &str = "due";
const OWED: &str = "owed";
const DEFAULTED: &str = "defaulted";

impl Record for Payment {
    const TABLE: Table = PAYMENTS;
    const KEYS: Table = KEYS;

    fn place(&self) -> Option<Place> {
        let group = match self.state {
            State::Owed => OWED,
            State::Defaulted => DEFAULTED,
            _ => DUE,
        };
        Some(Place {
            group: Key::from(group),
            at: due_at(self).as_millis(),
        })
    }

    fn pack(&self, out: &mut Packer) -> Result<(), serde_json::Error> {
        Self::pack(self, out)
    }

    fn unpack(from: &mut Unpacker<'_>) -> Result<Self, UnpackError> {
        Self::unpack(from)
    }
}

/// When the reconciler has to look at a payment next.
#[must_use]
pub fn due_at(payment: &Payment) -> Timestamp {
    match payment.state {
        // Somebody delivers it: when the lease is over, it has to be put down. Nobody does: it
        // waits to be presented again, until it is owed.
        State::Settled if payment.lease_until > Timestamp::EPOCH => payment.lease_until,
        State::Settled => payment.owed_from().unwrap_or(payment.claimed_at),
        State::Owed => payment.settled_at.unwrap_or(payment.claimed_at),
        State::Defaulted => payment.claimed_at,
        state if state.is_final() => forget_at(payment),
        _ => payment.lease_until,
    }
}

fn forget_at(payment: &Payment) -> Timestamp {
    let end = match payment.state {
        State::Failed | State::Voided => payment.proof_until.saturating_add(REMEMBER_UNMOVED),
        _ => {
            let owed = payment.owed_from().unwrap_or(payment.proof_until);
            owed.max(payment.proof_until).saturating_add(REMEMBER)
        }
    };
    payment.remember_until.map_or(end, |until| end.max(until))
}

/// The payments of a store. The verbs of a claim are those of [`Claims`], which this is over.
#[derive(Clone, Debug)]
pub struct Payments {
    claims: Claims<Payment>,
}

/// What stands in the journal before an effect is sent.
#[derive(Serialize, Deserialize)]
struct Journaled {
    effect: Box<str>,
}

impl Payments {
    /// Payments kept in a backend.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self {
            claims: Claims::new(backend),
        }
    }

    /// The claims: claim, find, load, change, take over.
    #[must_use]
    pub const fn claims(&self) -> &Claims<Payment> {
        &self.claims
    }

    /// The payments that are due, the longest due first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn due(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Held<Payment>>, StoreError> {
        self.list(DUE, now.as_millis().saturating_add(1), None, limit)
            .await
    }

    /// The payments that are due, going on after the last one of the page before.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn due_after(
        &self,
        now: Timestamp,
        last: &Held<Payment>,
        limit: usize,
    ) -> Result<Vec<Held<Payment>>, StoreError> {
        let after = (due_at(&last.record).as_millis(), last.id().clone());
        self.list(DUE, now.as_millis().saturating_add(1), Some(after), limit)
            .await
    }

    /// The payments that are owed, the oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn owed(&self, limit: usize) -> Result<Vec<Held<Payment>>, StoreError> {
        self.list(OWED, u64::MAX, None, limit).await
    }

    /// The payments that are owed, going on after the last one of the page before.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn owed_after(
        &self,
        last: &Held<Payment>,
        limit: usize,
    ) -> Result<Vec<Held<Payment>>, StoreError> {
        let after = (due_at(&last.record).as_millis(), last.id().clone());
        self.list(OWED, u64::MAX, Some(after), limit).await
    }

    /// The payments that were served on credit and never paid, the oldest first; going on after
    /// the last one of the page before.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn defaulted(
        &self,
        last: Option<&Held<Payment>>,
        limit: usize,
    ) -> Result<Vec<Held<Payment>>, StoreError> {
        let after = last.map(|last| (due_at(&last.record).as_millis(), last.id().clone()));
        self.list(DEFAULTED, u64::MAX, after, limit).await
    }

    async fn list(
        &self,
        group: &str,
        before: u64,
        after: Option<(u64, Key)>,
        limit: usize,
    ) -> Result<Vec<Held<Payment>>, StoreError> {
        let range = Range {
            partition: Partition::Store,
            table: PAYMENTS,
            group: Key::from(group),
            before,
            after,
            newest_first: false,
            limit: limit.min(bounds::PAGE),
        };
        self.claims
            .backend()
            .range(range)
            .await?
            .into_iter()
            .map(Held::read)
            .collect()
    }

    /// The write that journals an effect, to stand in the batch before it is sent. It is written
    /// as it is given: whoever writes it seals it.
    ///
    /// # Errors
    /// Never in practice: the error is the serializer's.
    pub fn journal(payment: &Payment, effect: &Secret) -> Result<Write, StoreError> {
        let effect = crate::encoding::base64url::encode(effect.expose()).into();
        let value = serde_json::to_vec(&Journaled { effect })
            .map_err(|error| StoreError::Corrupt(error.into()))?;
        Ok(Write::Put {
            table: JOURNAL,
            key: payment.id.to_key(),
            value,
            fence: 0,
            place: None,
        })
    }

    /// The write that erases a journaled effect, once its outcome is final.
    #[must_use]
    pub fn erase(payment: &Payment) -> Write {
        Write::Delete {
            table: JOURNAL,
            key: payment.id.to_key(),
        }
    }

    /// Reads a journaled effect.
    ///
    /// # Errors
    /// When the store fails, or what is there is no journaled effect.
    pub async fn journaled(&self, payment: &Payment) -> Result<Option<Secret>, StoreError> {
        let key = payment.id.to_key();
        let Some(row) = self
            .claims
            .backend()
            .get(&Partition::Store, JOURNAL, &key)
            .await?
        else {
            return Ok(None);
        };
        let journaled: Journaled = serde_json::from_slice(&row.value)
            .map_err(|error| StoreError::Corrupt(error.into()))?;
        crate::encoding::base64url::decode(&*journaled.effect)
            .map(|bytes| Some(Secret::new(bytes)))
            .map_err(|error| StoreError::Corrupt(error.into()))
    }

    /// Renews the lease of running work.
    ///
    /// # Errors
    /// [`ChangeError::Stale`] when the work was taken over: it has to stop.
    pub async fn renew(
        &self,
        held: Held<Payment>,
        until: Timestamp,
    ) -> Result<Held<Payment>, ChangeError> {
        let record = Payment {
            lease_until: until,
            ..held.record.clone()
        };
        self.claims.change(held, Change::to(record)).await
    }
}
