//! The headers of the scheme: names, and codecs between their values and the nouns.

pub mod accept_payment;
pub mod authorization;
pub mod digest;
pub mod payment_receipt;
pub mod payment_session;
pub(crate) mod syntax;
pub mod www_authenticate;

use http::HeaderName;

/// `Payment-Receipt`, on a paid response.
pub const PAYMENT_RECEIPT: HeaderName = HeaderName::from_static("payment-receipt");
/// `Payment-Authorization`, for credentials where `Authorization` is taken.
pub const PAYMENT_AUTHORIZATION: HeaderName = HeaderName::from_static("payment-authorization");
/// `Payment-Session`, the channel that a payer can go on with.
pub const PAYMENT_SESSION: HeaderName = HeaderName::from_static("payment-session");
/// `Payment-Session-Snapshot`, what that channel holds.
pub const PAYMENT_SESSION_SNAPSHOT: HeaderName =
    HeaderName::from_static("payment-session-snapshot");
/// `Accept-Payment`, what a client can pay with.
pub const ACCEPT_PAYMENT: HeaderName = HeaderName::from_static("accept-payment");
/// `Money-Moved`, beside the service's own answer to a payment that was not charged for it: `false`. A
/// problem says the same as a member. It is the seller's word, and no evidence.
pub const MONEY_MOVED: HeaderName = HeaderName::from_static("money-moved");
/// `Idempotency-Key`, which makes a repeated request the same request.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The name of the scheme. It is compared without case.
pub const SCHEME: &str = "Payment";
/// The media type of a problem (RFC 9457).
pub const PROBLEM_JSON: &str = "application/problem+json";
