//! The method port: how a rail takes part in a payment on the seller's side.
//!
//! A method implements one trait per intent; today that is [`Charge`]. What happens on every
//! request (`prepare`, the signature check in `verify`) is synchronous. What waits
//! for a rail is a future.
//!
//! A method never sees the store. Where its value is rows of our own store it says which rows
//! ([`Books`]), and they are committed together with the payment's own state. Where its value is
//! elsewhere ([`Outside`]), the gate journals what is sent before it is sent.

use std::{borrow::Cow, fmt, time::Duration};

use serde_json::{Map, Value, value::RawValue};

use super::{
    BoxFuture,
    backend::{Source, Write},
};
use crate::{
    domain::claims::Debit,
    intent::charge::ChargeRequest,
    noun::problem::ProblemKind,
    payment::{Moved, Payment, SettlePolicy},
    value::{
        ChallengeId, ClaimKey, Currency, CurrencyCode, Did, MethodId, Price, PriceError, Realm,
        Reference, Secret, Timestamp,
    },
};

/// A method's side of the charge intent. Registered under (method, `charge`).
pub trait Charge: Send + Sync + 'static {
    /// The method's identifier.
    fn method(&self) -> &MethodId;

    /// What is asked for at a price: the static part of an offer, made once per route at the
    /// start, or once per request where the price is dynamic. One request for each way to pay it,
    /// the seller's favourite first: a rail with several currencies offers each. Never none.
    ///
    /// # Errors
    /// When the price cannot be said exactly in one of the method's currencies, or the route's
    /// terms are not the method's. At the start this stops the start.
    fn prepare(&self, wanted: &Wanted<'_>) -> Result<Vec<ChargeRequest>, PrepareError>;

    /// Checks the proof. Called only for a credential that is authentic, unexpired and bound to
    /// this request; it moves nothing.
    fn verify<'a>(&'a self, presented: Presented<'a>) -> Step<'a, Result<Verified, Refusal>>;

    /// Where the method's value is.
    fn rail(&self) -> Rail<'_>;

    /// What a currency of its is, where it knows it: the unit and the decimals by which amounts of
    /// several currencies are counted together. A route gives credit in known currencies only.
    fn currency(&self, code: &CurrencyCode) -> Option<&Currency> {
        let _ = code;
        None
    }

    /// What the peer reads when one of the method's own debits does not fit, such as the most that
    /// a sponsor has in flight. Such a limit is the seller's: nobody's proof is bad, and the same
    /// one may be presented again.
    fn exceeded(&self, debit: &Debit) -> Option<Cow<'static, str>> {
        let _ = debit;
        None
    }

    /// When value moves where the route does not say.
    fn settle_policy(&self) -> SettlePolicy {
        SettlePolicy::First
    }

    /// How long a proof that was made before it is presented (a hash, a preimage) may come after
    /// the challenge expired. Proofs made when presented have no such grace.
    fn prepaid_grace(&self) -> Duration {
        Duration::ZERO
    }
}

/// What a route wants to be paid.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The price.
    pub price: &'a Price,
    /// What the route says to this method alone, such as how the price is split. Only the method
    /// understands it.
    pub terms: Option<&'a Map<String, Value>>,
}

impl<'a> Wanted<'a> {
    /// A price, and nothing else.
    #[must_use]
    pub const fn price(price: &'a Price) -> Self {
        Self { price, terms: None }
    }

    /// The price, for a method that has no terms.
    ///
    /// # Errors
    /// When there are terms all the same: to ignore them would be to ask for something else than
    /// the seller said.
    pub fn plain(&self) -> Result<&'a Price, PrepareError> {
        match self.terms {
            Some(_) => Err(PrepareError::NoTerms),
            None => Ok(self.price),
        }
    }
}

/// A price that a method cannot ask for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrepareError {
    /// The price cannot be said in one of the method's currencies.
    #[error(transparent)]
    Price(#[from] PriceError),
    /// The method has no terms, and the route has some for it.
    #[error("this method takes no terms")]
    NoTerms,
    /// The route's terms are not the method's.
    #[error("the terms cannot be: {0}")]
    Terms(Cow<'static, str>),
}

/// Something that is usually there at once and sometimes has to be waited for.
pub enum Step<'a, T> {
    /// It is there.
    Now(T),
    /// It will be.
    Later(BoxFuture<'a, T>),
}

impl<T: fmt::Debug> fmt::Debug for Step<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(value) => f.debug_tuple("Now").field(value).finish(),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}

/// A credential whose challenge is ours, for one method to look at.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// The challenge's id.
    pub challenge: &'a ChallengeId,
    /// The realm it was issued in.
    pub realm: &'a Realm,
    /// What was asked for.
    pub request: &'a ChargeRequest,
    /// When the challenge expires.
    pub expires: Timestamp,
    /// Who the payer says it is. Proven by nobody yet.
    pub source: Option<&'a str>,
    /// The method's payload, as JSON.
    pub payload: &'a RawValue,
    /// The time.
    pub now: Timestamp,
}

/// A proof that is good.
#[derive(Debug)]
pub struct Verified {
    /// Who pays, as the proof shows.
    pub payer: Option<Did>,
    /// What the proof consumes besides the challenge: always its own key.
    pub keys: Vec<ClaimKey>,
    /// Counters that are reserved with the claim.
    pub debits: Vec<Debit>,
    /// Until when the rail could take the proof.
    pub proof_until: Timestamp,
    /// What the rail will call it, where that is known before it is sent.
    pub reference: Option<Reference>,
    /// The latest time at which sending it makes sense. A handler that runs before the settlement
    /// gets no longer than that, and what is not sent by then never is.
    pub send_before: Option<Timestamp>,
    /// Whether value moved before the proof was presented, as with a hash or a preimage. Such a
    /// payment is settled first whatever the route says: there is nothing that could be held back,
    /// and what cannot be served is owed.
    pub prepaid: bool,
    /// What will be sent to the rail, journaled before it is and erased when the outcome is
    /// final. Methods that keep books have none.
    pub effect: Option<Secret>,
}

impl Verified {
    /// A proof that the rail could take until a time, and no more than that: of nobody who is named,
    /// consumed with its challenge alone, with nothing to be sent. What else there is to say is
    /// written over it, so a method goes on compiling when there is more that one could say.
    #[must_use]
    pub const fn new(proof_until: Timestamp) -> Self {
        Self {
            payer: None,
            keys: Vec::new(),
            debits: Vec::new(),
            proof_until,
            reference: None,
            send_before: None,
            prepaid: false,
            effect: None,
        }
    }
}

/// Where a method's value is.
pub enum Rail<'a> {
    /// In rows of our own store.
    Books(&'a dyn Books),
    /// Anywhere else.
    Outside(&'a dyn Outside),
}

impl fmt::Debug for Rail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Books(_) => "Books",
            Self::Outside(_) => "Outside",
        })
    }
}

/// A step of a booking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Booking {
    /// Set the amount aside.
    Hold,
    /// Move what was set aside to the payee.
    Capture,
    /// Give back what was set aside.
    Release,
    /// Hold and capture at once.
    Transfer,
    /// Move a captured amount back.
    Refund,
}

/// A rail that is rows of our own store, written in the batch that changes the payment's state:
/// value and state cannot disagree.
pub trait Books: Send + Sync {
    /// The writes of a step. The same payment gives the same writes, whoever asks and however
    /// often. A bounded addition that does not hold means that the payer has too little.
    fn writes(&self, booking: Booking, payment: &Payment) -> Vec<Write>;

    /// What the rail calls the transfer of this payment.
    fn reference(&self, payment: &Payment) -> Reference;
}

/// A rail that is somewhere else.
///
/// Every call carries the same journaled effect (same bytes, same nonce, same idempotency key),
/// so that a repeated one moves value once. The gate gives each call a deadline; a call that runs
/// out of it counts as [`Outcome::Unknown`].
pub trait Outside: Send + Sync {
    /// Sends the effect. It may have been sent before.
    fn settle<'a>(&'a self, order: Order<'a>) -> BoxFuture<'a, Outcome>;

    /// Asks the rail what became of the effect, and sends it again where the rail has not seen it
    /// and could still take it.
    fn resolve<'a>(&'a self, order: Order<'a>) -> BoxFuture<'a, Outcome>;
}

/// A payment and the effect that was journaled for it.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// The payment.
    pub payment: &'a Payment,
    /// The journaled effect.
    pub effect: &'a Secret,
    /// How far to wait.
    pub until: Until,
}

/// How far a rail waits with its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Until {
    /// Until it says that value moved, within the gate's deadline.
    #[default]
    Final,
    /// Until it has taken the effect: [`Outcome::Pending`] then. Only on a route that gives
    /// credit.
    Taken,
}

/// What a rail answered.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// Value moved, and the rail says so.
    Settled {
        /// What the rail calls it.
        reference: Reference,
        /// When it moved.
        at: Timestamp,
        /// What is added to the receipt.
        details: Map<String, Value>,
    },
    /// The rail refused it for good: nothing moved, and this effect never will move anything.
    Refused(Refusal),
    /// The rail has it and is not done. What it will call it is
    /// [`Verified::reference`], where that is known.
    Pending {
        /// When to ask again.
        ask_after: Duration,
    },
    /// There was no answer, or none that says anything.
    Unknown {
        /// What went wrong, for the log.
        source: Option<Source>,
    },
}

/// Whose fault a refusal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The peer sent what cannot be read.
    Malformed,
    /// The proof is not good.
    Invalid,
    /// The proof was good once.
    Expired,
    /// The payer has, or offered, too little.
    Insufficient,
    /// The peer asked for what we do not do.
    Unsupported,
    /// The rail does not answer. Nobody's proof is bad.
    Unavailable,
    /// Ours.
    Internal,
}

/// Why a proof or an effect is refused. What the peer may read and what the log keeps are apart.
#[derive(Debug, thiserror::Error)]
#[error("{public}")]
pub struct Refusal {
    /// Whose fault it is.
    pub fault: Fault,
    /// The problem to answer with, where the fault's usual one does not do.
    pub problem: Option<ProblemKind>,
    /// What the peer may read. Never a credential.
    pub public: Cow<'static, str>,
    /// Whether value moved, as far as the method knows. Before a claim it did not, unless the payer
    /// moved it itself.
    pub moved: Moved,
    /// Whether the rail took something for itself all the same, as a chain does for a transaction that
    /// fails. Then what the claim reserved for that ([`losses`](crate::domain::losses)) stays counted.
    pub at_cost: bool,
    /// What lies behind it.
    #[source]
    pub source: Option<Source>,
}

impl Refusal {
    /// A refusal without a cause of its own.
    #[must_use]
    pub fn new(fault: Fault, public: impl Into<Cow<'static, str>>) -> Self {
        Self {
            fault,
            problem: None,
            public: public.into(),
            moved: Moved::No,
            at_cost: false,
            source: None,
        }
    }

    /// The same with what lies behind it.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same about a payment that the payer says it made itself. Whether it did, and to whom, is
    /// not for us to deny.
    #[must_use]
    pub fn of_prepaid(mut self) -> Self {
        self.moved = Moved::Unknown;
        self
    }

    /// The same, and the rail took something for itself.
    #[must_use]
    pub fn at_cost(mut self) -> Self {
        self.at_cost = true;
        self
    }

    /// The same with a problem of its own.
    #[must_use]
    pub fn as_problem(mut self, problem: ProblemKind) -> Self {
        self.problem = Some(problem);
        self
    }

    /// The problem type this is answered with.
    #[must_use]
    pub fn kind(&self) -> ProblemKind {
        self.problem.unwrap_or(match self.fault {
            Fault::Malformed => ProblemKind::MalformedCredential,
            Fault::Invalid => ProblemKind::VerificationFailed,
            Fault::Expired => ProblemKind::PaymentExpired,
            Fault::Insufficient => ProblemKind::PaymentInsufficient,
            Fault::Unsupported => ProblemKind::MethodUnsupported,
            Fault::Unavailable => ProblemKind::RailUnavailable,
            Fault::Internal => ProblemKind::Internal,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_may_name_the_problem_itself_and_a_rail_that_is_down_is_never_the_peers() {
        let down = Refusal::new(Fault::Unavailable, "the rail is down");
        assert_eq!(down.kind(), ProblemKind::RailUnavailable);
        assert_eq!(down.kind().status(), 503);
        let own = down.as_problem(ProblemKind::IdentityRefused);
        assert_eq!(own.kind(), ProblemKind::IdentityRefused);
    }
}
