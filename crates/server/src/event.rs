//! What happens to payments, told to whoever wants to know. No credential is ever part of it.

use std::sync::Arc;

use farthing_core::{
    intent::session::{ChannelId, Terms},
    noun::problem::ProblemKind,
    payment::{Moved, Payment, State},
    value::{Amount, CurrencyCode, Did, MethodId, PaymentId, Reference, RouteId, Timestamp},
};

/// Something that happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A 402 was answered.
    Offered {
        /// The route.
        route: RouteId,
        /// How many ways to pay it named.
        offers: usize,
    },
    /// A request with a credential was refused, and no payment of its own is why. What becomes of
    /// one is told as [`Event::Known`] and [`Event::Payment`].
    Refused {
        /// The route.
        route: RouteId,
        /// Why.
        problem: ProblemKind,
    },
    /// A payment came into a state.
    Payment(Progress),
    /// Something happened to the money of a session.
    Session(Movement),
    /// A rail that keeps channels became silent, or is heard again.
    Rail {
        /// Its method.
        method: MethodId,
        /// Whether it is silent: no session on it is served.
        is_silent: bool,
    },
    /// A claim that is already held was presented again.
    Known {
        /// The payment.
        payment: PaymentId,
        /// The state it was found in.
        state: State,
    },
}

/// A payment, as far as an observer may see it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Progress {
    /// Its id.
    pub payment: PaymentId,
    /// Its route.
    pub route: RouteId,
    /// Its method.
    pub method: MethodId,
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub currency: CurrencyCode,
    /// Who pays, where that is proven.
    pub payer: Option<Did>,
    /// The state it came into, or stays in.
    pub state: State,
    /// Whether money had moved before.
    pub had_moved: Moved,
    /// Whether money moved.
    pub moved: Moved,
    /// What the rail calls it.
    pub reference: Option<Reference>,
    /// How many deliveries were begun.
    pub attempts: u8,
}

impl Progress {
    pub(crate) fn of(had_moved: Moved, payment: &Payment) -> Self {
        Self {
            payment: payment.id,
            route: payment.route.clone(),
            method: payment.method.clone(),
            amount: payment.amount,
            currency: payment.currency.clone(),
            payer: payment.payer.clone(),
            state: payment.state,
            had_moved,
            moved: payment.state.moved(),
            reference: payment.reference.clone(),
            attempts: payment.attempts,
        }
    }
}

/// Something that happened to the money of a session.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Movement {
    /// The channel.
    pub channel: ChannelId,
    /// Its method.
    pub method: MethodId,
    /// What it holds.
    pub currency: CurrencyCode,
    /// Who locked it.
    pub payer: Did,
    /// What happened.
    pub what: What,
}

/// What happened to the money of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// It was opened.
    Opened {
        /// How much was locked.
        amount: Amount,
        /// What the rail calls that.
        reference: Option<Reference>,
    },
    /// More was locked in it.
    ToppedUp {
        /// How much.
        amount: Amount,
        /// What the rail calls that.
        reference: Option<Reference>,
    },
    /// The rail refused what would have opened it or locked more in it. Nothing moved.
    NotFunded,
    /// Its payer asked the rail to close it.
    CloseRequested {
        /// When.
        at: Timestamp,
    },
    /// A voucher raised what is accepted.
    Voucher {
        /// By how much.
        added: Amount,
    },
    /// A request was charged.
    Charged {
        /// How much.
        amount: Amount,
    },
    /// What was charged for a request that was not served was given back.
    GivenBack {
        /// How much.
        amount: Amount,
    },
    /// It was paid out, and goes on.
    Settled {
        /// How much that added to what was paid out before.
        amount: Amount,
        /// What the rail calls it.
        reference: Reference,
    },
    /// The rail refused to settle it. It is tried again.
    NotSettled,
    /// We began to close it, because so much of it was unsettled for long and only a close can take it.
    Stopped {
        /// How much.
        unsettled: Amount,
    },
    /// It was closed, by us or by its payer.
    Ended {
        /// What was paid out of it in all.
        settled: Amount,
        /// What was served out of it and never paid out.
        lost: Amount,
        /// What the rail calls the closing, where it was ours.
        reference: Option<Reference>,
    },
    /// The rail said of it what cannot follow what it said before.
    Contradicted,
}

impl Movement {
    pub(crate) fn of(channel: &ChannelId, terms: &Terms, what: What) -> Self {
        Self {
            channel: channel.clone(),
            method: terms.method.clone(),
            currency: terms.currency.clone(),
            payer: terms.payer.clone(),
            what,
        }
    }

    /// What is lost, or cannot be, is for the operator to see; the rest is for the trace.
    pub(crate) fn log(&self) {
        let Self {
            channel,
            currency,
            payer,
            what,
            ..
        } = self;
        match what {
            What::Ended { lost, settled, .. } if !lost.is_zero() => tracing::error!(
                %channel, %payer, %currency, %lost, %settled,
                "a channel ended before everything that was served out of it was settled: the rest is lost"
            ),
            What::Contradicted => tracing::error!(
                %channel, %payer,
                "the rail contradicts what it said of a channel before: is it another chain, or does its node lie?"
            ),
            What::NotSettled => {
                tracing::error!(%channel, %payer, "the rail refused to settle a channel; it is tried again")
            }
            what => tracing::info!(%channel, %payer, %currency, ?what, "session"),
        }
    }
}

/// Somebody who wants to know. It is called where things happen and must not block.
pub type Observer = Arc<dyn Fn(&Event) + Send + Sync>;

/// Tells the observer and the trace.
#[derive(Clone, Default)]
pub(crate) struct Events(Option<Observer>);

impl Events {
    pub(crate) const fn new(observer: Option<Observer>) -> Self {
        Self(observer)
    }

    pub(crate) fn payment(&self, had_moved: Moved, payment: &Payment) {
        tracing::debug!(
            payment = %payment.id, route = %payment.route, state = ?payment.state,
            attempts = payment.attempts, "payment"
        );
        if payment.state == State::Owed {
            tracing::error!(
                payment = %payment.id, route = %payment.route, amount = %payment.amount,
                currency = %payment.currency, reference = payment.reference.as_ref().map(tracing::field::display),
                "a payment was made and not served in time: it is owed"
            );
        }
        if payment.state == State::Defaulted {
            tracing::error!(
                payment = %payment.id, route = %payment.route, amount = %payment.amount,
                currency = %payment.currency, awaited = payment.awaits.as_ref().map(tracing::field::display),
                "a payment was served on credit and never paid"
            );
        }
        if let Some(observer) = &self.0 {
            observer(&Event::Payment(Progress::of(had_moved, payment)));
        }
    }

    pub(crate) fn tell(&self, event: impl FnOnce() -> Event) {
        if let Some(observer) = &self.0 {
            observer(&event());
        }
    }
}
