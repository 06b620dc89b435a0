//! What can go wrong, split by who has to do something about it.
//!
//! Every error answers the two questions a payer has: did money move ([`Error::moved`]), and
//! what is there to do ([`Error::hint`]). No error holds a credential.

use std::fmt;

use farthing_core::{
    header::www_authenticate::ChallengeError,
    noun::problem::Problem,
    payment::Moved,
    port::{backend::StoreError, method::Refusal},
    value::{ChallengeId, PaymentId, PriceError, Realm, Reference},
};

use crate::response::Outlay;

/// Why a request was not served, or not paid for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller asked for what cannot be done.
    #[error(transparent)]
    Request(#[from] RequestFault),
    /// The server broke the protocol. Nothing was signed.
    #[error(transparent)]
    Server(#[from] ServerFault),
    /// The spending policy forbids the payment. Nothing was signed.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The wallet cannot pay this.
    #[error(transparent)]
    Payer(#[from] PayerFault),
    /// The payer's rail does not answer. Nothing was sent.
    #[error("the rail is not available")]
    Rail(#[source] Refusal),
    /// The server refused the payment, and the rail says that nothing moved and nothing will.
    #[error("the server refused the payment: {0}")]
    Rejected(Box<Said>),
    /// A payment was signed and what became of it is not known, or it was made and not served.
    #[error(transparent)]
    Unresolved(Box<Unresolved>),
    /// The store failed.
    #[error("the store failed")]
    Store {
        /// How.
        #[source]
        source: StoreError,
        /// Whether money moved.
        moved: Moved,
    },
    /// The request did not get through. Nothing was signed for it.
    #[error("the request failed")]
    Transport(#[source] TransportError),
    /// The body of an answer broke off.
    #[error("the answer broke off")]
    Body {
        /// How.
        #[source]
        source: reqwest::Error,
        /// What was paid for it. That is settled, and its receipt kept.
        payment: Option<Box<Outlay>>,
    },
    /// A payment is no longer in the store.
    #[error("the payment {0} is not in the store")]
    Forgotten(PaymentId),
    /// The system has no randomness to give.
    #[error("the system gave no randomness")]
    Randomness,
}

/// What lies behind a failed request.
pub type TransportError = Box<dyn std::error::Error + Send + Sync>;

/// What a caller cannot ask for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestFault {
    /// The body is read while it is sent, and a payment has to send it a second time.
    #[error("a body that cannot be sent twice cannot be paid for")]
    BodyOnce,
    /// The URL, a header or the body is none.
    #[error("the request is not well formed")]
    Build(#[source] TransportError),
    /// The host's name is longer than any can be.
    #[error("the host's name is too long")]
    Host,
    /// The HTTP client followed a redirect by itself, and the request was not a plain GET.
    #[error("the HTTP client follows redirects by itself")]
    Redirected,
}

/// How a server broke the protocol.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerFault {
    /// A challenge cannot be read.
    #[error("the server sent a challenge that cannot be read")]
    Challenge(#[source] ChallengeError),
    /// There is no challenge.
    #[error("the server asks for a payment and offers no way to pay")]
    Empty,
    /// What a challenge asks for is no charge.
    #[error("the server asks for a payment that cannot be read")]
    Charge(#[source] serde_json::Error),
    /// A challenge wants its credential in a header that carries none.
    #[error("the server wants the payment in a header that carries no payments")]
    Header,
    /// The challenge is for another body than ours.
    #[error("the challenge is for another request body")]
    Digest,
    /// The challenge has ended.
    #[error("the challenge expired before it could be paid")]
    Expired,
    /// The challenge ends so late that it cannot be meant.
    #[error("the challenge is valid for longer than is sane")]
    Window,
    /// The challenge was answered before.
    #[error("the server sent a challenge that was answered before")]
    Reused(ChallengeId),
    /// More redirects than are followed.
    #[error("the server redirects too often")]
    Redirects,
    /// A redirect leads nowhere, or from TLS to plain HTTP.
    #[error("the server redirects to where no request may go")]
    Redirect,
}

/// Why the policy forbids a payment.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// It is more than one request may cost.
    #[error("{asked} is more than the {cap} one request may cost")]
    Cap {
        /// What is asked for.
        asked: Box<str>,
        /// What is allowed.
        cap: Box<str>,
    },
    /// No limit is set in the unit of its currency.
    #[error("no limit is set for payments in {symbol}")]
    NoCap {
        /// The unit.
        symbol: Box<str>,
    },
    /// A limit cannot be said in the offer's currency.
    #[error("a limit cannot be compared with the price")]
    Limit(#[source] PriceError),
    /// A budget is used up.
    #[error("{asked} is more than what is left of {budget}")]
    Budget {
        /// What is asked for.
        asked: Box<str>,
        /// Which budget.
        budget: Box<str>,
    },
    /// The currency is not on the list.
    #[error("payments in {0} are not allowed")]
    Currency(Box<str>),
    /// The recipient is not on the list.
    #[error("payments to {} are not allowed", .0.as_deref().unwrap_or("an unnamed recipient"))]
    Recipient(Option<Box<str>>),
    /// The challenge speaks for another site than the one that was dialled.
    #[error("{host} asks for a payment to the realm {realm}")]
    Realm {
        /// What the challenge says.
        realm: Realm,
        /// What was dialled.
        host: Box<str>,
    },
    /// Others could read the payment on its way.
    #[error("payments to {0} would go over plain HTTP")]
    PlainHttp(Box<str>),
    /// Whoever was asked said no.
    #[error("the payment was not approved")]
    Approval,
}

/// Why the wallet cannot pay.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PayerFault {
    /// No payer knows the methods that are offered.
    #[error("nothing in the wallet pays by {0}")]
    Method(Box<str>),
    /// The kind of payment is not known.
    #[error("payments of the kind {0} are not supported")]
    Intent(Box<str>),
    /// The payer refused.
    #[error("the payer cannot pay this")]
    Payer(#[source] Refusal),
}

/// What a server answered, as far as it may be shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// The status, or `None` where there was no answer.
    pub status: Option<http::StatusCode>,
    /// The problem, where it sent one.
    pub problem: Option<Problem>,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.problem, self.status) {
            (Some(problem), _) => match &problem.detail {
                Some(detail) => write!(f, "{} ({detail})", problem.title()),
                None => f.write_str(problem.title()),
            },
            (None, Some(status)) => write!(f, "{status}"),
            (None, None) => f.write_str("no answer"),
        }
    }
}

/// A payment that was signed, with what is known of it.
#[derive(Debug, thiserror::Error)]
#[error("the payment {payment} is unresolved: {said}")]
pub struct Unresolved {
    /// Under what it is kept and listed.
    pub payment: PaymentId,
    /// Whether money moved.
    pub moved: Moved,
    /// What the rail calls it, where anybody said.
    pub reference: Option<Reference>,
    /// What the server said last.
    pub said: Said,
}

impl Error {
    /// Whether money moved.
    #[must_use]
    pub fn moved(&self) -> Moved {
        match self {
            Self::Unresolved(unresolved) => unresolved.moved,
            Self::Store { moved, .. } => *moved,
            Self::Body { payment, .. } => {
                payment.as_ref().map_or(Moved::No, |outlay| outlay.moved())
            }
            Self::Request(_)
            | Self::Server(_)
            | Self::Refused(_)
            | Self::Payer(_)
            | Self::Rail(_)
            | Self::Rejected(_)
            | Self::Transport(_)
            | Self::Randomness => Moved::No,
            Self::Forgotten(_) => Moved::Unknown,
        }
    }

    /// What there is to do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Request(RequestFault::BodyOnce) => "give the body as bytes",
            Self::Request(RequestFault::Redirected) => "build the HTTP client without redirects",
            Self::Request(_) => "check the URL and the headers",
            Self::Server(ServerFault::Expired) => "try again, and check this machine's clock",
            Self::Server(_) => "this is the server's fault; ask whoever runs it",
            Self::Refused(refused) => refused.hint(),
            Self::Payer(_) => "add a wallet that pays by one of the offered methods and currencies",
            Self::Rail(_) => "try again later",
            Self::Rejected(_) => "try again; nothing was paid",
            Self::Unresolved(unresolved) if unresolved.moved == Moved::Yes => {
                "it was paid: repeat the same request to fetch it, or see `receipts list --pending`"
            }
            Self::Unresolved(_) => {
                "repeat the same request: the same payment is sent, never a second one; \
                 see `receipts list --pending`"
            }
            Self::Store { .. } => {
                "check the store; see `receipts list --pending` for what was signed"
            }
            Self::Body {
                payment: Some(_), ..
            } => "it was paid; whether the server sends it again is the server's choice",
            Self::Body { .. } => "try again",
            Self::Transport(_) => "check the connection and try again",
            Self::Forgotten(_) => "see the receipts",
            Self::Randomness => "check the system's random source",
        }
    }
}

impl Refused {
    fn hint(&self) -> &'static str {
        match self {
            Self::Cap { .. } | Self::NoCap { .. } | Self::Limit(_) => {
                "allow more for one request if that is what you want"
            }
            Self::Budget { .. } => "raise the budget, or wait where it is one of a day",
            Self::Currency(_) => "allow the currency if you want to pay in it",
            Self::Recipient(_) => "allow the recipient if you know it",
            Self::Realm { .. } => "pin the realm to the host if you know that they belong together",
            Self::PlainHttp(_) => "use https",
            Self::Approval => "nothing was paid",
        }
    }
}

/// Why a client cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// There is nothing to pay with.
    #[error("a client needs a payer")]
    NoPayer,
    /// There is nowhere to keep payments.
    #[error("a client needs a store: what is signed has to be kept before it is sent")]
    NoBackend,
    /// There is nothing to tell the time by.
    #[error("a client needs a clock")]
    NoClock,
    /// The policy has more budgets than one payment can reserve on.
    #[error("the policy has more budgets than one payment can reserve on")]
    Budgets,
    /// The system has no randomness to give.
    #[error("the system gave no randomness")]
    Randomness,
    /// The HTTP client cannot be built.
    #[error("the HTTP client cannot be built")]
    Http(#[source] reqwest::Error),
}

/// A failed store before anything was signed.
impl From<StoreError> for Error {
    fn from(source: StoreError) -> Self {
        Self::Store {
            source,
            moved: Moved::No,
        }
    }
}
