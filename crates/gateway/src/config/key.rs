//! How a rule's key is written: a method, a space, a path pattern.

use std::{fmt, str::FromStr};

use farthing::core::encoding::percent;
use http::Method;

use super::{Pattern, RuleKey, Verb};

/// Bytes of the longest pattern.
const PATTERN: usize = 480;

/// Segments of the longest pattern.
const SEGMENTS: usize = 64;

/// Why a text is no key of a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct KeyError {
    what: &'static str,
    instead: Option<String>,
}

impl KeyError {
    fn new(what: &'static str) -> Self {
        Self {
            what,
            instead: None,
        }
    }

    fn write(what: &'static str, instead: impl Into<String>) -> Self {
        Self {
            what,
            instead: Some(instead.into()),
        }
    }

    /// What would be right, where that can be said.
    #[must_use]
    pub fn instead(&self) -> Option<&str> {
        self.instead.as_deref()
    }

    fn with_verb(mut self, verb: &str) -> Self {
        let whole = self
            .instead
            .take()
            .filter(|instead| instead.starts_with('/'));
        self.instead = whole.map(|path| format!("{verb} {path}"));
        self
    }
}

/// One part of a pattern, between two slashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment<'a> {
    /// As it is written.
    Literal(&'a str),
    /// `{name}`: any one segment that is not empty.
    Name(&'a str),
    /// A last `*`: whatever follows.
    Rest,
}

impl Pattern {
    /// Its parts, from the left.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'_>> {
        self.text[1..].split('/').map(Segment::of)
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The one path it takes, where it has no wild part.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        let plain = |segment| matches!(segment, Segment::Literal(_));
        self.segments().all(plain).then_some(&*self.text)
    }
}

impl<'a> Segment<'a> {
    fn of(text: &'a str) -> Self {
        let name = text
            .strip_prefix('{')
            .and_then(|name| name.strip_suffix('}'));
        match (text, name) {
            ("*", _) => Self::Rest,
            (_, Some(name)) => Self::Name(name),
            _ => Self::Literal(text),
        }
    }
}

impl FromStr for RuleKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let bare = text.trim_matches(' ');
        if bare != text {
            return Err(KeyError::write(
                "a rule has no space in front of it or behind it",
                bare.to_owned(),
            ));
        }
        let Some((verb, path)) = text.split_once(' ') else {
            return Err(if text.starts_with('/') {
                KeyError::write(
                    "a rule begins with a method",
                    format!("GET {text}` or `* {text}"),
                )
            } else {
                KeyError::new("a rule is a method, a space and a path, as in `GET /v1/weather/*`")
            });
        };
        if path.starts_with(' ') {
            let tight = format!("{verb} {}", path.trim_start());
            return Err(KeyError::write(
                "between method and path stands one space",
                tight,
            ));
        }
        let pattern: Pattern = path
            .parse()
            .map_err(|error: KeyError| error.with_verb(verb))?;
        let verb = verb.parse().map_err(|error: KeyError| {
            let instead = error.instead.as_ref().map(|verb| format!("{verb} {path}"));
            KeyError { instead, ..error }
        })?;
        Ok(Self { verb, pattern })
    }
}

impl FromStr for Verb {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let upper = text.to_ascii_uppercase();
        if matches!(upper.as_str(), "ANY" | "ALL") {
            return Err(KeyError::write("any method is written `*`", "*"));
        }
        if matches!(upper.as_str(), "CONNECT" | "TRACE") {
            return Err(KeyError::new("no request of this method is ever forwarded"));
        }
        if text.contains([',', '|']) {
            return Err(KeyError::new(
                "a rule has one method, or `*` for any: write a rule for each",
            ));
        }
        let method = Method::from_bytes(text.as_bytes())
            .map_err(|_| KeyError::new("this is no HTTP method"))?;
        if text != upper {
            return Err(KeyError::write("methods are written in capitals", upper));
        }
        Ok(Self::One(method))
    }
}

impl FromStr for Pattern {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        whole(text)?;
        let mut names = Vec::new();
        let mut parts = text[1..].split('/').peekable();
        let mut before = String::new();
        while let Some(part) = parts.next() {
            let last = parts.peek().is_none();
            segment(part, last, &before)?;
            if let Segment::Name(name) = Segment::of(part) {
                if names.contains(&name) {
                    return Err(KeyError::new("two parts of this path have the same name"));
                }
                names.push(name);
            }
            before.push('/');
            before.push_str(part);
        }
        if text.matches('/').count() > SEGMENTS {
            return Err(KeyError::new("a path has at most 64 segments"));
        }
        Ok(Self { text: text.into() })
    }
}

/// What is looked at in the pattern as a whole.
fn whole(text: &str) -> Result<(), KeyError> {
    if text.len() > PATTERN {
        return Err(KeyError::new("a path has at most 480 bytes"));
    }
    if text.contains("://") {
        return Err(KeyError::new(
            "a rule has a path and no host: the host is `site`",
        ));
    }
    if !text.starts_with('/') {
        return Err(KeyError::write("a path begins with /", format!("/{text}")));
    }
    if let Some((path, _)) = text.split_once('?') {
        return Err(KeyError::write(
            "a rule looks at the path and not at the query",
            path,
        ));
    }
    if let Some((path, _)) = text.split_once('#') {
        return Err(KeyError::write("a fragment is never sent", path));
    }
    let is_odd = |c: char| !is_path(c) && !"%/{}*".contains(c);
    if text.contains(is_odd) {
        let mut bytes = [0; 4];
        let escaped = text.chars().fold(String::new(), |mut path, c| {
            for byte in c.encode_utf8(&mut bytes).bytes() {
                match is_odd(c) {
                    true => path.push_str(&format!("%{byte:02X}")),
                    false => path.push(char::from(byte)),
                }
            }
            path
        });
        let what = "a request's path has such characters as escapes only";
        return Err(KeyError::write(what, escaped));
    }
    Ok(())
}

/// One segment; `before` is what stands in front of it.
fn segment(part: &str, last: bool, before: &str) -> Result<(), KeyError> {
    let refused = |what| Err(KeyError::new(what));
    match part {
        "" if last => return Ok(()),
        "" => return refused("`//` is refused at the door, so this rule takes nothing"),
        "." | ".." => {
            return refused("dot segments are refused at the door, so this rule takes nothing");
        }
        "*" if last => return Ok(()),
        "*" => {
            return Err(KeyError::write(
                "`*` stands for the rest of a path, and only at its end",
                format!("{before}/*"),
            ));
        }
        "**" => {
            return Err(KeyError::write(
                "the rest of a path is written `*`",
                format!("{before}/*"),
            ));
        }
        _ => {}
    }
    if let Some(name) = part.strip_prefix(':') {
        return Err(KeyError::write(
            "a part that varies is written in braces",
            format!("{before}/{{{name}}}"),
        ));
    }
    if let Segment::Name(name) = Segment::of(part) {
        if name.starts_with('*') {
            return Err(KeyError::write(
                "the rest of a path is written `*`",
                format!("{before}/*"),
            ));
        }
        let good = !name.is_empty()
            && name.len() <= 64
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        return if good {
            Ok(())
        } else {
            refused("the name of a part is letters, digits and _, as in `{city}`")
        };
    }
    if part.contains(['{', '}', '*']) {
        return refused("a segment is either wild or written out, as in `/v1/{city}/*`");
    }
    literal(part)
}

/// The escapes of a segment.
fn literal(part: &str) -> Result<(), KeyError> {
    let mut rest = part.as_bytes();
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        let byte = percent::escape(&rest[at..])
            .ok_or_else(|| KeyError::new("after `%` stand two hexadecimal digits, as in `%20`"))?;
        if matches!(byte, b'/' | b'\\' | b'.' | 0) {
            return Err(KeyError::new(
                "an encoded `/`, `\\`, `.` or NUL is refused at the door, so this rule takes nothing",
            ));
        }
        rest = &rest[at + 3..];
    }
    Ok(())
}

/// `pchar` of RFC 3986, without the escapes.
fn is_path(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~!$&'()+,;=:@".contains(c)
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::One(method) => method.fmt(f),
        }
    }
}

impl fmt::Display for RuleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_written_as_it_is_read() {
        for text in [
            "GET /",
            "GET /v1/weather/*",
            "* /*",
            "DELETE /a/{id}/b",
            "PURGE /caf%C3%A9/",
        ] {
            assert_eq!(text.parse::<RuleKey>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn says_what_would_be_right() {
        let check = |text: &str, expect: Option<&str>| {
            let error = text.parse::<RuleKey>().unwrap_err();
            assert_eq!(error.instead(), expect, "{text}: {error}");
        };
        check("get /a", Some("GET /a"));
        check("GET  /a", Some("GET /a"));
        check("GET a", Some("GET /a"));
        check("GET /a?b=c", Some("GET /a"));
        check("GET /a/:id", Some("GET /a/{id}"));
        check("GET /a/**", Some("GET /a/*"));
        check("GET /a/{*rest}", Some("GET /a/*"));
        check("ANY /a", Some("* /a"));
        check("GET /a b/é", Some("GET /a%20b/%C3%A9"));
        check("/a", Some("GET /a` or `* /a"));
        for bad in [
            "",
            "GET",
            "GET,POST /a",
            "CONNECT /a",
            "GET /a//b",
            "GET /a/../b",
            "GET /{}",
            "GET /{a}/{a}",
            "GET /{a",
            "GET /a*",
            "GET /%2e",
            "GET /%2F",
            "GET /%zz",
            "GET /a%",
            "G@T /a",
            "GET https://a/b",
        ] {
            assert!(bad.parse::<RuleKey>().is_err(), "{bad}");
        }
    }
}
