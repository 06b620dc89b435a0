//! The receipt of a session, as it stands in a header.

use farthing_core::{
    header::{PAYMENT_RECEIPT, payment_receipt},
    intent::session::Balance,
    noun::session::SessionReceipt,
    value::{ChallengeId, Reference, Timestamp},
};
use http::{HeaderMap, HeaderValue, header};

use super::Live;

/// A receipt that is about to be told.
pub(super) struct Told(SessionReceipt);

/// The receipt of what was done to a channel, with its balance after it.
pub(super) fn of(
    live: &Live,
    challenge: &ChallengeId,
    at: Timestamp,
    balance: &Balance,
    units: Option<u64>,
) -> Told {
    Told(SessionReceipt {
        method: live.terms().method.clone(),
        at,
        challenge: challenge.clone(),
        channel: live.id().clone(),
        accepted: balance.accepted,
        spent: balance.spent,
        units,
        transaction: None,
    })
}

impl Told {
    /// The same with the rail's transaction, where one was sent.
    pub(super) fn sent(mut self, transaction: Option<Reference>) -> Self {
        self.0.transaction = transaction;
        self
    }

    /// Puts it on an answer, which is then nobody's but the payer's.
    pub(super) fn put(&self, headers: &mut HeaderMap) {
        headers.insert(PAYMENT_RECEIPT, payment_receipt::session_to_header(&self.0));
        keep_private(headers);
    }
}

/// Keeps an answer out of caches that several share. A handler that allows no cache at all is not
/// overruled.
pub(crate) fn keep_private(headers: &mut HeaderMap) {
    let strict = headers.get_all(header::CACHE_CONTROL).iter().any(|line| {
        line.to_str()
            .is_ok_and(|line| line.to_ascii_lowercase().contains("no-store"))
    });
    let caching = if strict {
        "private, no-store"
    } else {
        "private"
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
}
