//! Whether the policy allows an offer, and which budgets it reserves on.

use farthing_core::{
    domain::budgets::{Budget, Window},
    port::payer::{Fee, Offer, Quote},
    value::{Amount, Currency, CurrencyCode, MethodId, Price, PriceError, Realm, Recipient, Worth},
};

use super::{
    DEFAULT_DEPOSITS, DEFAULT_MAX_DEPOSIT, DEFAULT_MAX_FEE, DEFAULT_MAX_PER_REQUEST, DEFAULT_TOTAL,
    Limit, Policy,
};
use crate::{error::Refused, target::Target};

/// Bytes of a currency's code at the most: with a host's name it is part of a counter's.
const CODE: usize = 128;

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
        let listed = |(method, allowed): &(MethodId, CurrencyCode)| {
            *method == quote.currency.rail && same(allowed.as_str(), code.as_str())
        };
        if !self.currencies.is_empty() && !self.currencies.iter().any(listed) {
            return Err(Refused::Currency(code.as_str().into()));
        }
        if let Some(network) = &quote.network
            && !self.networks.is_empty()
            && !self.networks.contains(network)
        {
            return Err(Refused::Network(network.clone()));
        }
        self.check_recipients(offer, quote)?;
        self.check_cap(target.host(), offer, &quote.currency)
    }

    /// Everybody who is paid has to be allowed.
    fn check_recipients(&self, offer: &Offer, quote: &Quote) -> Result<(), Refused> {
        if self.recipients.is_empty() {
            return Ok(());
        }
        let allowed = |to: &Recipient| {
            let mut listed = self.recipients.iter();
            listed.any(|one| same(one.as_str(), to.as_str()))
        };
        let named = offer.request.recipient.as_ref();
        let shares = quote.shares.iter().map(|share| &share.recipient);
        match named.into_iter().chain(shares).find(|to| !allowed(to)) {
            None if named.is_some() => Ok(()),
            other => Err(Refused::Recipient(other.map(|to| to.as_str().into()))),
        }
    }

    /// What a rail takes has to be within the fee's own cap.
    pub(crate) fn check_fee(&self, fee: &Fee) -> Result<(), Refused> {
        let default = || constant(DEFAULT_MAX_FEE);
        let cap = self.max_fee.clone().unwrap_or_else(default);
        let most = fee.currency.worth(fee.most);
        let within = |most| cap.worth().is_some_and(|cap| most <= cap);
        if is_in(&cap, &fee.currency) && most.is_some_and(within) {
            return Ok(());
        }
        Err(Refused::Fee {
            asked: fee.currency.display(fee.most).into(),
            cap: cap.to_string().into(),
        })
    }

    /// What may be locked in a channel; `None` where no limit is in the currency's unit.
    pub(crate) fn deposit_in(&self, currency: &Currency) -> Option<(Amount, Price)> {
        let default = || constant(DEFAULT_MAX_DEPOSIT);
        let cap = self.max_deposit.clone().unwrap_or_else(default);
        let worth = cap.worth().filter(|_| is_in(&cap, currency))?;
        Some((worth.rounded_down(currency), cap))
    }

    /// What may be locked in all channels; `None` where no limit is in the currency's unit.
    pub(crate) fn locked_in(&self, currency: &Currency) -> Option<Worth> {
        if let Some(cap) = &self.max_locked {
            return cap.worth().filter(|_| is_in(cap, currency));
        }
        let default = || constant(DEFAULT_MAX_DEPOSIT);
        let each = self.max_deposit.clone().unwrap_or_else(default);
        let each = each.worth().filter(|_| is_in(&each, currency))?;
        let all = each.count().checked_mul(u128::from(DEFAULT_DEPOSITS))?;
        Some(Worth::counted(all.units()).min(Worth::UNLIMITED))
    }

    /// How far vouchers may be signed ahead.
    pub(crate) fn ahead_in(&self, currency: &Currency) -> Amount {
        let ahead = self.ahead.as_ref().filter(|ahead| is_in(ahead, currency));
        let worth = ahead.and_then(Price::worth).unwrap_or_default();
        worth.rounded_down(currency)
    }

    /// What one request to a host may cost; `None` where only budgets bound it.
    pub(crate) fn request_cap(&self, host: &str, currency: &Currency) -> Option<Amount> {
        let caps = self.caps_on(&host.to_ascii_lowercase(), currency);
        let caps = caps.iter().chain(self.ceiling.as_ref());
        let worths = caps.filter_map(|cap| Some(cap.worth()?.rounded_down(currency)));
        worths.min()
    }

    /// The caps on a request to a host, in a currency's unit.
    fn caps_on(&self, host: &str, currency: &Currency) -> Vec<Price> {
        let default = self.is_default().then(|| constant(DEFAULT_MAX_PER_REQUEST));
        let on_host = self.host_caps.iter().filter(|(on, _)| **on == *host);
        let caps = self.caps.iter().chain(on_host.map(|(_, cap)| cap));
        caps.chain(&default)
            .filter(|cap| is_in(cap, currency))
            .cloned()
            .collect()
    }

    /// The budgets a payment to a host in a unit reserves on.
    pub(crate) fn budgets(&self, host: &str, unit: &str) -> Result<Vec<Bound>, Refused> {
        let host = host.to_ascii_lowercase();
        let default = self
            .is_default()
            .then(|| Limit::total(constant(DEFAULT_TOTAL)));
        let concerned: Vec<_> = self
            .budgets
            .iter()
            .chain(&default)
            .filter(|limit| limit.concerns(&host) && limit.is_in(unit))
            .collect();
        let overruled = |limit: &Limit| concerned.iter().any(|other| limit.yields_to(other));
        concerned
            .iter()
            .filter(|limit| !overruled(limit))
            .map(|limit| {
                let budget = limit.budget(&host).map_err(Refused::Limit)?;
                Ok(Bound {
                    limit: (*limit).clone(),
                    budget,
                })
            })
            .collect()
    }

    /// The count of a day's payments in a unit, where it is kept whatever the limits are.
    pub(crate) fn day_count(&self, unit: &str) -> Option<Budget> {
        self.counts_days.then(|| Budget {
            scope: "".into(),
            window: Window::Day,
            unit: unit.into(),
            limit: Worth::UNLIMITED,
        })
    }

    /// The budgets in a unit that count by themselves, whatever the next host is.
    pub(crate) fn standing_budgets(&self, unit: &str) -> Result<Vec<Bound>, Refused> {
        let default = self
            .is_default()
            .then(|| Limit::total(constant(DEFAULT_TOTAL)));
        let limits = self
            .budgets
            .iter()
            .chain(&default)
            .filter(|limit| limit.is_in(unit));
        limits
            .filter_map(|limit| Some((limit, limit.host()?)))
            .map(|(limit, host)| {
                let budget = limit.budget(host).map_err(Refused::Limit)?;
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
        let caps = self.caps_on(&host, currency);
        let mut budgets = self.budgets.iter();
        // A budget in this unit bounds a request as well.
        let is_bounded = !caps.is_empty()
            || budgets.any(|limit| limit.is_in(&currency.symbol) && limit.concerns(&host));
        let ceiling = self.ceiling.as_ref();
        if !is_bounded || ceiling.is_some_and(|ceiling| !is_in(ceiling, currency)) {
            return Err(Refused::NoCap {
                symbol: currency.symbol.clone(),
            });
        }
        let asked = offer.request.amount;
        let too_large = |text: String| Refused::Limit(PriceError::Overflow { text: text.into() });
        let worth = currency.worth(asked);
        let worth = worth.ok_or_else(|| too_large(currency.display(asked)))?;
        for cap in caps.iter().chain(ceiling) {
            if worth > cap.worth().ok_or_else(|| too_large(cap.to_string()))? {
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

/// Whether two names are the same. Those that are hexadecimal numbers are in any case.
fn same(one: &str, other: &str) -> bool {
    if one.starts_with("0x") && other.starts_with("0x") {
        one.eq_ignore_ascii_case(other)
    } else {
        one == other
    }
}

fn is_in(price: &Price, currency: &Currency) -> bool {
    *price.unit().as_str() == *currency.symbol
}

fn constant(price: &str) -> Price {
    price.parse().expect("the default limits are prices")
}
