//! What holds for sessions on every rail.

use std::{ops::RangeInclusive, time::Duration};

use farthing::{core::value::Price, server::session::Retention};
use toml::de::DeValue;

use super::{
    super::{CloseUnused, Keep, Pay, SessionPay, SettleWhen, V1Ahead},
    report::{Report, Wrong},
    section::{Section, kind, listed},
    values,
};

const KEYS: [&str; 17] = [
    "min_deposit",
    "exposure",
    "settle",
    "close_unused",
    "voucher_wait",
    "challenge",
    "vouchers_per_second",
    "voucher_burst",
    "openings_an_hour",
    "channels_in_memory",
    "fundings_at_once",
    "close_within",
    "close_patience",
    "serve_within",
    "v1_ahead",
    "v1_requests_ahead",
    "keep",
];

/// Bounds of a time that something is kept after its end.
const KEPT: RangeInclusive<Duration> =
    Duration::from_secs(60 * 60)..=Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// Bounds of how often it is looked for what is to be settled.
const EVERY: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60 * 60);

/// Bounds of a time after which something is settled or closed.
const LONG: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(365 * 24 * 60 * 60);

/// Bounds of the life of a challenge.
const CHALLENGE: RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(24 * 60 * 60);

pub(super) fn sessions(pay: Section<'_>, rails: &Pay, report: &mut Report<'_>) -> SessionPay {
    let Some(section) = pay.section("session", "[pay.session]", report) else {
        return SessionPay::default();
    };
    section.only(&KEYS, report);
    // A chain that cannot be read may have had sessions.
    let is_unreadable = pay.get("tempo").is_some() && rails.tempo.is_none();
    if !rails.takes_sessions()
        && !is_unreadable
        && let Some(item) = pay.get("session")
    {
        let what = "there is nothing that channels could be kept in";
        let instead = "session = true in pay.ledger, or a table [pay.tempo.session]";
        report.add(item.key_at, Wrong::write(what, instead));
    }
    let exposure = exposure(section, report);
    let unit = exposure
        .as_ref()
        .map(|(one, _)| one.unit().as_str().to_owned());
    let unit = unit.unwrap_or_else(|| "USD".to_owned());
    let min_deposit = section.parsed("min_deposit", report, |text| in_unit(text, &unit));
    let settle = settle(section, &unit, report);
    let close_unused = section.parsed("close_unused", report, |text| match text {
        "never" => Ok(CloseUnused::Never),
        text => values::duration(text, &LONG).map(CloseUnused::After),
    });
    let small = |key: &str, most: u64, report: &mut Report<'_>| {
        let number = section.number(key, 1..=most, report)?;
        u32::try_from(number).ok()
    };
    let wait = |key: &str, report: &mut Report<'_>| {
        section.parsed(key, report, |text| values::duration(text, &values::WAIT))
    };
    let v1_ahead = section.parsed("v1_ahead", report, |text| match text {
        "none" => Ok(V1Ahead::Requests),
        text => in_unit(text, &unit).map(V1Ahead::By),
    });
    SessionPay {
        min_deposit,
        exposure,
        settle,
        close_unused,
        voucher_wait: wait("voucher_wait", report),
        challenge: section.parsed("challenge", report, |text| {
            values::duration(text, &CHALLENGE)
        }),
        vouchers_per_second: small("vouchers_per_second", 1_000_000, report),
        voucher_burst: small("voucher_burst", 1_000_000, report),
        openings_an_hour: small("openings_an_hour", 1_000_000, report),
        channels_in_memory: section
            .number("channels_in_memory", 64..=100_000_000, report)
            .and_then(|number| usize::try_from(number).ok()),
        fundings_at_once: section
            .number("fundings_at_once", 1..=100_000, report)
            .and_then(|number| usize::try_from(number).ok()),
        close_within: wait("close_within", report),
        close_patience: wait("close_patience", report),
        serve_within: section.parsed("serve_within", report, |text| values::duration(text, &LONG)),
        v1_ahead,
        v1_requests_ahead: section
            .number("v1_requests_ahead", 0..=1_000_000, report)
            .and_then(|number| u32::try_from(number).ok()),
        keep: keep(section, report),
    }
}

/// How long what is over is kept. Of an end no less is known than of its channel.
fn keep(section: Section<'_>, report: &mut Report<'_>) -> Keep {
    let Some(kept) = section.section("keep", "`keep`", report) else {
        return Keep::default();
    };
    kept.only(&["channels", "ends", "settlements"], report);
    let mut time = |key: &str| kept.parsed(key, report, |text| values::duration(text, &KEPT));
    let keep = Keep {
        channels: time("channels"),
        ends: time("ends"),
        settlements: time("settlements"),
    };
    let usual = Retention::default();
    let channels = keep.channels.unwrap_or(usual.channels);
    if let Some(said) = kept.get("ends").or_else(|| kept.get("channels"))
        && keep.ends.unwrap_or(usual.ends) < channels
    {
        let what = "how a channel ended is kept at least as long as the channel";
        let instead = format!("ends = \"{}\"", values::told(channels));
        report.add(said.at, Wrong::write(what, instead));
    }
    keep
}

/// When what was spent is settled.
fn settle(section: Section<'_>, unit: &str, report: &mut Report<'_>) -> SettleWhen {
    let Some(when) = section.section("settle", "`settle`", report) else {
        return SettleWhen::default();
    };
    when.only(&["amount", "age", "idle", "schedule", "every"], report);
    let amount = when.parsed("amount", report, |text| in_unit(text, unit));
    let mut time = |key: &str, bounds: &RangeInclusive<Duration>| {
        when.parsed(key, report, |text| values::duration(text, bounds))
    };
    SettleWhen {
        amount,
        age: time("age", &LONG),
        idle: time("idle", &LONG),
        schedule: time("schedule", &LONG),
        every: time("every", &EVERY),
    }
}

const EXAMPLE: &str = "exposure = { per_payer = \"$10\", in_total = \"$1000\" }";

/// What may be served and not paid out: of one payer, and of all.
fn exposure(section: Section<'_>, report: &mut Report<'_>) -> Option<(Price, Price)> {
    let item = section.get("exposure")?;
    let DeValue::Table(table) = item.value else {
        let what = format!("`exposure` is a table, and not {}", kind(item.value));
        report.add(item.at, Wrong::write(what, EXAMPLE));
        return None;
    };
    let both = Section {
        name: "`exposure`",
        table,
    };
    let keys = ["per_payer", "in_total"];
    both.only(&keys, report);
    let missing: Vec<_> = keys
        .into_iter()
        .filter(|key| both.get(key).is_none())
        .collect();
    if !missing.is_empty() {
        let what = format!(
            "exposure has two bounds, and {} is not said",
            listed(&missing)
        );
        report.add(item.key_at, Wrong::write(what, EXAMPLE));
    }
    let one = both.parsed("per_payer", report, money);
    let all = both.parsed("in_total", report, money);
    let (one, all) = (one?, all?);
    let at = both.get("in_total")?.at;
    if one.unit() != all.unit() {
        let what = format!(
            "the other bound is in {}, and this one in {}",
            one.unit().as_str(),
            all.unit().as_str()
        );
        report.wrong(at, what);
        return None;
    }
    if all.worth() < one.worth() {
        let what = "one payer has more than all of them together";
        report.add(at, Wrong::write(what, "no less than `per_payer`"));
        return None;
    }
    Some((one, all))
}

fn in_unit(text: &str, unit: &str) -> Result<Price, Wrong> {
    let price = money(text)?;
    if price.unit().as_str() != unit {
        let what = format!(
            "this is in {}, and `exposure` in {unit}",
            price.unit().as_str()
        );
        return Err(Wrong::new(what));
    }
    Ok(price)
}

/// An amount that is more than nothing, and that can be counted.
fn money(text: &str) -> Result<Price, Wrong> {
    let usual = "as in \"$1\"";
    let price: Price = text
        .parse()
        .map_err(|_| Wrong::write("this is no amount of money", usual))?;
    if price.is_zero() {
        return Err(Wrong::write("nothing is no amount here", usual));
    }
    match price.worth() {
        Some(_) => Ok(price),
        None => Err(Wrong::write("this is more than can be counted", usual)),
    }
}
