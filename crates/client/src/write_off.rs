//! Writing a pending payment off: the owner's decision that nothing more will become of it.
//!
//! A reservation is released on evidence, and some rails never give any: a ledger whose seller
//! says that nothing moved could still book what was signed. Its owner may decide that it will not.

use farthing_core::{
    port::payer::Resolved,
    value::{PaymentId, Timestamp},
};

use crate::{
    client::{Client, Inner},
    error::Error,
    outgoing::{HeldPayment, KeptCredential, Loss, Outgoing, Settled, Standing},
    pay::store_error,
    work::Taken,
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
    /// It was served, and the rail does not say what became of it.
    #[error(
        "the payment was served, and its rail does not say what became of it: it counts as paid"
    )]
    Served,
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
    /// The rail is asked first. Where it says that value moved, that is written down, and nothing is
    /// given back; where it says that the proof is dead, nothing is lost by this. Where it does not
    /// say, this is no evidence that nothing moved: if the seller took the payment in time after all,
    /// the budgets have counted it too low. Before what was signed ran out it is then refused,
    /// because the same purchase could be paid twice.
    ///
    /// What was served without a receipt goes by the rail's word alone: its seller gave credit, and
    /// nobody but the rail knows whether it was ever paid.
    ///
    /// # Errors
    /// When the payment is not pending, somebody works on it, or its proof is still good.
    pub async fn write_off(&self, id: PaymentId) -> Result<Outgoing, WriteOffError> {
        let inner = &self.inner;
        let held = inner.book.load(id).await.map_err(Error::from)?;
        let held = held.ok_or(WriteOffError::Unknown(id))?;
        let signed = inner.book.credential(id).await.map_err(Error::from)?;
        if held.record.standing == Standing::Unconfirmed {
            return inner.write_off_served(held, signed).await;
        }
        if !held.record.standing.is_pending() {
            return Err(WriteOffError::Decided(held.record.standing));
        }
        let Taken { held, work } = inner.take(held).await?.ok_or(WriteOffError::UnderWay)?;
        let (held, resolved) = match &signed {
            Some(signed) => inner.leased(held, inner.ask_rail(signed)).await,
            // Nothing was signed, or what was is gone.
            None => (held, Resolved::Dead),
        };
        let good_until = signed.map_or(Timestamp::EPOCH, |signed| signed.valid_until());
        let ended = match resolved {
            Resolved::Moved { reference } => {
                let how = Settled::Rail(reference);
                let paid = inner.book.settle(held, &how, inner.clock.now()).await;
                paid.map(|held| Err(WriteOffError::Decided(held.record.standing)))
            }
            Resolved::Unknown if inner.clock.now() < good_until => {
                let record = Outgoing {
                    lease_until: Timestamp::EPOCH,
                    ..held.record.clone()
                };
                let kept = inner.book.note(held, record).await;
                kept.map(|_| Err(WriteOffError::StillGood(good_until)))
            }
            over => {
                // Where nobody knows, the owner's word is taken for it that nothing was lost.
                let loss = Loss::of(&over).unwrap_or(Loss::Nothing);
                let void = inner.book.void(held, Vec::new(), loss).await;
                void.map(|held| Ok(held.record))
            }
        };
        drop(work);
        ended.map_err(|error| Error::from(store_error(error)))?
    }
}

impl Inner {
    /// Ends what was served without a receipt, where its rail knows how.
    async fn write_off_served(
        &self,
        held: HeldPayment,
        signed: Option<KeptCredential>,
    ) -> Result<Outgoing, WriteOffError> {
        // Without what was signed nobody can be asked.
        let signed = signed.ok_or(WriteOffError::Served)?;
        let taken = self.take_to_ask(held).await?;
        let Taken { held, work: _work } = taken.ok_or(WriteOffError::UnderWay)?;
        let ended = self.end_served(held, &signed).await;
        let record = ended
            .map_err(|error| Error::from(store_error(error)))?
            .record;
        match record.standing {
            Standing::Void => Ok(record),
            Standing::Unconfirmed => Err(WriteOffError::Served),
            decided => Err(WriteOffError::Decided(decided)),
        }
    }
}
