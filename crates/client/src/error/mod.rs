//! What can go wrong, split by who has to do something about it.
//!
//! Every error answers the two questions a payer has: did money move ([`Error::moved`]), and
//! what is there to do ([`Error::hint`]). No error holds a credential.

mod fault;

use std::fmt;

use farthing_core::{
    noun::problem::Problem,
    payment::Moved,
    port::{backend::StoreError, method::Refusal},
    value::{PaymentId, Reference},
};

pub use fault::{PayerFault, Refused, RequestFault, ServerFault};

use crate::{judge, response::Outlay, session::SessionFault};

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
    /// A session does not pay.
    #[error(transparent)]
    Session(#[from] Box<SessionFault>),
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

/// What a server answered, as far as it may be shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// The status, or `None` where there was no answer.
    pub status: Option<http::StatusCode>,
    /// The problem, where it sent one.
    pub problem: Option<Problem>,
}

impl Said {
    /// Whether the server says that nothing was charged.
    pub(crate) fn denies(&self) -> bool {
        let problem = self.problem.as_ref();
        problem.is_some_and(|problem| problem.moved == Some(Moved::No))
    }
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
#[error("the payment {payment} is unresolved: {}{said}", Then(.before.as_ref()))]
pub struct Unresolved {
    /// Under what it is kept and listed.
    pub payment: PaymentId,
    /// Whether money moved.
    pub moved: Moved,
    /// What the rail calls it, where anybody said.
    pub reference: Option<Reference>,
    /// What the server said last.
    pub said: Said,
    /// What the sending before that led to, where the payment was sent again. A server that gave a
    /// payment up says no more than that, and the reason stands here.
    pub before: Option<Said>,
}

impl Unresolved {
    /// Whether nothing is decided yet, so that the same request sends the same payment once more.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        matches!(judge::weigh(&self.said), judge::Weight::Again)
    }
}

/// Something that was said earlier, in front of what was said last.
struct Then<'a>(Option<&'a Said>);

impl fmt::Display for Then<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |said| write!(f, "{said}, then "))
    }
}

impl Error {
    /// Whether money moved.
    #[must_use]
    pub fn moved(&self) -> Moved {
        match self {
            Self::Unresolved(unresolved) => unresolved.moved,
            Self::Session(fault) => fault.moved(),
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
            Self::Session(fault) => fault.hint(),
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
    /// Times by which a client would sign and then not send, or give up what it is still sending.
    #[error("the client's options cannot be: {0}")]
    Options(&'static str),
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

impl From<SessionFault> for Error {
    fn from(fault: SessionFault) -> Self {
        Self::Session(Box::new(fault))
    }
}
