//! A rule: which requests it takes and what they cost.

use std::time::Duration;

use farthing::{
    core::{payment::SettlePolicy, value::Price},
    evm::B256,
};
use http::{Method, StatusCode};

use super::{CreditTerms, RuleSession, Share, Upstream};

/// What a file says of one kind of request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rule {
    /// The requests it takes.
    pub key: RuleKey,
    /// What one costs.
    pub price: RulePrice,
    /// What one costs out of a channel, beside the price or in its place.
    pub session: Option<RuleSession>,
    /// When value moves. Without it, as the method has it.
    pub settle: Option<SettlePolicy>,
    /// What counts as served.
    pub served: ServedWhen,
    /// Whether the upstream may be asked again when a paid answer was lost.
    pub retryable: bool,
    /// How long a paid answer may be fetched again.
    pub redeliver: Option<Duration>,
    /// Binds the payment to a body of at most so many bytes.
    pub bind_body: Option<usize>,
    /// The largest answer that is stored for another delivery.
    pub store_up_to: Option<usize>,
    /// The largest answer that is held until it is settled.
    pub hold_up_to: Option<usize>,
    /// What is served before a chain confirmed the payment.
    pub credit: Option<CreditTerms>,
    /// What others get of each payment on a chain.
    pub splits: Vec<Share>,
    /// What stands beside the transfer on a chain, in place of what binds it to the challenge.
    pub memo: Option<B256>,
    /// How long the upstream may take.
    pub deadline: Option<Duration>,
    /// What the buyer is told it is.
    pub description: Option<String>,
    /// The service behind, where it is another.
    pub upstream: Option<Upstream>,
    /// The line of the file it begins on.
    pub line: u32,
}

/// `GET /v1/weather/*`, as it was written and as it is matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleKey {
    /// The methods it takes.
    pub verb: Verb,
    /// The paths it takes.
    pub pattern: Pattern,
}

/// The methods a rule takes. A rule for GET takes HEAD too, where no rule for HEAD does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `*`: any.
    Any,
    /// One.
    One(Method),
}

/// A path with wild parts: `{name}` is one segment, a last `*` is one or more.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    pub(crate) text: Box<str>,
}

/// What a request costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RulePrice {
    /// Nothing.
    Free,
    /// So much.
    Fixed(Price),
    /// What the rule's session says, and nothing else buys it.
    Session,
}

/// What counts as served. Whatever is said here, only a 2xx can be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServedWhen {
    /// These statuses; empty for any 2xx.
    pub status: Vec<StatusCode>,
    /// Not where the body is JSON and has something at one of these places.
    pub not_json: Vec<NotJson>,
}

/// A place in a JSON document, such as `$.error` or `$.errors[0].code`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotJson {
    pub(crate) text: Box<str>,
}
