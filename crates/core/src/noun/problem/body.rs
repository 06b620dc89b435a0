//! A problem with its members.

use std::{borrow::Cow, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{ProblemKind, Retry};
use crate::{
    payment::Moved,
    value::{
        Amount, ChallengeId, CurrencyCode, IntentId, MethodId, Recipient, Reference, Timestamp,
    },
};

/// What went wrong, as it is told to the peer.
///
/// Members that are absent are not said. What only our log may read has no place in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    pub(super) kind: Option<ProblemKind>,
    pub(super) uri: Cow<'static, str>,
    pub(super) title: Cow<'static, str>,
    pub(super) status: u16,
    /// What happened this time, for people.
    pub detail: Option<Cow<'static, str>>,
    /// The challenge it is about.
    pub challenge: Option<ChallengeId>,
    /// Whether money moved.
    pub moved: Option<Moved>,
    /// What the rail calls the payment.
    pub reference: Option<Reference>,
    /// What the rail will call the payment if it comes to it. No evidence that it did.
    pub awaits: Option<Reference>,
    /// Until when the same credential still gets what was paid for.
    pub owed_until: Option<Timestamp>,
    /// What may be paid. The first one's price also stands beside the list, where one who reads
    /// only that finds it.
    pub offers: Vec<Offer>,
    /// After how long to try again. It is told in whole seconds, rounded up.
    pub retry_after: Option<Duration>,
    /// How much a session lacks for this request.
    pub required_top_up: Option<Amount>,
    /// The session's channel.
    pub channel: Option<Box<str>>,
    /// Members this version does not know.
    pub extra: Map<String, Value>,
}

/// One way to pay, told in a problem. It only informs: what binds is the challenge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Offer {
    /// The method.
    pub method: MethodId,
    /// The kind of payment.
    pub intent: IntentId,
    /// How much, in base units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
    /// Of what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<CurrencyCode>,
    /// To whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<Recipient>,
    /// How many decimals a whole unit of the currency has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decimals: Option<u8>,
    /// What else is said about it.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Problem {
    /// A problem without members.
    #[must_use]
    pub fn new(kind: ProblemKind) -> Self {
        let spec = kind.spec();
        Self {
            kind: Some(kind),
            ..Self::foreign(spec.uri.into(), spec.title.into(), spec.status)
        }
    }

    pub(super) fn foreign(uri: Cow<'static, str>, title: Cow<'static, str>, status: u16) -> Self {
        Self {
            kind: None,
            uri,
            title,
            status,
            detail: None,
            challenge: None,
            moved: None,
            reference: None,
            awaits: None,
            owed_until: None,
            offers: Vec::new(),
            retry_after: None,
            required_top_up: None,
            channel: None,
            extra: Map::new(),
        }
    }

    /// Says what happened this time. It must hold nothing of a credential.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Says which challenge it is about.
    #[must_use]
    pub fn with_challenge(mut self, id: ChallengeId) -> Self {
        self.challenge = Some(id);
        self
    }

    /// Says whether money moved.
    #[must_use]
    pub const fn with_moved(mut self, moved: Moved) -> Self {
        self.moved = Some(moved);
        self
    }

    /// Says what the rail calls the payment.
    #[must_use]
    pub fn with_reference(mut self, reference: Reference) -> Self {
        self.reference = Some(reference);
        self
    }

    /// Says until when the same credential still gets what was paid for.
    #[must_use]
    pub const fn with_owed_until(mut self, until: Timestamp) -> Self {
        self.owed_until = Some(until);
        self
    }

    /// Says what may be paid.
    #[must_use]
    pub fn with_offers(mut self, offers: Vec<Offer>) -> Self {
        self.offers = offers;
        self
    }

    /// Says after how long to try again.
    #[must_use]
    pub const fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Its kind, or `None` where a client read a type this version does not know.
    #[must_use]
    pub const fn kind(&self) -> Option<ProblemKind> {
        self.kind
    }

    /// Its type, a URI.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Its title.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Its HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// Whether trying again helps, where the kind is known.
    #[must_use]
    pub fn retry(&self) -> Option<Retry> {
        self.kind.map(|kind| kind.spec().retry)
    }

    /// The value of a `Retry-After` header: whole seconds, rounded up.
    #[must_use]
    pub fn retry_after_secs(&self) -> Option<u64> {
        self.retry_after
            .map(|after| after.as_secs() + u64::from(after.subsec_nanos() > 0))
    }
}
