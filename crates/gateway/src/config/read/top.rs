//! The file as a whole.

use toml::de::DeTable;

use super::{
    super::{Config, RulePrice},
    listen::{self, admin, listen},
    money::Money,
    pay,
    report::Report,
    rest, rules,
    section::Section,
    upstream::{adjust, no_loop, plain, to},
    values,
};

const KEYS: [&str; 14] = [
    "site",
    "to",
    "listen",
    "tls",
    "behind_tls",
    "trusted_proxies",
    "store",
    "secret",
    "pay",
    "upstream",
    "limits",
    "admin",
    "log",
    "service",
];

pub(super) fn config(table: &DeTable<'_>, report: &mut Report<'_>) -> Option<Config> {
    let top = Section {
        name: "the file",
        table,
    };
    let mut keys = KEYS.to_vec();
    keys.push("routes");
    top.only(&keys, report);

    let site = top.parsed("site", report, values::site);
    if top.get("site").is_none() {
        report.missing(
            "the file does not say what the service is called",
            "site = \"api.example.com\", the host that buyers call",
        );
    }
    let service = to(top, report);
    if top.get("to").is_none() {
        report.missing(
            "the file does not say what is behind the gateway",
            "to = \"http://127.0.0.1:3000\", the service that answers",
        );
    }
    let to_at = top.get("to").map(|item| item.at);
    let listen = listen(top, report);
    let address = listen
        .as_ref()
        .map_or(listen::ADDRESS, |listen| listen.address);
    let mut upstream = service.map(plain);
    if let Some(section) = top.section("upstream", "[upstream]", report) {
        upstream = upstream.map(|upstream| adjust(upstream, section, report));
    }
    if let (Some(upstream), Some(at)) = (&upstream, &to_at) {
        no_loop(upstream, at, site.as_ref(), address, report);
    }
    let (pay, store) = (pay::pay(top, report), rest::store(top, report));
    let (limits, log) = (rest::limits(top, report), rest::log(top, report));
    let (admin, about) = (admin(top, address, report), rest::about(top, report));
    if let (Some(upstream), Some(at), Some(admin)) = (&upstream, &to_at, &admin) {
        no_loop(upstream, at, None, admin.address, report);
    }

    let names_chain = top
        .get("pay")
        .and_then(|pay| pay.value.as_table()?.get("tempo"))
        .is_some();
    let money = Money::of(&pay, names_chain);
    let around = rules::Around {
        money: &money,
        serve_within: pay.session.serves_within(),
        upstream: upstream.as_ref(),
        body: limits.body,
        discovery: about.discovery,
    };
    let placed = rules(top, &around, report);
    for placed in &placed {
        if let (Some(upstream), Some(at)) = (&placed.rule.upstream, &placed.to_at) {
            no_loop(upstream, at, site.as_ref(), address, report);
        }
    }
    Some(Config {
        site: site?,
        listen: listen?,
        upstream: upstream?,
        pay,
        store: store?,
        limits,
        admin,
        log,
        about,
        sources: report.sources(),
        rules: placed.into_iter().map(|placed| placed.rule).collect(),
    })
}

/// The rules, and what they need.
fn rules(
    top: Section<'_>,
    around: &rules::Around<'_>,
    report: &mut Report<'_>,
) -> Vec<rules::Placed> {
    let section = top.section("routes", "[routes]", report);
    let is_empty = section.is_some_and(|section| section.table.is_empty());
    if is_empty || top.get("routes").is_none() {
        report.missing(
            "there is no rule, so everything would be answered with 404",
            "[routes] and under it \"GET /v1/*\" = \"$0.002\"",
        );
    }
    let placed = section.map_or_else(Vec::new, |section| rules::rules(section, around, report));
    let priced = placed
        .iter()
        .any(|placed| placed.rule.price != RulePrice::Free);
    if priced && top.get("pay").is_none() {
        report.missing(
            "there are prices, and nobody to pay them to",
            "pay.ledger = { account = \"did:key:…\" }, as `farthing wallet list` shows it, \
             or pay.tempo = { network = \"tempo\", recipient = \"0x…\" }",
        );
    }
    placed
}
