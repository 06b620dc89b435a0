//! The store, limits, the log, and what is said of the service.

use std::{num::NonZeroU32, ops::Range};

use http::uri::PathAndQuery;
use toml::de::DeValue;

use super::{
    super::{About, Docs, Limits, Log, LogFormat, OpenApi, Store},
    report::{Report, Wrong},
    section::{Item, Section, kind, listed, shown},
    suggest::nearest,
    values,
};

pub(super) fn store(top: Section<'_>, report: &mut Report<'_>) -> Option<Store> {
    let Some(item) = top.get("store") else {
        return Some(Store::Sqlite(report.path("farthing.db")));
    };
    let named = item.text(report)?;
    if named.contains("://") {
        // Such an address may hold a password.
        report.hide(item.at.clone());
        let what = "payments are kept in a file: nothing else is supported";
        report.add(item.at, Wrong::write(what, "store = \"farthing.db\""));
        return None;
    }
    let path = report.path(named);
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let wrong = if named.is_empty() || path.is_dir() {
        format!("{} is a folder, and not a file", path.display())
    } else if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        format!("there is no folder {}", folder.display())
    } else {
        return Some(Store::Sqlite(path));
    };
    report.add(
        item.at,
        Wrong::write(wrong, "store = \"farthing.db\", beside this file"),
    );
    None
}

pub(super) fn limits(top: Section<'_>, report: &mut Report<'_>) -> Limits {
    const KEYS: [&str; 10] = [
        "per_peer",
        "peer_burst",
        "total",
        "connections",
        "connections_per_peer",
        "head",
        "body",
        "body_rate",
        "head_within",
        "drain",
    ];
    let usual = Limits::default();
    let Some(section) = top.section("limits", "[limits]", report) else {
        return usual;
    };
    section.only(&KEYS, report);
    let mut rate = |key: &str, usual: NonZeroU32| {
        let told = section.number(key, 1..=10_000_000, report);
        let told = told.and_then(|number| u32::try_from(number).ok());
        told.and_then(NonZeroU32::new).unwrap_or(usual)
    };
    let (per_peer, peer_burst, total) = (
        rate("per_peer", usual.per_peer),
        rate("peer_burst", usual.peer_burst),
        rate("total", usual.total),
    );
    let connections = section.number("connections", 1..=1_000_000, report);
    let of_a_peer = section.number("connections_per_peer", 1..=1_000_000, report);
    let mut size = |key: &str, bounds: std::ops::RangeInclusive<u64>| {
        section.parsed(key, report, |text| values::size(text, &bounds))
    };
    // A credential alone may have 32 KiB.
    let head = size("head", 40 << 10..=1 << 20);
    let body = size("body", 0..=1 << 40);
    let body_rate = size("body_rate", 0..=1 << 20);
    let mut wait =
        |key: &str| section.parsed(key, report, |text| values::duration(text, &values::WAIT));
    let (head_within, drain) = (wait("head_within"), wait("drain"));
    Limits {
        per_peer,
        peer_burst,
        total,
        connections: number(connections, usual.connections),
        connections_per_peer: of_a_peer.and_then(|number| usize::try_from(number).ok()),
        head: number(head, usual.head),
        body_rate: body_rate.unwrap_or(usual.body_rate),
        body: body.unwrap_or(usual.body),
        head_within: head_within.unwrap_or(usual.head_within),
        drain: drain.unwrap_or(usual.drain),
    }
}

fn number(told: Option<u64>, usual: usize) -> usize {
    told.and_then(|number| usize::try_from(number).ok())
        .unwrap_or(usual)
}

pub(super) fn log(top: Section<'_>, report: &mut Report<'_>) -> Log {
    let format = top.section("log", "[log]", report).and_then(|section| {
        section.only(&["format"], report);
        section.parsed("format", report, |text| {
            choice(
                text,
                "the log",
                &[
                    ("lines", LogFormat::Lines),
                    ("json", LogFormat::Json),
                    ("off", LogFormat::Off),
                ],
            )
        })
    });
    Log {
        format: format.unwrap_or_default(),
    }
}

/// One of a few words.
pub(super) fn choice<T: Copy>(text: &str, what: &str, words: &[(&str, T)]) -> Result<T, Wrong> {
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(*value);
    }
    let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
    let instead = match nearest(text, &known) {
        Some(near) => format!("write \"{near}\""),
        None => format!("one of {}", listed(&known)),
    };
    Err(Wrong::write(
        format!("{what} cannot be `{}`", shown(text)),
        instead,
    ))
}

pub(super) fn about(top: Section<'_>, report: &mut Report<'_>) -> About {
    const KEYS: [&str; 7] = [
        "discovery",
        "title",
        "version",
        "description",
        "categories",
        "docs",
        "openapi",
    ];
    let Some(section) = top.section("service", "[service]", report) else {
        return About::default();
    };
    section.only(&KEYS, report);
    let mut text = |key: &str, most: usize| section.parsed(key, report, |text| line(text, most));
    let (title, version, description) = (
        text("title", 200),
        text("version", 64),
        text("description", 2048),
    );
    About {
        discovery: section.flag("discovery", report).unwrap_or(true),
        title,
        version,
        description,
        categories: categories(section, report),
        docs: docs(section, report),
        openapi: section
            .get("openapi")
            .and_then(|item| openapi(&item, report)),
    }
}

fn line(text: &str, most: usize) -> Result<String, Wrong> {
    if text.trim().is_empty() {
        return Err(Wrong::new("there is nothing in it"));
    }
    if text.chars().any(char::is_control) {
        return Err(Wrong::new(
            "a line end or another control character cannot stand here",
        ));
    }
    if text.len() > most {
        return Err(Wrong::new(format!("this has at most {most} bytes")));
    }
    Ok(text.to_owned())
}

fn categories(section: Section<'_>, report: &mut Report<'_>) -> Vec<String> {
    let Some(item) = section.get("categories") else {
        return Vec::new();
    };
    let words = item.texts(report);
    if words.len() > 5 {
        report.wrong(item.at.clone(), "a service has at most five categories");
    }
    for (word, at) in &words {
        let good = !word.is_empty()
            && word.len() <= 64
            && word
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !good {
            let what = "a category is small letters, digits and -, as in \"weather\"";
            report.wrong(at.clone(), what);
        }
    }
    words.into_iter().map(|(word, _)| word.to_owned()).collect()
}

fn docs(section: Section<'_>, report: &mut Report<'_>) -> Docs {
    let Some(item) = section.get("docs") else {
        return Docs::default();
    };
    match item.value {
        DeValue::String(_) => Docs {
            reference: section.parsed("docs", report, link),
            ..Docs::default()
        },
        DeValue::Table(table) => {
            let links = Section {
                name: "`docs`",
                table,
            };
            links.only(&["reference", "homepage", "llms"], report);
            Docs {
                reference: links.parsed("reference", report, link),
                homepage: links.parsed("homepage", report, link),
                llms: links.parsed("llms", report, link),
            }
        }
        other => {
            let what = format!(
                "`docs` is a URL or a table of them, and not {}",
                kind(other)
            );
            report.wrong(item.at, what);
            Docs::default()
        }
    }
}

fn link(text: &str) -> Result<String, Wrong> {
    let uri: Option<http::Uri> = text.parse().ok();
    let good = uri.is_some_and(|uri| {
        uri.host().is_some() && matches!(uri.scheme_str(), Some("https" | "http"))
    });
    if good {
        Ok(text.to_owned())
    } else {
        let what = format!("`{}` is no URL", shown(text));
        Err(Wrong::write(what, "as in \"https://docs.example.com/\""))
    }
}

fn openapi(item: &Item<'_>, report: &mut Report<'_>) -> Option<OpenApi> {
    let at: Range<usize> = item.at.clone();
    match item.value {
        DeValue::String(text) => {
            let path: Option<PathAndQuery> = text
                .parse()
                .ok()
                .filter(|_| text.starts_with('/') && !text.starts_with("//"));
            if path.is_none() {
                let what = "this is no path on the upstream";
                let instead = "openapi = \"/openapi.json\", or { file = \"openapi.json\" }";
                report.add(at, Wrong::write(what, instead));
            }
            path.map(OpenApi::Upstream)
        }
        DeValue::Table(table) => {
            let section = Section {
                name: "`openapi`",
                table,
            };
            section.only(&["file"], report);
            let Some(file) = section.get("file") else {
                report.add(
                    at,
                    Wrong::write("it is not said where it is", "{ file = \"openapi.json\" }"),
                );
                return None;
            };
            let named = file.text(report)?;
            let path = report.source(named);
            if !path.is_file() {
                report.wrong(file.at, format!("there is no file {}", path.display()));
                return None;
            }
            Some(OpenApi::File(path))
        }
        other => {
            let what = format!(
                "`openapi` is a path or {{ file = … }}, and not {}",
                kind(other)
            );
            report.wrong(at, what);
            None
        }
    }
}
