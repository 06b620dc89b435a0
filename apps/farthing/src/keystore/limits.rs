//! The limits that a keystore's owner set, in a file beside the wallets.

use std::{collections::BTreeMap, fmt, str::FromStr};

use farthing::{
    client::{Limit, Policy},
    core::value::Price,
};
use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::{Keystore, KeystoreError, VERSION, disk, parse};

const LIMITS: &str = "limits.json";

/// Hosts with limits of their own.
const HOSTS: usize = 64;

/// What the wallets of a keystore may spend, together.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Limits {
    version: u32,
    /// For every host.
    #[serde(default)]
    pub(crate) all: Set,
    /// For single hosts, beside those.
    #[serde(default)]
    pub(crate) hosts: BTreeMap<Host, Set>,
}

/// The limits for one host or for all: a price of each unit at the most.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Set {
    pub(crate) per_request: Vec<Price>,
    pub(crate) per_day: Vec<Price>,
    pub(crate) total: Vec<Price>,
}

/// A host as it stands in a URL: without a port, in lower case, in the form of the DNS.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Host(Box<str>);

/// A text that is no host.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a host is written as in a URL, without scheme and port: api.example.com")]
pub(crate) struct HostError;

impl Default for Limits {
    fn default() -> Self {
        Self {
            version: VERSION,
            all: Set::default(),
            hosts: BTreeMap::new(),
        }
    }
}

impl Limits {
    /// Whether there are none, so that the small defaults hold.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty() && self.hosts.is_empty()
    }

    /// Whether nobody but single hosts is paid.
    pub(crate) fn is_only_hosts(&self) -> bool {
        self.all.is_empty() && !self.hosts.is_empty()
    }

    /// The limits for a host, or for all where none is named.
    pub(crate) fn of(&mut self, host: Option<&Host>) -> &mut Set {
        match host {
            Some(host) => self.hosts.entry(host.clone()).or_default(),
            None => &mut self.all,
        }
    }

    /// As the rules of a client.
    pub(crate) fn policy(&self) -> Policy {
        let mut policy = Policy::new();
        for price in &self.all.per_request {
            policy = policy.max_per_request(price.clone());
        }
        for limit in self.all.budgets() {
            policy = policy.budget(limit);
        }
        for (host, set) in &self.hosts {
            for price in &set.per_request {
                policy = policy.max_per_request_on_host(host.as_str(), price.clone());
            }
            for limit in set.budgets() {
                policy = policy.budget(limit.on_host(host.as_str()));
            }
        }
        policy
    }
}

impl Set {
    pub(crate) const fn is_empty(&self) -> bool {
        self.per_request.is_empty() && self.per_day.is_empty() && self.total.is_empty()
    }

    fn budgets(&self) -> impl Iterator<Item = Limit> {
        let days = self.per_day.iter().cloned().map(Limit::per_day);
        days.chain(self.total.iter().cloned().map(Limit::total))
    }
}

impl Host {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let url = Url::parse(&format!("https://{text}/")).map_err(|_| HostError)?;
        let host = url.host_str().ok_or(HostError)?;
        // Whatever else it held would stand in the URL as well.
        let bare = url.as_str() == format!("https://{host}/") && !text.contains([':', '/', '?'])
            || text.starts_with('[') && text.ends_with(']');
        if bare && host.len() <= 253 {
            Ok(Self(host.into()))
        } else {
            Err(HostError)
        }
    }
}

impl TryFrom<String> for Host {
    type Error = HostError;

    fn try_from(text: String) -> Result<Self, HostError> {
        text.parse()
    }
}

impl From<Host> for String {
    fn from(host: Host) -> Self {
        host.0.into()
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Keystore {
    /// The limits that were set. Where none were, there are none.
    pub(crate) fn limits(&self) -> Result<Limits, KeystoreError> {
        let path = self.folder()?.join(LIMITS);
        match disk::read_if_there(&path)? {
            Some(text) => parse(&path, &text),
            None => Ok(Limits::default()),
        }
    }

    /// Puts limits in the place of those that are there.
    pub(crate) fn set_limits(&self, limits: &Limits) -> Result<(), KeystoreError> {
        if limits.hosts.len() > HOSTS {
            return Err(KeystoreError::Hosts(HOSTS));
        }
        let path = self.make_folder()?.join(LIMITS);
        disk::replace(&path, &disk::json(limits))
            .map_err(|source| KeystoreError::Write { path, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_written_as_in_a_url() {
        let check = |text: &str, expect: Option<&str>| {
            let host = text.parse::<Host>().ok();
            assert_eq!(host.as_ref().map(Host::as_str), expect, "{text:?}");
        };
        check("api.example.com", Some("api.example.com"));
        check("API.Example.com", Some("api.example.com"));
        check("127.0.0.1", Some("127.0.0.1"));
        check("[::1]", Some("[::1]"));
        check("bücher.example", Some("xn--bcher-kva.example"));
        for bad in [
            "",
            " ",
            "a b",
            "a/b",
            "a:80",
            "a?b",
            "a#b",
            "u@a",
            "https://a",
            "[::1]:80",
            "*",
            "a\\b",
        ] {
            // A star is a character that a host may hold, and no pattern.
            check(bad, (bad == "*").then_some("*"));
        }
    }

    #[test]
    fn a_file_with_more_than_we_know_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let keystore = Keystore::at(dir.path());
        assert!(keystore.limits().unwrap().is_empty());
        let path = dir.path().join(LIMITS);
        // A limit that is not understood must not be passed over.
        for bad in [
            r#"{"version":1,"all":{"perHour":["$1"]}}"#,
            r#"{"version":1,"all":{"perDay":["a lot"]}}"#,
            r#"{"version":1,"hosts":{"a:80":{}}}"#,
            r#"{"version":2}"#,
            "{}",
            "",
        ] {
            std::fs::write(&path, bad).unwrap();
            assert!(keystore.limits().is_err(), "{bad}");
        }
        let mut limits = Limits::default();
        limits.of(None).per_day.push("$2".parse().unwrap());
        let host = "api.example.com".parse().unwrap();
        limits
            .of(Some(&host))
            .per_request
            .push("$0.05".parse().unwrap());
        keystore.set_limits(&limits).unwrap();
        let read = keystore.limits().unwrap();
        assert_eq!((&read.all, &read.hosts), (&limits.all, &limits.hosts));
    }
}
