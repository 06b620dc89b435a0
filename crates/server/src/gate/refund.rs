//! Refunds: a settled payment goes back to its payer, in the batch that says so.

use std::sync::Arc;

use farthing_core::{
    domain::{
        claims::{Change, ChangeError, Held},
        payments::Payments,
    },
    payment::{Event, Moved, Payment, State},
    port::{
        backend::StoreError,
        method::{Booking, Books, Charge, Rail},
    },
    value::{MethodId, PaymentId, Reference, Timestamp},
};

use super::Gate;

/// A payment that was not refunded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RefundError {
    /// There is no such payment.
    #[error("there is no payment {0}")]
    Unknown(PaymentId),
    /// Its value did not move, or moved back before.
    #[error("the payment is {} and cannot be refunded", .0.as_str())]
    State(State),
    /// Somebody works on it at the moment.
    #[error("the payment is being worked on")]
    InFlight,
    /// The payee has too little.
    #[error("the payee has too little for the refund")]
    Short,
    /// Its method does not refund by itself: the seller has to send the value back.
    #[error(
        "the method {0} cannot send value back by itself: send it on its rail, then record that with what the rail calls the transfer"
    )]
    Unsupported(MethodId),
    /// Its method sends value back by itself, so a record of it would be of nothing.
    #[error("the method {0} sends value back by itself: refund the payment")]
    ByItself(MethodId),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Gate {
    /// Sends a settled payment back to its payer.
    ///
    /// # Errors
    /// When nothing is to be sent back, or the rail cannot.
    pub async fn refund(&self, payment: PaymentId) -> Result<(), RefundError> {
        let inner = &self.0;
        let refunded = refund(&inner.payments, &inner.methods, payment, self.now()).await?;
        inner.events.payment(Moved::Yes, &refunded);
        Ok(())
    }
}

/// Sends a settled payment back to its payer, for an operator who has the store and no gate: the
/// gates on it may go on meanwhile. What comes back is the payment as it is then.
///
/// # Errors
/// When nothing is to be sent back, or the rail cannot.
pub async fn refund(
    payments: &Payments,
    methods: &[Arc<dyn Charge>],
    payment: PaymentId,
    now: Timestamp,
) -> Result<Payment, RefundError> {
    let (held, record) = refunded(payments, payment, now).await?;
    let Some(books) = books(methods, &record.method) else {
        return Err(RefundError::Unsupported(record.method));
    };
    let writes = books.writes(Booking::Refund, &record);
    let change = Change {
        writes,
        ..Change::to(record)
    };
    write(payments, held, change).await
}

/// Records that the seller sent a payment's value back on its rail, under what the rail calls that
/// transfer. Nobody looks whether it is true: it is the operator's word.
///
/// # Errors
/// When nothing is to be sent back, or the method does it by itself.
pub async fn record_refund(
    payments: &Payments,
    methods: &[Arc<dyn Charge>],
    payment: PaymentId,
    returned: Reference,
    now: Timestamp,
) -> Result<Payment, RefundError> {
    let (held, mut record) = refunded(payments, payment, now).await?;
    if books(methods, &record.method).is_some() {
        return Err(RefundError::ByItself(record.method));
    }
    record.returned = Some(returned);
    write(payments, held, Change::to(record)).await
}

/// A payment, and its record as it is once its value went back.
async fn refunded(
    payments: &Payments,
    payment: PaymentId,
    now: Timestamp,
) -> Result<(Held<Payment>, Payment), RefundError> {
    let held = payments
        .claims()
        .load(&payment.to_key())
        .await?
        .ok_or(RefundError::Unknown(payment))?;
    let mut record = held.record.clone();
    if record.is_leased(now) {
        return Err(RefundError::InFlight);
    }
    let state = record.state;
    record
        .advance(Event::Refund, now)
        .map_err(|_| RefundError::State(state))?;
    record.lease_until = Timestamp::EPOCH;
    Ok((held, record))
}

/// The books of a method, where it keeps any.
fn books<'a>(methods: &'a [Arc<dyn Charge>], method: &MethodId) -> Option<&'a dyn Books> {
    let charge = methods.iter().find(|charge| charge.method() == method)?;
    match charge.rail() {
        Rail::Books(books) => Some(books),
        Rail::Outside(_) => None,
    }
}

async fn write(
    payments: &Payments,
    held: Held<Payment>,
    change: Change<Payment>,
) -> Result<Payment, RefundError> {
    match payments.claims().take_over_with(held, change).await {
        Ok(held) => Ok(held.record),
        Err(ChangeError::Short(_)) => Err(RefundError::Short),
        Err(ChangeError::Store(error)) => Err(RefundError::Store(error)),
        Err(_) => Err(RefundError::InFlight),
    }
}
