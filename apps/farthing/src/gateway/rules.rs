//! Rules as a person reads them.

use farthing::{
    core::{payment::SettlePolicy, port::method::Charge},
    ledger::Ledger,
};
use farthing_gateway::config::{Config, Rule, RulePrice, ServedWhen, Upstream};
use serde_json::{Value, json};

use super::sessions;
use crate::screen::{self, Paint};

/// Columns of a screen.
const COLUMNS: usize = 80;

/// The fewest columns of what may be cut.
const LEAST: usize = 16;

/// A table of every rule. The upstream is shown where it is not the same for all.
pub(super) fn table(config: &Config, paint: Paint) -> String {
    let row = |rule: &Rule| {
        [
            rule.key.verb.to_string(),
            rule.key.pattern.to_string(),
            price(rule),
            settle(rule, config),
            served(rule),
            short(upstream(rule, config)),
        ]
    };
    let rows: Vec<_> = config.rules.iter().map(row).collect();
    let head = ["METHOD", "PATH", "PRICE", "SETTLE", "SERVED", "UPSTREAM"];
    if config.rules.iter().any(|rule| rule.upstream.is_some()) {
        return screen::table(paint, head, &fitted(head, rows));
    }
    let rows = rows.into_iter().map(|row| {
        let [method, path, price, settle, served, _] = row;
        [method, path, price, settle, served]
    });
    let head = ["METHOD", "PATH", "PRICE", "SETTLE", "SERVED"];
    screen::table(paint, head, &fitted(head, rows.collect()))
}

/// Cuts what would not fit: first the end of the last columns, then the middle of paths.
fn fitted<const N: usize>(head: [&str; N], mut rows: Vec<[String; N]>) -> Vec<[String; N]> {
    let widths = |rows: &[[String; N]]| -> [usize; N] {
        std::array::from_fn(|at| {
            let cells = rows.iter().map(|row| row[at].chars().count());
            cells.chain([head[at].len()]).max().unwrap_or(0)
        })
    };
    for at in (4..N).rev().chain([1]) {
        let now = widths(&rows);
        let excess = (now.iter().sum::<usize>() + 2 * (N - 1)).saturating_sub(COLUMNS);
        let most = now[at].saturating_sub(excess).max(LEAST);
        for row in &mut rows {
            row[at] = cut(&row[at], most, at != 4);
        }
    }
    rows
}

/// A text without its middle, or without its end, where it is too long.
fn cut(text: &str, most: usize, middle: bool) -> String {
    let length = text.chars().count();
    if length <= most {
        return text.to_owned();
    }
    let first = if middle { most / 2 } else { most - 1 };
    let before = text.chars().take(first);
    let after = text.chars().skip(length - (most - 1 - first));
    before.chain(['…']).chain(after).collect()
}

/// What a rule costs: at once, a unit out of a channel, or either.
pub(super) fn price(rule: &Rule) -> String {
    let at_once = match &rule.price {
        RulePrice::Free => Some("free".to_owned()),
        RulePrice::Fixed(price) => Some(price.to_string()),
        RulePrice::Session => None,
    };
    let session = rule.session.as_ref().map(sessions::price);
    let both: Vec<_> = at_once.into_iter().chain(session).collect();
    both.join(" or ")
}

/// When value moves, on each rail. Where a rule does not say, each has its own.
pub(super) fn policies(rule: &Rule, config: &Config) -> Vec<(&'static str, SettlePolicy)> {
    // Out of a channel nothing moves for a request.
    if matches!(rule.price, RulePrice::Free | RulePrice::Session) {
        return Vec::new();
    }
    let ledger = config.pay.ledger.as_ref();
    let ledger = ledger.map(|ledger| Ledger::new(ledger.account.clone()).settle_policy());
    // A rail outside settles first, as every method does that does not say otherwise.
    let tempo = config.pay.tempo.as_ref().map(|_| SettlePolicy::First);
    let rails = [("the ledger", ledger), ("Tempo", tempo)].into_iter();
    rails
        .filter_map(|(rail, usual)| Some((rail, rule.settle.or(usual)?)))
        .collect()
}

fn settle(rule: &Rule, config: &Config) -> String {
    let mut words: Vec<_> = policies(rule, config)
        .into_iter()
        .map(|(_, policy)| policy_name(policy))
        .collect();
    words.dedup();
    match words.is_empty() {
        true => "-".to_owned(),
        false => words.join(", "),
    }
}

const fn policy_name(policy: SettlePolicy) -> &'static str {
    match policy {
        SettlePolicy::First => "first",
        SettlePolicy::After => "after",
    }
}

/// What is served before the chain confirmed the payment.
pub(super) fn credit(rule: &Rule) -> Option<String> {
    let credit = rule.credit.as_ref()?;
    Some(format!(
        "{} for a payer, {} for all",
        credit.per_payer, credit.in_total
    ))
}

/// Who gets a share of the price.
pub(super) fn shares(rule: &Rule) -> Vec<String> {
    let shares = rule.splits.iter();
    shares
        .map(|share| format!("{} to {}", share.amount, share.recipient))
        .collect()
}

/// What counts as served.
pub(super) fn served(rule: &Rule) -> String {
    if rule.price == RulePrice::Free {
        return "-".into();
    }
    let ServedWhen { status, not_json } = &rule.served;
    let mut told = if status.is_empty() {
        "2xx".to_owned()
    } else {
        let codes: Vec<_> = status
            .iter()
            .map(|code| code.as_u16().to_string())
            .collect();
        codes.join(" ")
    };
    for place in not_json {
        told.push_str(&format!(", no {place}"));
    }
    told
}

/// The service a rule is answered by.
pub(super) fn upstream<'a>(rule: &'a Rule, config: &'a Config) -> &'a Upstream {
    rule.upstream.as_ref().unwrap_or(&config.upstream)
}

/// A service as a URL.
pub(super) fn url(upstream: &Upstream) -> String {
    let base = upstream.base.as_ref().map_or("", |base| base.as_str());
    format!("{}://{}{base}", upstream.scheme, upstream.authority)
}

/// A service in a table, where `http` goes without saying.
fn short(upstream: &Upstream) -> String {
    let url = url(upstream);
    url.strip_prefix("http://").unwrap_or(&url).to_owned()
}

/// A rule for a program.
pub(super) fn as_json(rule: &Rule, config: &Config) -> Value {
    let seconds = |time: Option<std::time::Duration>| time.map(|time| time.as_secs_f64());
    let statuses: Vec<_> = rule
        .served
        .status
        .iter()
        .map(|code| code.as_u16())
        .collect();
    let not_json: Vec<_> = rule.served.not_json.iter().map(|it| it.as_str()).collect();
    let is_free = rule.price == RulePrice::Free;
    json!({
        "rule": rule.key.to_string(),
        "method": rule.key.verb.to_string(),
        "path": rule.key.pattern.as_str(),
        "line": (rule.line > 0).then_some(rule.line),
        "price": match &rule.price {
            RulePrice::Fixed(price) => Some(price.to_string()),
            RulePrice::Free | RulePrice::Session => None,
        },
        "session": rule.session.as_ref().map(sessions::as_json),
        "settle": matches!(rule.price, RulePrice::Fixed(_)).then(|| settle(rule, config)),
        "served": (!is_free).then(|| json!({ "status": statuses, "notJson": not_json })),
        "retryable": rule.retryable,
        "redeliverSeconds": seconds(rule.redeliver),
        "deadlineSeconds": seconds(rule.deadline),
        "bindBody": rule.bind_body,
        "storeUpTo": rule.store_up_to,
        "holdUpTo": rule.hold_up_to,
        "description": rule.description,
        "credit": rule.credit.as_ref().map(|credit| json!({
            "perPayer": credit.per_payer.to_string(),
            "inTotal": credit.in_total.to_string(),
        })),
        "splits": splits(rule),
        "memo": rule.memo,
        "upstream": url(upstream(rule, config)),
    })
}

fn splits(rule: &Rule) -> Vec<Value> {
    let shares = rule.splits.iter();
    shares
        .map(|share| {
            json!({
                "recipient": share.recipient,
                "amount": share.amount.to_string(),
                "memo": share.memo,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_cut() {
        assert_eq!(cut("/v1/weather", 11, true), "/v1/weather");
        assert_eq!(cut("/v1/weather/today", 11, true), "/v1/w…today");
        assert_eq!(cut("/v1/weather/today", 11, false), "/v1/weathe…");
    }

    #[test]
    fn a_table_fits_a_screen() {
        let long = |text: &str| text.repeat(40);
        let head = ["METHOD", "PATH", "PRICE", "SETTLE", "SERVED", "UPSTREAM"];
        let row = [
            "GET".into(),
            long("/a"),
            "$0.002".into(),
            "after".into(),
            long("2xx "),
            long("u"),
        ];
        let rows = fitted(head, vec![row]);
        let table = screen::table(Paint::for_stdout(), head, &rows);
        assert!(
            table.lines().all(|line| line.chars().count() <= COLUMNS),
            "{table}"
        );
    }
}
