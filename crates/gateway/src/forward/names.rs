//! Header names that never go through.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, header};

use crate::config::Inject;

/// Whether a client's header is kept from the upstream.
///
/// A name with `_` is judged as if it had `-`: what speaks CGI behind folds the two.
pub(super) fn is_kept_back(name: &HeaderName, inject: &[Inject]) -> bool {
    let name = name.as_str();
    let folded = if name.contains('_') {
        Cow::Owned(name.replace('_', "-"))
    } else {
        Cow::Borrowed(name)
    };
    // A second spelling of what frames or names a message is nobody's.
    if matches!(folded, Cow::Owned(_)) && frames(&folded) {
        return true;
    }
    is_hop_by_hop(&folded)
        || is_of_payment(&folded)
        || overrides(&folded)
        || inject.iter().any(|one| same(one.name.as_str(), &folded))
}

/// Whether an upstream's header is kept from the client.
pub(super) fn is_held_back(name: &HeaderName) -> bool {
    let name = name.as_str();
    // `alt-svc` would send the client past us.
    is_hop_by_hop(name) && name != "trailer" || is_of_payment(name) || name == "alt-svc"
}

/// Removes everything a `Connection` header names, and what the test finds.
pub(super) fn remove(headers: &mut HeaderMap, is_out: impl Fn(&HeaderName) -> bool) {
    let named = named_by_connection(headers);
    let mut out: Vec<HeaderName> = Vec::new();
    for name in headers.keys() {
        if is_out(name) || named.contains(name) {
            out.push(name.clone());
        }
    }
    for name in out {
        headers.remove(name);
    }
}

/// The names that a sender says are for this connection only (RFC 9110, section 7.6.1).
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let lines = headers.get_all(header::CONNECTION).iter();
    lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|token| !token.eq_ignore_ascii_case(b"keep-alive"))
        .filter_map(|token| HeaderName::from_bytes(token).ok())
        .collect()
}

fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "expect"
            | "http2-settings"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// What is between buyer and gate, in any dialect.
fn is_of_payment(name: &str) -> bool {
    name.starts_with("payment-")
        || matches!(name, "accept-payment" | "money-moved" | "x-payment")
        || name.starts_with("x-payment-")
}

/// What makes an upstream serve another request than the one that was matched, or believe that it
/// came from elsewhere. The gateway tells it anew what is true.
fn overrides(name: &str) -> bool {
    matches!(
        name,
        "forwarded"
            | "proxy"
            | "unencoded-url"
            | "x-host"
            | "x-http-host-override"
            | "x-http-method"
            | "x-http-method-override"
            | "x-method-override"
            | "x-original-host"
            | "x-original-method"
            | "x-original-uri"
            | "x-original-url"
            | "x-real-ip"
            | "x-rewrite-url"
    ) || name.starts_with("x-forwarded-")
}

fn frames(folded: &str) -> bool {
    matches!(
        folded,
        "content-length" | "content-type" | "idempotency-key"
    )
}

/// Whether two names are one where `_` and `-` are.
fn same(name: &str, folded: &str) -> bool {
    name.len() == folded.len()
        && name
            .bytes()
            .zip(folded.bytes())
            .all(|(a, b)| a == b || (a == b'_' && b == b'-'))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn inject() -> Vec<Inject> {
        vec![Inject {
            name: HeaderName::from_static("x-api-key"),
            value: HeaderValue::from_static("secret"),
        }]
    }

    fn kept_back(name: &str) -> bool {
        is_kept_back(&HeaderName::from_bytes(name.as_bytes()).unwrap(), &inject())
    }

    #[test]
    fn what_is_not_for_the_upstream_is_kept_back() {
        for name in [
            "Connection",
            "Keep-Alive",
            "TE",
            "Trailer",
            "Transfer-Encoding",
            "Transfer_Encoding",
            "Content_Length",
            "Upgrade",
            "HTTP2-Settings",
            "Expect",
            "Proxy-Authorization",
            "Proxy",
            "Forwarded",
            "X-Forwarded-For",
            "X_Forwarded_For",
            "X-Forwarded_Proto",
            "X-Forwarded-Prefix",
            "X-Real-IP",
            "X-HTTP-Method-Override",
            "X_HTTP_Method_Override",
            "X-Original-URL",
            "X-Rewrite-URL",
            "X-API-Key",
            "X_API_Key",
            "x-api_key",
            "Payment-Authorization",
            "Payment-Signature",
            "PAYMENT_SIGNATURE",
            "X-PAYMENT",
            "X-Payment-Response",
            "Accept-Payment",
            "Money-Moved",
        ] {
            assert!(kept_back(name), "{name}");
        }
        for name in [
            "Accept",
            "Authorization",
            "Content-Length",
            "Content-Type",
            "Cookie",
            "Idempotency-Key",
            "api_key",
            "X-Paymentless",
            "X-Api-Keys",
            "Payments",
        ] {
            assert!(!kept_back(name), "{name}");
        }
    }

    #[test]
    fn what_connection_names_goes_with_it() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "keep-alive, X-Secret"),
            ("connection", "close,, x-other ,(bad)"),
            ("x-secret", "1"),
            ("x-other", "2"),
            ("accept", "3"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        remove(&mut headers, |name| is_kept_back(name, &[]));
        assert_eq!(
            headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(),
            ["accept"]
        );
    }
}
