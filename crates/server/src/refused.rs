//! Why a request was not let through: one error, and one table from it to a problem.

use std::{borrow::Cow, time::Duration};

use farthing_core::{
    binding::SlotError,
    domain::channels::ChannelError,
    intent::session::ChannelId,
    noun::{
        CredentialError,
        problem::{Problem, ProblemKind, Retry},
    },
    payment::{Moved, Payment, State},
    port::{backend::StoreError, method::Refusal},
    value::Timestamp,
};

use crate::{random::NoRandomness, route::PricingError};

/// Why a request was not let through. What the peer reads is in [`Refused::problem`]; the sources
/// are for the log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// No payment came with it.
    #[error("the request carries no payment")]
    Unpaid,
    /// More than one payment came with it.
    #[error("the request carries more than one payment credential")]
    ManyCredentials,
    /// The credential cannot be read.
    #[error("the credential cannot be read")]
    Malformed(#[source] CredentialError),
    /// A part of the echoed challenge breaks its grammar.
    #[error(transparent)]
    Slot(SlotError),
    /// The challenge is not one of ours, or was changed.
    #[error("the challenge was not issued here, or was changed")]
    NotOurs,
    /// The challenge is over.
    #[error("the challenge has expired")]
    Expired,
    /// The challenge was over so long ago that what became of it is not remembered.
    #[error("the challenge expired long ago")]
    Forgotten,
    /// The challenge was issued for another request.
    #[error("the challenge was issued for another request")]
    OtherRequest,
    /// The challenge was already used.
    #[error("the challenge was already used")]
    Used(State),
    /// The proof was used for another challenge.
    #[error("the proof was already used for another payment")]
    Spent,
    /// The challenge names a method or an intent that is not offered here.
    #[error("this payment method is not offered here")]
    UnknownMethod,
    /// The method refused the proof.
    #[error(transparent)]
    Method(Refusal),
    /// A limit of the seller's would be exceeded: this one, where the method says which.
    #[error("{}", .0.as_deref().unwrap_or("a limit of the seller would be exceeded"))]
    Limit(Option<Cow<'static, str>>),
    /// What was signed has to be sent so soon that nothing can be served before.
    #[error("the payment has to be sent so soon that nothing can be served before")]
    TooLate,
    /// Work on this payment is under way.
    #[error("this payment is being worked on")]
    InFlight,
    /// The rail has the payment and has not confirmed it, or did not answer.
    #[error("the payment was sent and is not confirmed yet")]
    Unsettled(State),
    /// The payment is owed.
    #[error("the payment was made and could not be served in time: it is owed")]
    Owed,
    /// The idempotency key belongs to another request.
    #[error("this Idempotency-Key was used for another request")]
    IdempotencyMismatch,
    /// The first request with this idempotency key is still under way.
    #[error("a request with this Idempotency-Key is under way")]
    IdempotencyInFlight,
    /// The session's challenge is over.
    #[error("the session's challenge is over")]
    ChallengeOver,
    /// There is no such channel, or it pays for something else.
    #[error("there is no such channel here")]
    NoChannel,
    /// The channel does not take the step.
    #[error("{1}")]
    Channel(ChannelId, #[source] Box<ChannelError>),
    /// What a session's funding or closing came to.
    #[error("{}", .0.detail.as_deref().unwrap_or(.0.title()))]
    Session(Box<Problem>),
    /// Nothing was heard of the rail lately: what is served now might never be settled.
    #[error("nothing has been heard of the payment rail lately; nothing was charged")]
    Silent,
    /// A header cannot be read.
    #[error("{0}")]
    BadRequest(&'static str),
    /// The body is larger than the route takes.
    #[error("the body is larger than this route takes")]
    BodyTooLarge,
    /// The body did not arrive.
    #[error("the request body did not arrive whole")]
    BodyBroken,
    /// The service behind cannot serve at the moment.
    #[error("the service behind cannot be reached at the moment")]
    NotReady,
    /// The peer asks too often.
    #[error("too many requests")]
    RateLimited(Duration),
    /// There is no room for another payment at the moment, or the gate is closing.
    #[error("no more payments are taken at the moment")]
    Overloaded,
    /// The store failed.
    #[error("the payment could not be recorded")]
    Store(#[source] StoreError),
    /// The store failed before it could be read whether this payment is held.
    #[error("the store could not be asked about the payment")]
    StoreUnread(#[source] StoreError),
    /// Another owner took the payment over while we worked on it.
    #[error("the payment was taken over by another server")]
    Stale,
    /// The handler did not serve.
    #[error("the service did not answer with what was paid for")]
    NotServed,
    /// Whether the handler served cannot be told from its answer.
    #[error("the service answered with what cannot be told from an error")]
    Unclear,
    /// The handler took too long.
    #[error("the service did not answer in time")]
    NotServedInTime,
    /// The answer is larger than can be held until it is settled.
    #[error("the answer is too large to be held until it is paid for")]
    TooLargeToHold,
    /// No price could be found.
    #[error("the price could not be determined")]
    Pricing(#[source] PricingError),
    /// The system gave no randomness.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// A bug of ours.
    #[error("an error of this server")]
    Internal,
}

impl Refused {
    /// The problem type it is answered with: the one table.
    #[must_use]
    pub fn kind(&self) -> ProblemKind {
        match self {
            Self::Unpaid => ProblemKind::PaymentRequired,
            Self::ManyCredentials => ProblemKind::MultipleCredentials,
            Self::Malformed(_) | Self::Slot(_) => ProblemKind::MalformedCredential,
            Self::NotOurs | Self::OtherRequest | Self::Used(_) => ProblemKind::InvalidChallenge,
            Self::Expired | Self::Forgotten | Self::TooLate => ProblemKind::PaymentExpired,
            Self::Spent => ProblemKind::VerificationFailed,
            Self::UnknownMethod => ProblemKind::MethodUnsupported,
            Self::Method(refusal) => refusal.kind(),
            Self::Limit(_) | Self::Overloaded => ProblemKind::Overloaded,
            Self::InFlight | Self::Stale => ProblemKind::PaymentInFlight,
            Self::Unsettled(State::Pending | State::Credited) => ProblemKind::PaymentPending,
            Self::Unsettled(_) => ProblemKind::PaymentUnresolved,
            Self::Owed => ProblemKind::PaymentOwed,
            Self::IdempotencyMismatch => ProblemKind::IdempotencyMismatch,
            Self::IdempotencyInFlight => ProblemKind::IdempotencyInFlight,
            Self::ChallengeOver => ProblemKind::SessionChallengeNotFound,
            Self::NoChannel => ProblemKind::SessionChannelNotFound,
            Self::Channel(_, error) => error.kind(),
            Self::Session(problem) => problem.kind().unwrap_or(ProblemKind::Internal),
            Self::Silent => ProblemKind::RailUnavailable,
            Self::BadRequest(_) | Self::BodyBroken => ProblemKind::BadRequest,
            Self::BodyTooLarge => ProblemKind::BodyTooLarge,
            Self::RateLimited(_) => ProblemKind::RateLimited,
            Self::Store(_) | Self::StoreUnread(_) => ProblemKind::StoreUnavailable,
            Self::NotReady => ProblemKind::UpstreamUnavailable,
            Self::NotServed | Self::Unclear => ProblemKind::NotServed,
            Self::NotServedInTime => ProblemKind::NotServedInTime,
            Self::TooLargeToHold | Self::Pricing(_) | Self::NoRandomness(_) | Self::Internal => {
                ProblemKind::Internal
            }
        }
    }

    /// What the peer reads: the kind, what happened, whether money moved where no payment tells.
    #[must_use]
    pub fn problem(&self) -> Problem {
        if let Self::Session(problem) = self {
            return (**problem).clone();
        }
        let mut problem = match self {
            Self::Channel(channel, error) => channel_problem(channel, error),
            _ => Problem::new(self.kind()),
        }
        .with_detail(self.detail());
        problem.retry_after = self.retry_after();
        problem.moved = match self {
            // Before the claim nothing can have moved. A claim whose outcome is in doubt may have
            // moved value, where the rail is the store itself.
            Self::Store(error) if error.in_doubt() => Some(Moved::Unknown),
            Self::Unpaid => None,
            Self::Used(state) | Self::Unsettled(state) => Some(state.moved()),
            Self::Method(refusal) => Some(refusal.moved),
            Self::Owed => Some(Moved::Yes),
            Self::InFlight | Self::Stale | Self::IdempotencyInFlight => Some(Moved::Unknown),
            // Nobody has looked, or knows any more, whether what came with the request was paid.
            Self::StoreUnread(_)
            | Self::RateLimited(_)
            | Self::Overloaded
            | Self::Forgotten
            | Self::Internal => Some(Moved::Unknown),
            _ => Some(Moved::No),
        };
        problem
    }

    /// The same, about a payment: what is known of it stands beside.
    #[must_use]
    pub fn problem_about(&self, payment: &Payment) -> Problem {
        let mut problem = self.problem();
        problem.moved = Some(payment.state.moved());
        problem.reference.clone_from(&payment.reference);
        // As long as nobody knows, whoever wants to look for it on the rail is told where.
        if payment.state.moved() == Moved::Unknown {
            problem.awaits.clone_from(&payment.awaits);
        }
        problem.challenge = Some(payment.challenge.clone());
        if payment.state == State::Settled {
            problem.owed_until = payment.owed_from();
        }
        problem
    }

    /// Whether another payment would help.
    pub(crate) fn is_payable(&self) -> bool {
        self.kind().spec().retry == Retry::Fresh
    }

    fn detail(&self) -> Cow<'static, str> {
        let text: Cow<'static, str> = match self {
            Self::Unpaid => "This resource has a price. Pay one of the offers and send the request again.".into(),
            Self::Malformed(error) => format!("The credential cannot be read: {error}.").into(),
            Self::Used(State::Delivered) => "This payment was made and its answer was delivered.".into(),
            Self::Used(State::Failed | State::Voided) => {
                "This payment was given up and nothing moved. Pay a new challenge.".into()
            }
            Self::Used(State::Refunded) => "This payment was refunded.".into(),
            Self::Used(State::Credited) => {
                "This payment's answer was delivered, and the rail has yet to confirm it. Do not pay anew.".into()
            }
            Self::Used(State::Defaulted | State::WrittenOff) => {
                "This payment's answer was delivered on credit, and the rail refused it: it was never paid.".into()
            }
            Self::InFlight | Self::Stale => "This payment is being worked on. Present it again shortly.".into(),
            Self::Unsettled(_) => {
                "The payment was sent and is not confirmed yet. Present the same credential again; do not pay anew.".into()
            }
            Self::Store(_) | Self::StoreUnread(_) => "The payment could not be recorded. Present the same credential again.".into(),
            Self::Owed => "The payment was made and could not be served in time. It is owed: ask the seller for a refund.".into(),
            other => return sentence(&other.to_string()).into(),
        };
        text
    }

    /// When trying again makes sense.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited(wait) => Some(*wait),
            Self::InFlight
            | Self::Stale
            | Self::IdempotencyInFlight
            | Self::Unsettled(_)
            | Self::NotReady
            | Self::Overloaded
            | Self::Limit(_)
            | Self::Store(_)
            | Self::StoreUnread(_) => Some(Duration::from_secs(1)),
            Self::Channel(_, error) if error.kind() == ProblemKind::Overloaded => {
                Some(Duration::from_secs(1))
            }
            Self::Silent => Some(Duration::from_secs(5)),
            Self::Method(refusal) if refusal.kind() == ProblemKind::RailUnavailable => {
                Some(Duration::from_secs(5))
            }
            _ => None,
        }
    }

    /// What the log keeps and the peer does not read.
    pub(crate) fn log(&self, route: &str, now: Timestamp) {
        let cause = std::error::Error::source(self).map(tracing::field::display);
        match self {
            Self::Store(_)
            | Self::StoreUnread(_)
            | Self::Internal
            | Self::NoRandomness(_)
            | Self::Pricing(_) => {
                tracing::error!(route, %now, cause, "{self}");
            }
            _ => tracing::debug!(route, %now, cause, "{self}"),
        }
    }
}

/// What is told of a step that a channel did not take, with what helps to do better.
fn channel_problem(channel: &ChannelId, error: &ChannelError) -> Problem {
    match error {
        ChannelError::Refused(refused) => refused.problem(channel),
        error => {
            let mut problem = Problem::new(error.kind());
            problem.channel = Some(channel.as_str().into());
            problem
        }
    }
}

/// Makes a sentence of an error text.
fn sentence(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 1);
    let mut rest = text.chars();
    out.extend(rest.next().map(|first| first.to_ascii_uppercase()));
    out.push_str(rest.as_str());
    if !out.ends_with('.') {
        out.push('.');
    }
    out
}
