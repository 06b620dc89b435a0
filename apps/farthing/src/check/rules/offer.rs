//! The 402 itself: what can be told from asking twice without paying.

use std::time::Duration;

use farthing::core::{header::www_authenticate, value::IntentId};
use http::StatusCode;

use super::{
    super::{
        http::Reply,
        seen::{Seen, came, kind},
        verdict::{Judged, fail, skip, warn},
    },
    Entry,
    Trial::Look,
};
use crate::inspect::{self, Context, Finding, Rule, Severity};

/// How far ahead an end may lie before it is strange.
const LATEST: Duration = Duration::from_secs(24 * 3600);

/// Bytes of a challenge, at the most.
const LARGEST: usize = 8 * 1024;

pub(super) const RULES: &[Entry] = &[
    Entry {
        id: "tls",
        rule: Rule::core("11.2"),
        what: "challenges go over TLS, or stay on this machine",
        how: "by the URL",
        trial: Look(tls),
    },
    Entry {
        id: "status-402",
        rule: Rule::core("4.2"),
        what: "a request without a payment is answered 402",
        how: "one request without a payment",
        trial: Look(status),
    },
    Entry {
        id: "challenge",
        rule: Rule::core("4.4.2"),
        what: "a 402 carries a Payment challenge",
        how: "by the WWW-Authenticate of the 402",
        trial: Look(challenge),
    },
    Entry {
        id: "challenge-syntax",
        rule: Rule::core("5.1"),
        what: "the challenge is written as the grammar has it",
        how: "names, quotes, commas, and no parameter twice",
        trial: Look(|seen| slot(seen, &[])),
    },
    Entry {
        id: "slot-id",
        rule: Rule::core("5.1.1"),
        what: "id is there and not empty",
        how: "by the challenge",
        trial: Look(|seen| slot(seen, &["id"])),
    },
    Entry {
        id: "slot-realm",
        rule: Rule::core("5.1.1"),
        what: "realm is there and printable",
        how: "by the challenge",
        trial: Look(|seen| slot(seen, &["realm"])),
    },
    Entry {
        id: "slot-method",
        rule: Rule::core("6.1"),
        what: "method is lower-case letters",
        how: "by the challenge",
        trial: Look(|seen| slot(seen, &["method"])),
    },
    Entry {
        id: "slot-intent",
        rule: Rule::core("7.1"),
        what: "intent is letters, digits and hyphens",
        how: "by the challenge",
        trial: Look(|seen| slot(seen, &["intent"])),
    },
    Entry {
        id: "slot-request",
        rule: Rule::core("5.1.1"),
        what: "request is base64url of canonical JSON",
        how: "decoded strictly, and written again by JCS",
        trial: Look(|seen| slot(seen, &["request"])),
    },
    Entry {
        id: "slot-expires",
        rule: Rule::core("5.1.2"),
        what: "expires is a time ahead, and not far ahead",
        how: "RFC 3339, later than now, within a day",
        trial: Look(expires),
    },
    Entry {
        id: "slot-digest",
        rule: Rule::core("5.1.2"),
        what: "digest is written as RFC 9530 has it",
        how: "by the challenge",
        trial: Look(|seen| optional(seen, "digest")),
    },
    Entry {
        id: "slot-opaque",
        rule: Rule::core("5.1.2"),
        what: "opaque is a flat object of strings, canonical",
        how: "decoded strictly, and written again by JCS",
        trial: Look(|seen| optional(seen, "opaque")),
    },
    Entry {
        id: "charge-fields",
        rule: Rule::charge("5.1"),
        what: "a charge has an amount and a currency",
        how: "by the decoded request",
        trial: Look(charge),
    },
    Entry {
        id: "realm-host",
        rule: Rule::farthing("the realm"),
        what: "the realm is the host that was asked",
        how: "by the challenge and the URL",
        trial: Look(realm),
    },
    Entry {
        id: "fresh-id",
        rule: Rule::core("5.1.1"),
        what: "every 402 has ids of its own",
        how: "two requests, one right after the other",
        trial: Look(fresh),
    },
    Entry {
        id: "no-store",
        rule: Rule::core("11.10"),
        what: "a 402 has Cache-Control: no-store",
        how: "by the head of the 402",
        trial: Look(no_store),
    },
    Entry {
        id: "problem",
        rule: Rule::core("8.1"),
        what: "the body of a 402 is a problem",
        how: "its media type, its members, its status",
        trial: Look(problem),
    },
    Entry {
        id: "problem-type",
        rule: Rule::core("8.2"),
        what: "the problem's type is payment-required",
        how: "by the body of the 402",
        trial: Look(problem_type),
    },
    Entry {
        id: "no-receipt",
        rule: Rule::core("5.3.1"),
        what: "a 402 has no receipt",
        how: "by the head of the 402",
        trial: Look(no_receipt),
    },
    Entry {
        id: "challenge-size",
        rule: Rule::core("9.4"),
        what: "a challenge is under 8 KB",
        how: "by the length of its line",
        trial: Look(size),
    },
    Entry {
        id: "x402",
        rule: Rule::x402_http(2, "Payment Required Signaling"),
        what: "an x402 offer beside it is well formed",
        how: "by PAYMENT-REQUIRED, or the JSON of version 1",
        trial: Look(x402),
    },
];

fn tls(seen: &Seen) -> Judged {
    match (seen.target.scheme(), seen.target.is_loopback()) {
        ("https", _) => Ok(()),
        (_, true) => skip("plain HTTP on this machine; TLS is for everywhere else"),
        _ if Seen::read(&seen.first).is_empty() => warn("plain HTTP, without a challenge"),
        _ => fail("it asks for payments over plain HTTP"),
    }
}

fn status(seen: &Seen) -> Judged {
    match seen.first.status {
        StatusCode::PAYMENT_REQUIRED => Ok(()),
        status => fail(format!("it answers {}", status.as_u16())),
    }
}

fn asks(seen: &Seen) -> Judged {
    if seen.asks() {
        Ok(())
    } else {
        skip("it asks for no payment")
    }
}

fn challenge(seen: &Seen) -> Judged {
    asks(seen)?;
    let found = www_authenticate::parse(seen.first.challenges());
    let is_x402 = seen.first.headers.contains_key("payment-required");
    match found.iter().filter(|one| one.is_ok()).count() {
        0 if found.is_empty() && is_x402 => fail("there is an x402 offer, and no challenge"),
        0 if found.is_empty() => fail("there is none"),
        0 => fail(format!("none of {} can be read", found.len())),
        _ => Ok(()),
    }
}

/// What the inspector finds in the challenges.
fn findings(seen: &Seen) -> Vec<Finding> {
    let context = Context::at(seen.now);
    let lines = seen.first.challenges();
    let items = lines.flat_map(|line| inspect::challenges(line, &context));
    items.flat_map(|item| item.findings).collect()
}

/// The worst of some findings as a verdict.
fn worst<'a>(findings: impl Iterator<Item = &'a Finding>) -> Judged {
    let worst = findings.max_by_key(|finding| finding.severity);
    match worst {
        Some(it) if it.severity == Severity::Error => fail(&it.what),
        Some(it) if it.severity == Severity::Warning => warn(&it.what),
        _ => Ok(()),
    }
}

/// Slots have their own rules for what they say; how anything is written is one rule.
fn slot(seen: &Seen, slots: &[&str]) -> Judged {
    asks(seen)?;
    if seen.first.challenges().next().is_none() {
        return skip("there is no challenge");
    }
    let is_syntax = |finding: &Finding| {
        let section = finding.rule.section();
        finding.rule.document() == "RFC 9110" || matches!(section, "5.1" | "9.3")
    };
    let findings = findings(seen);
    worst(findings.iter().filter(|finding| {
        let of_slot = slots.contains(&finding.about.as_str());
        is_syntax(finding) == slots.is_empty() && (slots.is_empty() || of_slot)
    }))
}

fn optional(seen: &Seen, name: &'static str) -> Judged {
    slot(seen, &[name])?;
    let challenge = seen.challenge.as_ref();
    let is_there = challenge.is_some_and(|it| match name {
        "digest" => it.digest.is_some(),
        _ => it.opaque.is_some(),
    });
    match is_there {
        false if name == "digest" && !seen.target.body.is_empty() => {
            warn("the request has a body, and the challenge no digest of it")
        }
        false => skip(format!("the challenge has no {name}")),
        true => Ok(()),
    }
}

fn expires(seen: &Seen) -> Judged {
    slot(seen, &["expires"])?;
    let challenge = seen.challenge()?;
    let Some(end) = challenge.expires.as_ref().map(|end| end.at()) else {
        return warn("the challenge has no end");
    };
    if end <= seen.now {
        return fail("the challenge was over when it came");
    }
    if end > seen.now.saturating_add(LATEST) {
        return warn(format!(
            "it ends only {}",
            inspect::time::relative(end, seen.now)
        ));
    }
    Ok(())
}

fn charge(seen: &Seen) -> Judged {
    let challenges = Seen::read(&seen.first);
    let is_charge = |intent: &IntentId| intent.as_str() == "charge";
    if !challenges.iter().any(|it| is_charge(&it.intent)) {
        return skip("no challenge asks for a charge");
    }
    let findings = findings(seen);
    let of_request = findings
        .iter()
        .filter(|it| it.about.starts_with("request."));
    worst(of_request)
}

fn realm(seen: &Seen) -> Judged {
    let realm = seen.challenge()?.realm.as_str();
    let known = [seen.target.host(), seen.target.authority()];
    match known.iter().any(|name| realm.eq_ignore_ascii_case(name)) {
        true => Ok(()),
        false => warn(format!(
            "it asks in the name of {realm:?}: clients that pay by themselves may refuse"
        )),
    }
}

fn fresh(seen: &Seen) -> Judged {
    seen.challenge()?;
    let second = came(&seen.second)?;
    let ids = |reply: &Reply| -> Vec<String> {
        let challenges = Seen::read(reply);
        challenges.iter().map(|it| it.id.to_string()).collect()
    };
    let mut all = ids(&seen.first);
    all.extend(ids(second));
    let count = all.len();
    all.sort();
    all.dedup();
    match count - all.len() {
        0 => Ok(()),
        _ => fail("two challenges have one id: the second buyer is refused as a replay"),
    }
}

fn no_store(seen: &Seen) -> Judged {
    asks(seen)?;
    match seen.first.caches("no-store") {
        true => Ok(()),
        false => fail("it has none, so a cache may hand one challenge to many"),
    }
}

fn problem(seen: &Seen) -> Judged {
    asks(seen)?;
    let reply = &seen.first;
    if !reply.is_problem() {
        return warn(format!("the body is {:?}", reply.media_type()));
    }
    let context = Context::at(seen.now);
    let message = [
        format!(
            "HTTP/1.1 {}\ncontent-type: {}\n\n",
            reply.status.as_u16(),
            reply.media_type()
        )
        .as_bytes(),
        &reply.body,
    ]
    .concat();
    let report = inspect::look(&message, &context).unwrap_or_default();
    let problems = report.items.iter().filter(|item| item.kind == "problem");
    let found: Vec<_> = problems.collect();
    if found.is_empty() {
        return fail("the body says that it is a problem, and is none");
    }
    worst(
        found
            .iter()
            .flat_map(|item| &item.findings)
            .filter(|it| it.about != "type"),
    )?;
    let text = String::from_utf8_lossy(&reply.body);
    match text.contains("\"title\"") && text.contains("\"type\"") {
        true => Ok(()),
        false => warn("it lacks a type or a title"),
    }
}

fn problem_type(seen: &Seen) -> Judged {
    asks(seen)?;
    match kind(&seen.first).as_deref() {
        None => skip("the body is no problem"),
        Some("payment-required") => Ok(()),
        Some(other) => warn(format!("it is {other:?}")),
    }
}

fn no_receipt(seen: &Seen) -> Judged {
    asks(seen)?;
    match seen.first.receipt() {
        None => Ok(()),
        Some(_) => fail("there is one"),
    }
}

fn size(seen: &Seen) -> Judged {
    asks(seen)?;
    let longest = seen.first.challenges().map(<[u8]>::len).max().unwrap_or(0);
    match longest <= LARGEST {
        true => Ok(()),
        false => warn(format!("a line has {longest} bytes")),
    }
}

fn x402(seen: &Seen) -> Judged {
    asks(seen)?;
    let reply = &seen.first;
    let mut message = b"HTTP/1.1 402 Payment Required\n".to_vec();
    for value in reply.headers.get_all("payment-required") {
        message.extend([b"payment-required: ", value.as_bytes(), b"\n"].concat());
    }
    message.push(b'\n');
    if !reply.is_problem() {
        message.extend(&reply.body);
    }
    let report = inspect::look(&message, &Context::at(seen.now)).unwrap_or_default();
    let found: Vec<_> = report
        .items
        .iter()
        .filter(|it| it.kind == "x402Required")
        .collect();
    match found.is_empty() {
        true => skip("there is none"),
        false => worst(found.iter().flat_map(|item| &item.findings)),
    }
}
