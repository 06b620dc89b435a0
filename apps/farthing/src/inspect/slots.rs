//! The texts of a challenge, as a header or a credential's echo has them: each decoded, each held
//! against its rule.

use farthing::core::{
    binding::{SlotTexts, Slots, raw},
    bounds,
    encoding::base64url,
    noun::{CredentialHeader, Description, DigestText, Expires, OpaqueText},
    value::{IntentId, MethodId, Realm},
};

use super::{
    Context, encoded,
    finding::Finding,
    report::{Field, Item},
    request,
    rule::Rule,
    tempo, time,
};

/// The parameters the draft defines, and `header`, which names the credential's header.
pub(super) const KNOWN: [&str; 10] = [
    "id",
    "realm",
    "method",
    "intent",
    "request",
    "expires",
    "digest",
    "description",
    "opaque",
    "header",
];

/// The parameters that every challenge has.
const REQUIRED: [&str; 5] = ["id", "realm", "method", "intent", "request"];

/// The texts of one challenge.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    entries: Vec<Entry>,
    /// Those that are there and cannot be read, which is told already.
    unread: Vec<String>,
}

#[derive(Clone, Debug)]
struct Entry {
    name: String,
    text: String,
    /// The line it stands in, and the offset of its first character there.
    place: Option<(std::rc::Rc<[u8]>, usize)>,
}

impl Texts {
    /// Adds a text. Of one name the first counts.
    pub(super) fn add(
        &mut self,
        name: &str,
        text: String,
        place: Option<(std::rc::Rc<[u8]>, usize)>,
    ) {
        if self.get(name).is_none() {
            let name = name.to_owned();
            self.entries.push(Entry { name, text, place });
        }
    }

    /// Says that a text is there and cannot be read.
    pub(super) fn add_unread(&mut self, name: &str) {
        self.unread.push(name.to_owned());
    }

    fn is_unread(&self, name: &str) -> bool {
        self.unread.iter().any(|unread| unread == name)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.entries.iter().find(|entry| entry.name == name);
        found.map(|entry| entry.text.as_str())
    }

    /// A finding about one of the texts, with its place where that is known.
    fn place(&self, name: &str, offset: usize, finding: Finding) -> Finding {
        let entry = self.entries.iter().find(|entry| entry.name == name);
        match entry.and_then(|entry| entry.place.as_ref()) {
            Some((line, at)) => finding.at(line, at + offset),
            None => finding,
        }
    }

    fn slots(&self) -> Option<Slots<'_>> {
        let text = |name| self.get(name).unwrap_or_default();
        let texts = SlotTexts {
            realm: text("realm"),
            method: text("method"),
            intent: text("intent"),
            request: text("request"),
            expires: self.get("expires"),
            digest: self.get("digest"),
            header: self.get("header"),
            opaque: self.get("opaque"),
        };
        Slots::check(texts).ok()
    }
}

/// Decodes every text and says what is wrong with it.
pub(super) fn inspect(texts: &Texts, context: &Context, item: &mut Item) {
    missing(texts, item);
    names(texts, item);
    time_of(texts, context, item);
    if let Some(text) = texts.get("request") {
        let find = |finding| texts.place("request", 0, finding);
        let decoded = encoded::object(text, "request", Rule::core("5.1.1"), &find, item);
        request::inspect(
            decoded.clone(),
            texts.get("method").unwrap_or_default(),
            texts.get("intent").unwrap_or_default(),
            item,
        );
        if let Some(members) = decoded {
            tempo::request(&members, texts, item);
        }
        if text.len() > bounds::REQUEST {
            let what = format!("request has {} bytes", text.len());
            let rule = Rule::core("9.4");
            let right = "challenges under 8 KB; this program reads no longer ones";
            item.findings
                .push(Finding::warning(rule, "request", what).right(right));
        }
    }
    description(texts, item);
    digest(texts, item);
    opaque(texts, item);
    header(texts, item);
    delimiters(texts, item);
    issued(texts, context, item);
}

fn missing(texts: &Texts, item: &mut Item) {
    let rule = Rule::core("5.1.1");
    for name in REQUIRED {
        let finding = match texts.get(name) {
            None if texts.is_unread(name) => continue,
            None => Finding::error(rule, name, format!("{name} is missing")),
            Some("") => Finding::error(rule, name, format!("{name} is empty")),
            Some(_) => continue,
        };
        item.findings
            .push(finding.right(format!("a challenge whose {name} says something")));
    }
}

/// Id, realm, method and intent.
fn names(texts: &Texts, item: &mut Item) {
    for name in ["id", "realm", "method", "intent"] {
        if let Some(text) = texts.get(name) {
            item.fields.push(Field::new(name, text));
        }
    }
    let present = |name| texts.get(name).filter(|text| !text.is_empty());
    if let Some(method) = present("method").filter(|text| MethodId::new(*text).is_err()) {
        let at = offset(method, |c| !c.is_ascii_lowercase());
        let what = format!("method {method:?} is no method identifier");
        let finding = Finding::error(Rule::core("6.1"), "method", what)
            .right("lower-case letters a to z and nothing else");
        item.findings.push(texts.place("method", at, finding));
    }
    if let Some(intent) = present("intent").filter(|text| IntentId::new(*text).is_err()) {
        let at = offset(intent, |c| !(c.is_ascii_alphanumeric() || c == '-'));
        let what = format!("intent {intent:?} is no intent identifier");
        let finding =
            Finding::error(Rule::core("7.1"), "intent", what).right("letters, digits and hyphens");
        item.findings.push(texts.place("intent", at, finding));
    }
    if let Some(realm) =
        present("realm").filter(|text| !text.contains('|') && Realm::new(*text).is_err())
    {
        let at = offset(realm, |c| {
            !matches!(c, ' '..='~') || matches!(c, '"' | '\\')
        });
        let finding = Finding::warning(
            Rule::core("10.1"),
            "realm",
            "realm has other characters than printable ASCII, or is too long",
        )
        .right("a host's name; this program refuses others");
        item.findings.push(texts.place("realm", at, finding));
    }
}

fn time_of(texts: &Texts, context: &Context, item: &mut Item) {
    let rule = Rule::core("5.1.2");
    let Some(text) = texts.get("expires") else {
        if texts.is_unread("expires") {
            return;
        }
        let right = "an end, so that an old challenge cannot be paid";
        item.findings
            .push(Finding::warning(rule, "expires", "there is no expires").right(right));
        return;
    };
    let field = Field::new("expires", text);
    let Ok(expires) = text.parse::<Expires>() else {
        item.fields.push(field);
        let what = format!("expires {text:?} is no date-time of RFC 3339");
        let finding = Finding::error(rule, "expires", what).right("2026-01-15T12:05:00Z");
        item.findings.push(texts.place("expires", 0, finding));
        return;
    };
    item.fields
        .push(field.remark(time::relative(expires.at(), context.now)));
    if expires.at() <= context.now {
        let what = format!("it {}", time::relative(expires.at(), context.now));
        let right = "ask again for a fresh challenge; this one must not be paid";
        item.findings
            .push(Finding::warning(rule, "expires", what).right(right));
    }
}

fn description(texts: &Texts, item: &mut Item) {
    let Some(text) = texts.get("description") else {
        return;
    };
    item.fields.push(Field::new("description", text));
    if Description::new(text).is_err() {
        let at = offset(text, |c| c.is_control() && c != '\t');
        let finding = Finding::error(
            Rule::rfc(9110, "5.5"),
            "description",
            "description has control characters, is empty or is too long",
        )
        .right("one line of text");
        item.findings.push(texts.place("description", at, finding));
    }
}

fn digest(texts: &Texts, item: &mut Item) {
    let Some(text) = texts.get("digest") else {
        return;
    };
    item.fields.push(Field::new("digest", text));
    let structured = text.split(',').all(|member| {
        let value = member.trim().split_once('=').map(|(_, value)| value);
        value.is_some_and(|value| value.len() > 2 && value.starts_with(':') && value.ends_with(':'))
    });
    if !structured || DigestText::new(text).is_err() {
        let finding = Finding::error(
            Rule::core("5.1.2"),
            "digest",
            "digest is not written as RFC 9530 has it",
        )
        .right("sha-256=:BASE64:, with the colons")
        .tolerated("this program and other SDKs read it without the colons");
        item.findings.push(texts.place("digest", 0, finding));
    }
}

fn opaque(texts: &Texts, item: &mut Item) {
    let Some(text) = texts.get("opaque") else {
        return;
    };
    let rule = Rule::core("5.1.2");
    let before = item.findings.len();
    let find = |finding| texts.place("opaque", 0, finding);
    let decoded = encoded::object(text, "opaque", rule, &find, item);
    if OpaqueText::new(text).is_ok() {
        // Nobody but the server reads it, and it goes back as it came.
        for finding in &mut item.findings[before..] {
            finding.tolerated = Some("clients send it back as it came");
        }
    }
    match decoded {
        Some(members) => {
            if members.values().any(|value| !value.is_string()) {
                let what = "opaque has values that are no strings";
                let finding = Finding::error(rule, "opaque", what)
                    .right("a flat object of strings")
                    .tolerated("clients send it back as it came");
                item.findings.push(texts.place("opaque", 0, finding));
            }
            let fields = members
                .iter()
                .map(|(name, value)| super::report::tree(name, value, &|_, text| text.to_owned()));
            item.fields.push(Field::of("opaque", fields.collect()));
        }
        None => item.fields.push(Field::new("opaque", text)),
    }
}

fn header(texts: &Texts, item: &mut Item) {
    let Some(text) = texts.get("header") else {
        return;
    };
    item.fields.push(Field::new("header", text));
    let named = CredentialHeader::new(text)
        .ok()
        .and_then(|header| header.name());
    let finding = if named.is_some() {
        let what = "header names where the credential goes; the draft has no such parameter";
        Finding::note(Rule::core("9.3"), "header", what)
    } else {
        let what = format!("header {text:?} is no header that carries credentials");
        Finding::warning(Rule::farthing("the credential's header"), "header", what)
            .right("Authorization or Payment-Authorization; this program pays no other")
    };
    item.findings.push(texts.place("header", 0, finding));
}

/// A delimiter of the binding inside a slot lets two challenges share an id.
fn delimiters(texts: &Texts, item: &mut Item) {
    for name in [
        "realm", "method", "intent", "expires", "digest", "opaque", "header",
    ] {
        let Some(at) = texts.get(name).and_then(|text| text.find('|')) else {
            continue;
        };
        let what = format!("{name} holds a |, which ends a slot of the binding");
        let finding = Finding::error(Rule::core("5.1.2.1.1"), name, what)
            .right("no | in any slot: with one, two different challenges can have one id");
        item.findings.push(texts.place(name, at, finding));
    }
}

/// Whether the id is the HMAC of what the challenge says, where the secret is at hand.
fn issued(texts: &Texts, context: &Context, item: &mut Item) {
    let Some(secret) = &context.secret else {
        return;
    };
    let ours = texts.slots().is_some_and(|slots| {
        raw::verify(secret.expose(), &slots, texts.get("id").unwrap_or_default()).is_ok()
    });
    item.fields.push(Field::new("issuedByThisSecret", ours));
    if !ours {
        let what = "the id is not what this secret gives for these slots";
        let right = "another secret issued it, or a slot was changed on the way";
        item.findings
            .push(Finding::error(Rule::core("5.1.2.1"), "id", what).right(right));
    }
}

/// The first character that fits, as an offset in bytes.
fn offset(text: &str, fits: impl Fn(char) -> bool) -> usize {
    text.find(fits).unwrap_or(0)
}

/// Whether two texts of a request are the same.
pub(super) fn is_same_request(one: &str, other: &str) -> bool {
    let plain = |text: &str| base64url::decode(text).ok();
    one == other || plain(one).is_some_and(|it| Some(it) == plain(other))
}
