//! Messages: what their parts say to each other.

use farthing::core::{encoding::json, header::digest};
use serde_json::Value;

use super::{
    Context, challenge, credential,
    finding::Finding,
    input::{Header, Message, Start},
    problem, receipt, recognise,
    report::{Field, Item, Report},
    rule::Rule,
    slots::Texts,
    x402,
};

/// What was seen in all messages, to be held against each other.
#[derive(Default)]
struct Seen {
    challenges: Vec<Texts>,
    /// Credentials' echoes, and which item each is of.
    echoes: Vec<(usize, Texts)>,
    /// Bodies of requests that were saved, by the number of their message.
    body: Option<Vec<u8>>,
}

/// Looks at messages in their order.
pub(super) fn inspect(messages: &[Message], context: &Context) -> Report {
    let (mut report, mut seen) = (Report::default(), Seen::default());
    for message in messages {
        one(message, context, &mut report, &mut seen);
    }
    compare(&seen, &mut report);
    report
}

fn one(message: &Message, context: &Context, report: &mut Report, seen: &mut Seen) {
    let head = head(message);
    let at = report.items.len();
    report.items.push(head);
    let mut found = Found::default();
    for header in &message.headers {
        let before = report.items.len();
        value(header, context, report, seen, &mut found);
        for item in &mut report.items[before..] {
            item.title = format!("{} in {}, line {}", item.title, header.name, header.line);
            if header.folded {
                let what = "the header goes on in the next line";
                let finding = Finding::error(Rule::rfc(9112, "5.2"), &header.name, what)
                    .right("one line; no version of HTTP but an old one has others");
                item.findings
                    .push(finding.tolerated("this program read it as one line"));
            }
        }
    }
    if found.credentials > 1 {
        let what = format!("the request carries {} credentials", found.credentials);
        let finding = Finding::error(Rule::core("B.4"), "authorization", what);
        report.items[at]
            .findings
            .push(finding.right("one credential; a server should answer 400 to several"));
    }
    match message.start {
        Start::Response(status) => response(status, message, context, &found, at, report),
        Start::Request(_) if !message.body.is_empty() => seen.body = Some(message.body.clone()),
        _ => {}
    }
}

/// How many of each a message carries.
#[derive(Default)]
struct Found {
    challenges: usize,
    credentials: usize,
    receipts: usize,
    x402: usize,
}

fn head(message: &Message) -> Item {
    let mut item = match &message.start {
        Start::Response(status) => Item::new("response", format!("response {status}")),
        Start::Request(line) => Item::new("request", format!("request {line}")),
        Start::None => Item::new("headers", "header lines"),
    };
    if let Start::Response(status) = message.start {
        item.fields.push(Field::new("status", status));
    }
    for name in ["content-type", "cache-control", "retry-after", "location"] {
        for header in message.values(name) {
            let value = String::from_utf8_lossy(&header.value);
            item.fields.push(Field::new(name, value));
        }
    }
    for line in &message.odd {
        let what = format!("line {line} of the input is no header");
        item.findings
            .push(Finding::warning(Rule::rfc(9112, "5"), "head", what).right("Name: value"));
    }
    item
}

/// One header's value.
fn value(
    header: &Header,
    context: &Context,
    report: &mut Report,
    seen: &mut Seen,
    found: &mut Found,
) {
    let text = String::from_utf8_lossy(&header.value);
    match header.name.as_str() {
        "www-authenticate" => {
            for inspected in challenge::inspect(&header.value, context) {
                found.challenges += usize::from(inspected.texts.is_some());
                seen.challenges.extend(inspected.texts);
                report.items.push(inspected.item);
            }
        }
        "authorization" | "payment-authorization" if recognise::is_payment(&text) => {
            let (item, echo) = credential::header(&text, context);
            seen.echoes
                .extend(echo.map(|echo| (report.items.len(), echo)));
            report.items.push(item);
            found.credentials += 1;
        }
        "payment-receipt" => {
            report.items.push(receipt::inspect(&text, context));
            found.receipts += 1;
        }
        "accept-payment" => report.items.push(recognise::accept(&header.value)),
        name => {
            if let Some((kind, version)) = x402::Kind::of_header(name) {
                report
                    .items
                    .push(x402::header(kind, version, &text, context));
                found.x402 += 1;
            }
        }
    }
}

fn response(
    status: u16,
    message: &Message,
    context: &Context,
    found: &Found,
    at: usize,
    report: &mut Report,
) {
    let body = body(status, message, context, report);
    let findings = &mut report.items[at].findings;
    let is_x402 = found.x402 > 0 || body == Some(Body::X402);
    if status == 402 {
        if found.challenges == 0 && !is_x402 {
            let what = "a 402 without a Payment challenge";
            let right = "WWW-Authenticate: Payment id=…, realm=…, method=…, intent=…, request=…";
            findings
                .push(Finding::error(Rule::core("4.4.2"), "www-authenticate", what).right(right));
        }
        if found.challenges > 0 && !message.has_member("cache-control", "no-store") {
            let what = "a 402 without Cache-Control: no-store";
            let finding = Finding::error(Rule::core("11.10"), "cache-control", what);
            findings.push(finding.right("Cache-Control: no-store"));
        }
        if found.challenges > 0 && body != Some(Body::Problem) {
            let what = "a 402 whose body is no problem";
            let finding = Finding::warning(Rule::core("8.1"), "body", what);
            findings.push(finding.right("application/problem+json with type, title and status"));
        }
    } else if status == 401 && found.challenges > 0 {
        let what = "a Payment challenge with a 401";
        let finding = Finding::error(Rule::core("4.3"), "status", what);
        findings
            .push(finding.right("402: 401 is for failures that have nothing to do with payment"));
    }
    let success = (200..300).contains(&status);
    if found.receipts > 0 && !success {
        let what = format!("a receipt with status {status}");
        let finding = Finding::error(Rule::core("5.3.1"), "payment-receipt", what);
        findings.push(finding.right("receipts with a 2xx alone"));
    }
    if found.receipts > 1 {
        let what = "several receipts";
        findings.push(Finding::error(Rule::rfc(9110, "5.3"), "payment-receipt", what).right("one"));
    }
    if found.receipts > 0 && !message.has_member("cache-control", "private") {
        let what = "a receipt without Cache-Control: private";
        let finding = Finding::error(Rule::core("11.10"), "cache-control", what);
        findings.push(finding.right("Cache-Control: private"));
    }
    if body == Some(Body::Problem)
        && message.media_type().as_deref() != Some("application/problem+json")
    {
        let what = "a problem that is not sent as application/problem+json";
        let finding = Finding::warning(Rule::rfc(9457, "3"), "content-type", what);
        findings.push(finding.right("Content-Type: application/problem+json"));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    Problem,
    X402,
}

/// The body, where it is one of ours.
fn body(status: u16, message: &Message, context: &Context, report: &mut Report) -> Option<Body> {
    let text = std::str::from_utf8(&message.body).ok()?.trim();
    let says_problem = message.media_type().as_deref() == Some("application/problem+json");
    let members = match json::parse_object(text) {
        Ok(members) => members,
        Err(error) => {
            if says_problem && !text.is_empty() {
                let mut item = Item::new("problem", "problem in the body");
                let what = format!("the body is {error}");
                let finding = Finding::error(Rule::rfc(9457, "3"), "body", what);
                item.findings.push(finding.right("a JSON object"));
                report.items.push(item);
            }
            return None;
        }
    };
    if let Some(kind) = x402::Kind::of(&members) {
        let mut item = x402::bare(kind, &members, context);
        item.title += " in the body";
        report.items.push(item);
        return Some(Body::X402);
    }
    if says_problem || status >= 400 && recognise::is_problem(&members) {
        let mut item = Item::new("problem", "problem in the body");
        problem::object(&members, Some(status), &mut item);
        report.items.push(item);
        return Some(Body::Problem);
    }
    None
}

/// Holds echoes against the challenges they answer, and digests against bodies.
fn compare(seen: &Seen, report: &mut Report) {
    for (at, echo) in &seen.echoes {
        let item = &mut report.items[*at];
        let answered = echo.get("id").and_then(|id| {
            let mut challenges = seen.challenges.iter();
            challenges.find(|challenge| challenge.get("id") == Some(id))
        });
        match answered {
            Some(challenge) => {
                item.fields
                    .push(Field::new("answers", "a challenge of this input"));
                credential::compare(echo, challenge, item);
            }
            None if !seen.challenges.is_empty() => {
                let what = "it answers no challenge of this input";
                item.findings
                    .push(Finding::note(Rule::core("5.1.1"), "challenge.id", what));
            }
            None => {}
        }
        let Some(text) = echo.get("digest") else {
            continue;
        };
        if let Some(body) = &seen.body {
            let matches =
                digest::matches(text, body) || digest::matches(text, body.trim_ascii_end());
            item.fields
                .push(Field::new("digestOfBody", Value::from(matches)));
            if !matches {
                let what = "the digest is not that of the request's body";
                let finding = Finding::error(Rule::core("5.1.3"), "challenge.digest", what);
                item.findings
                    .push(finding.right(digest::sha256(body).as_str()));
            }
        }
    }
}
