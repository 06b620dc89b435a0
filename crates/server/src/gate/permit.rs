//! The permit: what a handler runs under, whichever way its request was paid for.

use std::{fmt, future::Future, time::Duration};

use bytes::Bytes;
use farthing_core::{
    intent::session::ChannelId,
    value::{Amount, CurrencyCode, Did, MethodId, PaymentId, Reference},
};
use http::{Extensions, Response};

use super::{charged::Charged, delivery::HandlerAnswer};
use crate::{body::GateBody, refused::Refused, session::Seat};

/// A request that was paid for, or whose payment is held. Only the gate makes one.
///
/// A permit that is dropped without being finished is left to the reconciler: an unsettled
/// payment is voided, a settled one can be presented again; what was charged to a channel stays charged.
#[must_use = "a permit has to be finished with the handler's answer"]
pub struct Permit(Kind);

enum Kind {
    Charge(Box<Charged>),
    Session(Box<Seat>),
}

/// What a handler may know of the payment it runs for. Found among the request's extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Paid {
    /// The payment.
    pub payment: PaymentId,
    /// The method.
    pub method: MethodId,
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub currency: CurrencyCode,
    /// Who pays, where the method proves it.
    pub payer: Option<Did>,
    /// What the rail calls it. None as long as the value did not move: the handler of an `after`
    /// route runs before that.
    pub reference: Option<Reference>,
    /// 1 at the first run, more when the handler runs again for the same payment.
    pub attempt: u8,
    /// Whether it runs on credit: the rail has taken the payment, and has yet to say that value
    /// moved.
    pub on_credit: bool,
    /// The channel that pays, where one does. The amount is then what was charged to it before the
    /// handler runs, and the payment's id stands in no record.
    pub channel: Option<ChannelId>,
}

impl From<Charged> for Permit {
    fn from(charged: Charged) -> Self {
        Self(Kind::Charge(Box::new(charged)))
    }
}

impl From<Seat> for Permit {
    fn from(seat: Seat) -> Self {
        Self(Kind::Session(Box::new(seat)))
    }
}

impl Permit {
    /// What the handler may know.
    #[must_use]
    pub fn paid(&self) -> Paid {
        match &self.0 {
            Kind::Charge(charged) => charged.paid(),
            Kind::Session(seat) => seat.paid(),
        }
    }

    /// Puts what the handler may know, and charge by, among its request's extensions.
    pub fn extend(&self, extensions: &mut Extensions) {
        extensions.insert(self.paid());
        if let Kind::Session(seat) = &self.0 {
            extensions.insert(seat.meter());
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
        match &mut self.0 {
            Kind::Charge(charged) => charged.keep_alive(work).await,
            // Nobody takes a channel's request over: what dies with its process stays charged.
            Kind::Session(_) => Ok(work.await),
        }
    }

    /// How long the handler may take.
    pub(crate) fn deadline(&self) -> Duration {
        match &self.0 {
            Kind::Charge(charged) => charged.deadline(),
            Kind::Session(seat) => seat.deadline(),
        }
    }

    /// Answers for a payment that was lost to another owner.
    pub(crate) fn lost<B>(self, refused: &Refused) -> Response<GateBody<B>> {
        match self.0 {
            Kind::Charge(charged) => charged.lost(refused),
            Kind::Session(_) => super::turned_away(refused).map(GateBody::held),
        }
    }

    /// Finishes the payment with the handler's answer: settles what is not settled, and returns
    /// the response to send, with its receipt.
    ///
    /// The delivery is the end of the response's body. Where nobody reads it, as for a HEAD
    /// request, say so with [`GateBody::head_is_all`].
    pub async fn finish<B>(self, response: Response<B>) -> Response<GateBody<B>>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.finish_with(HandlerAnswer::Answered(response)).await
    }

    pub(crate) async fn finish_with<B>(self, answer: HandlerAnswer<B>) -> Response<GateBody<B>>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        match self.0 {
            Kind::Charge(charged) => Box::pin(charged.finish_with(answer)).await,
            Kind::Session(seat) => seat.finish_with(answer).await,
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Charge(charged) => charged.fmt(f),
            Kind::Session(seat) => seat.fmt(f),
        }
    }
}
