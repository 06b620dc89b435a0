//! Credentials that must not buy anything: broken ones, and ones for another challenge.

use http::{HeaderName, Method, StatusCode, header::AUTHORIZATION};
use serde_json::json;

use super::{
    super::{
        http::{Answer, Ask},
        seen::{Seen, alter, came, kind, not_served, refused},
        verdict::{Judged, Verdict, fail, skip, warn},
    },
    Asks, Entry,
    Trial::Ask as Asked,
};
use crate::inspect::Rule;

const MALFORMED: &[&str] = &["malformed-credential"];
const INVALID: &[&str] = &["invalid-challenge"];

/// Bytes of the payload that makes a credential large: with the rest some 5 KB.
const LARGE: usize = 3500;

/// Bytes of a header that no server has to take.
const OVERSIZED: usize = 200 * 1024;

pub(super) const RULES: &[Entry] = &[
    Entry {
        id: "head",
        rule: Rule::rfc(9110, "9.3.2"),
        what: "HEAD is answered as GET is, without a body",
        how: "HEAD without a payment",
        trial: Asked(head, |_, answers| judge_head(answers)),
    },
    Entry {
        id: "bad-base64",
        rule: Rule::core("4.2"),
        what: "a credential that is no base64url gets a 402",
        how: "Authorization: Payment %%%",
        trial: Asked(
            |seen| raw(seen, "Payment %%%"),
            |seen, answers| refused(seen, &answers[0], MALFORMED),
        ),
    },
    Entry {
        id: "bad-json",
        rule: Rule::core("4.2"),
        what: "a credential that is no JSON gets a 402",
        how: "base64url of {\"challenge\":",
        trial: Asked(
            |seen| raw(seen, "Payment eyJjaGFsbGVuZ2UiOg"),
            |seen, answers| refused(seen, &answers[0], MALFORMED),
        ),
    },
    Entry {
        id: "no-payload",
        rule: Rule::core("5.2"),
        what: "a credential without a payload gets a 402",
        how: "the challenge echoed, and nothing else",
        trial: Asked(
            |seen| {
                seen.with(|credential| {
                    credential.as_object_mut().map(|it| it.remove("payload"));
                })
            },
            |seen, answers| refused(seen, &answers[0], MALFORMED),
        ),
    },
    Entry {
        id: "false-proof",
        rule: Rule::core("4.2"),
        what: "a proof that pays nothing gets a 402",
        how: "the challenge echoed, with a made-up proof",
        trial: Asked(
            |seen| seen.with(|_| {}),
            |seen, answers| {
                let kinds = [
                    "verification-failed",
                    "payment-insufficient",
                    "malformed-credential",
                    "invalid-signature",
                ];
                refused(seen, &answers[0], &kinds)
            },
        ),
    },
    Entry {
        id: "unknown-id",
        rule: Rule::core("4.2"),
        what: "an unknown challenge id gets a 402",
        how: "the challenge echoed, its id altered",
        trial: Asked(|seen| altered(seen, "id"), judge_altered),
    },
    Entry {
        id: "altered-realm",
        rule: Rule::core("5.1.2.1"),
        what: "a changed realm is refused",
        how: "the challenge echoed, its realm altered",
        trial: Asked(|seen| altered(seen, "realm"), judge_altered),
    },
    Entry {
        id: "altered-method",
        rule: Rule::core("5.1.2.1"),
        what: "a changed method is refused",
        how: "the challenge echoed, its method altered",
        trial: Asked(|seen| altered(seen, "method"), judge_name),
    },
    Entry {
        id: "altered-intent",
        rule: Rule::core("5.1.2.1"),
        what: "a changed intent is refused",
        how: "the challenge echoed, its intent altered",
        trial: Asked(|seen| altered(seen, "intent"), judge_name),
    },
    Entry {
        id: "altered-request",
        rule: Rule::core("5.1.2.1"),
        what: "a changed request is refused",
        how: "the challenge echoed, its amount altered",
        trial: Asked(|seen| altered(seen, "request"), judge_altered),
    },
    Entry {
        id: "altered-expires",
        rule: Rule::core("5.1.2.1"),
        what: "a changed end is refused",
        how: "the challenge echoed, its end far ahead",
        trial: Asked(|seen| altered(seen, "expires"), judge_altered),
    },
    Entry {
        id: "altered-digest",
        rule: Rule::core("5.1.2.1"),
        what: "a changed or added digest is refused",
        how: "the challenge echoed, another digest in it",
        trial: Asked(|seen| altered(seen, "digest"), judge_altered),
    },
    Entry {
        id: "altered-opaque",
        rule: Rule::core("5.1.2.1"),
        what: "a changed or added opaque is refused",
        how: "the challenge echoed, another opaque in it",
        trial: Asked(|seen| altered(seen, "opaque"), judge_altered),
    },
    Entry {
        id: "lower-amount",
        rule: Rule::charge("7.1"),
        what: "the buyer does not set the price",
        how: "one base unit, signed by an empty account",
        trial: Asked(lower, judge_lower),
    },
    Entry {
        id: "expired",
        rule: Rule::core("4.2"),
        what: "an expired challenge gets a 402",
        how: "the challenge echoed, its end in the past",
        trial: Asked(
            |seen| {
                seen.with(|credential| {
                    credential["challenge"]["expires"] = json!("2020-01-01T00:00:00Z");
                })
            },
            |seen, answers| refused(seen, &answers[0], &["invalid-challenge", "payment-expired"]),
        ),
    },
    Entry {
        id: "two-credentials",
        rule: Rule::core("B.4"),
        what: "several credentials are answered 400",
        how: "two Authorization headers",
        trial: Asked(two, |_, answers| judge_two(answers)),
    },
    Entry {
        id: "large-credential",
        rule: Rule::core("9.4"),
        what: "a credential of 4 KB is read",
        how: "a made-up proof of 5 KB",
        trial: Asked(
            |seen| {
                seen.with(|credential| {
                    credential["payload"] = json!({ "signature": "0".repeat(LARGE) });
                })
            },
            |_, answers| judge_large(answers),
        ),
    },
    Entry {
        id: "oversized",
        rule: Rule::farthing("bounds"),
        what: "a header of 200 KB is refused, and nothing breaks",
        how: "Authorization: Payment and 200 KB",
        trial: Asked(
            |seen| raw(seen, &format!("Payment {}", "A".repeat(OVERSIZED))),
            |_, answers| judge_oversized(answers),
        ),
    },
    Entry {
        id: "accept-payment",
        rule: Rule::core("7.4"),
        what: "Accept-Payment orders and filters the challenges",
        how: "only the last of the challenges is accepted",
        trial: Asked(accept, judge_accept),
    },
    Entry {
        id: "accept-none",
        rule: Rule::core("7.4"),
        what: "an Accept-Payment nothing matches gets a 402 too",
        how: "Accept-Payment: nosuchmethod/charge",
        trial: Asked(
            |seen| preferring(seen, "nosuchmethod/charge"),
            |_, answers| still_asked(answers),
        ),
    },
    Entry {
        id: "accept-malformed",
        rule: Rule::core("7.4"),
        what: "a malformed Accept-Payment frees nobody",
        how: "Accept-Payment: ;;;",
        trial: Asked(
            |seen| preferring(seen, ";;;"),
            |_, answers| still_asked(answers),
        ),
    },
];

const ACCEPT: HeaderName = farthing::core::header::ACCEPT_PAYMENT;

fn asks(seen: &Seen) -> Result<(), Verdict> {
    match seen.asks() {
        true => Ok(()),
        false => skip("it asks for no payment"),
    }
}

fn head(seen: &Seen) -> Asks {
    asks(seen)?;
    if seen.target.method != Method::GET {
        return skip("what is checked is no GET");
    }
    Ok(vec![Ask {
        method: Some(Method::HEAD),
        ..Ask::default()
    }])
}

fn judge_head(answers: &[Answer]) -> Judged {
    let reply = came(&answers[0])?;
    if reply.status == StatusCode::PAYMENT_REQUIRED {
        return match Seen::read(reply).is_empty() {
            true => fail("the 402 to a HEAD has no challenge"),
            false => Ok(()),
        };
    }
    warn(format!(
        "HEAD is answered {}, GET 402",
        reply.status.as_u16()
    ))
}

/// A header value as it is.
fn raw(seen: &Seen, value: &str) -> Asks {
    asks(seen)?;
    let name = seen.carrier().unwrap_or(AUTHORIZATION);
    Ok(vec![Ask::default().with(name, value)])
}

fn altered(seen: &Seen, slot: &str) -> Asks {
    seen.with(|credential| alter(credential, slot))
}

fn judge_altered(seen: &Seen, answers: &[Answer]) -> Judged {
    refused(seen, &answers[0], INVALID)
}

/// A method or an intent that is not offered may also be told as that.
fn judge_name(seen: &Seen, answers: &[Answer]) -> Judged {
    let reply = came(&answers[0])?;
    if reply.status == StatusCode::BAD_REQUEST
        && kind(reply).as_deref() == Some("method-unsupported")
    {
        return not_served(reply);
    }
    judge_altered(seen, answers)
}

fn lower(seen: &Seen) -> Asks {
    let challenge = seen.challenge()?;
    let Some(proof) = &seen.cheaper else {
        return skip(format!(
            "this program signs nothing for {}",
            challenge.method
        ));
    };
    seen.with(|credential| {
        alter(credential, "request");
        credential["payload"] = proof.clone();
    })
}

fn judge_lower(seen: &Seen, answers: &[Answer]) -> Judged {
    let reply = came(&answers[0])?;
    match kind(reply).as_deref() {
        Some(kind @ ("payment-insufficient" | "verification-failed"))
            if !reply.status.is_success() =>
        {
            fail(format!(
                "it took the buyer's price, and refused only the account: {kind}"
            ))
        }
        _ => judge_altered(seen, answers),
    }
}

fn two(seen: &Seen) -> Asks {
    let (name, value) = seen.credential(|_| {})?;
    let other = seen.credential(|credential| alter(credential, "id"))?.1;
    Ok(vec![
        Ask::default().with(name.clone(), value).with(name, other),
    ])
}

fn judge_two(answers: &[Answer]) -> Judged {
    let reply = came(&answers[0])?;
    not_served(reply)?;
    match reply.status {
        StatusCode::BAD_REQUEST => Ok(()),
        status => warn(format!("it answers {}", status.as_u16())),
    }
}

fn judge_large(answers: &[Answer]) -> Judged {
    let reply = came(&answers[0])?;
    not_served(reply)?;
    match reply.status {
        StatusCode::PAYMENT_REQUIRED => Ok(()),
        StatusCode::BAD_REQUEST if reply.is_problem() => Ok(()),
        status => fail(format!("it answers {}", status.as_u16())),
    }
}

/// Closing the connection is an answer too, here.
fn judge_oversized(answers: &[Answer]) -> Judged {
    let Ok(reply) = &answers[0] else {
        return Ok(());
    };
    not_served(reply)?;
    match reply.status.is_client_error() {
        true => Ok(()),
        false => fail(format!("it answers {}", reply.status.as_u16())),
    }
}

fn preferring(seen: &Seen, ranges: &str) -> Asks {
    asks(seen)?;
    Ok(vec![Ask::default().with(ACCEPT, ranges)])
}

fn accept(seen: &Seen) -> Asks {
    asks(seen)?;
    let challenges = Seen::read(&seen.first);
    match &challenges[..] {
        [] => skip("there is no challenge that can be read"),
        [_] => skip("there is one challenge only"),
        [.., last] => {
            let range = format!("{}/{}", last.method, last.intent);
            Ok(vec![Ask::default().with(ACCEPT, range)])
        }
    }
}

fn judge_accept(seen: &Seen, answers: &[Answer]) -> Judged {
    still_asked(answers)?;
    let reply = came(&answers[0])?;
    let before = Seen::read(&seen.first);
    let wanted = before
        .last()
        .map(|it| (it.method.clone(), it.intent.clone()));
    let after = Seen::read(reply);
    let fits = |it: &farthing::core::noun::Challenge| {
        Some((it.method.clone(), it.intent.clone())) == wanted
    };
    match after.iter().all(fits) {
        true => Ok(()),
        false => warn("it offers what the client does not accept"),
    }
}

fn still_asked(answers: &[Answer]) -> Judged {
    let reply = came(&answers[0])?;
    not_served(reply)?;
    match reply.status == StatusCode::PAYMENT_REQUIRED && !Seen::read(reply).is_empty() {
        true => Ok(()),
        false => fail(format!(
            "it answers {}, with no challenge",
            reply.status.as_u16()
        )),
    }
}
