//! What is known after the first two requests, and what is made of it to try the server with.

use farthing::core::{
    encoding::base64url,
    header::www_authenticate,
    noun::{Challenge, problem::Problem},
    value::Timestamp,
};
use http::{HeaderName, StatusCode};
use serde_json::{Value, json};

use super::{
    http::{Answer, Ask, Reply},
    target::Target,
    verdict::{Judged, Verdict, fail, skip, warn},
};

/// The two answers to the plain request, and the challenge that is tried.
pub(super) struct Seen {
    pub(super) target: Target,
    pub(super) first: Reply,
    pub(super) second: Answer,
    pub(super) now: Timestamp,
    pub(super) challenge: Option<Challenge>,
    /// A proof for it by an account that has nothing.
    pub(super) payload: Value,
    /// The same over an altered amount, where this program knows how to make one.
    pub(super) cheaper: Option<Value>,
    /// The discovery document's answer.
    pub(super) discovery: Answer,
    /// Pages that cost nothing, as the command line names them.
    pub(super) free: Vec<String>,
}

impl Seen {
    /// Whether it asks for a payment at all.
    pub(super) fn asks(&self) -> bool {
        self.first.status == StatusCode::PAYMENT_REQUIRED
    }

    /// The challenge that is tried.
    pub(super) fn challenge(&self) -> Result<&Challenge, Verdict> {
        match &self.challenge {
            Some(challenge) => Ok(challenge),
            None => skip("there is no challenge that can be read"),
        }
    }

    /// A credential for the challenge, its JSON changed.
    pub(super) fn credential(
        &self,
        change: impl FnOnce(&mut Value),
    ) -> Result<(HeaderName, String), Verdict> {
        let challenge = self.challenge()?;
        let mut credential = json!({ "challenge": challenge, "payload": self.payload });
        change(&mut credential);
        Ok((self.carrier()?, encode(&credential)))
    }

    /// The header a credential goes in.
    pub(super) fn carrier(&self) -> Result<HeaderName, Verdict> {
        match self.challenge()?.credential_header() {
            Some(name) => Ok(name),
            None => skip("the challenge names a header that carries no credentials"),
        }
    }

    /// A request with a changed credential.
    pub(super) fn with(&self, change: impl FnOnce(&mut Value)) -> Result<Vec<Ask>, Verdict> {
        let (name, value) = self.credential(change)?;
        Ok(vec![Ask::default().with(name, value)])
    }

    /// The challenges of an answer that can be read.
    pub(super) fn read(reply: &Reply) -> Vec<Challenge> {
        let challenges = www_authenticate::parse(reply.challenges());
        challenges.into_iter().filter_map(Result::ok).collect()
    }
}

/// Writes a credential, well formed or not.
pub(super) fn encode(credential: &Value) -> String {
    format!("Payment {}", base64url::encode(credential.to_string()))
}

/// Changes a text of an echoed challenge.
pub(super) fn alter(credential: &mut Value, slot: &str) {
    let echo = &mut credential["challenge"];
    let text = echo[slot].as_str().unwrap_or_default().to_owned();
    echo[slot] = json!(match slot {
        "id" => altered(&text),
        "realm" => format!("x{text}"),
        "method" => format!("{text}x"),
        "intent" => format!("{text}-x"),
        "request" => cheaper(&text).unwrap_or_else(|| base64url::encode(r#"{"amount":"1"}"#)),
        "expires" => "2099-01-01T00:00:00Z".to_owned(),
        "digest" => "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:".to_owned(),
        _ => base64url::encode(r#"{"changed":"yes"}"#),
    });
}

/// A request for one base unit, with everything else as it was.
pub(super) fn cheaper(request: &str) -> Option<String> {
    let json = base64url::decode(request).ok()?;
    let mut value: Value = serde_json::from_slice(&json).ok()?;
    value
        .as_object_mut()?
        .insert("amount".to_owned(), json!("1"));
    // A map of serde_json is in the order of JCS for keys of ASCII.
    Some(base64url::encode(value.to_string()))
}

/// The first character that differs, so that nothing else changes.
fn altered(text: &str) -> String {
    let mut bytes = text.to_owned();
    let first = if bytes.starts_with('A') { 'B' } else { 'A' };
    if !bytes.is_empty() {
        bytes.remove(0);
    }
    format!("{first}{bytes}")
}

/// An answer that came.
pub(super) fn came(answer: &Answer) -> Result<&Reply, Verdict> {
    match answer {
        Ok(reply) if reply.is_limited() => skip("the server limits how often one may ask (429)"),
        Ok(reply) => Ok(reply),
        Err(fault) => fail(fault.told()),
    }
}

/// The name of a problem's type, behind its last slash or colon.
pub(super) fn kind(reply: &Reply) -> Option<String> {
    let problem = Problem::parse(&reply.body, reply.status.as_u16()).ok();
    let problem = problem.filter(|_| reply.is_problem())?;
    let name = problem.uri().rsplit(['/', ':']).next();
    name.map(str::to_owned)
}

/// A refusal as section 4.2 wants it: 402, a fresh challenge, one of these problems.
pub(super) fn refused(seen: &Seen, answer: &Answer, kinds: &[&str]) -> Judged {
    let reply = came(answer)?;
    not_served(reply)?;
    if reply.status != StatusCode::PAYMENT_REQUIRED {
        return fail(format!("it answers {}, not 402", reply.status.as_u16()));
    }
    let fresh = Seen::read(reply);
    if fresh.is_empty() {
        return fail("the refusal has no challenge that can be read");
    }
    let known = seen.challenge.as_ref().map(|challenge| &challenge.id);
    if fresh.iter().any(|challenge| Some(&challenge.id) == known) {
        return fail("the refusal repeats the old challenge instead of a fresh one");
    }
    if !reply.caches("no-store") {
        return fail("the refusal has no Cache-Control: no-store");
    }
    match kind(reply) {
        Some(kind) if kinds.contains(&&*kind) => Ok(()),
        Some(kind) => fail(format!("the problem is {kind}, not {}", kinds.join(" or "))),
        None => warn(format!(
            "the body is no problem; {} would say why",
            kinds[0]
        )),
    }
}

/// Nothing was served, and no receipt given.
pub(super) fn not_served(reply: &Reply) -> Judged {
    if reply.status.is_success() {
        return fail(format!("it was served: {}", reply.status.as_u16()));
    }
    if reply.receipt().is_some() {
        return fail("there is a receipt on the refusal");
    }
    Ok(())
}
