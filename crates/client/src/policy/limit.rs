//! A limit on what is spent over time.

use std::fmt;

use farthing_core::{
    domain::budgets::{Budget, Window},
    value::{Price, PriceError},
};

/// A budget as its owner writes it: how much, over what time, and for which hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    price: Price,
    window: Window,
    scope: Scope,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Scope {
    Everything,
    EachHost,
    Host(Box<str>),
}

impl Limit {
    /// In total, for as long as the store lives.
    #[must_use]
    pub const fn total(price: Price) -> Self {
        Self {
            price,
            window: Window::Total,
            scope: Scope::Everything,
        }
    }

    /// In a day of UTC.
    #[must_use]
    pub const fn per_day(price: Price) -> Self {
        Self {
            price,
            window: Window::Day,
            scope: Scope::Everything,
        }
    }

    /// The same for one host. For this host it takes the place of the limit for each host.
    #[must_use]
    pub fn on_host(mut self, host: &str) -> Self {
        self.scope = Scope::Host(host.to_ascii_lowercase().into());
        self
    }

    /// The same for each host by itself.
    #[must_use]
    pub fn on_each_host(mut self) -> Self {
        self.scope = Scope::EachHost;
        self
    }

    /// Over what time it counts.
    #[must_use]
    pub const fn window(&self) -> Window {
        self.window
    }

    /// The one host it is for, where it is for one.
    #[must_use]
    pub fn only_host(&self) -> Option<&str> {
        match &self.scope {
            Scope::Host(host) => Some(host),
            Scope::Everything | Scope::EachHost => None,
        }
    }

    /// Whether the two would count on the same counter.
    pub(super) fn counts_with(&self, other: &Self) -> bool {
        self.window == other.window
            && self.scope == other.scope
            && self.price.unit() == other.price.unit()
    }

    /// Whether it is about payments to a host.
    pub(super) fn concerns(&self, host: &str) -> bool {
        match &self.scope {
            Scope::Everything | Scope::EachHost => true,
            Scope::Host(name) => **name == *host,
        }
    }

    /// Whether `other` is the more special limit that takes the place of this one.
    pub(super) fn yields_to(&self, other: &Self) -> bool {
        self.scope == Scope::EachHost
            && matches!(other.scope, Scope::Host(_))
            && self.window == other.window
            && self.price.unit() == other.price.unit()
    }

    /// The host it counts for, empty for all together; `None` where each host has its own.
    pub(super) fn host(&self) -> Option<&str> {
        match &self.scope {
            Scope::Everything => Some(""),
            Scope::Host(host) => Some(host),
            Scope::EachHost => None,
        }
    }

    pub(super) fn is_in(&self, unit: &str) -> bool {
        self.price.unit().as_str() == unit
    }

    /// The budget it is for payments to a host.
    pub(super) fn budget(&self, host: &str) -> Result<Budget, PriceError> {
        let scope = match &self.scope {
            Scope::Everything => "",
            Scope::EachHost | Scope::Host(_) => host,
        };
        Ok(Budget {
            scope: scope.into(),
            window: self.window,
            unit: self.price.unit().as_str().into(),
            limit: self.price.worth().ok_or_else(|| PriceError::Overflow {
                text: self.price.to_string().into(),
            })?,
        })
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.price)?;
        match self.window {
            Window::Total => f.write_str(" in total")?,
            Window::Day => f.write_str(" per day")?,
        }
        match &self.scope {
            Scope::Everything => Ok(()),
            Scope::EachHost => f.write_str(" on each host"),
            Scope::Host(host) => write!(f, " on {host}"),
        }
    }
}
