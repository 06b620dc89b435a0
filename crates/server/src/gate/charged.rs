//! A charge that was claimed: what its handler runs under, and how its answer is finished.
//!
//! What is there if the process dies after each step of [`Charged::finish_with`], as `tests/crash` proves:
//!
//! | policy | step | in the store | what becomes of it |
//! |---|---|---|---|
//! | first | the handler answered | settled, started | runs again if it may, else owed |
//! | first, one run only | the answer was stored | settled, stored | redeliverable, then owed |
//! | after | the handler answered | claimed, started | voided |
//! | after, books | captured | settled, stored | redeliverable, then owed |
//! | after, outside | answered and journaled | sent, stored | the rail is asked |
//! | after, outside | the rail's answer | settled, stored | redeliverable, then owed |
//! | any | the last byte went out | as before | redeliverable: nobody knows that it arrived |
//! | any | that was written | delivered | nothing |
//! | on credit | the handler answered | credited, started | the rail is asked: runs again if it may, else owed; refused: defaulted |
//! | on credit, one run only | the answer was stored | credited, stored | the rail is asked: redeliverable; refused: defaulted |
//! | on credit | the last byte went out, and that was written | credited, delivered | the rail is asked: delivered; refused: defaulted |
//!
//! On credit an answer is given once. What did not arrive is given again when value moved.
//!
//! `after`, a handler gets no longer than its payment may wait to be sent, and an answer that comes
//! later is voided: what cannot be paid for any more goes to nobody.
//!
//! An answer that is too large to be stored stands there as such: it runs again if it may, else it
//! is owed.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use farthing_core::{
    domain::claims::{Change, Held},
    domain::responses::{Responses, Slot, Stored},
    header,
    payment::{Answer, Event, Payment, SettlePolicy, State},
    port::{
        backend::Write,
        method::{Charge, Rail},
    },
    value::{Secret, Timestamp},
};
use http::Response;
use tokio::sync::OwnedSemaphorePermit;

use super::{
    Asked, Gate, Paid, PreparedRoute,
    claim::{Stop, journal},
    delivery::{self, Gathered, HandlerAnswer},
    offers,
    settle::{After, advance},
};
use crate::{abort, body::GateBody, refused::Refused};

/// A request that was charged for, or whose payment is held.
///
/// One that is dropped without being finished is left to the reconciler: an unsettled payment is voided,
/// a settled one can be presented again.
#[must_use = "a charge has to be finished with the handler's answer"]
pub(crate) struct Charged {
    pub(super) gate: Gate,
    pub(super) route: Arc<PreparedRoute>,
    pub(super) held: Held<Payment>,
    pub(super) charge: Arc<dyn Charge>,
    pub(super) effect: Option<Secret>,
    pub(super) slot: OwnedSemaphorePermit,
}

impl Charged {
    pub(super) fn new(
        gate: Gate,
        asked: &Asked,
        held: Held<Payment>,
        charge: Arc<dyn Charge>,
        effect: Option<Secret>,
        slot: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            gate,
            route: Arc::clone(&asked.route),
            held,
            charge,
            effect,
            slot,
        }
    }

    /// What the handler may know.
    pub(super) fn paid(&self) -> Paid {
        let payment = &self.held.record;
        Paid {
            payment: payment.id,
            method: payment.method.clone(),
            amount: payment.amount,
            currency: payment.currency.clone(),
            payer: payment.payer.clone(),
            reference: payment.reference.clone(),
            attempt: payment.attempts,
            on_credit: payment.state == State::Credited,
            channel: None,
        }
    }

    /// Does work under the permit, and renews its lease for as long as it takes.
    ///
    /// # Errors
    /// When another process took the payment over: the work is given up.
    pub(crate) async fn keep_alive<T>(
        &mut self,
        work: impl Future<Output = T>,
    ) -> Result<T, Refused> {
        tokio::pin!(work);
        let term = self.gate.0.options.lease;
        loop {
            tokio::select! {
                // Work that is ready at once, as most is, then costs no timer.
                biased;
                done = &mut work => return Ok(done),
                () = tokio::time::sleep(term / 3) => {
                    let until = self.gate.now().saturating_add(term);
                    match self.gate.0.payments.renew(self.held.clone(), until).await {
                        Ok(held) => self.held = held,
                        Err(farthing_core::domain::claims::ChangeError::Stale) => return Err(Refused::Stale),
                        // The lease has two more thirds to go: the store may be back by then.
                        Err(error) => tracing::warn!(payment = %self.held.record.id, "a lease could not be renewed: {error}"),
                    }
                }
            }
        }
    }

    /// How long the handler may take. Where its answer is held until value moved, that is no longer
    /// than the payment may wait to be sent.
    pub(crate) fn deadline(&self) -> Duration {
        let payment = &self.held.record;
        let most = self.route.deadline();
        match payment.send_before {
            Some(until) if payment.state == State::Claimed => {
                most.min(until.since(self.gate.now()))
            }
            _ => most,
        }
    }

    /// Answers for a payment that was lost to another owner.
    pub(crate) fn lost<B>(self, refused: &Refused) -> Response<GateBody<B>> {
        let problem = refused.problem_about(&self.held.record);
        offers::respond(&problem, http::HeaderMap::new()).map(GateBody::held)
    }

    /// Finishes the payment with the handler's answer: settles what is not settled, and returns
    /// the response to send, with its receipt.
    pub(crate) async fn finish_with<B>(mut self, answer: HandlerAnswer<B>) -> Response<GateBody<B>>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        abort::point("run");
        let (gate, route) = (self.gate.clone(), Arc::clone(&self.route));
        let (policy, deadline) = (self.held.record.policy, self.deadline());
        let gathering =
            tokio::time::timeout(deadline, delivery::gather(answer, &route.route, policy));
        let gathered = match self.keep_alive(gathering).await {
            Ok(gathered) => gathered.unwrap_or(Gathered::Unserved(None, Refused::NotServedInTime)),
            Err(refused) => return self.lost(&refused),
        };
        if let Gathered::Unserved(_, refused) = &gathered {
            self.tell_operator(refused);
        }
        let finished = match (self.held.record.policy, self.held.record.state) {
            (SettlePolicy::After, State::Claimed) => self.finish_unsettled(gathered).await,
            _ => self.finish_settled(gathered).await,
        };
        match finished {
            Ok(response) => response,
            Err(Stop::Refused(refused)) => gate.turn_away(&refused).map(GateBody::held),
            Err(Stop::About(refused, payment)) => {
                refused.log(payment.route.as_str(), gate.now());
                offers::respond(&refused.problem_about(&payment), http::HeaderMap::new())
                    .map(GateBody::held)
            }
            Err(Stop::Replay(replay)) => gate.deliver_again(*replay),
        }
    }

    /// `after`: nothing moved yet. What is not served is not charged.
    async fn finish_unsettled<B>(
        mut self,
        gathered: Gathered<B>,
    ) -> Result<Response<GateBody<B>>, Stop>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
    {
        let now = self.gate.now();
        let response = match gathered {
            // What can no longer be sent cannot be paid for, and is not given away.
            Gathered::Served(_) if self.held.record.is_too_late(now) => {
                let held = self
                    .gate
                    .void(self.held, Some(&*self.charge), Vec::new())
                    .await?;
                return Err(Stop::About(Refused::NotServedInTime, Box::new(held.record)));
            }
            Gathered::Served(response) => response,
            Gathered::Streamed(..) => return Err(Refused::Internal.into()),
            Gathered::Unserved(own, refused) => {
                self.gate
                    .void(self.held, Some(&*self.charge), Vec::new())
                    .await?;
                // Nothing was paid, so the service's own answer is the best there is, and the buyer
                // is told so beside it.
                let mut own = own.ok_or(refused)?;
                let no = http::HeaderValue::from_static("false");
                own.headers_mut().insert(header::MONEY_MOVED, no);
                return Ok(own);
            }
        };
        abort::point("answered");
        let stored = delivery::store(&response, self.route.route.store_up_to);
        advance(
            &mut self.held.record,
            Event::Serve {
                stored: stored.is_some(),
            },
            now,
        )?;
        let writes = self.store_writes(stored.as_ref());
        let held = match self.charge.rail() {
            Rail::Books(_) => self.gate.capture(self.held, &*self.charge, writes).await?,
            Rail::Outside(_) => {
                let mut record = self.held.record.clone();
                advance(&mut record, Event::Send, now)?;
                let mut writes = writes;
                let secrets = self.gate.0.binder.secrets();
                let entry = journal(secrets, &record, self.effect.as_ref());
                writes.extend(entry.map_err(Refused::Store)?);
                let held = self
                    .gate
                    .write(
                        self.held,
                        Change {
                            writes,
                            ..Change::to(record)
                        },
                    )
                    .await?;
                abort::point("held");
                self.gate
                    .settle_outside(held, &*self.charge, self.effect.as_ref(), After::Nothing)
                    .await?
            }
        };
        abort::point("captured");
        Ok(self.gate.deliver(held, self.slot, response, stored))
    }

    /// Value moved. What is not served can be presented again, and is owed in the end.
    async fn finish_settled<B>(
        mut self,
        gathered: Gathered<B>,
    ) -> Result<Response<GateBody<B>>, Stop>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
    {
        let now = self.gate.now();
        match gathered {
            Gathered::Served(response) => {
                let stored = delivery::store(&response, self.route.route.store_up_to);
                // A handler that must not run again has its answer stored before it is sent. One
                // that may is stored only if the answer does not arrive.
                if !self.held.record.rerunnable {
                    abort::point("answered");
                    let mut record = self.held.record.clone();
                    advance(
                        &mut record,
                        Event::Serve {
                            stored: stored.is_some(),
                        },
                        now,
                    )?;
                    let writes = self.store_writes(stored.as_ref());
                    self.held = self
                        .gate
                        .write(
                            self.held,
                            Change {
                                writes,
                                ..Change::to(record)
                            },
                        )
                        .await?;
                    abort::point("held");
                }
                Ok(self.gate.deliver(self.held, self.slot, response, stored))
            }
            Gathered::Streamed(response, counts) => Ok(self
                .gate
                .deliver_stream(self.held, self.slot, response, counts)),
            Gathered::Unserved(_, refused) => {
                let held = self.gate.unserved(self.held).await?;
                Err(Stop::About(refused, Box::new(held.record)))
            }
        }
    }

    /// Says what no buyer can do anything about, and nobody else sees.
    fn tell_operator(&self, refused: &Refused) {
        let (route, now) = (self.held.record.route.as_str(), self.gate.now());
        match refused {
            Refused::TooLargeToHold => {
                tracing::warn!(route, %now, "{refused}: raise its `hold_up_to`, or settle first");
            }
            Refused::Unclear => {
                tracing::warn!(route, %now, "{refused}: it went to nobody");
            }
            _ => {}
        }
    }

    fn store_writes(&self, stored: Option<&Stored>) -> Vec<Write> {
        let until = self.answer_until();
        let slot = Slot::Payment(self.held.record.id);
        stored
            .map(|stored| Responses::write(slot, stored, until))
            .into_iter()
            .collect()
    }

    /// Until when a stored answer may be asked for. Where the rail has yet to say whether value
    /// moved, that is as long as it takes; the answer goes with the end of the payment.
    fn answer_until(&self) -> Timestamp {
        let payment = &self.held.record;
        match (payment.owed_from(), self.charge.rail()) {
            (Some(end), _) => end,
            (None, Rail::Books(_)) => {
                let latest = payment.proof_until.max(self.gate.now());
                latest.saturating_add(payment.redeliver)
            }
            (None, Rail::Outside(_)) => Timestamp::FAR,
        }
    }
}

impl Gate {
    /// Writes down that a settled payment was not served this time.
    pub(super) async fn unserved(&self, held: Held<Payment>) -> Result<Held<Payment>, Stop> {
        let (now, mut record) = (self.now(), held.record.clone());
        if record.answer != Answer::Stored {
            advance(&mut record, Event::Unserve, now)?;
        }
        record.lease_until = Timestamp::EPOCH;
        if record.state == State::Settled && !record.is_deliverable(now) {
            advance(&mut record, Event::Owe, now)?;
        }
        self.write(held, Change::to(record)).await
    }
}

impl fmt::Debug for Charged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Charged")
            .field("payment", &self.held.record.id)
            .finish_non_exhaustive()
    }
}
