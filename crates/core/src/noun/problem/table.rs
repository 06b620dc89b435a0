//! The table of problems.

use std::fmt;

/// A row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct ProblemSpec {
    /// The type, a URI.
    pub uri: &'static str,
    /// The title, the same for every problem of the type.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// Whether trying again helps.
    pub retry: Retry,
}

/// Whether trying again helps, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// It does not.
    Never,
    /// With the same credential: nothing more is to be paid.
    Same,
    /// With a payment for a new challenge.
    Fresh,
    /// With the same request, after a while.
    After,
}

/// Declares the kinds and their rows together, so that there is no kind without a row.
macro_rules! table {
    ($($(#[$doc:meta])* $kind:ident = $uri:expr, $title:literal, $status:literal, $retry:ident;)*) => {
        /// What went wrong.
        #[derive(Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum ProblemKind {
            $($(#[$doc])* $kind,)*
            /// A problem of one method, with the method's own row.
            Method(&'static ProblemSpec),
        }

        impl ProblemKind {
            /// Every kind that no method brings.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// The row of this kind.
            #[must_use]
            pub const fn spec(self) -> &'static ProblemSpec {
                match self {
                    $(Self::$kind => &ProblemSpec {
                        uri: $uri,
                        title: $title,
                        status: $status,
                        retry: Retry::$retry,
                    },)*
                    Self::Method(spec) => spec,
                }
            }

            const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => stringify!($kind),)*
                    Self::Method(spec) => spec.uri,
                }
            }
        }
    };
}

macro_rules! draft {
    ($name:literal) => {
        concat!("https://paymentauth.org/problems/", $name)
    };
}

macro_rules! ours {
    ($name:literal) => {
        concat!("urn:farthing:problem:", $name)
    };
}

table! {
    // draft-httpauth-payment-00, section "Error Codes".
    /// The resource has a price.
    PaymentRequired = draft!("payment-required"), "Payment Required", 402, Fresh;
    /// The amount is too low.
    PaymentInsufficient = draft!("payment-insufficient"), "Payment Insufficient", 402, Fresh;
    /// The challenge or the proof is past its end.
    PaymentExpired = draft!("payment-expired"), "Payment Expired", 402, Fresh;
    /// The proof is not good.
    VerificationFailed = draft!("verification-failed"), "Verification Failed", 402, Fresh;
    /// The method is not accepted here.
    MethodUnsupported = draft!("method-unsupported"), "Method Unsupported", 400, Never;
    /// The credential is not well formed.
    MalformedCredential = draft!("malformed-credential"), "Malformed Credential", 402, Fresh;
    /// The challenge is not ours, is for something else, or was paid before.
    InvalidChallenge = draft!("invalid-challenge"), "Invalid Challenge", 402, Fresh;

    // draft-tempo-session-00, section "Rejection and Error Responses".
    /// A voucher or a closing request has a bad signature.
    SessionInvalidSignature = draft!("session/invalid-signature"), "Invalid Signature", 402, Fresh;
    /// Who signed may not sign for the channel.
    SessionSignerMismatch = draft!("session/signer-mismatch"), "Signer Mismatch", 402, Fresh;
    /// The voucher says more than the channel holds.
    SessionAmountExceedsDeposit =
        draft!("session/amount-exceeds-deposit"), "Amount Exceeds Deposit", 402, Fresh;
    /// The voucher adds less than a voucher must.
    SessionDeltaTooSmall = draft!("session/delta-too-small"), "Delta Too Small", 402, Fresh;
    /// There is no such channel.
    SessionChannelNotFound = draft!("session/channel-not-found"), "Channel Not Found", 410, Fresh;
    /// The channel was closed.
    SessionChannelFinalized = draft!("session/channel-finalized"), "Channel Finalized", 410, Fresh;
    /// The session's challenge is not known, or over.
    SessionChallengeNotFound =
        draft!("session/challenge-not-found"), "Challenge Not Found", 402, Fresh;
    /// What was authorized does not cover the price.
    SessionInsufficientBalance =
        draft!("session/insufficient-balance"), "Insufficient Balance", 402, Fresh;

    // What the drafts have no word for.
    /// The request carries several payment credentials.
    MultipleCredentials = ours!("multiple-credentials"), "Multiple Credentials", 400, Never;
    /// The request's body is larger than the route takes.
    BodyTooLarge = ours!("body-too-large"), "Body Too Large", 413, Never;
    /// The same payment is being worked on right now.
    PaymentInFlight = ours!("payment-in-flight"), "Payment In Flight", 409, Same;
    /// The rail has the payment and is not done.
    PaymentPending = ours!("payment-pending"), "Payment Pending", 503, Same;
    /// The payment was sent, and nobody knows yet what became of it.
    PaymentUnresolved = ours!("payment-unresolved"), "Payment Unresolved", 503, Same;
    /// The payment was taken and nothing was delivered in time: it is owed.
    PaymentOwed = ours!("payment-owed"), "Payment Owed", 410, Never;
    /// The service failed to serve what was paid for.
    NotServed = ours!("not-served"), "Not Served", 502, Same;
    /// The service did not serve in time.
    NotServedInTime = ours!("not-served-in-time"), "Not Served In Time", 504, Same;
    /// The store cannot be written.
    StoreUnavailable = ours!("store-unavailable"), "Store Unavailable", 503, Same;
    /// The rail cannot be reached.
    RailUnavailable = ours!("rail-unavailable"), "Rail Unavailable", 503, Same;
    /// There is too much to do at the moment.
    Overloaded = ours!("overloaded"), "Overloaded", 503, After;
    /// This peer asks too often.
    RateLimited = ours!("rate-limited"), "Rate Limited", 429, After;
    /// The idempotency key belongs to another request.
    IdempotencyMismatch = ours!("idempotency-mismatch"), "Idempotency Mismatch", 422, Never;
    /// A request under the same idempotency key is being worked on.
    IdempotencyInFlight = ours!("idempotency-in-flight"), "Idempotency In Flight", 409, Same;
    /// The payer may not buy this.
    IdentityRefused = ours!("identity-refused"), "Identity Refused", 403, Never;
    /// The request is not one.
    BadRequest = ours!("bad-request"), "Bad Request", 400, Never;
    /// Nothing is here.
    NotFound = ours!("not-found"), "Not Found", 404, Never;
    /// Something is here, for other HTTP methods.
    MethodNotAllowed = ours!("method-not-allowed"), "Method Not Allowed", 405, Never;
    /// The request is for another host than this one serves.
    Misdirected = ours!("misdirected"), "Misdirected Request", 421, Never;
    /// The connection cannot become one of another protocol.
    UpgradeUnsupported = ours!("upgrade-unsupported"), "Upgrade Unsupported", 501, Never;
    /// The service behind a gateway answered with what is no answer.
    UpstreamBroken = ours!("upstream-broken"), "Upstream Broken", 502, After;
    /// The service behind a gateway cannot be reached.
    UpstreamUnavailable = ours!("upstream-unavailable"), "Upstream Unavailable", 503, After;
    /// The service behind a gateway did not answer in time.
    UpstreamTimeout = ours!("upstream-timeout"), "Upstream Timeout", 504, After;
    /// A defect of the server.
    Internal = ours!("internal"), "Internal Error", 500, After;
}

impl ProblemKind {
    /// The kind with a type URI, among those no method brings.
    #[must_use]
    pub fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.spec().uri == uri)
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        self.spec().status
    }
}

impl fmt::Debug for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_kinds_share_a_type() {
        for kind in ProblemKind::ALL {
            assert_eq!(ProblemKind::from_uri(kind.spec().uri), Some(*kind));
        }
    }

    #[test]
    fn whoever_is_asked_for_a_payment_is_told_402_or_that_the_channel_is_gone() {
        for kind in ProblemKind::ALL {
            let spec = kind.spec();
            if spec.retry == Retry::Fresh {
                assert!(matches!(spec.status, 402 | 410), "{kind:?}");
            }
        }
    }
}
