//! Settlement: what is asked of a rail, and how its answer is written down.
//!
//! The effect stands in the journal before it is sent, and is erased with the write that makes
//! the outcome final. Whatever happens between the two, the reconciler finds the payment sent and
//! asks the rail.

use std::time::Duration;

use farthing_core::{
    domain::{
        claims::{Change, ChangeError, Debts, Held},
        credit,
        payments::Payments,
        receipts::{Kept, Receipts},
        responses::{Responses, Slot},
    },
    noun::Receipt,
    payment::{Answer, Event, Payment, SettlePolicy, State},
    port::{
        backend::{StoreError, Write},
        method::{Booking, Charge, Order, Outcome, Outside, Rail, Refusal, Until},
    },
    value::{ClaimKey, Secret},
};

use super::{Gate, charged::Charged, claim::Stop};
use crate::{abort, refused::Refused};

/// Settles a fresh claim whose policy is to settle first, where the claim itself did not.
pub(super) async fn at_once(mut permit: Charged) -> Result<Charged, Stop> {
    if permit.held.record.policy == SettlePolicy::First && permit.held.record.state == State::Sent {
        let after = if permit.held.debits().iter().any(credit::is_of_credit) {
            After::Lend
        } else {
            After::Run
        };
        permit.held = permit
            .gate
            .settle_outside(permit.held, &*permit.charge, permit.effect.as_ref(), after)
            .await?;
    }
    Ok(permit)
}

/// What follows a settlement, written with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// The handler runs.
    Run,
    /// The handler runs as soon as the rail has taken the payment: on credit.
    Lend,
    /// The answer is already there.
    Nothing,
}

impl Gate {
    /// Settles a held answer in books of our own: value, state, receipt and answer in one batch.
    pub(super) async fn capture(
        &self,
        held: Held<Payment>,
        charge: &dyn Charge,
        writes: Vec<Write>,
    ) -> Result<Held<Payment>, Stop> {
        let Rail::Books(books) = charge.rail() else {
            return Err(Refused::Internal.into());
        };
        let (now, mut record) = (self.now(), held.record.clone());
        let mut all = books.writes(Booking::Capture, &record);
        let reference = books.reference(&record);
        advance(
            &mut record,
            Event::Settle {
                reference,
                at: now,
                details: serde_json::Map::new(),
            },
            now,
        )?;
        all.push(keep_receipt(&record).map_err(Refused::Store)?);
        all.extend(writes);
        let before = held.record.clone();
        let change = Change {
            debts: Debts::Settle,
            writes: all,
            ..Change::to(record)
        };
        // Value and state are one batch: where it failed, nothing moved, and where its answer got
        // lost, nobody knows. In neither case is there a reference to tell.
        self.write(held, change).await.map_err(|stop| match stop {
            Stop::About(Refused::Store(error), _) if error.in_doubt() => {
                Stop::Refused(Refused::Store(error))
            }
            Stop::About(refused, _) => Stop::About(refused, Box::new(before)),
            stop => stop,
        })
    }

    /// Sends a journaled effect to a rail that is elsewhere and writes down what it says. It may
    /// have been sent before.
    pub(super) async fn settle_outside(
        &self,
        held: Held<Payment>,
        charge: &dyn Charge,
        effect: Option<&Secret>,
        after: After,
    ) -> Result<Held<Payment>, Stop> {
        let Rail::Outside(rail) = charge.rail() else {
            return Err(Refused::Internal.into());
        };
        let nothing = Secret::new([]);
        let order = Order {
            payment: &held.record,
            effect: effect.unwrap_or(&nothing),
            until: if after == After::Lend {
                Until::Taken
            } else {
                Until::Final
            },
        };
        let outcome = self.ask_rail(rail, order).await;
        abort::point("sent");
        let (now, mut record) = (self.now(), held.record.clone());
        let (mut change, refusal) = self.note(&mut record, outcome, after)?;
        change.record = record;
        if change.debts == Debts::Release {
            change.free.extend(
                change
                    .record
                    .idempotency
                    .as_ref()
                    .map(ClaimKey::idempotency),
            );
        }
        if change.debts != Debts::Keep {
            change.writes.push(Payments::erase(&change.record));
        }
        let held = self.write(held, change).await?;
        abort::point("settled");
        match held.record.state {
            State::Settled | State::Delivered => Ok(held),
            State::Credited if after == After::Lend => Ok(held),
            State::Failed | State::Answered | State::Defaulted => {
                let refused = refusal.map_or(Refused::Used(State::Failed), Refused::Method);
                Err(Stop::About(refused, Box::new(held.record)))
            }
            state => {
                tracing::warn!(payment = %held.record.id, ?state, %now, "the rail did not confirm a payment");
                Err(Stop::About(
                    Refused::Unsettled(state),
                    Box::new(held.record),
                ))
            }
        }
    }

    async fn ask_rail(&self, rail: &dyn Outside, order: Order<'_>) -> Outcome {
        // What is too late to be sent for the first time is only asked about.
        let payment = order.payment;
        let is_new = payment.asked == 0 && payment.state == State::Sent;
        let asking = if is_new && !payment.is_too_late(self.now()) {
            rail.settle(order)
        } else {
            rail.resolve(order)
        };
        match tokio::time::timeout(self.0.options.rail_deadline, asking).await {
            Ok(outcome) => outcome,
            Err(late) => Outcome::Unknown {
                source: Some(late.into()),
            },
        }
    }

    /// What a rail's answer changes, and why it refused.
    fn note(
        &self,
        record: &mut Payment,
        outcome: Outcome,
        after: After,
    ) -> Result<(Change<Payment>, Option<Refusal>), Refused> {
        let now = self.now();
        let mut refused = None;
        let (mut debts, mut lost) = (Debts::Keep, false);
        let mut writes = Vec::new();
        match outcome {
            Outcome::Settled {
                reference,
                at,
                details,
            } => {
                advance(
                    record,
                    Event::Settle {
                        reference,
                        at,
                        details,
                    },
                    now,
                )?;
                writes.push(keep_receipt(record).map_err(Refused::Store)?);
                if after != After::Nothing {
                    advance(record, Event::Run, now)?;
                }
                record.lease_until = now.saturating_add(self.0.options.lease);
                debts = Debts::Settle;
            }
            Outcome::Refused(refusal) => {
                tracing::info!(payment = %record.id, cause = refusal.source.as_ref().map(tracing::field::display), "the rail refused a payment: {refusal}");
                advance(record, Event::Refuse, now)?;
                match record.state {
                    State::Failed => debts = Debts::Release,
                    State::Defaulted => debts = Debts::Default,
                    _ => {}
                }
                record.lease_until = now;
                lost = refusal.at_cost;
                refused = Some(refusal);
            }
            Outcome::Pending { ask_after } => {
                advance(record, Event::Postpone, now)?;
                record.lease_until = now.saturating_add(ask_after);
                if after == After::Lend {
                    advance(record, Event::Lend, now)?;
                    record.lease_until = now.saturating_add(self.0.options.lease);
                }
            }
            Outcome::Unknown { source } => {
                tracing::warn!(payment = %record.id, cause = source.as_ref().map(tracing::field::display), "the rail gave no answer");
                advance(record, Event::Lose, now)?;
                record.lease_until = now.saturating_add(self.ask_again(record.asked));
            }
            _ => return Err(Refused::Internal),
        }
        let change = Change {
            debts,
            lost,
            writes,
            ..Change::to(record.clone())
        };
        Ok((change, refused))
    }

    /// How long to wait before a rail is asked again: doubling, up to 64 times the first wait.
    fn ask_again(&self, asked: u32) -> Duration {
        self.0.options.ask_again.saturating_mul(1 << asked.min(6))
    }

    /// Writes a change and tells about it.
    pub(super) async fn write(
        &self,
        held: Held<Payment>,
        mut change: Change<Payment>,
    ) -> Result<Held<Payment>, Stop> {
        let had_moved = held.record.state.moved();
        let next = change.record.clone();
        let is_over = next.state.is_final() || matches!(next.state, State::Owed | State::Defaulted);
        if is_over && next.answer == Answer::Stored {
            change.writes.push(Responses::erase(Slot::Payment(next.id)));
        }
        match self.0.payments.claims().change(held, change).await {
            Ok(held) => {
                self.0.events.payment(had_moved, &held.record);
                Ok(held)
            }
            Err(ChangeError::Stale) => Err(Refused::Stale.into()),
            Err(ChangeError::Store(error)) => {
                Err(Stop::About(Refused::Store(error), Box::new(next)))
            }
            Err(_) => Err(Refused::Internal.into()),
        }
    }

    /// Gives a claim up before anything was sent: what was set aside goes back, in one batch.
    pub(super) async fn void(
        &self,
        held: Held<Payment>,
        charge: Option<&dyn Charge>,
        mut writes: Vec<Write>,
    ) -> Result<Held<Payment>, Stop> {
        let mut record = held.record.clone();
        if let Some(Rail::Books(books)) = charge.map(Charge::rail) {
            writes.extend(books.writes(Booking::Release, &record));
        }
        writes.push(Payments::erase(&record));
        let now = self.now();
        advance(&mut record, Event::Void, now)?;
        record.lease_until = now;
        let free = record
            .idempotency
            .as_ref()
            .map(ClaimKey::idempotency)
            .into_iter()
            .collect();
        self.write(
            held,
            Change {
                debts: Debts::Release,
                free,
                writes,
                ..Change::to(record)
            },
        )
        .await
    }
}

/// Advances a record; an event out of place is a bug of ours.
pub(super) fn advance(
    record: &mut Payment,
    event: Event,
    now: farthing_core::value::Timestamp,
) -> Result<(), Refused> {
    record.advance(event, now).map_err(|illegal| {
        tracing::error!(payment = %record.id, "{illegal}");
        Refused::Internal
    })
}

/// The receipt of a settled payment.
pub(super) fn receipt(payment: &Payment) -> Option<Receipt> {
    let receipt = Receipt::new(
        payment.method.clone(),
        payment.settled_at?,
        payment.reference.clone()?,
    );
    let mut extra = payment.details.clone();
    extra.insert("challengeId".to_owned(), payment.challenge.as_str().into());
    Some(receipt.with_extra(extra))
}

/// The write that keeps the receipt of a settled payment.
pub(super) fn keep_receipt(payment: &Payment) -> Result<Write, StoreError> {
    let (Some(receipt), Some(at)) = (receipt(payment), payment.settled_at) else {
        return Err(StoreError::Corrupt(
            "a receipt is kept for a payment that is not settled".into(),
        ));
    };
    Receipts::write(&Kept {
        payment: payment.id,
        amount: payment.amount,
        currency: payment.currency.clone(),
        payee: payment.payee.clone(),
        payer: payment.payer.clone(),
        bought: payment.route.as_str().into(),
        at,
        receipt,
    })
}
