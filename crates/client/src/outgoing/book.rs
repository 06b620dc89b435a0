//! The book of outgoing payments: every step of one is one batch.

use std::{sync::Arc, time::Duration};

use farthing_core::{
    bounds,
    domain::{
        claims::{COUNTERS, Change, ChangeError, Claim, Claimed, Claims, Debit, Debts, Held},
        hours,
        receipts::{Kept, Receipts},
    },
    noun::Receipt,
    port::{
        backend::{Backend, Key, Partition, Range, StoreError, Write},
        payer::Resolved,
    },
    value::{ClaimKey, Fingerprint, PaymentId, Reference, Timestamp},
};

use super::{
    KeptCredential, Outgoing, Standing, Toll,
    kept::CREDENTIALS,
    record::{DONE, PENDING, UNCONFIRMED},
};

/// How long the budgets of a day are kept after it.
const DAYS: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// An outgoing payment that is ours to work on.
pub(crate) type HeldPayment = Held<Outgoing>;

/// The outgoing payments of a store.
#[derive(Clone, Debug)]
pub(crate) struct Book {
    claims: Claims<Outgoing>,
}

/// What a reservation led to.
pub(crate) enum Reserved {
    /// It is ours.
    Held(Box<HeldPayment>),
    /// The challenge was answered before.
    Answered,
    /// This budget has too little left.
    Exceeded(Debit),
}

/// What a payment cost that did not come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Nothing.
    Nothing,
    /// What the rail took for itself.
    Fee,
}

impl Loss {
    /// What is lost, where a rail says that a payment is over and did not come about.
    pub(crate) const fn of(resolved: &Resolved) -> Option<Self> {
        match resolved {
            Resolved::Dead => Some(Self::Nothing),
            Resolved::Failed => Some(Self::Fee),
            _ => None,
        }
    }
}

/// How a payment ended well.
#[derive(Clone, Debug)]
pub(crate) enum Settled {
    /// With a receipt.
    Receipt(Receipt),
    /// By the word of the rail.
    Rail(Reference),
}

impl Book {
    pub(crate) fn new(backend: Arc<dyn Backend>) -> Self {
        Self {
            claims: Claims::new(backend),
        }
    }

    /// Claims the challenge and reserves on every budget, or does nothing.
    pub(crate) async fn reserve(
        &self,
        record: Outgoing,
        key: ClaimKey,
        debits: Vec<Debit>,
    ) -> Result<Reserved, StoreError> {
        let claim = Claim {
            id: record.id.to_key(),
            record,
            keys: vec![key],
            debits,
            guards: Vec::new(),
            effect: Vec::new(),
            debts: Debts::Keep,
        };
        Ok(match self.claims.claim(claim).await? {
            Claimed::New(held) => Reserved::Held(Box::new(held)),
            Claimed::Exceeded(debit) => Reserved::Exceeded(debit),
            Claimed::Taken(_) | Claimed::Guarded(_) | Claimed::Short(_) => Reserved::Answered,
        })
    }

    /// Keeps what was signed, and reserves what the rail may take for it. Only after this may it
    /// be sent.
    pub(crate) async fn sign(
        &self,
        held: HeldPayment,
        credential: &KeptCredential,
        fee: Option<Toll>,
        debits: Vec<Debit>,
    ) -> Result<HeldPayment, ChangeError> {
        let mut record = held.record.clone();
        record.standing = Standing::Signed;
        record.fee = fee;
        record.forget_at = record.forget_at.max(credential.valid_until());
        let writes = vec![credential.write(&record)?];
        self.claims
            .change(
                held,
                Change {
                    writes,
                    debits,
                    ..Change::to(record)
                },
            )
            .await
    }

    /// Says that the errand is done, and what the rail calls it. What was handed to the rail is
    /// erased.
    pub(crate) async fn ran(
        &self,
        held: HeldPayment,
        credential: &KeptCredential,
        reference: Reference,
    ) -> Result<HeldPayment, ChangeError> {
        let mut record = held.record.clone();
        record.claimed = Some(super::Claimed::Moved);
        record.reference = Some(reference);
        let change = Change {
            writes: vec![credential.write(&record)?],
            ..Change::to(record)
        };
        self.claims.change(held, change).await
    }

    /// Says that the work goes on.
    pub(crate) async fn renew(
        &self,
        held: HeldPayment,
        until: Timestamp,
    ) -> Result<HeldPayment, ChangeError> {
        let record = Outgoing {
            lease_until: until,
            beat: held.record.beat.wrapping_add(1),
            ..held.record.clone()
        };
        self.note(held, record).await
    }

    /// Writes what was learnt, and nothing else.
    pub(crate) async fn note(
        &self,
        held: HeldPayment,
        record: Outgoing,
    ) -> Result<HeldPayment, ChangeError> {
        self.claims.change(held, Change::to(record)).await
    }

    /// Charges the budgets, keeps the receipt and erases the credential.
    pub(crate) async fn settle(
        &self,
        held: HeldPayment,
        how: &Settled,
        now: Timestamp,
    ) -> Result<HeldPayment, ChangeError> {
        let mut record = held.record.clone();
        let mut writes = vec![KeptCredential::erase(&record)];
        record.standing = Standing::Paid;
        record.lease_until = Timestamp::EPOCH;
        match how {
            Settled::Receipt(receipt) => {
                record.reference = Some(receipt.reference().clone());
                writes.push(Receipts::write(&kept(&record, receipt, now))?);
            }
            Settled::Rail(reference) => {
                record.reference = Some(reference.clone());
                // There is no receipt: this record is all that tells of it.
                record.forget_at = Timestamp::FAR;
            }
        }
        let change = Change {
            debts: Debts::Settle,
            writes,
            ..Change::to(record)
        };
        self.claims.change(held, change).await
    }

    /// Says that the payment was served and no receipt came. It stays counted, and its proof stays
    /// for the rail to be asked about: whoever served on credit may never have been paid.
    pub(crate) async fn serve(
        &self,
        held: HeldPayment,
        credential: &KeptCredential,
    ) -> Result<HeldPayment, ChangeError> {
        let record = Outgoing {
            standing: Standing::Unconfirmed,
            lease_until: Timestamp::EPOCH,
            ..held.record.clone()
        };
        let change = Change {
            writes: vec![credential.set_aside(&record)?],
            ..Change::to(record)
        };
        self.claims.change(held, change).await
    }

    /// Gives the budgets back, and keys that others may claim. For payments of which it is proven
    /// that nothing moves, except for what the rail took for itself.
    pub(crate) async fn void(
        &self,
        held: HeldPayment,
        free: Vec<ClaimKey>,
        loss: Loss,
    ) -> Result<HeldPayment, ChangeError> {
        let mut record = held.record.clone();
        record.standing = Standing::Void;
        record.lease_until = Timestamp::EPOCH;
        let mut writes = vec![KeptCredential::erase(&record)];
        if loss == Loss::Fee {
            writes.extend(
                held.debits()
                    .iter()
                    .filter_map(|debit| fee_kept(&record, debit)),
            );
        }
        let change = Change {
            debts: Debts::Release,
            free,
            writes,
            ..Change::to(record)
        };
        self.claims.change(held, change).await
    }

    /// Takes a payment over from whoever worked on it.
    pub(crate) async fn take_over(
        &self,
        held: HeldPayment,
        worker: PaymentId,
        until: Timestamp,
    ) -> Result<HeldPayment, ChangeError> {
        let record = Outgoing {
            worker,
            lease_until: until,
            ..held.record.clone()
        };
        self.claims.take_over(held, record).await
    }

    pub(crate) async fn load(&self, id: PaymentId) -> Result<Option<HeldPayment>, StoreError> {
        self.claims.load(&id.to_key()).await
    }

    /// What was signed for a payment.
    pub(crate) async fn credential(
        &self,
        id: PaymentId,
    ) -> Result<Option<KeptCredential>, StoreError> {
        let backend = self.claims.backend();
        let row = backend
            .get(&Partition::Store, CREDENTIALS, &id.to_key())
            .await?;
        row.as_ref().map(KeptCredential::read).transpose()
    }

    /// The payments that are signed for a request and not final, the oldest first.
    pub(crate) async fn signed_for(
        &self,
        request: &Fingerprint,
    ) -> Result<Vec<HeldPayment>, StoreError> {
        let range = Range {
            table: CREDENTIALS,
            group: Key::from(&request.0[..]),
            ..page("", u64::MAX, bounds::PAGE)
        };
        let mut found = Vec::new();
        for row in self.claims.backend().range(range).await? {
            found.extend(self.claims.load(&row.key).await?);
        }
        Ok(found)
    }

    /// The payments of which something may yet become, the oldest first.
    pub(crate) async fn pending(
        &self,
        after: Option<&Outgoing>,
        limit: usize,
    ) -> Result<Vec<HeldPayment>, StoreError> {
        self.list(Range {
            after: after.map(place),
            ..page(PENDING, u64::MAX, limit)
        })
        .await
    }

    /// The payments that were served without a receipt, the oldest first.
    pub(crate) async fn unconfirmed(
        &self,
        after: Option<&Outgoing>,
        limit: usize,
    ) -> Result<Vec<HeldPayment>, StoreError> {
        self.list(Range {
            after: after.map(place),
            ..page(UNCONFIRMED, u64::MAX, limit)
        })
        .await
    }

    /// The records that are final and never forgotten, by their ids.
    pub(crate) async fn for_ever(
        &self,
        after: Option<&Outgoing>,
        limit: usize,
    ) -> Result<Vec<HeldPayment>, StoreError> {
        // No key is empty, so all of them come after this.
        let key = after.map_or_else(|| Key::from(""), |last| last.id.to_key());
        self.list(Range {
            after: Some((Timestamp::FAR.as_millis(), key)),
            ..page(DONE, u64::MAX, limit)
        })
        .await
    }

    /// Removes records that are final and whose proof is past its end, and the budgets of days that are
    /// long over.
    pub(crate) async fn forget(&self, now: Timestamp, limit: usize) -> Result<(), ChangeError> {
        for held in self.list(page(DONE, now.as_millis(), limit)).await? {
            match self.claims.forget(held, Vec::new()).await {
                Ok(()) | Err(ChangeError::Stale) => {}
                Err(error) => return Err(error),
            }
        }
        hours::forget(self.claims.backend(), now, DAYS, limit).await?;
        Ok(())
    }

    async fn list(&self, range: Range) -> Result<Vec<HeldPayment>, StoreError> {
        self.claims
            .backend()
            .range(range)
            .await?
            .into_iter()
            .map(Held::read)
            .collect()
    }
}

/// The write that puts a fee back on a counter from which it is released with its price.
fn fee_kept(record: &Outgoing, debit: &Debit) -> Option<Write> {
    let fee = record.fee.as_ref()?.worth(&record.rail)?.count();
    let price = record.currency().worth(record.amount)?.count();
    // A counter of the unit of both has their sum; one of another unit has one of them.
    let has_fee = debit.amount == fee || price.checked_add(fee) == Some(debit.amount);
    has_fee.then(|| Write::Add {
        table: COUNTERS,
        key: Key::from(&*debit.counter),
        delta: fee.to_delta().unwrap_or(i128::MAX),
        min: i128::MIN,
        max: i128::MAX,
    })
}

/// Where a payment stands among those that are listed by their time.
fn place(last: &Outgoing) -> (u64, Key) {
    (last.at.as_millis(), last.id.to_key())
}

fn page(group: &str, before: u64, limit: usize) -> Range {
    Range {
        partition: Partition::Store,
        table: <Outgoing as farthing_core::domain::claims::Record>::TABLE,
        group: Key::from(group),
        before,
        after: None,
        newest_first: false,
        limit: limit.min(bounds::PAGE),
    }
}

/// The time is ours: the receipt's own is the server's word, and would order our list by it.
fn kept(record: &Outgoing, receipt: &Receipt, now: Timestamp) -> Kept {
    Kept {
        payment: record.id,
        amount: record.amount,
        currency: record.currency.clone(),
        payee: record.payee.clone(),
        payer: Some(record.payer.clone()),
        bought: format!("{} {}", record.method, record.url).into(),
        at: now,
        receipt: receipt.clone(),
    }
}
