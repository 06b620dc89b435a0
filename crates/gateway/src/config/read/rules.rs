//! The rules.

use std::{ops::Range, time::Duration};

use farthing::core::{noun::Description, payment::SettlePolicy};
use http::{Method, StatusCode};
use toml::de::DeValue;

use crate::routes::Table;

use super::{
    super::{NotJson, Pattern, Rule, RuleKey, RulePrice, ServedWhen, Upstream, Verb},
    money::Money,
    report::{Report, Wrong},
    rest::choice,
    section::{Item, Section, belongs, kind, shown},
    session::session,
    terms::{self, terms},
    upstream::{self, adjust, another},
    values,
};

const KEYS: [&str; 16] = [
    "price",
    "session",
    "settle",
    "served",
    "retryable",
    "redeliver",
    "bind_body",
    "store_up_to",
    "hold_up_to",
    "deadline",
    "description",
    "to",
    "upstream",
    terms::KEYS[0],
    terms::KEYS[1],
    terms::KEYS[2],
];

/// Keys that say nothing where nothing is paid.
const PAID: [&str; 11] = [
    "session",
    "settle",
    "served",
    "retryable",
    "redeliver",
    "bind_body",
    "store_up_to",
    "hold_up_to",
    terms::KEYS[0],
    terms::KEYS[1],
    terms::KEYS[2],
];

/// Paths of the gateway's own documents.
const DISCOVERY: [&str; 2] = ["/openapi.json", "/llms.txt"];

/// Rules of the largest file.
const MOST: usize = 10_000;

/// A rule, and where it stands.
pub(super) struct Placed {
    pub(super) rule: Rule,
    pub(super) key_at: Range<usize>,
    /// Where it names a service of its own.
    pub(super) to_at: Option<Range<usize>>,
}

/// What a rule is read against.
pub(super) struct Around<'a> {
    pub(super) upstream: Option<&'a Upstream>,
    /// Bytes of the largest request body.
    pub(super) body: u64,
    pub(super) discovery: bool,
    pub(super) money: &'a Money,
    /// The longest that a request out of a channel can take to be served.
    pub(super) serve_within: Duration,
}

pub(super) fn rules(
    section: Section<'_>,
    around: &Around<'_>,
    report: &mut Report<'_>,
) -> Vec<Placed> {
    let items = section.items();
    if items.len() > MOST {
        report.wrong(
            items[MOST].key_at.clone(),
            "a gateway has at most 10000 rules",
        );
        return Vec::new();
    }
    let placed: Vec<_> = items
        .iter()
        .filter_map(|item| rule(item, around, report))
        .collect();
    shadowed(&placed, report);
    placed
}

/// Tells of rules that no request reaches.
fn shadowed(placed: &[Placed], report: &mut Report<'_>) {
    let keys = placed.iter().map(|placed| (placed.rule.key.clone(), ()));
    for shadowed in Table::new(keys).err().unwrap_or_default() {
        let by = &placed[shadowed.by_index].rule;
        let what = format!(
            "no request comes to this rule: `{}` on line {} takes them all",
            by.key, by.line
        );
        let at = placed[shadowed.index].key_at.clone();
        report.add(at, Wrong::write(what, "remove one of the two"));
    }
}

fn rule(item: &Item<'_>, around: &Around<'_>, report: &mut Report<'_>) -> Option<Placed> {
    let key = key(item, report);
    if key.is_none() && belongs(item.key).is_some() {
        return None;
    }
    let (rule, to_at) = match item.value {
        DeValue::String(text) => match price(text, around.money) {
            Ok(price) => (bare(price), None),
            Err(wrong) => {
                report.add(item.at.clone(), wrong);
                return None;
            }
        },
        DeValue::Table(table) => {
            let section = Section {
                name: "a rule",
                table,
            };
            table_rule(item, section, key.as_ref(), around, report)?
        }
        DeValue::Float(_) | DeValue::Integer(_) => {
            report.add(item.at.clone(), number(item, around.money, report));
            return None;
        }
        other => {
            let what = format!("a rule is a price or a table, and not {}", kind(other));
            report.add(
                item.at.clone(),
                Wrong::write(what, "write \"$0.002\" or \"free\""),
            );
            return None;
        }
    };
    let rule = Rule {
        key: key?,
        line: report.line(item.key_at.start),
        ..rule
    };
    discovery(&rule, item, around, report);
    Some(Placed {
        rule,
        key_at: item.key_at.clone(),
        to_at,
    })
}

fn key(item: &Item<'_>, report: &mut Report<'_>) -> Option<RuleKey> {
    match item.key.parse::<RuleKey>() {
        Ok(key) => Some(key),
        Err(error) => {
            let wrong = match belongs(item.key) {
                Some(place) => Wrong::write(
                    format!("`{}` is no rule", item.key),
                    format!("`{}` belongs {place}", item.key),
                ),
                None => Wrong {
                    what: error.to_string(),
                    instead: error.instead().map(|instead| format!("write `{instead}`")),
                },
            };
            report.add(item.key_at.clone(), wrong);
            None
        }
    }
}

/// A price without its quotes and its unit.
fn number(item: &Item<'_>, money: &Money, report: &Report<'_>) -> Wrong {
    let digits = report.text().get(item.at.clone()).unwrap_or_default();
    let dollars = format!("${digits}");
    let instead = match money.price(&dollars) {
        Ok(_) => format!("write \"{dollars}\""),
        Err(_) => "write \"free\", or a price such as \"$0.002\"".to_owned(),
    };
    Wrong::write("a price needs its unit and quotes", instead)
}

fn price(text: &str, money: &Money) -> Result<RulePrice, Wrong> {
    if text == "free" {
        return Ok(RulePrice::Free);
    }
    money.price(text).map(RulePrice::Fixed)
}

/// A rule whose key is not known yet.
fn bare(price: RulePrice) -> Rule {
    let everything = RuleKey {
        verb: Verb::Any,
        pattern: Pattern { text: "/*".into() },
    };
    Rule::new(everything, price)
}

fn table_rule(
    item: &Item<'_>,
    section: Section<'_>,
    key: Option<&RuleKey>,
    around: &Around<'_>,
    report: &mut Report<'_>,
) -> Option<(Rule, Option<Range<usize>>)> {
    section.only(&KEYS, report);
    let asked = match section.get("price") {
        Some(price) if matches!(price.value, DeValue::Float(_) | DeValue::Integer(_)) => {
            report.add(price.at.clone(), number(&price, around.money, report));
            None
        }
        Some(_) => section.parsed("price", report, |text| price(text, around.money)),
        None if section.get("session").is_some() => Some(RulePrice::Session),
        None => {
            let what = "a rule needs a price";
            let instead = "{ price = \"$0.002\" }, or { price = \"free\" }";
            report.add(item.key_at.clone(), Wrong::write(what, instead));
            None
        }
    };
    let (upstream, to_at) = service(section, around, report);
    let mut rule = Rule {
        upstream,
        description: section.parsed("description", report, |text| match Description::new(text) {
            Ok(_) => Ok(text.to_owned()),
            Err(error) => Err(Wrong::new(error.to_string())),
        }),
        deadline: section.parsed("deadline", report, |text| {
            values::duration(text, &values::WAIT)
        }),
        ..bare(asked.clone().unwrap_or(RulePrice::Free))
    };
    if matches!(asked, Some(RulePrice::Free)) {
        for key in PAID {
            if let Some(item) = section.get(key) {
                let what = format!("`{key}` says nothing where nothing is paid");
                report.add(
                    item.key_at,
                    Wrong::write(what, format!("remove `{key}`, or set a price")),
                );
            }
        }
    } else {
        paid(&mut rule, section, key, around, report);
    }
    asked.map(|_| (rule, to_at))
}

/// What is said of a payment.
fn paid(
    rule: &mut Rule,
    section: Section<'_>,
    key: Option<&RuleKey>,
    around: &Around<'_>,
    report: &mut Report<'_>,
) {
    rule.settle = section.parsed("settle", report, |text| {
        let words = [
            ("first", SettlePolicy::First),
            ("after", SettlePolicy::After),
        ];
        choice(text, "`settle`", &words)
    });
    rule.served = served(section, report);
    rule.redeliver = section.parsed("redeliver", report, |text| {
        values::duration(text, &values::KEPT)
    });
    let mut size = |key: &str, most: u64| {
        let bytes = section.parsed(key, report, |text| values::size(text, &(0..=most)))?;
        usize::try_from(bytes).ok()
    };
    rule.bind_body = size("bind_body", 64 << 20);
    rule.store_up_to = size("store_up_to", 16 << 20);
    rule.hold_up_to = size("hold_up_to", 64 << 20);
    let retryable = section.flag("retryable", report);
    rule.retryable = retryable.unwrap_or(false);
    terms(rule, section, around.money, report);
    of_session(rule, section, around, report);
    let method = key.and_then(|key| match &key.verb {
        Verb::One(method) => Some(method),
        Verb::Any => None,
    });
    let is_get = method.is_some_and(|method| *method == Method::GET || *method == Method::HEAD);
    let mut refuse = |key: &str, what: &str, instead: &str| {
        if let Some(item) = section.get(key) {
            report.add(item.key_at, Wrong::write(what, instead));
        }
    };
    if retryable == Some(false) && is_get {
        let what = "a lost answer to a GET is always asked for again";
        refuse("retryable", what, "remove `retryable`");
    }
    let is_looked_at = !rule.served.not_json.is_empty();
    if rule.settle == Some(SettlePolicy::First) && rule.hold_up_to.is_some() && !is_looked_at {
        let what = "nothing is held where the payment settles first";
        refuse(
            "hold_up_to",
            what,
            "remove `hold_up_to`, or write settle = \"after\"",
        );
    }
    if rule.settle != Some(SettlePolicy::First)
        && matches!((rule.store_up_to, rule.hold_up_to), (Some(store), Some(hold)) if store > hold)
    {
        let what = "an answer that is not held is not stored either";
        refuse("store_up_to", what, "no more than `hold_up_to`");
    }
    if rule
        .bind_body
        .is_some_and(|bytes| bytes as u64 > around.body)
    {
        let what = "no body as large as this comes in";
        let instead = format!(
            "no more than `body` in [limits], {}",
            values::bytes_told(around.body)
        );
        refuse("bind_body", what, &instead);
    }
}

/// What is asked for out of a channel, and what is not said of it.
fn of_session(rule: &mut Rule, section: Section<'_>, around: &Around<'_>, report: &mut Report<'_>) {
    let Some(item) = section.get("session") else {
        return;
    };
    if let Some(instead) = around.money.without_sessions() {
        let what = "there is nothing that channels could be kept in";
        report.add(item.key_at.clone(), Wrong::write(what, instead));
    }
    rule.session = session(&item, around.money, report);
    if let (Some(deadline), Some(late)) = (rule.deadline, section.get("deadline"))
        && deadline > around.serve_within
    {
        let within = values::told(around.serve_within);
        let what = format!(
            "what nobody finished counts as served after {within}, and this request may take longer"
        );
        let instead = "a longer `serve_within` in [pay.session]";
        report.add(late.at, Wrong::write(what, instead));
    }
    if rule.price != RulePrice::Session {
        return;
    }
    for key in AT_ONCE {
        if let Some(item) = section.get(key) {
            let what =
                format!("`{key}` is for what is paid at once, and this is paid out of a channel");
            report.add(
                item.key_at,
                Wrong::write(what, format!("remove `{key}`, or add a `price`")),
            );
        }
    }
}

/// Keys that say nothing of what is paid out of a channel.
const AT_ONCE: [&str; 5] = [
    "settle",
    "redeliver",
    terms::KEYS[0],
    terms::KEYS[1],
    terms::KEYS[2],
];

fn served(section: Section<'_>, report: &mut Report<'_>) -> ServedWhen {
    let Some(when) = section.section("served", "`served`", report) else {
        return ServedWhen::default();
    };
    when.only(&["status", "not_json"], report);
    let mut not_json = Vec::new();
    if let Some(item) = when.get("not_json") {
        for (text, at) in item.texts(report) {
            match text.parse::<NotJson>() {
                Ok(place) => not_json.push(place),
                Err(error) => {
                    let what = format!("`{}` is no place in JSON", shown(text));
                    report.add(at, Wrong::write(what, error.to_string()));
                }
            }
        }
    }
    ServedWhen {
        status: when
            .get("status")
            .map(|item| statuses(&item, report))
            .unwrap_or_default(),
        not_json,
    }
}

/// `"2xx"`, a status, or a list of them.
fn statuses(item: &Item<'_>, report: &mut Report<'_>) -> Vec<StatusCode> {
    let one = |value: &DeValue<'_>| match value {
        DeValue::Integer(digits) => digits.as_str().parse::<u16>().ok(),
        DeValue::String(text) => text.parse::<u16>().ok(),
        _ => None,
    };
    let values: Vec<(&DeValue<'_>, Range<usize>)> = match item.value {
        DeValue::String(text) if &**text == "2xx" => return Vec::new(),
        DeValue::Array(items) => items
            .iter()
            .map(|item| (item.get_ref(), item.span()))
            .collect(),
        other => vec![(other, item.at.clone())],
    };
    if values.is_empty() {
        report.wrong(
            item.at.clone(),
            "with no status nothing would ever be served",
        );
    }
    let mut statuses = Vec::new();
    for (value, at) in values {
        let status = one(value).and_then(|code| StatusCode::from_u16(code).ok());
        match status {
            Some(status) if status.is_success() => statuses.push(status),
            Some(_) => report.add(
                at,
                Wrong::write(
                    "only a 2xx can be served and paid for",
                    "\"2xx\", or some of them: [200, 201]",
                ),
            ),
            None => report.add(
                at,
                Wrong::write("this is no status", "\"2xx\", 200, or [200, 201]"),
            ),
        }
    }
    statuses
}

/// The service of a rule's own, where it names one or changes the usual one.
fn service(
    section: Section<'_>,
    around: &Around<'_>,
    report: &mut Report<'_>,
) -> (Option<Upstream>, Option<Range<usize>>) {
    let to = section.get("to");
    let told = upstream::to(section, report);
    let adjusted = section.section("upstream", "`upstream`", report);
    let Some(usual) = around.upstream else {
        return (None, None);
    };
    let base = match (&to, told) {
        (Some(_), Some(service)) => Some(another(service, usual)),
        (Some(_), None) => return (None, None),
        (None, _) => None,
    };
    let upstream = match (base, adjusted) {
        (base, Some(section)) => Some(adjust(
            base.unwrap_or_else(|| usual.clone()),
            section,
            report,
        )),
        (base, None) => base,
    };
    (upstream, to.map(|item| item.at))
}

/// The gateway's own documents are free, and not taken over unseen.
fn discovery(rule: &Rule, item: &Item<'_>, around: &Around<'_>, report: &mut Report<'_>) {
    let path = rule.key.pattern.literal().unwrap_or_default();
    let reads = match &rule.key.verb {
        Verb::Any => true,
        Verb::One(method) => *method == Method::GET || *method == Method::HEAD,
    };
    if !around.discovery || !reads || !DISCOVERY.contains(&path) {
        return;
    }
    let what = format!("{path} is the gateway's own document, made from these rules");
    let instead = match path {
        "/openapi.json" => {
            "[service] openapi = \"/openapi.json\" merges the upstream's into it; \
             discovery = false turns it off"
        }
        _ => "[service] discovery = false turns it off",
    };
    report.add(item.key_at.clone(), Wrong::write(what, instead));
}
