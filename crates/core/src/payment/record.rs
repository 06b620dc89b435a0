//! The record of a payment.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Event, Illegal, State};
use crate::value::{
    Amount, ChallengeId, CurrencyCode, Did, Fingerprint, IntentId, MethodId, PaymentId, Realm,
    Recipient, Reference, RouteId, Timestamp,
};

/// When value moves, relative to the work it pays for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SettlePolicy {
    /// Settle, then run the handler.
    First,
    /// Run the handler, hold its answer, settle, then release the answer.
    After,
}

/// What is known of the handler's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// No handler was started.
    None,
    /// A handler was started. What became of it is not recorded.
    Started,
    /// It answered with something the route calls served, and the answer is stored.
    Stored,
    /// It answered with something the route calls served, too large to be stored.
    TooLarge,
    /// It did not serve: an error, a panic, a time-out.
    Unserved,
    /// The last byte of it was handed to the transport, before value is known to have moved.
    Delivered,
}

/// One payment, from its claim on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Its id, which is also the id of its claim.
    pub id: PaymentId,
    /// The method it is made by.
    pub method: MethodId,
    /// The kind of payment.
    pub intent: IntentId,
    /// The challenge it answers.
    pub challenge: ChallengeId,
    /// The realm it was made in.
    pub realm: Realm,
    /// The route it buys.
    pub route: RouteId,
    /// The request it buys.
    pub fingerprint: Fingerprint,
    /// The hash of the proof it was made by. The proof itself is never kept: whoever presents the
    /// same one again is answered, whoever merely knows the challenge is not.
    pub proof: Fingerprint,
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub currency: CurrencyCode,
    /// To whom.
    pub payee: Option<Recipient>,
    /// Who pays, where the method proves it.
    pub payer: Option<Did>,
    /// When value moves.
    pub policy: SettlePolicy,
    /// Whether the handler may run again when its answer was lost: GET, HEAD, and routes that say
    /// so.
    pub rerunnable: bool,
    /// Until when the rail could still take the proof.
    pub proof_until: Timestamp,
    /// How long a settled payment may wait for its delivery.
    pub redeliver: Duration,
    /// When it was claimed.
    pub claimed_at: Timestamp,
    /// Where it is.
    pub state: State,
    /// What is known of the handler's answer.
    pub answer: Answer,
    /// How many deliveries were begun.
    pub attempts: u8,
    /// Until when the present owner's work counts as alive. The epoch while nobody works on it.
    pub lease_until: Timestamp,
    /// How often the rail was asked what became of it.
    pub asked: u32,
    /// What the rail will call it, where that was known when it was claimed. It is what an answer
    /// names as long as the outcome is open; that value moved is told by `reference` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awaits: Option<Reference>,
    /// When it is too late to send the effect for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_before: Option<Timestamp>,
    /// What the rail calls it, once value moved.
    pub reference: Option<Reference>,
    /// What the rail calls the transfer by which the seller sent the value back, where the payment's
    /// own rail could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returned: Option<Reference>,
    /// When value moved, as the rail says.
    pub settled_at: Option<Timestamp>,
    /// When we learnt that value moved. The time for a delivery counts from here: a rail that was
    /// silent for an hour has not used up the buyer's time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_at: Option<Timestamp>,
    /// What the method adds to the receipt.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub details: Map<String, Value>,
    /// The `Idempotency-Key` of the request, hashed with its payer. It is one of the claim's keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency: Option<Fingerprint>,
    /// Until when its answer is kept for its `Idempotency-Key`; the key is not free before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remember_until: Option<Timestamp>,
}

impl Payment {
    /// How many deliveries are begun before a payment is owed.
    pub const ATTEMPTS: u8 = 3;

    /// Goes to the next state.
    ///
    /// # Errors
    /// When the event cannot happen in the present state; the payment is then unchanged.
    pub fn advance(&mut self, event: Event, now: Timestamp) -> Result<(), Illegal> {
        super::state::advance(self, event, now)
    }

    /// Whether somebody's work on it still counts as alive.
    #[must_use]
    pub fn is_leased(&self, now: Timestamp) -> bool {
        self.lease_until > now
    }

    /// Whether it is too late to send its effect for the first time.
    #[must_use]
    pub fn is_too_late(&self, now: Timestamp) -> bool {
        self.send_before.is_some_and(|until| until <= now)
    }

    /// Until when a delivery may be tried. Only a settled payment has such a time.
    #[must_use]
    pub fn owed_from(&self) -> Option<Timestamp> {
        self.confirmed_at
            .or(self.settled_at)
            .map(|known| known.saturating_add(self.redeliver))
    }

    /// Whether a settled payment may be delivered now, were nobody at it.
    #[must_use]
    pub fn is_deliverable(&self, now: Timestamp) -> bool {
        self.state == State::Settled
            && self.owed_from().is_some_and(|end| now < end)
            && (self.answer == Answer::Stored || self.may_run())
    }

    /// Whether the handler may be run (again) for it.
    #[must_use]
    pub fn may_run(&self) -> bool {
        match self.answer {
            Answer::None => true,
            Answer::Stored | Answer::Delivered => false,
            Answer::Started | Answer::TooLarge | Answer::Unserved => {
                self.rerunnable && self.attempts < Self::ATTEMPTS
            }
        }
    }
}
