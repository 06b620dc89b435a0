//! What a rule asks for out of a channel.

use farthing::core::value::Price;
use http::HeaderName;
use toml::de::DeValue;

use super::{
    super::{NotJson, PlaceError, RuleSession, Usage},
    money::Money,
    report::{Report, Wrong},
    section::{Item, Section, kind, shown},
    suggest::nearest,
    values,
};

const KEYS: [&str; 10] = [
    "price",
    "usage",
    "unit",
    "least",
    "estimate",
    "deposit",
    "min_delta",
    "voucher_wait",
    "ahead",
    "empty_posts",
];

/// Keys that say something only where usage is counted.
const COUNTED: [&str; 4] = ["unit", "least", "estimate", "ahead"];

/// The most units of one request that are asked for beforehand.
const UNITS: u64 = 1_000_000_000;

const EXAMPLE: &str =
    "session = \"$0.0001\", or session = { price = \"$0.00002\", usage = \"events\" }";

pub(super) fn session(
    item: &Item<'_>,
    money: &Money,
    report: &mut Report<'_>,
) -> Option<RuleSession> {
    match item.value {
        DeValue::String(text) => match unit_price(text, money) {
            Ok(price) => Some(RuleSession::new(price, Usage::Requests)),
            Err(wrong) => {
                report.add(item.at.clone(), wrong);
                None
            }
        },
        DeValue::Table(table) => {
            let section = Section {
                name: "`session`",
                table,
            };
            metered(item, section, money, report)
        }
        other => {
            let what = format!("`session` is a price or a table, and not {}", kind(other));
            report.add(item.at.clone(), Wrong::write(what, EXAMPLE));
            None
        }
    }
}

impl RuleSession {
    /// A session of which only the price and what is counted are said.
    fn new(price: Price, usage: Usage) -> Self {
        Self {
            price,
            unit: usage.unit().into(),
            usage,
            least: 1,
            estimate: None,
            deposit: None,
            min_delta: None,
            voucher_wait: None,
            ahead: 0,
            empty_posts: false,
        }
    }
}

fn metered(
    item: &Item<'_>,
    section: Section<'_>,
    money: &Money,
    report: &mut Report<'_>,
) -> Option<RuleSession> {
    section.only(&KEYS, report);
    if section.get("price").is_none() {
        let what = "a session needs the price of its unit";
        report.add(item.key_at.clone(), Wrong::write(what, EXAMPLE));
    }
    let price = section.parsed("price", report, |text| unit_price(text, money));
    let usage = match section.get("usage") {
        None => Some(Usage::Requests),
        Some(said) => usage(&said, report),
    };
    if usage == Some(Usage::Requests) {
        for key in COUNTED {
            if let Some(item) = section.get(key) {
                let what = format!("`{key}` says nothing where each request is one unit");
                let instead = format!("remove `{key}`, or say in `usage` what is counted");
                report.add(item.key_at, Wrong::write(what, instead));
            }
        }
    }
    let unit = section.parsed("unit", report, unit);
    let least = section.number("least", 0..=UNITS, report);
    let estimate = section.number("estimate", 1..=UNITS, report);
    if let (Some(least), Some(estimate)) = (least, estimate)
        && estimate < least
    {
        let at = section.get("estimate")?.at;
        let what = "less than the least that an answer is charged";
        report.add(at, Wrong::write(what, "no less than `least`"));
    }
    let mut sum = |key: &str| section.parsed(key, report, |text| unit_price(text, money));
    let (deposit, min_delta) = (sum("deposit"), sum("min_delta"));
    let voucher_wait = section.parsed("voucher_wait", report, |text| {
        values::duration(text, &values::WAIT)
    });
    let ahead = section.number("ahead", 0..=UNITS, report);
    if let (Some(_), Some(Usage::Header(_))) = (ahead, &usage) {
        let at = section.get("ahead")?.key_at;
        let what = "`ahead` says nothing where an answer is charged at once";
        report.add(at, Wrong::write(what, "remove `ahead`"));
    }
    let empty_posts = section.flag("empty_posts", report);
    let bare = RuleSession::new(price?, usage?);
    let least = least.unwrap_or(bare.least);
    Some(RuleSession {
        unit: unit.unwrap_or_else(|| bare.unit.clone()),
        least,
        estimate,
        deposit,
        min_delta,
        voucher_wait,
        ahead: ahead.unwrap_or(0),
        empty_posts: empty_posts.unwrap_or(false),
        ..bare
    })
}

fn unit_price(text: &str, money: &Money) -> Result<Price, Wrong> {
    if text.eq_ignore_ascii_case("free") {
        return Err(Wrong::write(
            "a session is paid for",
            "leave `session` out; \"free\" is what a rule says",
        ));
    }
    let price = money.price(text)?;
    match price.is_zero() {
        true => Err(Wrong::new("a unit that costs nothing needs no session")),
        false => Ok(price),
    }
}

fn unit(text: &str) -> Result<Box<str>, Wrong> {
    let is_name = (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    match is_name {
        true => Ok(text.into()),
        false => Err(Wrong::write(
            format!("`{}` is no name of a unit", shown(text)),
            "at most 64 visible characters without spaces, as in \"token\"",
        )),
    }
}

const USAGE: &str =
    "\"events\", \"bytes\", { header = \"x-usage\" }, or { json = \"$.usage.total_tokens\" }";

fn usage(item: &Item<'_>, report: &mut Report<'_>) -> Option<Usage> {
    match item.value {
        DeValue::String(text) => match &**text {
            "requests" => Some(Usage::Requests),
            "events" => Some(Usage::Events),
            "bytes" => Some(Usage::Bytes),
            other => {
                let what = format!("`{}` is nothing that is counted", shown(other));
                let near = nearest(other, &["requests", "events", "bytes"]);
                let instead =
                    near.map_or_else(|| USAGE.to_owned(), |near| format!("write \"{near}\""));
                report.add(item.at.clone(), Wrong::write(what, instead));
                None
            }
        },
        DeValue::Table(table) => {
            let section = Section {
                name: "`usage`",
                table,
            };
            section.only(&["header", "json"], report);
            match (section.get("header"), section.get("json")) {
                (Some(_), None) => section.parsed("header", report, header).map(Usage::Header),
                (None, Some(_)) => section.parsed("json", report, place).map(Usage::Json),
                (Some(_), Some(json)) => {
                    report.wrong(json.key_at, "usage is told in one place");
                    None
                }
                (None, None) => {
                    let what = "it is not said where the service tells its usage";
                    report.add(item.at.clone(), Wrong::write(what, USAGE));
                    None
                }
            }
        }
        other => {
            let what = format!("`usage` is a text or a table, and not {}", kind(other));
            report.add(item.at.clone(), Wrong::write(what, USAGE));
            None
        }
    }
}

fn header(text: &str) -> Result<HeaderName, Wrong> {
    text.parse().map_err(|_| {
        let what = format!("`{}` is no name of a header", shown(text));
        Wrong::write(what, "as in \"x-usage\"")
    })
}

fn place(text: &str) -> Result<NotJson, Wrong> {
    match text.parse() {
        Ok(place) => Ok(place),
        Err(error) => {
            let error: PlaceError = error;
            let what = format!("`{}` is no place in JSON", shown(text));
            Err(Wrong::write(what, error.to_string()))
        }
    }
}
