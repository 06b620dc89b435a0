//! Every bound of the core, in one place. What arrives from outside and is larger is refused.

/// Bytes of a `WWW-Authenticate` header that are looked at.
pub const AUTHENTICATE_HEADER: usize = 32 * 1024;
/// Challenges read from one response.
pub const CHALLENGES: usize = 32;
/// Parameters of one challenge.
pub const PARAMETERS: usize = 32;
/// Bytes of a challenge's `request` parameter, encoded.
pub const REQUEST: usize = 8 * 1024;
/// Bytes of a challenge's `opaque` parameter.
pub const OPAQUE: usize = 2 * 1024;
/// Bytes of a challenge's `digest` parameter.
pub const DIGEST: usize = 512;
/// Bytes of a challenge's `description` parameter.
pub const DESCRIPTION: usize = 2 * 1024;
/// Bytes of an RFC 3339 time.
pub const TIME: usize = 40;
/// Bytes of an `Authorization: Payment` header value. The draft asks for at least 4 KiB.
pub const CREDENTIAL: usize = 32 * 1024;
/// Bytes of a `Payment-Receipt` header value.
pub const RECEIPT: usize = 16 * 1024;
/// Bytes of a `Payment-Session-Snapshot` header value.
pub const SNAPSHOT: usize = 8 * 1024;
/// Bytes of the data of a `payment-need-voucher` event.
pub const NEED_VOUCHER: usize = 4 * 1024;
/// Bytes of an `Accept-Payment` header value; a longer one is ignored.
pub const ACCEPT_PAYMENT: usize = 2 * 1024;
/// Ranges of an `Accept-Payment` header; more are ignored with the header.
pub const ACCEPT_RANGES: usize = 64;
/// Depth of JSON that is parsed.
pub const JSON_DEPTH: usize = 64;
/// Bytes of a method or intent identifier.
pub const IDENTIFIER: usize = 64;
/// Bytes of a realm.
pub const REALM: usize = 255;
/// Bytes of a challenge id.
pub const CHALLENGE_ID: usize = 128;
/// Bytes of a channel's id.
pub const CHANNEL_ID: usize = 128;
/// Vouchers kept of one channel; of more, those that differ least are forgotten.
pub const VOUCHERS: usize = 16;
/// Estimates held on one channel at once.
pub const RESERVATIONS: usize = 64;
/// Bytes kept of the calls of one channel: what makes repeated requests the same, and their answers.
pub const CALLS: usize = 4 * 1024 * 1024;
/// Calls of a channel that are looked through at once.
pub const CALL_PAGE: usize = 128;
/// Bytes of a DID, a recipient or a currency code.
pub const NAME: usize = 512;
/// Bytes of a rail's reference (a transaction hash, an invoice).
pub const REFERENCE: usize = 512;
/// Bytes of a problem body that a client reads.
pub const PROBLEM: usize = 64 * 1024;
/// Offers told in one problem body.
pub const OFFERS: usize = 32;
/// Bytes of a discovery document that is read.
pub const DISCOVERY: usize = 4 * 1024 * 1024;
/// Operations of a discovery document.
pub const OPERATIONS: usize = 10_000;
/// Bytes of a path or a path pattern in one.
pub const PATH: usize = 1024;
/// Categories of a service that are read.
pub const CATEGORIES: usize = 64;
/// Bytes of a link.
pub const LINK: usize = 2 * 1024;
/// Bytes of one server-sent event that is read.
pub const EVENT: usize = 1024 * 1024;
/// Bytes of such an event's name.
pub const EVENT_NAME: usize = 64;
/// Bytes of such an event's id.
pub const EVENT_ID: usize = 1024;
/// Bytes of one WebSocket message of the scheme that is read.
pub const SOCKET_MESSAGE: usize = 64 * 1024;
/// Bytes of an `Idempotency-Key`.
pub const IDEMPOTENCY_KEY: usize = 255;
/// Bytes of a key in the store.
pub const KEY: usize = 512;
/// Rows of one page read from the store.
pub const PAGE: usize = 1000;
/// Keys one payment claims.
pub const CLAIM_KEYS: usize = 16;
/// Counters one payment debits.
pub const DEBITS: usize = 16;
/// Bytes of a challenge secret, at least.
pub const SECRET_MIN: usize = 32;
/// Secrets a binder verifies with: the current one and the retired ones.
pub const SECRETS: usize = 8;
