//! Writing a pending payment off: the owner's decision that nothing more will become of it.
//!
//! A reservation is released on evidence, and some rails never give any: a ledger whose seller
//! says that nothing moved could still book what was signed. Its owner may decide that it will not.

use farthing_core::value::{PaymentId, Timestamp};

use crate::{
    client::Client,
    error::Error,
    outgoing::{Outgoing, Standing},
    pay::store_error,
};

/// A payment that cannot be written off.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteOffError {
    /// There is no such payment.
    #[error("there is no payment {0}")]
    Unknown(PaymentId),
    /// Its outcome is known.
    #[error("the payment is {}, and nothing of it is pending", .0.as_str())]
    Decided(Standing),
    /// A program works on it.
    #[error("a program works on the payment at the moment")]
    UnderWay,
    /// What was signed can still be taken by anybody who has it.
    #[error("what was signed can be taken until {0}")]
    StillGood(Timestamp),
    /// The store failed.
    #[error(transparent)]
    Client(#[from] Error),
}

impl Client {
    /// Gives the budgets back what a pending payment reserved, and forgets what was signed.
    ///
    /// It is no evidence that nothing moved: where the seller took the payment in time after all,
    /// the budgets have counted it too low. Before what was signed ran out it is refused, because
    /// the same purchase could then be paid twice.
    ///
    /// # Errors
    /// When the payment is not pending, somebody works on it, or its proof is still good.
    pub async fn write_off(&self, id: PaymentId) -> Result<Outgoing, WriteOffError> {
        let inner = &self.inner;
        let held = inner.book.load(id).await.map_err(Error::from)?;
        let held = held.ok_or(WriteOffError::Unknown(id))?;
        if !held.record.standing.is_pending() {
            return Err(WriteOffError::Decided(held.record.standing));
        }
        let signed = inner.book.credential(id).await.map_err(Error::from)?;
        if let Some(signed) = signed.filter(|signed| inner.clock.now() < signed.valid_until()) {
            return Err(WriteOffError::StillGood(signed.valid_until()));
        }
        let taken = inner.take(held).await?.ok_or(WriteOffError::UnderWay)?;
        let void = inner.book.void(taken.held, Vec::new()).await;
        Ok(void
            .map_err(|error| Error::from(store_error(error)))?
            .record)
    }
}
