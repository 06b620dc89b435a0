//! The answer to a claim that is already held.
//!
//! Only the recorded fingerprint and the hash of the proof are compared: not the price of today,
//! not the expiry, not the secret the challenge was signed with.

use std::sync::Arc;

use bytes::Bytes;
use farthing_core::{
    domain::{
        claims::{Change, ChangeError, Held},
        responses::Slot,
    },
    payment::{Answer, Event, Payment, State},
    port::{backend::StoreError, method::Rail},
    value::{Fingerprint, Secret, Timestamp},
};
use http::Response;

use super::{
    Asked, Gate,
    charged::Charged,
    claim::Stop,
    delivery, seal,
    settle::{After, advance},
};
use crate::{event, fingerprint, refused::Refused};

impl Gate {
    /// Answers a credential whose claim is held. `proof` is absent where the payer was proven in
    /// another way.
    pub(super) async fn known(
        &self,
        asked: &Asked,
        held: Held<Payment>,
        proof: Option<Fingerprint>,
    ) -> Result<Charged, Stop> {
        let payment = &held.record;
        let is_same = payment.fingerprint == asked.whole_fingerprint()
            && proof.is_none_or(|proof| proof == payment.proof);
        if !is_same {
            return Err(Refused::Used(payment.state).into());
        }
        self.0.events.tell(|| event::Event::Known {
            payment: payment.id,
            state: payment.state,
        });
        let about =
            |refused, payment: &Payment| Err(Stop::About(refused, Box::new(payment.clone())));
        match payment.state {
            // What was served and remembered is told again to whoever has the key as well.
            State::Delivered | State::Credited
                if is_keyed(asked, payment) && is_delivered(payment) =>
            {
                match self.remembered(payment).await.map_err(Refused::Store)? {
                    Some(answer) => Err(Stop::Replay(Box::new((answer, held)))),
                    None => about(Refused::Used(payment.state), payment),
                }
            }
            State::Credited if is_delivered(payment) => {
                about(Refused::Used(payment.state), payment)
            }
            State::Delivered
            | State::Failed
            | State::Voided
            | State::Refunded
            | State::Defaulted
            | State::WrittenOff => about(Refused::Used(payment.state), payment),
            State::Owed => about(Refused::Owed, payment),
            State::Sent | State::Pending | State::Unknown | State::Credited
                if payment.is_leased(asked.now) =>
            {
                about(Refused::Unsettled(payment.state), payment)
            }
            _ if payment.is_leased(asked.now) => about(Refused::InFlight, payment),
            State::Claimed => {
                let charge = self.charge(payment)?;
                let held = self.take_over(held, None).await?;
                let held = self.void(held, Some(&*charge), Vec::new()).await?;
                about(Refused::Used(State::Voided), &held.record)
            }
            // Never sent, or refused for good, and too late to be sent now.
            State::Answered if payment.is_too_late(asked.now) => {
                let charge = self.charge(payment)?;
                let held = self.take_over(held, None).await?;
                let held = self.void(held, Some(&*charge), Vec::new()).await?;
                about(Refused::Used(State::Voided), &held.record)
            }
            // What was given on credit and did not arrive is given again once it is paid for.
            State::Answered | State::Sent | State::Pending | State::Unknown | State::Credited => {
                self.settle_again(asked, held).await
            }
            State::Settled => self.redeliver(asked, held).await,
            _ => Err(Refused::Internal.into()),
        }
    }

    /// Answers a new credential whose idempotency key is held by an earlier payment of the same
    /// payer.
    pub(super) async fn known_by_idempotency(
        &self,
        asked: &Asked,
        held: Held<Payment>,
    ) -> Result<Charged, Stop> {
        let payment = &held.record;
        if payment.fingerprint != asked.whole_fingerprint() {
            return Err(Refused::IdempotencyMismatch.into());
        }
        if is_delivered(payment) && payment.idempotency.is_some() {
            let stored = self.remembered(payment).await.map_err(Refused::Store)?;
            return Err(match stored {
                Some(answer) => Stop::Replay(Box::new((answer, held))),
                None => Refused::IdempotencyMismatch.into(),
            });
        }
        match payment.state {
            State::Settled if !payment.is_leased(asked.now) => self.known(asked, held, None).await,
            // Nothing comes of these by waiting.
            State::Owed | State::Refunded | State::Defaulted | State::WrittenOff => {
                self.known(asked, held, None).await
            }
            _ => Err(Refused::IdempotencyInFlight.into()),
        }
    }

    /// The answer that is kept for a payment's idempotency key.
    async fn remembered(&self, payment: &Payment) -> Result<Option<Response<Bytes>>, StoreError> {
        let Some(print) = payment.idempotency else {
            return Ok(None);
        };
        let stored = self.0.responses.get(Slot::Idempotency(print)).await?;
        Ok(stored.map(delivery::restore))
    }

    /// Settles what was sent without an answer, or what was refused while its answer was held.
    async fn settle_again(&self, asked: &Asked, held: Held<Payment>) -> Result<Charged, Stop> {
        let charge = self.charge(&held.record)?;
        let slot = Arc::clone(&self.0.at_once)
            .try_acquire_owned()
            .map_err(|_| Refused::Overloaded)?;
        let held = self.take_over(held, None).await?;
        let after = if held.record.answer == Answer::None {
            After::Run
        } else {
            After::Nothing
        };
        let held = self.resume_settlement(held, &*charge, after).await?;
        if after == After::Run {
            let permit = Charged::new(self.clone(), asked, held, charge, None, slot);
            return Ok(permit);
        }
        if held.record.answer == Answer::Stored {
            return self.replay(held).await;
        }
        // What the handler answered was too large to be stored and is gone.
        let (now, mut record) = (self.now(), held.record.clone());
        if !record.is_deliverable(now) {
            record.lease_until = Timestamp::EPOCH;
            advance(&mut record, Event::Owe, now)?;
            let held = self.write(held, Change::to(record)).await?;
            return Err(Stop::About(Refused::Owed, Box::new(held.record)));
        }
        advance(&mut record, Event::Run, now)?;
        let held = self.write(held, Change::to(record)).await?;
        Ok(Charged::new(self.clone(), asked, held, charge, None, slot))
    }

    /// Delivers a settled payment once more: the stored answer, or another run of the handler.
    async fn redeliver(&self, asked: &Asked, held: Held<Payment>) -> Result<Charged, Stop> {
        if !held.record.is_deliverable(asked.now) {
            let held = self.owe(held).await?;
            return Err(Stop::About(Refused::Owed, Box::new(held.record)));
        }
        if held.record.answer == Answer::Stored {
            let held = self.take_over(held, Some(Event::Redeliver)).await?;
            return self.replay(held).await;
        }
        // An attempt that cannot succeed is not made: there are three.
        if !asked.route.is_ready() {
            return Err(Stop::About(Refused::NotReady, Box::new(held.record)));
        }
        let slot = Arc::clone(&self.0.at_once)
            .try_acquire_owned()
            .map_err(|_| Refused::Overloaded)?;
        let charge = self.charge(&held.record)?;
        let held = self.take_over(held, Some(Event::Run)).await?;
        Ok(Charged::new(self.clone(), asked, held, charge, None, slot))
    }

    async fn replay<T>(&self, held: Held<Payment>) -> Result<T, Stop> {
        let stored = self
            .0
            .responses
            .get(Slot::Payment(held.record.id))
            .await
            .map_err(|error| failed(error, &held.record))?;
        match stored {
            Some(stored) => Err(Stop::Replay(Box::new((delivery::restore(stored), held)))),
            None => {
                let (now, mut record) = (self.now(), held.record.clone());
                advance(&mut record, Event::Owe, now)?;
                let held = self.write(held, Change::to(record)).await?;
                Err(Stop::About(Refused::Owed, Box::new(held.record)))
            }
        }
    }

    /// Becomes the owner of a payment that nobody works on.
    pub(super) async fn take_over(
        &self,
        held: Held<Payment>,
        event: Option<Event>,
    ) -> Result<Held<Payment>, Stop> {
        let (now, mut record) = (self.now(), held.record.clone());
        record.lease_until = now.saturating_add(self.0.options.lease);
        if let Some(event) = event {
            advance(&mut record, event, now)?;
        }
        let before = held.record.clone();
        match self.0.payments.claims().take_over(held, record).await {
            Ok(held) => {
                let had_moved = before.state.moved();
                self.0.events.payment(had_moved, &held.record);
                Ok(held)
            }
            Err(ChangeError::Store(error)) => Err(failed(error, &before)),
            Err(_) => Err(Refused::Stale.into()),
        }
    }

    /// Gives a delivery up: what was paid is owed, and its stored answer goes.
    pub(super) async fn owe(&self, held: Held<Payment>) -> Result<Held<Payment>, Stop> {
        let held = self.take_over(held, None).await?;
        let (now, mut record) = (self.now(), held.record.clone());
        record.lease_until = Timestamp::EPOCH;
        advance(&mut record, Event::Owe, now)?;
        self.write(held, Change::to(record)).await
    }

    /// Goes on with a settlement that was begun: books are captured, a rail is asked.
    pub(super) async fn resume_settlement(
        &self,
        held: Held<Payment>,
        charge: &dyn farthing_core::port::method::Charge,
        after: After,
    ) -> Result<Held<Payment>, Stop> {
        match charge.rail() {
            Rail::Books(_) => self.capture(held, charge, Vec::new()).await,
            Rail::Outside(_) => {
                let effect = self
                    .journaled(&held.record)
                    .await
                    .map_err(|error| failed(error, &held.record))?;
                let held = self.mark_sent(held, effect.is_some()).await?;
                self.settle_outside(held, charge, effect.as_ref(), after)
                    .await
            }
        }
    }

    /// The journaled effect of a payment, opened.
    async fn journaled(&self, payment: &Payment) -> Result<Option<Secret>, StoreError> {
        match self.0.payments.journaled(payment).await? {
            Some(sealed) => seal::open(self.0.binder.secrets(), payment, &sealed).map(Some),
            None => Ok(None),
        }
    }

    /// A held answer whose settlement was refused goes to the rail again.
    async fn mark_sent(&self, held: Held<Payment>, journaled: bool) -> Result<Held<Payment>, Stop> {
        if held.record.state != State::Answered {
            return Ok(held);
        }
        if !journaled {
            tracing::error!(payment = %held.record.id, "the journaled effect of a held answer is gone");
        }
        let (now, mut record) = (self.now(), held.record.clone());
        advance(&mut record, Event::Send, now)?;
        self.write(held, Change::to(record)).await
    }

    pub(super) fn charge(
        &self,
        payment: &Payment,
    ) -> Result<Arc<dyn farthing_core::port::method::Charge>, Refused> {
        self.0.by_name.get(&payment.method).map(Arc::clone).ok_or_else(|| {
            tracing::error!(payment = %payment.id, method = %payment.method, "a payment is held by a method this gate does not have");
            Refused::Internal
        })
    }
}

/// Whether the last byte of its answer went out, paid for or on credit.
fn is_delivered(payment: &Payment) -> bool {
    payment.state == State::Delivered
        || (payment.state == State::Credited && payment.answer == Answer::Delivered)
}

/// Whether the request has the idempotency key that a payment was made with, in its payer's scope.
fn is_keyed(asked: &Asked, payment: &Payment) -> bool {
    let payer = payment.payer.as_ref();
    let scope = payer.map_or(payment.challenge.as_str(), |payer| payer.as_str());
    let print = |key: &str| fingerprint::of_idempotency(scope, key);
    match &asked.idempotency {
        Some(key) => payment.idempotency == Some(print(key)),
        None => false,
    }
}

/// The store failed while we looked after a payment whose state we know.
fn failed(error: StoreError, payment: &Payment) -> Stop {
    Stop::About(Refused::Store(error), Box::new(payment.clone()))
}
