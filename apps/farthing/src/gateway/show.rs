//! What a gateway says of itself.

use std::fmt::Write as _;

use farthing::tempo::Network;
use farthing_gateway::{
    config::{RulePrice, Segment, Trust, Verb},
    serve::{Changes, Gateway, ReloadError, Stopped},
};
use serde_json::{Value, json};

use super::{
    pay, rules,
    run::{Told, store},
    sessions,
};
use crate::{
    error::with_causes,
    program,
    screen::{self, Paint, clean},
};

/// Rules that are shown at the start. `gateway check` shows all of them.
const RULES: usize = 12;

/// The first screen: where it is, what it costs, where the money goes, what to type next.
pub(super) fn listening(gateway: &Gateway, told: &Told, paint: Paint) -> String {
    let config = gateway.config();
    let url = url(gateway, told);
    let upstream = format!("{}://{}", config.upstream.scheme, config.upstream.authority);
    let mut text = format!("{} in front of {upstream}\n\n", paint.bold(&url));
    let _ = writeln!(text, "{}\n", prices(told, paint));
    let mut rows = vec![("store", store(&config).display().to_string())];
    rows.extend(pay::rows(&config));
    if let Some(key) = &told.key {
        rows.push(("its key", key.display().to_string()));
    }
    if let Some(admin) = gateway.admin_address() {
        rows.push(("admin", format!("http://{admin}/readyz, /metrics")));
    }
    if let Some(file) = &told.file {
        rows.push((
            "file",
            format!("{}, read again when it changes", file.display()),
        ));
    }
    let _ = writeln!(text, "{}\n", screen::rows(paint, 2, &rows));
    text.push_str(&lines_to_try(&url, config.site.as_str(), told, paint));
    text
}

fn prices(told: &Told, paint: Paint) -> String {
    let rules = &told.config.rules;
    let shown = rules.iter().take(RULES).map(|rule| {
        let price = rules::price(rule);
        [clean(&rule.key.to_string()).into_owned(), price]
    });
    let table = screen::table(paint, ["request", "price"], &shown.collect::<Vec<_>>());
    let more = match rules.len().checked_sub(RULES) {
        None | Some(0) => String::new(),
        Some(more) => format!(
            "\n… and {more} more: see `{} gateway check`",
            program::name()
        ),
    };
    let lines = format!("{table}{more}");
    let lines = lines.lines().map(|line| format!("  {line}"));
    lines.collect::<Vec<_>>().join("\n")
}

fn lines_to_try(url: &str, site: &str, told: &Told, paint: Paint) -> String {
    let me = program::name();
    let path = example(told);
    let store = program::quoted(&store(&told.config));
    let mut lines = vec![
        ("what it costs: a 402", format!("curl -i {url}{path}")),
        ("a wallet, once", format!("{me} wallet create")),
    ];
    if told.config.pay.ledger.is_some() {
        let deposit = format!("{me} ledger deposit DID '$1' --store {store}");
        lines.push(("money for it, which you vouch for", deposit));
    }
    if let Some(tempo) = &told.config.pay.tempo {
        let (name, chain) = (tempo.network.name(), tempo.network.chain());
        if Network::of(chain).is_none() {
            let rpc = tempo.hosts().next().unwrap_or_default();
            let add = format!("{me} networks add {name} --chain-id {chain} --rpc {rpc}");
            lines.push(("the chain, once", add));
        }
        let fund = format!("{me} wallet fund --network {name}");
        lines.push(("money for it, on the chain", fund));
    }
    lines.push(("pay for it", format!("{me} pay {url}{path}")));
    let mut text = format!("{}\n\n", paint.bold("Next, in another terminal"));
    for (about, line) in lines {
        let _ = writeln!(text, "  {}\n  {line}", paint.dim(format!("# {about}")));
    }
    if let Some(called) = called_otherwise(url, site, told) {
        let change = match &told.file {
            Some(file) => format!("say site = \"{called}\" in {}", file.display()),
            None => "leave --site out".to_owned(),
        };
        let note = format!(
            "A buyer pays only the site it called, and this one is {site}:\n  \
             to pay from this machine, {change}"
        );
        let _ = writeln!(text, "\n  {}", paint.asks(note));
    }
    text.push_str("\nIt is up until Ctrl-C.");
    text
}

/// What the lines to try call, where that is not the site and a buyer would refuse to pay.
fn called_otherwise<'a>(url: &'a str, site: &str, told: &Told) -> Option<&'a str> {
    let (_, called) = url.split_once("://")?;
    let is_local = matches!(told.config.listen.trust, Trust::Loopback);
    (is_local && site != called).then_some(called)
}

/// A path that costs something, with something in place of its wild parts.
fn example(told: &Told) -> String {
    let mut rules = told.config.rules.iter();
    let priced = rules.find(|rule| {
        let is_read = match &rule.key.verb {
            Verb::Any => true,
            Verb::One(method) => *method == http::Method::GET,
        };
        is_read && rule.price != RulePrice::Free
    });
    let parts = priced.map(|rule| {
        rule.key.pattern.segments().map(|segment| match segment {
            Segment::Literal(text) => format!("/{text}"),
            Segment::Name(name) => format!("/{name}"),
            Segment::Rest => "/".to_owned(),
        })
    });
    parts.map_or_else(|| "/".to_owned(), Iterator::collect)
}

/// One line for a program.
pub(super) fn listening_json(gateway: &Gateway, told: &Told) -> Value {
    let config = gateway.config();
    let rules = config.rules.iter().map(|rule| {
        let price = match &rule.price {
            RulePrice::Free | RulePrice::Session => Value::Null,
            RulePrice::Fixed(price) => json!(price.to_string()),
        };
        let session = rule.session.as_ref().map(sessions::as_json);
        json!({ "rule": rule.key.to_string(), "price": price, "session": session })
    });
    json!({
        "event": "listening",
        "url": url(gateway, told),
        "address": gateway.address().to_string(),
        "site": config.site.to_string(),
        "upstream": format!("{}://{}", config.upstream.scheme, config.upstream.authority),
        "store": store(&config).display().to_string(),
        "account": config.pay.ledger.as_ref().map(|ledger| ledger.account.to_string()),
        "tempo": pay::tempo_json(&config),
        "accountKey": told.key.as_ref().map(|key| key.display().to_string()),
        "admin": gateway.admin_address().map(|admin| format!("http://{admin}")),
        "file": told.file.as_ref().map(|file| file.display().to_string()),
        "rules": rules.collect::<Vec<_>>(),
    })
}

/// How it is reached. Where it is told its public host, it is reached by that.
fn url(gateway: &Gateway, told: &Told) -> String {
    let site = gateway.config().site;
    let address = gateway.address();
    match &told.config.listen.trust {
        Trust::Loopback => format!("http://{address}"),
        Trust::Tls(_) if address.port() != 443 && !site.as_str().contains(':') => {
            format!("https://{site}:{}", address.port())
        }
        Trust::Tls(_) | Trust::BehindTls(_) => format!("https://{site}"),
    }
}

pub(super) fn reloaded_json(done: &Result<Changes, ReloadError>) -> Value {
    match done {
        Ok(changes) => json!({ "event": "reloaded", "changes": changes.to_string() }),
        Err(error) => json!({ "event": "not-reloaded", "message": with_causes(error) }),
    }
}

pub(super) fn stopped_json(stopped: Stopped) -> Value {
    json!({ "event": "stopped", "cut": stopped.cut, "settled": stopped.settled })
}

/// What there is to say of an end that was not all finished.
pub(super) fn stopped(stopped: Stopped) -> Option<String> {
    let mut told = Vec::new();
    if stopped.cut > 0 {
        told.push(format!("{} connections were cut", stopped.cut));
    }
    if !stopped.settled {
        told.push("payments are left for the next start to finish".to_owned());
    }
    (!told.is_empty()).then(|| format!("stopped: {}", told.join(", ")))
}
