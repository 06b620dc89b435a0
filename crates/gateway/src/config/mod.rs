//! What a gateway is told, read once into types that cannot be wrong.

mod listen;
mod observe;
mod pay;
mod rule;
mod upstream;

pub use listen::{Limits, Listen, Network, Tls, Trust};
pub use observe::{Admin, Log, LogFormat};
pub use pay::{LedgerPay, Pay, Store};
pub use rule::{NotJson, Pattern, Rule, RuleKey, RulePrice, ServedWhen, Verb};
pub use upstream::{Inject, Secret, SecretFrom, Upstream};

use farthing::core::value::Realm;

/// A whole gateway.
#[derive(Clone, Debug)]
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
    /// The rules, in the order of the file.
    pub rules: Vec<Rule>,
}
