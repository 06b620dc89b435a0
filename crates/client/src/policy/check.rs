//! Whether the policy allows an offer, and which budgets it reserves on.

use farthing_core::{
    domain::budgets::{Budget, Window},
    port::payer::{Offer, Quote},
    value::{Amount, Currency, Price, Realm},
};

use super::{DEFAULT_MAX_PER_REQUEST, DEFAULT_TOTAL, Limit, Policy};
use crate::{error::Refused, target::Target};

/// Bytes of a currency's code at the most: with a host's name it is part of a counter's.
const CODE: usize = 128;

/// More than any day costs, and still what a counter holds.
const UNLIMITED: Amount = Amount::new(u64::MAX as u128 * u32::MAX as u128);

/// A budget, and the limit it comes from.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    pub(crate) limit: Limit,
    pub(crate) budget: Budget,
}

impl Policy {
    /// Checks everything that needs no counter.
    pub(crate) fn check(
        &self,
        target: &Target,
        offer: &Offer,
        quote: &Quote,
    ) -> Result<(), Refused> {
        self.check_realm(target, &offer.challenge.realm)?;
        let code = &quote.currency.code;
        if code.as_str().len() > CODE {
            return Err(Refused::Currency(code.as_str().into()));
        }
        let listed = |(method, allowed): &(_, _)| *method == quote.currency.rail && allowed == code;
        if !self.currencies.is_empty() && !self.currencies.iter().any(listed) {
            return Err(Refused::Currency(code.as_str().into()));
        }
        let recipient = offer.request.recipient.as_ref();
        if !self.recipients.is_empty() && !recipient.is_some_and(|to| self.recipients.contains(to))
        {
            return Err(Refused::Recipient(recipient.map(|to| to.as_str().into())));
        }
        self.check_cap(target.host(), offer, &quote.currency)
    }

    /// The budgets a payment to a host in a currency reserves on.
    pub(crate) fn budgets(&self, host: &str, currency: &Currency) -> Result<Vec<Bound>, Refused> {
        let host = host.to_ascii_lowercase();
        let default = self
            .is_default()
            .then(|| Limit::total(constant(DEFAULT_TOTAL)));
        let concerned: Vec<_> = self
            .budgets
            .iter()
            .chain(&default)
            .filter(|limit| limit.concerns(&host) && limit.is_in(currency))
            .collect();
        let overruled = |limit: &Limit| concerned.iter().any(|other| limit.yields_to(other));
        concerned
            .iter()
            .filter(|limit| !overruled(limit))
            .map(|limit| {
                let budget = limit.budget(&host, currency).map_err(Refused::Limit)?;
                Ok(Bound {
                    limit: (*limit).clone(),
                    budget,
                })
            })
            .collect()
    }

    /// The count of a day's payments in a currency, where it is kept whatever the limits are.
    pub(crate) fn day_count(&self, currency: &Currency) -> Option<Budget> {
        self.counts_days.then(|| Budget {
            scope: "".into(),
            window: Window::Day,
            currency: currency.clone(),
            limit: UNLIMITED,
        })
    }

    /// The budgets in a currency that count by themselves, whatever the next host is.
    pub(crate) fn standing_budgets(&self, currency: &Currency) -> Result<Vec<Bound>, Refused> {
        let default = self
            .is_default()
            .then(|| Limit::total(constant(DEFAULT_TOTAL)));
        let limits = self
            .budgets
            .iter()
            .chain(&default)
            .filter(|limit| limit.is_in(currency));
        limits
            .filter_map(|limit| Some((limit, limit.host()?)))
            .map(|(limit, host)| {
                let budget = limit.budget(host, currency).map_err(Refused::Limit)?;
                Ok(Bound {
                    limit: limit.clone(),
                    budget,
                })
            })
            .collect()
    }

    /// Every cap in the currency's unit has to hold, and at least one limit has to be in it.
    fn check_cap(&self, host: &str, offer: &Offer, currency: &Currency) -> Result<(), Refused> {
        let host = host.to_ascii_lowercase();
        let default = self.is_default().then(|| constant(DEFAULT_MAX_PER_REQUEST));
        let on_host = self.host_caps.iter().filter(|(on, _)| **on == *host);
        let caps: Vec<_> = self
            .caps
            .iter()
            .chain(on_host.map(|(_, cap)| cap))
            .chain(&default)
            .filter(|cap| is_in(cap, currency))
            .collect();
        let mut budgets = self.budgets.iter();
        // A budget in this unit bounds a request as well.
        let is_bounded =
            !caps.is_empty() || budgets.any(|limit| limit.is_in(currency) && limit.concerns(&host));
        let ceiling = self.ceiling.as_ref();
        if !is_bounded || ceiling.is_some_and(|ceiling| !is_in(ceiling, currency)) {
            return Err(Refused::NoCap {
                symbol: currency.symbol.clone(),
            });
        }
        let asked = offer.request.amount;
        for cap in caps.into_iter().chain(ceiling) {
            if asked > cap.in_currency(currency).map_err(Refused::Limit)? {
                return Err(Refused::Cap {
                    asked: currency.display(asked).into(),
                    cap: cap.to_string().into(),
                });
            }
        }
        Ok(())
    }

    fn check_realm(&self, target: &Target, realm: &Realm) -> Result<(), Refused> {
        let host = target.host();
        let with_port = target
            .url()
            .port_or_known_default()
            .map(|port| format!("{host}:{port}"));
        let says = realm.as_str();
        let own = says.eq_ignore_ascii_case(host)
            || with_port.is_some_and(|name| says.eq_ignore_ascii_case(&name));
        let pinned = self.realms.get(&*host.to_ascii_lowercase());
        if own || pinned.is_some_and(|pins| pins.contains(realm)) {
            return Ok(());
        }
        Err(Refused::Realm {
            realm: realm.clone(),
            host: host.into(),
        })
    }

    fn is_default(&self) -> bool {
        self.caps.is_empty() && self.host_caps.is_empty() && self.budgets.is_empty()
    }
}

fn is_in(price: &Price, currency: &Currency) -> bool {
    *price.unit().as_str() == *currency.symbol
}

fn constant(price: &str) -> Price {
    price.parse().expect("the default limits are prices")
}
