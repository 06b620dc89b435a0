//! The service behind, and the headers it wants.

use std::{net::SocketAddr, ops::Range, time::Duration};

use farthing::core::value::Realm;
use http::{HeaderName, HeaderValue, uri::Scheme};
use toml::de::DeValue;

use super::{
    super::{Inject, Secret, SecretFrom, Upstream, secret::SecretError},
    listen::pem,
    report::{Report, Wrong},
    section::{Item, Section, kind, shown},
    values::{self, Service},
};

pub(super) const KEYS: [&str; 7] = [
    "connect",
    "first_byte",
    "idle",
    "http2",
    "ca",
    "keep_host",
    "set_headers",
];

/// Headers that the gateway writes itself, or that belong to one connection.
const OURS: [&str; 24] = [
    "accept-payment",
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "idempotency-key",
    "keep-alive",
    "payment-authorization",
    "payment-receipt",
    "payment-required",
    "payment-response",
    "payment-signature",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-payment",
];

/// The URL of a service. A password in it is not quoted back.
pub(super) fn to(section: Section<'_>, report: &mut Report<'_>) -> Option<Service> {
    let item = section.get("to")?;
    if item.value.as_str().is_some_and(|text| text.contains('@')) {
        report.hide(item.at);
    }
    section.parsed("to", report, values::service)
}

/// An upstream with nothing said about it.
pub(super) fn plain(service: Service) -> Upstream {
    Upstream {
        scheme: service.scheme,
        authority: service.authority,
        base: service.base,
        connect: Duration::from_secs(5),
        first_byte: Duration::from_secs(30),
        idle: Duration::from_secs(60),
        http2: false,
        ca: None,
        inject: Vec::new(),
        keep_host: false,
    }
}

/// Another service, which takes times from the usual one and none of its secrets.
pub(super) fn another(service: Service, usual: &Upstream) -> Upstream {
    Upstream {
        connect: usual.connect,
        first_byte: usual.first_byte,
        idle: usual.idle,
        ..plain(service)
    }
}

/// What a section says of an upstream.
pub(super) fn adjust(
    mut upstream: Upstream,
    section: Section<'_>,
    report: &mut Report<'_>,
) -> Upstream {
    section.only(&KEYS, report);
    let mut wait = |key: &str, now: Duration| {
        let told = section.parsed(key, report, |text| values::duration(text, &values::WAIT));
        told.unwrap_or(now)
    };
    upstream.connect = wait("connect", upstream.connect);
    upstream.first_byte = wait("first_byte", upstream.first_byte);
    upstream.idle = wait("idle", upstream.idle);
    if let Some(http2) = section.flag("http2", report) {
        upstream.http2 = http2;
    }
    if let Some(keep_host) = section.flag("keep_host", report) {
        upstream.keep_host = keep_host;
    }
    if let Some(item) = section.get("ca") {
        if upstream.scheme == Scheme::HTTP {
            let what = "there is no certificate to check where the service speaks plain http";
            report.add(
                item.key_at,
                Wrong::write(what, "remove `ca`, or write https:// in `to`"),
            );
        } else {
            upstream.ca = pem(&item, "CERTIFICATE-----", report);
        }
    }
    if let Some(headers) = section.section("set_headers", "`set_headers`", report) {
        upstream.inject = headers
            .items()
            .iter()
            .filter_map(|item| inject(item, report))
            .collect();
    }
    upstream
}

fn inject(item: &Item<'_>, report: &mut Report<'_>) -> Option<Inject> {
    let Some(name) = header_name(item, report) else {
        report.hide(item.at.clone());
        return None;
    };
    let value = header_value(item, report)?;
    Some(Inject { name, value })
}

fn header_name(item: &Item<'_>, report: &mut Report<'_>) -> Option<HeaderName> {
    let at = item.key_at.clone();
    let Ok(name) = HeaderName::from_bytes(item.key.as_bytes()) else {
        report.wrong(at, format!("`{}` is no name of a header", shown(item.key)));
        return None;
    };
    if !OURS.contains(&name.as_str()) {
        return Some(name);
    }
    let wrong = if name == http::header::HOST {
        Wrong::write(
            "`Host` is the upstream's, or the client's",
            "keep_host = true",
        )
    } else {
        Wrong::new(format!("the gateway writes `{name}` itself, or drops it"))
    };
    report.add(at, wrong);
    None
}

fn header_value(item: &Item<'_>, report: &mut Report<'_>) -> Option<HeaderValue> {
    let table = match item.value {
        DeValue::Table(table) => Section {
            name: "a header",
            table,
        },
        DeValue::String(_) => {
            report.hide(item.at.clone());
            let variable = variable_for(item.key);
            let what = "a file that others may see is no place for a secret";
            let instead = if could_be_secret(item.key) {
                format!("put it into the environment: {{ env = \"{variable}\" }}")
            } else {
                format!(
                    "put it into the environment: {{ env = \"{variable}\" }}; \
                     if it is none: {{ value = \"…\" }}"
                )
            };
            report.add(item.at.clone(), Wrong::write(what, instead));
            return None;
        }
        other => {
            let what = format!("a header is a table, and not {}", kind(other));
            report.add(
                item.at.clone(),
                Wrong::write(what, "write { env = \"NAME\" }"),
            );
            return None;
        }
    };
    table.only(&["env", "file", "value", "prefix"], report);
    let prefix = table.get("prefix");
    let prefix = prefix
        .and_then(|item| item.text(report))
        .unwrap_or_default();
    let secret = match table.get("value") {
        Some(value) => open_value(item, table, &value, report)?,
        None => {
            let from = secret_from(table, &item.at, report)?;
            let read = from.read();
            read_or_tell(read, table, report)?
        }
    };
    let mut bytes = prefix.as_bytes().to_vec();
    bytes.extend_from_slice(secret.expose());
    let Ok(mut value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(bytes)) else {
        report.wrong(
            item.at.clone(),
            "what this refers to cannot stand in a header",
        );
        return None;
    };
    value.set_sensitive(true);
    Some(value)
}

/// A value that is no secret, as whoever wrote it says.
fn open_value(
    header: &Item<'_>,
    table: Section<'_>,
    value: &Item<'_>,
    report: &mut Report<'_>,
) -> Option<Secret> {
    if could_be_secret(header.key) {
        report.hide(value.at.clone());
        let what = format!("`{}` is a secret wherever it is used", shown(header.key));
        let instead = format!("write {{ env = \"{}\" }}", variable_for(header.key));
        report.add(value.at.clone(), Wrong::write(what, instead));
        return None;
    }
    if let Some(other) = table.get("env").or_else(|| table.get("file")) {
        report.wrong(other.key_at, "a header has one value");
        return None;
    }
    value.text(report).map(Secret::new)
}

/// `{ env = … }` or `{ file = … }`.
pub(super) fn secret_from(
    table: Section<'_>,
    at: &Range<usize>,
    report: &mut Report<'_>,
) -> Option<SecretFrom> {
    match (table.get("env"), table.get("file")) {
        (Some(_), Some(file)) => {
            report.wrong(file.key_at, "a secret comes from one place");
            None
        }
        (Some(env), None) => {
            let name = env.text(report)?;
            let good = !name.is_empty()
                && !name.starts_with(|c: char| c.is_ascii_digit())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            if !good {
                // Perhaps the secret itself was put here.
                report.hide(env.at.clone());
                let what = "this is no name of a variable of the environment";
                report.add(env.at, Wrong::write(what, "as in { env = \"API_KEY\" }"));
                return None;
            }
            Some(SecretFrom::Env(name.to_owned()))
        }
        (None, Some(file)) => {
            let named = file.text(report)?;
            Some(SecretFrom::File(report.source(named)))
        }
        (None, None) => {
            let what = "it is not said where the secret is";
            report.add(
                at.clone(),
                Wrong::write(what, "write { env = \"NAME\" } or { file = \"PATH\" }"),
            );
            None
        }
    }
}

/// Tells why a secret is not there.
pub(super) fn read_or_tell(
    read: Result<Secret, SecretError>,
    table: Section<'_>,
    report: &mut Report<'_>,
) -> Option<Secret> {
    let error = match read {
        Ok(secret) => return Some(secret),
        Err(error) => error,
    };
    let item = table.get("env").or_else(|| table.get("file"))?;
    let wrong = match &error {
        SecretError::NoVariable(name) if looks_like_a_secret(name) => {
            report.hide(item.at.clone());
            Wrong::write(
                "the environment has no variable of this name",
                "name the variable here, and put the secret into it",
            )
        }
        SecretError::NoVariable(name) => Wrong::write(
            format!("the environment has no {name}"),
            format!("set {name} where the gateway is started"),
        ),
        SecretError::Exposed(path) => Wrong::write(
            "others than its owner can open this file",
            format!("chmod 600 {}", path.display()),
        ),
        SecretError::Foreign(_) => Wrong::write(
            error.to_string(),
            "a file of the user that runs the gateway, or of root",
        ),
        SecretError::Folder { path, folder } => Wrong::write(
            format!(
                "everybody can put another file into the place of {}",
                path.display()
            ),
            format!("chmod o-w {}", folder.display()),
        ),
        SecretError::Read { path, source } => {
            Wrong::new(format!("{} cannot be read: {source}", path.display()))
        }
        SecretError::Encoding(_) | SecretError::Short(_) => Wrong::write(
            format!("the secret is no key: {error}"),
            "base64url of 32 random bytes or more",
        ),
        other => Wrong::new(other.to_string()),
    };
    report.add(item.at, wrong);
    None
}

/// Names of variables are written large. What is long and is not, may be the secret itself.
fn looks_like_a_secret(name: &str) -> bool {
    name.len() > 16 && name.bytes().any(|b| b.is_ascii_lowercase())
}

fn could_be_secret(header: &str) -> bool {
    let name = header.to_ascii_lowercase();
    let words = [
        "auth",
        "key",
        "token",
        "secret",
        "cookie",
        "pass",
        "credential",
        "session",
    ];
    words.iter().any(|word| name.contains(word))
}

fn variable_for(header: &str) -> String {
    let name = header.to_ascii_uppercase();
    let name = name.trim_start_matches("X-");
    let name: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .take(40)
        .collect();
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        name
    } else {
        "UPSTREAM_SECRET".into()
    }
}

/// Tells where an upstream is this gateway.
pub(super) fn no_loop(
    upstream: &Upstream,
    at: &Range<usize>,
    site: Option<&Realm>,
    listen: SocketAddr,
    report: &mut Report<'_>,
) {
    if let Some(wrong) = comes_back(upstream, site, listen) {
        report.add(at.clone(), wrong);
    }
}

/// Whether an upstream is this gateway, and each request would come back for ever.
pub(super) fn comes_back(
    upstream: &Upstream,
    site: Option<&Realm>,
    listen: SocketAddr,
) -> Option<Wrong> {
    let host = upstream.authority.host();
    let usual = if upstream.scheme == Scheme::HTTPS {
        443
    } else {
        80
    };
    let port = upstream.authority.port_u16().unwrap_or(usual);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<std::net::IpAddr>().ok();
    let own = listen.ip().to_canonical();
    let same = match address.map(|address| address.to_canonical()) {
        Some(address) => {
            address == own
                || (own.is_unspecified() && address.is_loopback())
                || (address.is_unspecified() && own.is_loopback())
        }
        None => {
            host.eq_ignore_ascii_case("localhost") && (own.is_loopback() || own.is_unspecified())
        }
    };
    let public = site.is_some_and(|site| {
        let site = site.as_str();
        let with_port = format!("{host}:{port}");
        let bare = upstream.scheme == Scheme::HTTPS && port == 443;
        site.eq_ignore_ascii_case(&with_port) || (bare && site.eq_ignore_ascii_case(host))
    });
    let itself = (same && port == listen.port() && port != 0) || public;
    itself.then(|| {
        Wrong::write(
            "this is the gateway itself: each request would come back to it",
            "the address of the service behind it",
        )
    })
}
