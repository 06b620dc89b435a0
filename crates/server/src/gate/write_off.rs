//! Letting go of what was served on credit and never paid.

use farthing_core::{
    domain::{
        claims::{Change, ChangeError, Debts},
        payments::Payments,
    },
    payment::{Event, Moved, Payment, State},
    port::backend::StoreError,
    value::{PaymentId, Timestamp},
};

use super::Gate;

/// A payment that was not written off.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteOffError {
    /// There is no such payment.
    #[error("there is no payment {0}")]
    Unknown(PaymentId),
    /// It is not one that was served on credit and never paid.
    #[error("the payment is {}, and only one that is defaulted is written off", .0.as_str())]
    State(State),
    /// Somebody else changed it at the same time.
    #[error("the payment is being worked on")]
    InFlight,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Gate {
    /// Lets go of a payment that was served on credit and never paid: it no longer counts against
    /// the limits of credit.
    ///
    /// # Errors
    /// When it is no such payment, or the store fails.
    pub async fn write_off(&self, payment: PaymentId) -> Result<(), WriteOffError> {
        let inner = &self.0;
        let gone = write_off(&inner.payments, payment, self.now()).await?;
        inner.events.payment(Moved::No, &gone);
        Ok(())
    }
}

/// The same for an operator who has the store and no gate. What comes back is the payment as it is
/// then.
///
/// # Errors
/// When it is no such payment, or the store fails.
pub async fn write_off(
    payments: &Payments,
    payment: PaymentId,
    now: Timestamp,
) -> Result<Payment, WriteOffError> {
    let claims = payments.claims();
    let held = claims
        .load(&payment.to_key())
        .await?
        .ok_or(WriteOffError::Unknown(payment))?;
    let mut record = held.record.clone();
    let state = record.state;
    record
        .advance(Event::WriteOff, now)
        .map_err(|_| WriteOffError::State(state))?;
    let change = Change {
        debts: Debts::Release,
        ..Change::to(record)
    };
    match claims.take_over_with(held, change).await {
        Ok(held) => Ok(held.record),
        Err(ChangeError::Store(error)) => Err(WriteOffError::Store(error)),
        Err(_) => Err(WriteOffError::InFlight),
    }
}
