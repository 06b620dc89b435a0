//! What a gateway is told, read once into types that cannot be wrong.

mod caution;
mod finding;
mod key;
mod listen;
mod not_json;
mod observe;
mod pay;
mod quick;
mod read;
mod rule;
mod secret;
mod service;
mod session;
mod tempo;
mod upstream;

pub use caution::Caution;
pub use finding::{Finding, Place};
pub use key::{KeyError, Segment};
pub use listen::{Limits, Listen, Network, Tls, Trust};
pub use not_json::{PlaceError, Step};
pub use observe::{Admin, Log, LogFormat};
pub use pay::{LedgerPay, Pay, Store};
pub use quick::{Quick, QuickError};
pub use rule::{NotJson, Pattern, Rule, RuleKey, RulePrice, ServedWhen, Verb};
pub use secret::SecretError;
pub use service::{About, Docs, OpenApi};
pub use session::{
    CloseUnused, Keep, RuleSession, SessionPay, SettleWhen, TempoSessionPay, Usage, V1Ahead,
};
pub use tempo::{CreditTerms, Share, Sponsor, TempoPay};
pub use upstream::{Inject, Secret, SecretFrom, Upstream};

use std::path::PathBuf;

use farthing::core::value::Realm;

/// A whole gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The public host of the service: the realm of each challenge.
    pub site: Realm,
    /// Where it listens.
    pub listen: Listen,
    /// What it stands in front of, where a rule does not say otherwise.
    pub upstream: Upstream,
    /// How it is paid.
    pub pay: Pay,
    /// Where payments are kept.
    pub store: Store,
    /// Limits that come before money.
    pub limits: Limits,
    /// The listener for its operator.
    pub admin: Option<Admin>,
    /// What it writes down of each request.
    pub log: Log,
    /// What it says of itself in its discovery documents.
    pub about: About,
    /// Every file it was read from: the file itself, and those of secrets, certificates and
    /// documents that it names. A change of one is a change of the configuration.
    pub sources: Vec<PathBuf>,
    /// The rules, in the order of the file.
    pub rules: Vec<Rule>,
}
