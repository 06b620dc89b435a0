//! The discovery document, where there is one. It only informs, but what it says has to be so.

use farthing::core::{
    intent::charge::ChargeRequest,
    noun::{
        Challenge,
        discovery::{Document, Operation},
    },
};

use super::{
    super::{
        http::Reply,
        seen::{Seen, came},
        verdict::{Judged, Verdict, fail, skip, warn},
    },
    Entry,
    Trial::Look,
};
use crate::inspect::Rule;

pub(super) const RULES: &[Entry] = &[
    Entry {
        id: "discovery",
        rule: Rule::discovery("4.1"),
        what: "/openapi.json is OpenAPI 3, as application/json",
        how: "GET /openapi.json",
        trial: Look(document),
    },
    Entry {
        id: "discovery-listed",
        rule: Rule::discovery("4.4"),
        what: "what was checked has x-payment-info there",
        how: "by the operation of this path",
        trial: Look(listed),
    },
    Entry {
        id: "discovery-402",
        rule: Rule::discovery("4.5"),
        what: "the operation declares a 402",
        how: "by the operation's responses",
        trial: Look(declared),
    },
    Entry {
        id: "discovery-price",
        rule: Rule::discovery("5"),
        what: "what it tells is what the 402 asks for",
        how: "its offers against the challenges",
        trial: Look(priced),
    },
    Entry {
        id: "discovery-caching",
        rule: Rule::discovery("4.7"),
        what: "the document may be cached for a while",
        how: "by its Cache-Control",
        trial: Look(cached),
    },
];

/// The document's answer, where there is one.
fn published(seen: &Seen) -> Result<&Reply, Verdict> {
    let reply = came(&seen.discovery)?;
    match reply.status.as_u16() {
        404 | 405 | 410 => skip("there is no /openapi.json, and none is needed"),
        200..=299 => Ok(reply),
        402 => fail("it asks for a payment"),
        status => skip(format!("/openapi.json answers {status}")),
    }
}

fn read(seen: &Seen) -> Result<Document, Verdict> {
    let reply = published(seen)?;
    Document::parse(&reply.body).or_else(|_| skip("the document cannot be read"))
}

fn document(seen: &Seen) -> Judged {
    let reply = published(seen)?;
    if let Err(error) = Document::parse(&reply.body) {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        return fail(format!("{error}{}", cause.unwrap_or_default()));
    }
    match reply.media_type().as_str() {
        "application/json" => Ok(()),
        other => fail(format!("it is sent as {other:?}")),
    }
}

/// The operation whose path fits, one without parameters before the others.
fn operation(seen: &Seen) -> Result<Operation, Verdict> {
    let document = read(seen)?;
    let path = seen.target.url().path();
    let of_method = |it: &&Operation| it.method == seen.target.method;
    let mut fitting: Vec<_> = document
        .operations
        .iter()
        .filter(of_method)
        .filter(|it| fits(&it.path, path))
        .collect();
    fitting.sort_by_key(|it| it.path.matches('{').count());
    match fitting.first() {
        Some(operation) => Ok((*operation).clone()),
        None => skip("the document does not have this path"),
    }
}

/// Whether a path fits a pattern such as `/weather/{city}`.
fn fits(pattern: &str, path: &str) -> bool {
    let mut parts = path.split('/');
    let all = pattern.split('/').all(|wanted| {
        let is_parameter = wanted.starts_with('{') && wanted.ends_with('}');
        parts
            .next()
            .is_some_and(|part| part == wanted || is_parameter && !part.is_empty())
    });
    all && parts.next().is_none()
}

fn listed(seen: &Seen) -> Judged {
    let operation = match operation(seen) {
        Err(Verdict::Skipped(_)) if seen.asks() && read(seen).is_ok() => {
            return warn("the document does not have this path, which asks for a payment");
        }
        other => other?,
    };
    match (operation.payment, seen.asks()) {
        (Some(Err(error)), _) => fail(error.to_string()),
        (None, true) => fail("the operation has none, and asks for a payment"),
        (Some(Ok(_)), false) => warn("the operation has one, and asks for no payment"),
        _ => Ok(()),
    }
}

fn declared(seen: &Seen) -> Judged {
    let operation = operation(seen)?;
    match (operation.payment.is_some(), operation.declares_402) {
        (false, _) => skip("the operation has no x-payment-info"),
        (true, true) => Ok(()),
        (true, false) => fail("its responses have no 402"),
    }
}

fn priced(seen: &Seen) -> Judged {
    let operation = operation(seen)?;
    let Some(Ok(info)) = operation.payment else {
        return skip("the operation has no x-payment-info that can be read");
    };
    let challenges = Seen::read(&seen.first);
    if challenges.is_empty() {
        return skip("there is no challenge that can be read");
    }
    for challenge in &challenges {
        if !info.offers().iter().any(|offer| agrees(offer, challenge)) {
            return fail(format!(
                "the 402 asks for a {} by {} that the document does not tell so",
                challenge.intent, challenge.method
            ));
        }
    }
    match info.offers().len() > challenges.len() {
        true => warn("the document tells of offers that the 402 does not make"),
        false => Ok(()),
    }
}

fn agrees(offer: &farthing::core::noun::discovery::Offer, challenge: &Challenge) -> bool {
    if (&offer.method, &offer.intent) != (&challenge.method, &challenge.intent) {
        return false;
    }
    let Ok(request) = challenge.request.decode::<ChargeRequest>() else {
        return true;
    };
    offer.amount.is_none_or(|amount| amount == request.amount)
        && offer
            .currency
            .as_ref()
            .is_none_or(|it| *it == request.currency)
}

fn cached(seen: &Seen) -> Judged {
    let reply = published(seen)?;
    let header = reply.headers.get(http::header::CACHE_CONTROL);
    match header.is_some() {
        true => Ok(()),
        false => warn("it has no Cache-Control; the draft suggests max-age=300"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_path_fits_its_pattern() {
        for (pattern, path, expect) in [
            ("/a/{b}", "/a/1", true),
            ("/a/{b}", "/a/", false),
            ("/a/{b}", "/a/1/c", false),
            ("/a", "/a", true),
            ("/a", "/A", false),
        ] {
            assert_eq!(super::fits(pattern, path), expect, "{pattern} {path}");
        }
    }
}
