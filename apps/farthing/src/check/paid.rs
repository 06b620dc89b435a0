//! What only a payment can show. One payment is made, at most, and altered copies of it are tried
//! first.

use std::{collections::HashMap, time::Duration};

use farthing::{
    client::{Client, Outlay, Policy, Step, Target as Bought, Ticket},
    core::{
        header::{IDEMPOTENCY_KEY, authorization, payment_receipt},
        value::{Price, Timestamp},
    },
};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use super::{
    http::{Answer, Ask, Http, Reply},
    rules::{Entry, Trial},
    seen::{Seen, alter, came, encode, kind, not_served},
    verdict::{Judged, Verdict, fail, skip, warn},
};
use crate::{
    buyer::{Asker, Buyer},
    error::Error,
    inspect::{self, Context, Rule, Severity},
    keystore::Limits,
};

/// How long after an answer its last byte counts as delivered, and a copy as a second use.
const SETTLE: Duration = Duration::from_millis(300);

/// How often a payment that is being worked on is sent again.
const SENDS: usize = 5;

/// A key that no other run has.
const KEY: &str = "farthing-check";

macro_rules! paid {
    ($id:literal, $rule:expr, $what:literal, $how:literal) => {
        Entry {
            id: $id,
            rule: $rule,
            what: $what,
            how: $how,
            trial: Trial::Paid,
        }
    };
}

pub(super) const RULES: &[Entry] = &[
    paid!(
        "paid-lower",
        Rule::charge("7.1"),
        "a signed payment with a lower amount is refused",
        "the signed credential, its amount set to 1"
    ),
    paid!(
        "paid-altered",
        Rule::core("5.1.2.1"),
        "a signed payment with another slot is refused",
        "the signed credential, each slot altered in turn"
    ),
    paid!(
        "paid-other-route",
        Rule::core("5.1.1"),
        "a payment for one page buys no other",
        "the signed credential at the page of --other"
    ),
    paid!(
        "paid-served",
        Rule::core("4.2"),
        "a payment is served",
        "the signed credential, as it is"
    ),
    paid!(
        "receipt",
        Rule::core("5.3"),
        "a paid answer has a receipt, well formed",
        "by the head of the paid answer"
    ),
    paid!(
        "receipt-private",
        Rule::core("11.10"),
        "a receipt goes with Cache-Control: private",
        "by the head of the paid answer"
    ),
    paid!(
        "idempotency",
        Rule::core("11.4"),
        "the same Idempotency-Key gets the same answer",
        "the same credential again, with its key"
    ),
    paid!(
        "replay",
        Rule::core("11.3"),
        "a payment buys once",
        "the same credential again"
    ),
];

/// What a payment showed, and what became of it.
#[derive(Default)]
pub(super) struct Bill {
    pub(super) verdicts: HashMap<&'static str, Verdict>,
    pub(super) outlay: Option<Outlay>,
    /// Why the payment was not served, where it was sent and not served.
    pub(super) trouble: Option<Error>,
}

/// How to pay.
pub(super) struct Purse<'a> {
    pub(super) buyer: &'a Buyer,
    pub(super) ask: Option<Asker>,
    pub(super) other: Option<&'a str>,
    pub(super) now: Timestamp,
}

/// The limits: what the command line allows, and no more than the keystore's owner does.
pub(super) fn policy(max: &Price, limits: &Limits) -> Policy {
    match limits.is_empty() {
        true => Policy::new().max_per_request(max.clone()),
        false => limits.policy().ceiling(max.clone()),
    }
}

/// Pays once, and tries what the payment opens.
///
/// # Errors
/// When nothing could be signed.
pub(super) async fn pay(seen: &Seen, http: &mut Http, purse: &Purse<'_>) -> Result<Bill, Error> {
    let client = purse.buyer.client(purse.ask)?;
    let target = Bought::new(seen.target.method.clone(), seen.target.url().clone())
        .with_body(seen.target.body.clone())
        .with_headers(&keyed(seen).headers);
    let asked = match http.send(&Ask::default()).await {
        Ok(reply) => reply,
        Err(fault) => return Ok(all(Verdict::Fail(fault.told()))),
    };
    let choice = client.offers(&target, &asked.headers)?.into_iter().next();
    let Some(choice) = choice else {
        return Ok(all(Verdict::Skipped("there is nothing to pay with".into())));
    };
    let ticket = client.credential(&target, choice).await?;
    let (name, value) = ticket.header()?;
    let mut bill = Bill::default();
    let signed = authorization::parse(&value).map(|credential| json!(credential));
    if let Ok(signed) = &signed {
        copies(&mut bill, http, &name, signed, seen).await;
    }
    let elsewhere = other(http, purse, &name, &value).await.into();
    bill.verdicts.insert("paid-other-route", elsewhere);
    let served = genuine(&mut bill, http, &client, ticket, seen).await?;
    if let Some(reply) = served {
        bill.verdicts
            .insert("paid-served", Verdict::Pass(String::new()));
        bill.verdicts
            .insert("receipt", receipt(&reply, purse.now).into());
        bill.verdicts
            .insert("receipt-private", private(&reply).into());
        tokio::time::sleep(SETTLE).await;
        let again = idempotent(http, seen, &name, &value, &reply).await.into();
        bill.verdicts.insert("idempotency", again);
        let replay = replayed(http, &name, &value).await.into();
        bill.verdicts.insert("replay", replay);
    }
    Ok(bill)
}

fn all(verdict: Verdict) -> Bill {
    let each = RULES.iter().map(|rule| (rule.id, verdict.clone()));
    Bill {
        verdicts: each.collect(),
        ..Bill::default()
    }
}

/// The plain request, with a key where the method is one that keys are for.
fn keyed(seen: &Seen) -> Ask {
    let ask = Ask::default();
    match takes_keys(seen) {
        true => ask.with(IDEMPOTENCY_KEY, format!("{KEY}-{}", seen.now.as_millis())),
        false => ask,
    }
}

fn takes_keys(seen: &Seen) -> bool {
    ![Method::GET, Method::HEAD].contains(&seen.target.method)
}

/// Altered copies of what was signed.
async fn copies(bill: &mut Bill, http: &mut Http, name: &HeaderName, signed: &Value, seen: &Seen) {
    let mut judged = Ok(());
    for slot in [
        "request", "id", "realm", "method", "intent", "expires", "digest", "opaque",
    ] {
        let mut copy = signed.clone();
        alter(&mut copy, slot);
        let ask = keyed(seen).with(name.clone(), encode(&copy));
        let answer = http.send(&ask).await;
        let one = untaken(&answer, slot);
        if slot == "request" {
            bill.verdicts.insert("paid-lower", one.into());
        } else if judged.is_ok() {
            judged = one;
        }
    }
    bill.verdicts.insert("paid-altered", judged.into());
}

/// Refused, and not by taking it for something it might become.
fn untaken(answer: &Answer, slot: &str) -> Judged {
    let reply = came(answer)?;
    if reply.status.is_success() {
        return fail(format!("it was served with another {slot}"));
    }
    not_served(reply)?;
    match reply.status.as_u16() {
        402 | 400 => Ok(()),
        status => fail(format!("with another {slot} it answers {status}")),
    }
}

async fn other(
    http: &mut Http,
    purse: &Purse<'_>,
    name: &HeaderName,
    value: &HeaderValue,
) -> Judged {
    let Some(path) = purse.other else {
        return skip("--other names no page");
    };
    let without = http.send(&Ask::page(path)).await;
    if came(&without)?.status != StatusCode::PAYMENT_REQUIRED {
        return skip(format!("{path} asks for no payment"));
    }
    let answer = http.send(&Ask::page(path).with(name.clone(), value)).await;
    let reply = came(&answer)?;
    match reply.status.is_success() {
        true => fail(format!("{path} was served for it")),
        false => not_served(reply),
    }
}

/// Sends what was signed, and tells the client what came of it.
async fn genuine(
    bill: &mut Bill,
    http: &mut Http,
    client: &Client,
    mut ticket: Ticket,
    seen: &Seen,
) -> Result<Option<Reply>, Error> {
    let (name, value) = ticket.header()?;
    let ask = keyed(seen).with(name, &value);
    for _ in 0..SENDS {
        let reply = match http.send(&ask).await {
            Ok(reply) => reply,
            Err(fault) => {
                let verdict = Verdict::Fail(fault.told());
                bill.verdicts.insert("paid-served", verdict);
                bill.trouble = Some(client.unanswered(&ticket).into());
                return Ok(None);
            }
        };
        let settled = client
            .settle(ticket, reply.status, &reply.headers, &reply.body)
            .await;
        match settled {
            Ok(Step::Served(outlay)) => {
                bill.outlay = Some(outlay);
                return Ok(Some(reply));
            }
            Ok(Step::Again(again, after)) => {
                ticket = *again;
                tokio::time::sleep(after.unwrap_or(SETTLE).min(SETTLE * 10)).await;
            }
            Ok(_) => {
                let verdict = format!("it answers {} to a payment", reply.status.as_u16());
                bill.verdicts.insert("paid-served", Verdict::Fail(verdict));
                return Ok(None);
            }
            Err(error) => {
                let kind = kind(&reply).unwrap_or_default();
                let verdict = format!("it answers {} {kind}", reply.status.as_u16());
                bill.verdicts.insert("paid-served", Verdict::Fail(verdict));
                bill.trouble = Some(error.into());
                return Ok(None);
            }
        }
    }
    let verdict = Verdict::Fail("it is not done with the payment".into());
    bill.verdicts.insert("paid-served", verdict);
    bill.trouble = Some(client.unanswered(&ticket).into());
    Ok(None)
}

fn receipt(reply: &Reply, now: Timestamp) -> Judged {
    let Some(value) = reply.receipt() else {
        return warn("there is none");
    };
    let text = String::from_utf8_lossy(value.as_bytes());
    let item = inspect::receipt_header(&text, &Context::at(now));
    let broken = item
        .findings
        .iter()
        .find(|it| it.severity == Severity::Error);
    match broken {
        Some(finding) => fail(&finding.what),
        None if payment_receipt::parse(value).is_err() => fail("it cannot be read"),
        None => Ok(()),
    }
}

fn private(reply: &Reply) -> Judged {
    match (reply.receipt().is_some(), reply.caches("private")) {
        (false, _) => skip("there is no receipt"),
        (true, true) => Ok(()),
        (true, false) => fail("a shared cache may keep the receipt"),
    }
}

async fn idempotent(
    http: &mut Http,
    seen: &Seen,
    name: &HeaderName,
    value: &HeaderValue,
    first: &Reply,
) -> Judged {
    if !takes_keys(seen) {
        return skip("keys are for methods other than GET and HEAD");
    }
    let answer = http.send(&keyed(seen).with(name.clone(), value)).await;
    let reply = came(&answer)?;
    match reply.status == first.status && reply.body == first.body {
        true => Ok(()),
        false => warn(format!(
            "it answers {}, or another body",
            reply.status.as_u16()
        )),
    }
}

async fn replayed(http: &mut Http, name: &HeaderName, value: &HeaderValue) -> Judged {
    let answer = http.send(&Ask::default().with(name.clone(), value)).await;
    let reply = came(&answer)?;
    not_served(reply)?;
    match (reply.status.as_u16(), kind(reply).as_deref()) {
        (402, Some("invalid-challenge")) => Ok(()),
        (402, _) => warn("it is refused, and not as invalid-challenge"),
        (status, _) => fail(format!("it answers {status}, not 402")),
    }
}
