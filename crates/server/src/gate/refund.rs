//! Refunds: a settled payment goes back to its payer, in the batch that says so.

use std::sync::Arc;

use farthing_core::{
    domain::{
        claims::{Change, ChangeError},
        payments::Payments,
    },
    payment::{Event, Moved, Payment, State},
    port::{
        backend::StoreError,
        method::{Booking, Charge, Rail},
    },
    value::{MethodId, PaymentId, Timestamp},
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
    #[error("the method {0} does not refund")]
    Unsupported(MethodId),
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
    let claims = payments.claims();
    let held = claims
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
    let charge = methods
        .iter()
        .find(|charge| *charge.method() == record.method);
    let Some(Rail::Books(books)) = charge.map(|charge| charge.rail()) else {
        return Err(RefundError::Unsupported(record.method));
    };
    let writes = books.writes(Booking::Refund, &record);
    let change = Change {
        writes,
        ..Change::to(record)
    };
    match claims.take_over_with(held, change).await {
        Ok(held) => Ok(held.record),
        Err(ChangeError::Short(_)) => Err(RefundError::Short),
        Err(ChangeError::Store(error)) => Err(RefundError::Store(error)),
        Err(_) => Err(RefundError::InFlight),
    }
}
