//! What happens to payments, told to whoever wants to know. No credential is ever part of it.

use std::sync::Arc;

use farthing_core::{
    noun::problem::ProblemKind,
    payment::{Moved, Payment, State},
    value::{Amount, CurrencyCode, Did, MethodId, PaymentId, Reference, RouteId},
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
