//! A request's head on its way to the upstream.

use farthing::{
    core::{
        encoding::base64url,
        header::{IDEMPOTENCY_KEY, authorization},
    },
    server::Paid,
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Uri, Version, header,
    request::Parts,
    uri::{PathAndQuery, Scheme},
};
use ring::digest::{Context, SHA256};

use super::{names, pools::Way};
use crate::serve::Via;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Addresses of a chain of proxies that are passed on.
const CHAIN: usize = 1024;

/// Makes of a client's head the one that the upstream gets. The map is edited in place.
///
/// # Errors
/// When base and path together are no URI.
pub(super) fn prepare(
    parts: &mut Parts,
    way: &Way,
    via: Option<Via>,
    plain_text: bool,
) -> Result<(), http::Error> {
    parts.uri = target(&parts.uri, way)?;
    parts.version = Version::HTTP_11;
    let upstream = way.upstream();
    let chain = via
        .as_ref()
        .filter(|via| via.trusted)
        .and_then(|_| chain(&parts.headers));
    let trailers = takes_trailers(&parts.headers);

    let headers = &mut parts.headers;
    names::remove(headers, |name| names::is_kept_back(name, &upstream.inject));
    without_payment(headers);
    join_cookies(headers);
    if let Some(paid) = parts.extensions.get::<Paid>() {
        scope_idempotency(headers, paid);
    }

    match &way.host {
        Some(host) => drop(headers.insert(header::HOST, host.clone())),
        // HTTP/2 says it in the target, and so does the client for HTTP/1.1.
        None => drop(headers.remove(header::HOST)),
    }
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        if way.host.is_some() {
            headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
        }
    }
    if plain_text {
        headers.insert(
            header::ACCEPT_ENCODING,
            HeaderValue::from_static("identity"),
        );
    }
    let hop = via.as_ref().map(|via| via.hop.text().clone());
    if let Some(value) = hop.and_then(|hop| forwarded_for(chain, hop)) {
        headers.insert(FORWARDED_FOR, value);
    }
    let proto = if via.is_some_and(|via| via.https) {
        "https"
    } else {
        "http"
    };
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(proto));
    headers.insert(FORWARDED_HOST, way.site.clone());
    for one in &upstream.inject {
        headers.insert(one.name.clone(), one.value.clone());
    }
    Ok(())
}

/// The bytes that were matched, behind the upstream's base.
fn target(asked: &Uri, way: &Way) -> Result<Uri, http::Error> {
    let upstream = way.upstream();
    let path = asked.path_and_query();
    let path = match (&upstream.base, path) {
        (None, Some(path)) => path.clone(),
        (None, None) => PathAndQuery::from_static("/"),
        (Some(base), path) => {
            let path = path.map_or("/", PathAndQuery::as_str);
            [base.path().trim_end_matches('/'), path].concat().parse()?
        }
    };
    let mut whole = http::uri::Parts::default();
    whole.scheme = Some(upstream.scheme.clone());
    whole.authority = Some(way.authority.clone());
    whole.path_and_query = Some(path);
    Ok(Uri::from_parts(whole)?)
}

/// Credentials of the `Payment` scheme are for the gate. A `Bearer` beside one is left.
fn without_payment(headers: &mut HeaderMap) {
    let lines = headers.get_all(header::AUTHORIZATION);
    if !lines.iter().any(authorization::is_payment) {
        return;
    }
    let others: Vec<_> = lines
        .iter()
        .filter(|line| !authorization::is_payment(line))
        .cloned()
        .collect();
    headers.remove(header::AUTHORIZATION);
    for line in others {
        headers.append(header::AUTHORIZATION, line);
    }
}

/// HTTP/2 may send a cookie in several lines; elsewhere there is one (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut lines = headers.get_all(header::COOKIE).iter();
    if lines.next().and(lines.next()).is_none() {
        return;
    }
    let lines = headers.get_all(header::COOKIE).iter();
    let crumbs: Vec<_> = lines.map(HeaderValue::as_bytes).collect();
    let mut whole = HeaderValue::try_from(crumbs.join(&b"; "[..]))
        .expect("what stands between values of a header may stand in one");
    whole.set_sensitive(true);
    headers.insert(header::COOKIE, whole);
}

/// To the upstream all buyers are one client, the gateway. A key of one buyer's must not fetch
/// what another one's request made, so it becomes the payment's own: the same when the upstream is
/// asked again for the same payment, and nobody else's.
fn scope_idempotency(headers: &mut HeaderMap, paid: &Paid) {
    let Some(theirs) = headers.get(IDEMPOTENCY_KEY) else {
        return;
    };
    let ours = match &paid.channel {
        None => paid.payment.to_string(),
        // A request out of a channel has no record of its own: its key is what it is known by.
        Some(channel) => {
            let mut hash = Context::new(&SHA256);
            hash.update(channel.as_str().as_bytes());
            hash.update(b"\n");
            hash.update(theirs.as_bytes());
            base64url::encode(hash.finish().as_ref())
        }
    };
    if let Ok(key) = HeaderValue::try_from(ours) {
        headers.insert(IDEMPOTENCY_KEY, key);
    }
}

fn takes_trailers(headers: &HeaderMap) -> bool {
    headers.get_all(header::TE).iter().any(|line| {
        let mut codings = line.as_bytes().split(|byte| *byte == b',');
        codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
    })
}

/// What a trusted proxy says of those before it.
fn chain(headers: &HeaderMap) -> Option<Vec<u8>> {
    let lines: Vec<_> = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    let chain = lines.join(&b", "[..]);
    (!chain.is_empty() && chain.len() <= CHAIN).then_some(chain)
}

fn forwarded_for(chain: Option<Vec<u8>>, hop: HeaderValue) -> Option<HeaderValue> {
    let Some(mut chain) = chain else {
        return Some(hop);
    };
    chain.extend_from_slice(b", ");
    chain.extend_from_slice(hop.as_bytes());
    HeaderValue::try_from(chain).ok()
}

/// Where a redirect of the upstream's leads, as a client of the gateway has to ask for it: what
/// names the upstream itself becomes a path.
pub(super) fn without_upstream(location: &HeaderValue, way: &Way) -> Option<HeaderValue> {
    let upstream = way.upstream();
    let uri = Uri::try_from(location.as_bytes()).ok()?;
    let usual = if upstream.scheme == Scheme::HTTPS {
        443
    } else {
        80
    };
    let port = |authority: &http::uri::Authority| authority.port_u16().unwrap_or(usual);
    let authority = uri.authority()?;
    let is_upstream = uri.scheme() == Some(&upstream.scheme)
        && authority
            .host()
            .eq_ignore_ascii_case(upstream.authority.host())
        && port(authority) == port(&upstream.authority);
    if !is_upstream {
        return None;
    }
    // The fragment is no part of what was parsed.
    let text = location.to_str().ok()?;
    let start = text.find("://")? + "://".len() + authority.as_str().len();
    let path = &text[start..];
    let base = upstream.base.as_ref().map_or("", |base| base.path());
    let path = path
        .strip_prefix(base.trim_end_matches('/'))
        .unwrap_or(path);
    let path = if path.starts_with('/') {
        path.into()
    } else {
        format!("/{path}")
    };
    // `//` would name a host.
    (!path.starts_with("//")).then(|| HeaderValue::try_from(path).ok())?
}
