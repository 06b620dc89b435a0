//! `farthing wallet budget`: what a keystore's wallets may spend, and what is left of it.

use farthing::{
    client::{BudgetUse, DEFAULT_MAX_PER_REQUEST},
    core::{
        domain::budgets::Window,
        value::{Currency, Price},
    },
};
use serde_json::{Value, json};

use super::{
    args::{Budget, Limits as Asked, SetBudget, Setting},
    put,
};
use crate::{
    error::Error,
    exit::Exit,
    keystore::{Host, Keystore, Limits},
    money::Money,
    receipts::Records,
    screen::{self, Paint},
};

/// A limit as it is shown.
enum Shown {
    /// On each request.
    Request { host: Option<Host>, price: Price },
    /// On all of a time.
    Time(Box<BudgetUse>),
}

pub(super) async fn run(budget: Budget, keystore: &Keystore) -> Result<Exit, Error> {
    let (limits, json) = match budget.command {
        Some(SetBudget::Set(asked)) => (set(&asked, keystore)?, asked.json),
        None => (keystore.limits()?, budget.json),
    };
    show(&limits, json, keystore).await
}

fn set(asked: &Asked, keystore: &Keystore) -> Result<Limits, Error> {
    let money = Money::of(keystore)?;
    let settings = [&asked.per_request, &asked.per_day, &asked.total];
    for setting in settings.into_iter().flatten() {
        if let Setting::To(price) = setting {
            check(price, &money)?;
        }
    }
    let mut limits = keystore.limits()?;
    let hosts: Vec<_> = match asked.realm.as_slice() {
        [] => vec![None],
        hosts => hosts.iter().map(Some).collect(),
    };
    for host in hosts {
        match host {
            None if asked.clear => limits = Limits::default(),
            Some(host) if asked.clear => drop(limits.hosts.remove(host)),
            host => {
                let set = limits.of(host);
                apply(&mut set.per_request, asked.per_request.as_ref());
                apply(&mut set.per_day, asked.per_day.as_ref());
                apply(&mut set.total, asked.total.as_ref());
            }
        }
    }
    limits.hosts.retain(|_, set| !set.is_empty());
    keystore.set_limits(&limits)?;
    Ok(limits)
}

/// A limit that no currency can say would refuse every payment, and nobody would know why.
fn check(price: &Price, money: &Money) -> Result<(), Error> {
    let known = money.all();
    let mut of_unit = known
        .iter()
        .filter(|currency| *currency.symbol == *price.unit().as_str())
        .peekable();
    if of_unit.peek().is_none() {
        return Err(Error::Usage {
            what: format!("no wallet pays in {}", price.unit().as_str()),
            next: "write the limit in dollars, for example '$0.05'",
        });
    }
    for currency in of_unit {
        price.in_currency(currency)?;
    }
    Ok(())
}

fn apply(prices: &mut Vec<Price>, setting: Option<&Setting>) {
    match setting {
        None => {}
        Some(Setting::None) => prices.clear(),
        Some(Setting::To(price)) => {
            prices.retain(|other| other.unit() != price.unit());
            prices.push(price.clone());
        }
    }
}

async fn show(limits: &Limits, json: bool, keystore: &Keystore) -> Result<Exit, Error> {
    let records = Records::open(keystore, limits.policy())?;
    let mut uses = Vec::new();
    for currency in units(&records.money) {
        uses.extend(records.client.budgets(&currency, None).await?);
    }
    records.close().await;
    let money = Money::of(keystore)?;
    let shown = shown(limits, &uses);
    if json {
        return put(json!({
            "keystore": keystore.dir().display().to_string(),
            "default": limits.is_empty(),
            "limits": shown.iter().map(|one| told(one, &money)).collect::<Vec<_>>(),
        }));
    }
    let rows: Vec<_> = shown.iter().map(|one| row(one, &money)).collect();
    let head = ["FOR", "LIMIT", "SPENT", "RESERVED", "LEFT"];
    put(screen::table(Paint::for_stdout(), head, &rows))?;
    if limits.is_empty() {
        screen::tell("these are the defaults, for payments that nobody confirms");
        screen::hint("farthing wallet budget set --per-request '$0.05' --per-day '$2'");
    } else if limits.is_only_hosts() {
        screen::tell("nobody but these hosts is paid: no limit is for all");
    }
    Ok(Exit::Done)
}

/// A currency of each unit: a budget counts in its unit, whatever is paid with.
fn units(money: &Money) -> Vec<Currency> {
    let mut units: Vec<Currency> = Vec::new();
    for currency in money.all() {
        if units.iter().all(|known| known.symbol != currency.symbol) {
            units.push(currency);
        }
    }
    units
}

/// The limits in the order of their hosts, those for all first.
fn shown(limits: &Limits, uses: &[BudgetUse]) -> Vec<Shown> {
    if limits.is_empty() {
        let price = DEFAULT_MAX_PER_REQUEST.parse();
        let price = price.expect("the default limits are prices");
        let request = Shown::Request { host: None, price };
        let uses = uses.iter().cloned().map(Box::new).map(Shown::Time);
        return std::iter::once(request).chain(uses).collect();
    }
    let all = std::iter::once((None, &limits.all));
    let hosts = limits.hosts.iter().map(|(host, set)| (Some(host), set));
    let mut shown = Vec::new();
    for (host, set) in all.chain(hosts) {
        shown.extend(set.per_request.iter().map(|price| Shown::Request {
            host: host.cloned(),
            price: price.clone(),
        }));
        let of_host = |one: &&BudgetUse| one.limit.only_host() == host.map(Host::as_str);
        let uses = uses.iter().filter(of_host).cloned();
        shown.extend(uses.map(Box::new).map(Shown::Time));
    }
    shown
}

fn row(shown: &Shown, money: &Money) -> [String; 5] {
    let nothing = || "-".to_owned();
    match shown {
        Shown::Request { host, price } => [
            host.as_ref().map_or_else(all, ToString::to_string),
            format!("{} per request", displayed(price, money)),
            nothing(),
            nothing(),
            nothing(),
        ],
        Shown::Time(one) => {
            let window = match one.limit.window() {
                Window::Total => "in total",
                Window::Day => "per day",
            };
            let host = one.limit.only_host();
            let display = |amount| one.currency.display(amount);
            [
                host.map_or_else(all, str::to_owned),
                format!("{} {window}", display(one.most)),
                display(one.spent()),
                display(one.reserved),
                display(one.left()),
            ]
        }
    }
}

/// As the sums are written, where a wallet pays in the unit.
fn displayed(price: &Price, money: &Money) -> String {
    let said = units(money).iter().find_map(|currency| {
        let amount = price.in_currency(currency).ok()?;
        Some(currency.display(amount))
    });
    said.unwrap_or_else(|| price.to_string())
}

fn all() -> String {
    "every host".to_owned()
}

fn told(shown: &Shown, money: &Money) -> Value {
    match shown {
        Shown::Request { host, price } => json!({
            "host": host,
            "window": "request",
            "limit": displayed(price, money),
        }),
        Shown::Time(one) => json!({
            "host": one.limit.only_host(),
            "window": one.limit.window(),
            "limit": one.currency.display(one.most),
            "method": one.currency.rail,
            "currency": one.currency.code,
            "decimals": one.currency.decimals,
            "most": one.most,
            "spent": one.spent(),
            "reserved": one.reserved,
            "left": one.left(),
        }),
    }
}
