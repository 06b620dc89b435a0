//! What is paid out of channels, as a person reads it.

use std::time::Duration;

use farthing::server::session::{SessionOptions, SettleOptions};
use farthing_gateway::config::{CloseUnused, Config, RuleSession, SessionPay, Usage};
use serde_json::{Value, json};

/// What a unit costs, in a word.
pub(super) fn price(session: &RuleSession) -> String {
    format!("{}/{}", session.price, session.unit)
}

/// How a request is counted, what a buyer is asked to lock, and who ends the channel.
pub(super) fn rows(session: &RuleSession, config: &Config) -> Vec<(&'static str, String)> {
    let pay = &config.pay.session;
    let mut rows = vec![("a request", counted(session))];
    if session.usage.is_counted() {
        let (least, estimate) = (session.least, session.covered());
        let told = format!("{least}; the balance has to cover {estimate} beforehand");
        rows.push(("at least", told));
    }
    rows.push(("deposit", deposit(session, pay)));
    rows.push(("closed by", closed_by(pay)));
    rows
}

/// How far requests are served out of channels before they are settled, where there are channels.
pub(super) fn exposure(config: &Config) -> Option<(&'static str, String)> {
    let usual = SessionOptions::default();
    let bounds = config.pay.session.exposure.as_ref();
    let (one, all) = bounds.map_or(
        (&usual.exposure_per_payer, &usual.exposure_in_total),
        |(one, all)| (one, all),
    );
    let told = format!("{one} of one payer and {all} of all may be unsettled");
    config.pay.takes_sessions().then_some(("channels", told))
}

/// How what a request comes to is counted.
fn counted(session: &RuleSession) -> String {
    let unit = &session.unit;
    match &session.usage {
        Usage::Requests => {
            format!("is one {unit}: charged first, given back where it is not served")
        }
        Usage::Events => format!("each event of its answer is one {unit}"),
        Usage::Bytes => format!("each KiB of its answer that was begun is one {unit}"),
        Usage::Header(name) => format!("{name} in its answer's head says how many {unit}s"),
        Usage::Json(place) => format!("{place} in its answer says how many {unit}s"),
    }
}

fn deposit(session: &RuleSession, pay: &SessionPay) -> String {
    let advised = session.deposit.as_ref();
    let least = pay.min_deposit.as_ref();
    match (advised, least) {
        (None, None) => "what the buyer likes".to_owned(),
        (Some(advised), None) => format!("{advised} advised"),
        (None, Some(least)) => format!("{least} at the least"),
        (Some(advised), Some(least)) => format!("{advised} advised, {least} at the least"),
    }
}

fn closed_by(pay: &SessionPay) -> String {
    let buyer = "its buyer at any time";
    let unused = match pay.close_unused {
        Some(CloseUnused::Never) => None,
        Some(CloseUnused::After(time)) => Some(time),
        None => SettleOptions::default().close_unused,
    };
    match unused {
        None => format!("{buyer}, and never by this gateway"),
        Some(time) => format!("{buyer}; this gateway, once unused for {}", told(time)),
    }
}

/// A time as the file writes it.
fn told(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [(24 * 60 * 60, "d"), (60 * 60, "h"), (60, "m"), (1, "s")];
    let unit = units
        .into_iter()
        .find(|(scale, _)| seconds.is_multiple_of(*scale));
    unit.map_or_else(String::new, |(scale, name)| {
        format!("{}{name}", seconds / scale)
    })
}

/// The same for a program.
pub(super) fn as_json(session: &RuleSession) -> Value {
    let usage = match &session.usage {
        Usage::Requests => json!("requests"),
        Usage::Events => json!("events"),
        Usage::Bytes => json!("bytes"),
        Usage::Header(name) => json!({ "header": name.as_str() }),
        Usage::Json(place) => json!({ "json": place.as_str() }),
    };
    json!({
        "price": session.price.to_string(),
        "unit": session.unit,
        "usage": usage,
        "least": session.least,
        "estimate": session.covered(),
        "deposit": session.deposit.as_ref().map(ToString::to_string),
        "minDelta": session.min_delta.as_ref().map(ToString::to_string),
        "voucherWaitSeconds": session.voucher_wait.map(|wait| wait.as_secs_f64()),
        "ahead": session.ahead,
        "emptyPosts": session.empty_posts,
    })
}
