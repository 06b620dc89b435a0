//! What was wrong, by whose fault it is.

use farthing_core::{
    header::www_authenticate::ChallengeError,
    port::method::Refusal,
    value::{ChallengeId, PriceError, Realm},
};

use super::TransportError;

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
    /// The rail takes more for itself than it may.
    #[error("{asked} is more than the {cap} a rail may take for one payment")]
    Fee {
        /// What it may take.
        asked: Box<str>,
        /// What is allowed.
        cap: Box<str>,
    },
    /// The network is not on the list.
    #[error("payments on {0} are not allowed")]
    Network(Box<str>),
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

impl Refused {
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::Cap { .. } | Self::NoCap { .. } | Self::Limit(_) => {
                "allow more for one request if that is what you want"
            }
            Self::Budget { .. } => "raise the budget, or wait where it is one of a day",
            Self::Fee { .. } => "allow a higher fee if that is what you want",
            Self::Network(_) => "allow the network if you want to pay on it",
            Self::Currency(_) => "allow the currency if you want to pay in it",
            Self::Recipient(_) => "allow the recipient if you know it",
            Self::Realm { .. } => "pin the realm to the host if you know that they belong together",
            Self::PlainHttp(_) => "use https",
            Self::Approval => "nothing was paid",
        }
    }
}
