//! Other spellings of the path that asks for a payment: none of them may be served without one.

use http::{HeaderName, Method};

use super::{
    super::{
        http::{Answer, Ask},
        seen::{Seen, came},
        verdict::{Judged, fail, skip, warn},
    },
    Asks, Entry,
    Trial::Ask as Asked,
};
use crate::inspect::Rule;

const RULE: Rule = Rule::farthing("the price of a path");

/// A page that no server has.
const NOWHERE: &str = "/farthing-check-of-a-page-that-is-not-there";

macro_rules! spelling {
    ($id:literal, $what:literal, $how:literal, $spell:expr) => {
        Entry {
            id: $id,
            rule: RULE,
            what: $what,
            how: $how,
            trial: Asked(|seen| spelled(seen, $spell), |_, answers| judge(answers)),
        }
    };
}

pub(super) const RULES: &[Entry] = &[
    spelling!(
        "path-slashes",
        "a doubled slash is not served free",
        "//path",
        |path| Some(format!("/{path}"))
    ),
    spelling!(
        "path-trailing",
        "a slash at the end is not served free",
        "/path/",
        |path| Some(match path.strip_suffix('/') {
            Some(bare) => bare.to_owned(),
            None => format!("{path}/"),
        })
    ),
    spelling!(
        "path-dot",
        "a dot segment is not served free",
        "/./path",
        |path| Some(format!("/.{path}"))
    ),
    spelling!(
        "path-encoded-dot",
        "an encoded dot segment is not served free",
        "/%2e/path",
        |path| Some(format!("/%2e{path}"))
    ),
    spelling!(
        "path-dot-dot",
        "a way back is not served free",
        "/x/../path",
        |path| Some(format!("/x/..{path}"))
    ),
    spelling!(
        "path-encoded-back",
        "an encoded way back is not served free",
        "/x/%2e%2e/path",
        |path| Some(format!("/x/%2e%2e{path}"))
    ),
    spelling!(
        "path-case",
        "another case is not served free",
        "/PATH",
        |path| Some(path.to_ascii_uppercase()).filter(|upper| upper != path)
    ),
    spelling!(
        "path-encoded",
        "an encoded letter is not served free",
        "/%70ath",
        |path| {
            let letter = path.find(|c: char| c.is_ascii_alphabetic())?;
            let code = path.as_bytes()[letter];
            let (before, after) = (&path[..letter], &path[letter + 1..]);
            Some(format!("{before}%{code:02x}{after}"))
        }
    ),
    spelling!(
        "path-parameter",
        "a path parameter is not served free",
        "/path;x=1",
        |path| Some(format!("{path};x=1"))
    ),
    spelling!(
        "path-encoded-slash",
        "an encoded slash is not served free",
        "/path%2f",
        |path| Some(format!("{path}%2f"))
    ),
    Entry {
        id: "method-override",
        rule: RULE,
        what: "a method override is not served free",
        how: "OPTIONS, with X-HTTP-Method-Override",
        trial: Asked(override_asks, |_, answers| judge_override(answers)),
    },
    Entry {
        id: "forwarded-path",
        rule: RULE,
        what: "a path in a header is not served free",
        how: "a page that is not there, with X-Original-URL",
        trial: Asked(forwarded, |_, answers| judge(answers)),
    },
    Entry {
        id: "plain-http",
        rule: Rule::core("11.2"),
        what: "the same over plain HTTP issues no challenge",
        how: "the same request on port 80",
        trial: Asked(plain, |_, answers| judge_plain(answers)),
    },
    Entry {
        id: "free-pages",
        rule: Rule::core("4.4.2"),
        what: "what is free asks for no payment",
        how: "the pages of --free",
        trial: Asked(free, judge_free),
    },
];

/// The path in another spelling, and a page that is not there: where that is served as well, an
/// answer says nothing.
fn spelled(seen: &Seen, spell: fn(&str) -> Option<String>) -> Asks {
    if !seen.asks() {
        return skip("it asks for no payment");
    }
    let path = seen.target.path();
    let (path, query) = path.split_at(path.find('?').unwrap_or(path.len()));
    if path == "/" {
        return skip("the path is / alone");
    }
    match spell(path) {
        Some(path) => Ok(vec![
            Ask::path(format!("{path}{query}")),
            Ask::path(NOWHERE),
        ]),
        None => skip("the path has no such spelling"),
    }
}

fn judge(answers: &[Answer]) -> Judged {
    let reply = match &answers[0] {
        Ok(_) => came(&answers[0])?,
        // A connection that is closed serves nothing.
        Err(_) => return Ok(()),
    };
    if !reply.status.is_success() {
        return Ok(());
    }
    let status = reply.status.as_u16();
    let nowhere = answers.get(1).and_then(|answer| answer.as_ref().ok());
    match nowhere {
        Some(page) if page.status.is_success() && page.body == reply.body => warn(format!(
            "it answers {status} with what it has for any page: look whether it is paid content"
        )),
        _ => fail(format!("it answers {status}")),
    }
}

fn override_asks(seen: &Seen) -> Asks {
    const NAME: HeaderName = HeaderName::from_static("x-http-method-override");
    if !seen.asks() {
        return skip("it asks for no payment");
    }
    let plain = Ask {
        method: Some(Method::OPTIONS),
        ..Ask::default()
    };
    let tricked = plain.clone().with(NAME, seen.target.method.as_str());
    Ok(vec![tricked, plain])
}

/// OPTIONS may be served to anybody; it must not become what costs.
fn judge_override(answers: &[Answer]) -> Judged {
    let reply = came(&answers[0])?;
    let plain = came(&answers[1])?;
    match reply.status.is_success() && reply.body != plain.body {
        true => fail(format!(
            "it answers {}, and another body",
            reply.status.as_u16()
        )),
        false => Ok(()),
    }
}

fn forwarded(seen: &Seen) -> Asks {
    if !seen.asks() {
        return skip("it asks for no payment");
    }
    const NAMES: [HeaderName; 2] = [
        HeaderName::from_static("x-original-url"),
        HeaderName::from_static("x-rewrite-url"),
    ];
    let tricked = NAMES.into_iter().fold(Ask::path(NOWHERE), |ask, name| {
        ask.with(name, seen.target.path())
    });
    Ok(vec![tricked, Ask::path(NOWHERE)])
}

fn plain(seen: &Seen) -> Asks {
    if seen.target.scheme() != "https" {
        return skip("what is checked is plain HTTP already");
    }
    if seen.target.url().port().is_some() {
        return skip("the URL names a port, which speaks TLS");
    }
    Ok(vec![Ask {
        plain: true,
        ..Ask::default()
    }])
}

fn judge_plain(answers: &[Answer]) -> Judged {
    let Ok(reply) = &answers[0] else {
        return Ok(());
    };
    if !Seen::read(reply).is_empty() {
        return fail("it issues challenges over plain HTTP");
    }
    match reply.status.is_success() {
        true => fail(format!("it answers {}", reply.status.as_u16())),
        false => Ok(()),
    }
}

fn free(seen: &Seen) -> Asks {
    match seen.free.is_empty() {
        true => skip("--free names no page"),
        false => Ok(seen.free.iter().map(Ask::page).collect()),
    }
}

fn judge_free(seen: &Seen, answers: &[Answer]) -> Judged {
    for (path, answer) in seen.free.iter().zip(answers) {
        let reply = came(answer)?;
        if reply.status.as_u16() == 402 || !Seen::read(reply).is_empty() {
            return fail(format!("{path} asks for a payment"));
        }
        if !reply.status.is_success() {
            return warn(format!("{path} answers {}", reply.status.as_u16()));
        }
    }
    Ok(())
}
