//! What a reload changes, and what only a restart can.

use std::{collections::HashMap, fmt, net::SocketAddr};

use super::error::ReloadError;
use crate::config::{Config, Rule, RuleKey, Trust};

/// What a reload changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Changes {
    /// Rules that are new.
    pub added: Vec<RuleKey>,
    /// Rules that are gone.
    pub removed: Vec<RuleKey>,
    /// Rules that say something else.
    pub changed: Vec<RuleKey>,
    /// Parts of the file beside the rules.
    pub settings: Vec<&'static str>,
}

impl Changes {
    /// Whether nothing changed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.added.is_empty()
            && self.removed.is_empty()
            && self.changed.is_empty()
            && self.settings.is_empty()
    }

    /// What is different from one configuration to the next.
    pub(super) fn between(old: &Config, new: &Config) -> Self {
        let before: HashMap<String, &Rule> = by_name(old);
        let after = by_name(new);
        let keys = |config: &Config, keep: &dyn Fn(&Rule) -> bool| {
            let rules = config.rules.iter().filter(|rule| keep(rule));
            rules.map(|rule| rule.key.clone()).collect()
        };
        Self {
            added: keys(new, &|rule| !before.contains_key(&rule.key.to_string())),
            removed: keys(old, &|rule| !after.contains_key(&rule.key.to_string())),
            changed: keys(new, &|rule| {
                let former = before.get(&rule.key.to_string());
                former.is_some_and(|former| !is_same(former, rule))
            }),
            settings: settings(old, new),
        }
    }
}

fn by_name(config: &Config) -> HashMap<String, &Rule> {
    let rules = config.rules.iter();
    rules.map(|rule| (rule.key.to_string(), rule)).collect()
}

/// Where a rule stands in the file makes no difference.
fn is_same(one: &Rule, other: &Rule) -> bool {
    let other = Rule {
        line: one.line,
        ..other.clone()
    };
    *one == other
}

fn settings(old: &Config, new: &Config) -> Vec<&'static str> {
    let parts = [
        ("site", old.site != new.site),
        ("to", old.upstream != new.upstream),
        ("pay", old.pay != new.pay),
        ("limits", old.limits != new.limits),
        ("listen", old.listen.trust != new.listen.trust),
        ("log", old.log != new.log),
        ("service", old.about != new.about),
    ];
    let changed = parts.into_iter().filter(|(_, changed)| *changed);
    changed.map(|(name, _)| name).collect()
}

/// Refuses what cannot change while the gateway runs.
///
/// # Errors
/// With the first such thing.
pub(super) fn check(old: &Config, new: &Config, bound: SocketAddr) -> Result<(), ReloadError> {
    // The port that any free one became may be named as well.
    let at = new.listen.address;
    let listens_alike = old.listen.address == at || bound == at;
    let trusts_alike = matches!(
        (&old.listen.trust, &new.listen.trust),
        (Trust::Loopback, Trust::Loopback)
            | (Trust::Tls(_), Trust::Tls(_))
            | (Trust::BehindTls(_), Trust::BehindTls(_))
    );
    for (what, is_same) in [
        ("`listen`", listens_alike),
        ("whether TLS ends here (`tls`, `behind_tls`)", trusts_alike),
        ("`store`", old.store == new.store),
        ("`admin.listen`", old.admin == new.admin),
    ] {
        if !is_same {
            return Err(ReloadError::NeedsRestart(what));
        }
    }
    Ok(())
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        for (rules, what) in [
            (&self.added, "added"),
            (&self.changed, "changed"),
            (&self.removed, "removed"),
        ] {
            match rules.len() {
                0 => {}
                1 => parts.push(format!("1 rule {what}")),
                many => parts.push(format!("{many} rules {what}")),
            }
        }
        if !self.settings.is_empty() {
            parts.push(format!("{} changed", self.settings.join(", ")));
        }
        if parts.is_empty() {
            parts.push("nothing changed".to_owned());
        }
        f.write_str(&parts.join(", "))
    }
}
