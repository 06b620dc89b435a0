//! The states of a payment and the events that lead from one to another.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Answer, Payment};
use crate::value::{Reference, Timestamp};

/// Where a payment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum State {
    /// Ours alone. Nothing moved.
    Claimed,
    /// The handler served and its answer is held until value moved. Nothing moved.
    Answered,
    /// The effect was journaled and may have reached the rail.
    Sent,
    /// The rail has it and is not done.
    Pending,
    /// The rail was asked and gave no answer.
    Unknown,
    /// Value moved. The answer was not delivered yet.
    Settled,
    /// The last byte was handed to the transport.
    Delivered,
    /// The rail refused it for good. Nothing moved.
    Failed,
    /// It was given up before anything was sent. Nothing moved.
    Voided,
    /// Value moved and nothing was delivered in time.
    Owed,
    /// Value moved back.
    Refunded,
    /// It is served, or was, before value is known to have moved: the rail took it, and the route
    /// gives credit.
    Credited,
    /// It was served on credit, and the rail refused it: it was never paid.
    Defaulted,
    /// It was served and never paid, and the operator let it go.
    #[serde(rename = "written-off")]
    WrittenOff,
}

/// Whether money moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Moved {
    /// It did not.
    No,
    /// It did.
    Yes,
    /// Nobody knows yet.
    Unknown,
}

impl State {
    /// Its name, as people and programs read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Answered => "answered",
            Self::Sent => "sent",
            Self::Pending => "pending",
            Self::Unknown => "unknown",
            Self::Settled => "settled",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Voided => "voided",
            Self::Owed => "owed",
            Self::Refunded => "refunded",
            Self::Credited => "credited",
            Self::Defaulted => "defaulted",
            Self::WrittenOff => "written-off",
        }
    }

    /// Whether money moved in this state.
    #[must_use]
    pub const fn moved(self) -> Moved {
        match self {
            Self::Claimed
            | Self::Answered
            | Self::Failed
            | Self::Voided
            | Self::Refunded
            | Self::Defaulted
            | Self::WrittenOff => Moved::No,
            Self::Sent | Self::Pending | Self::Unknown | Self::Credited => Moved::Unknown,
            Self::Settled | Self::Delivered | Self::Owed => Moved::Yes,
        }
    }

    /// Whether nothing more happens to it by itself.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Delivered | Self::Failed | Self::Voided | Self::Refunded | Self::WrittenOff
        )
    }
}

/// What happens to a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The handler is about to run, or to run again.
    Run,
    /// The handler served; `stored` tells whether the answer is kept.
    Serve {
        /// Whether the answer is in the store.
        stored: bool,
    },
    /// The handler did not serve.
    Unserve,
    /// The effect is about to be sent.
    Send,
    /// The rail confirmed that value moved.
    Settle {
        /// What the rail calls it.
        reference: Reference,
        /// When it moved.
        at: Timestamp,
        /// What the method adds to the receipt.
        details: Map<String, Value>,
    },
    /// The rail has it and is not done.
    Postpone,
    /// The handler is about to run though the rail is not done: on credit.
    Lend,
    /// The rail was sent it, or asked about it, and gave no answer.
    Lose,
    /// The rail refused it, and nothing moved.
    Refuse,
    /// It is given up before anything moved.
    Void,
    /// A delivery of the stored answer begins.
    Redeliver,
    /// The last byte was handed to the transport.
    Deliver,
    /// The time for a delivery is over.
    Owe,
    /// The value went back.
    Refund,
    /// What was served and never paid is let go.
    WriteOff,
}

/// An event that cannot happen in a state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} cannot happen to a payment that is {state:?}")]
pub struct Illegal {
    /// The state it was in.
    pub state: State,
    /// What was to happen.
    pub event: Box<Event>,
}

pub(super) fn advance(payment: &mut Payment, event: Event, now: Timestamp) -> Result<(), Illegal> {
    match next(payment, &event, now) {
        Some(state) => {
            apply(payment, event, now);
            payment.state = state;
            Ok(())
        }
        None => Err(Illegal {
            state: payment.state,
            event: Box::new(event),
        }),
    }
}

/// The state that follows, or `None` where the event is out of place.
fn next(payment: &Payment, event: &Event, now: Timestamp) -> Option<State> {
    use super::SettlePolicy::{After, First};
    use State::{
        Answered, Claimed, Credited, Defaulted, Delivered, Failed, Owed, Pending, Refunded, Sent,
        Settled, Unknown, Voided, WrittenOff,
    };
    let (state, policy) = (payment.state, payment.policy);
    Some(match (state, event) {
        (Claimed, Event::Run) if policy == After && payment.may_run() => Claimed,
        (Settled, Event::Run) if payment.may_run() => Settled,
        (Claimed, Event::Serve { .. }) if policy == After => Answered,
        // A stored answer is the last word of the handler: nothing may lead to another run.
        (Settled, Event::Serve { .. } | Event::Unserve) if payment.answer == Answer::Stored => {
            return None;
        }
        (Settled, Event::Serve { .. }) => Settled,
        (Claimed | Settled, Event::Unserve) => state,
        (Claimed, Event::Send) if policy == First => Sent,
        (Answered | Sent | Pending | Unknown, Event::Send) => Sent,
        (Claimed, Event::Settle { .. }) if policy == First => Settled,
        (Answered | Sent | Pending | Unknown, Event::Settle { .. }) => Settled,
        // Credit is for the first run. What is not served by it waits for the rail like all others.
        (Pending, Event::Lend) if policy == First && payment.answer == Answer::None => Credited,
        (Credited, Event::Serve { .. })
            if matches!(payment.answer, Answer::Started | Answer::TooLarge) =>
        {
            Credited
        }
        (Credited, Event::Unserve) if payment.answer == Answer::Started => Pending,
        (Credited, Event::Deliver | Event::Postpone | Event::Lose) => Credited,
        (Credited, Event::Settle { .. }) if payment.answer == Answer::Delivered => Delivered,
        (Credited, Event::Settle { .. }) => Settled,
        // Whether all of the answer arrived is known to nobody but the one who did not pay.
        (Credited, Event::Refuse) => Defaulted,
        (Defaulted, Event::WriteOff) => WrittenOff,
        (Sent | Pending | Unknown, Event::Postpone) => Pending,
        (Sent | Pending | Unknown, Event::Lose) => Unknown,
        // A refusal after the handler served keeps the answer: presenting the proof again retries
        // the settlement for as long as the proof is good.
        (Answered | Sent | Pending | Unknown, Event::Refuse)
            if policy == After && now < payment.proof_until =>
        {
            Answered
        }
        (Claimed | Answered | Sent | Pending | Unknown, Event::Refuse) => Failed,
        (Claimed | Answered, Event::Void) => Voided,
        (Settled, Event::Redeliver) if payment.answer == Answer::Stored => Settled,
        (Settled, Event::Deliver) => Delivered,
        (Settled, Event::Owe) => Owed,
        (Settled | Delivered | Owed, Event::Refund) => Refunded,
        _ => return None,
    })
}

fn apply(payment: &mut Payment, event: Event, now: Timestamp) {
    match event {
        Event::Run | Event::Lend => {
            payment.answer = Answer::Started;
            payment.attempts = payment.attempts.saturating_add(1);
        }
        Event::Serve { stored } => {
            payment.answer = if stored {
                Answer::Stored
            } else {
                Answer::TooLarge
            };
        }
        Event::Unserve => payment.answer = Answer::Unserved,
        // A settled payment says by its state that it was delivered.
        Event::Deliver if payment.state == State::Credited => payment.answer = Answer::Delivered,
        Event::Settle {
            reference,
            at,
            details,
        } => {
            payment.reference = Some(reference);
            payment.settled_at = Some(at);
            payment.confirmed_at = Some(now);
            payment.details = details;
        }
        Event::Postpone | Event::Lose => payment.asked = payment.asked.saturating_add(1),
        Event::Redeliver => payment.attempts = payment.attempts.saturating_add(1),
        _ => {}
    }
}
