//! What a rule calls served.
//!
//! Some services answer 200 and say in the body that nothing came of it. A rule names the places
//! where they say so; an answer with something at one of them is not served, and under `after` not
//! charged.
//!
//! What may be JSON is held to be looked at. What says that it is and cannot be read as such, as a
//! document with something behind it or a line of JSON after another, goes to nobody: it may be
//! worth its price, and under `after` it would be given away. One that is compressed although it was
//! asked not to be is held back before anybody judges it. A `null` is nothing, and so is an empty
//! body.

use std::{borrow::Cow, fmt};

use farthing::server::{Judgement, Served};
use http::{HeaderMap, StatusCode, header};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::config::{NotJson, ServedWhen, Step};

/// What a rule calls served, as the gate asks it.
pub(crate) fn judge(when: &ServedWhen) -> Served {
    if *when == ServedWhen::default() {
        return Served::default();
    }
    let when = when.clone();
    Served::judged(move |status, headers, body| judged(&when, status, headers, body))
}

fn judged(
    when: &ServedWhen,
    status: StatusCode,
    headers: &HeaderMap,
    body: Option<&[u8]>,
) -> Judgement {
    if !when.status.is_empty() && !when.status.contains(&status) {
        Judgement::NotServed
    } else if when.not_json.is_empty() {
        Judgement::Served
    } else {
        look(&when.not_json, headers, body)
    }
}

/// Looks whether there is something at one of the places.
fn look(places: &[NotJson], headers: &HeaderMap, body: Option<&[u8]>) -> Judgement {
    let said = says_json(headers);
    if is_compressed(headers) {
        return Judgement::Unclear;
    }
    let Some(body) = body else {
        return match said {
            Some(false) => Judgement::Served,
            Some(true) | None => Judgement::Unclear,
        };
    };
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if body.trim_ascii().is_empty() {
        return Judgement::Served;
    }
    // A reader that is not strict with its encoding sees the same places.
    match read(&String::from_utf8_lossy(body)) {
        Some(document) if places.iter().any(|place| is_at(document, place)) => Judgement::NotServed,
        None if said == Some(true) => Judgement::Unclear,
        Some(_) | None => Judgement::Served,
    }
}

/// Whether an answer may be JSON that is compressed. What a buyer can read and nobody else looked at
/// must not go out unpaid.
pub(crate) fn is_compressed(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
    says_json(headers) != Some(false)
        && codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Whether the headers call the body JSON; `None` where they do not say what it is.
fn says_json(headers: &HeaderMap) -> Option<bool> {
    let media = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let media = media.split(';').next().unwrap_or(media).trim();
    let (_, kind) = media.split_once('/')?;
    let kind = kind.to_ascii_lowercase();
    Some(kind == "json" || kind.ends_with("+json"))
}

/// A whole JSON document, not taken apart. Numbers are not read, so none is too large.
fn read(body: &str) -> Option<&RawValue> {
    serde_json::from_str(body).ok()
}

/// Whether something is at a place. Where a key stands twice, each of its values is looked at: what
/// stands behind may mean either.
fn is_at(document: &RawValue, place: &NotJson) -> bool {
    let mut here = vec![document];
    for step in place.steps() {
        let mut next = Vec::new();
        for value in here {
            match step {
                Step::Member(name) => next.extend(members(value, name)),
                Step::Element(index) => next.extend(element(value, index)),
            }
        }
        here = next;
    }
    here.iter().any(|value| value.get() != "null")
}

fn members<'a>(value: &'a RawValue, name: &str) -> Vec<&'a RawValue> {
    struct Members<'n>(&'n str);

    impl<'a> Visitor<'a> for Members<'_> {
        type Value = Vec<&'a RawValue>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<Self::Value, M::Error> {
            let mut found = Vec::new();
            while let Some(Key(key)) = map.next_key()? {
                if key == self.0 {
                    found.push(map.next_value()?);
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(found)
        }
    }

    let mut reader = serde_json::Deserializer::from_str(value.get());
    // Anything but an object has no members.
    reader.deserialize_map(Members(name)).unwrap_or_default()
}

fn element(value: &RawValue, index: usize) -> Option<&RawValue> {
    struct Element(usize);

    impl<'a> Visitor<'a> for Element {
        type Value = Option<&'a RawValue>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<S: SeqAccess<'a>>(self, mut elements: S) -> Result<Self::Value, S::Error> {
            let mut found = None;
            let mut at = 0;
            while let Some(element) = elements.next_element()? {
                if at == self.0 {
                    found = Some(element);
                }
                at += 1;
            }
            Ok(found)
        }
    }

    let mut reader = serde_json::Deserializer::from_str(value.get());
    reader.deserialize_seq(Element(index)).ok().flatten()
}

/// A key of an object, with its escapes read.
struct Key<'a>(Cow<'a, str>);

impl<'a> Deserialize<'a> for Key<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'a> Visitor<'a> for Text {
            type Value = Key<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Key<'a>, E> {
                Ok(Key(text.into()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Key<'a>, E> {
                Ok(Key(text.to_owned().into()))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use Judgement::{NotServed, Served, Unclear};
    use http::HeaderValue;

    use super::*;

    fn when(status: &[u16], places: &[&str]) -> ServedWhen {
        ServedWhen {
            status: status
                .iter()
                .map(|code| StatusCode::from_u16(*code).unwrap())
                .collect(),
            not_json: places.iter().map(|place| place.parse().unwrap()).collect(),
        }
    }

    #[track_caller]
    fn check(places: &[&str], media: &str, body: Option<&str>, expect: Judgement) {
        let mut headers = HeaderMap::new();
        if !media.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(media).unwrap());
        }
        let served = judged(
            &when(&[], places),
            StatusCode::OK,
            &headers,
            body.map(str::as_bytes),
        );
        assert_eq!(served, expect, "{places:?} {media} {body:?}");
    }

    const JSON: &str = "application/json";

    #[test]
    fn something_at_a_place_is_not_served() {
        for (place, body, expect) in [
            ("$.error", r#"{"result":1}"#, Served),
            ("$.error", r#"{"error":null,"result":1}"#, Served),
            ("$.error", r#"{"error":{"code":1}}"#, NotServed),
            ("$.error", r#"{"error":false}"#, NotServed),
            ("$.error", r#"{"error":""}"#, NotServed),
            ("$.error", r#"{"error":[]}"#, NotServed),
            ("$.error", r#"{"error":1e999}"#, NotServed),
            (
                "$.error",
                r#"{"n":1e999,"m":-0.0,"o":123456789012345678901234567890}"#,
                Served,
            ),
            ("$.error", r#"{"\u0065rror":1}"#, NotServed),
            ("$.error", r#"{"error":null,"error":1}"#, NotServed),
            ("$.error", r#"{"error":1,"error":null}"#, NotServed),
            ("$.error", r#"[{"error":1}]"#, Served),
            ("$[0].error", r#"[{"error":1}]"#, NotServed),
            ("$.error", r#""error""#, Served),
            ("$.errors[1].code", r#"{"errors":[{"code":1},{}]}"#, Served),
            (
                "$.errors[1].code",
                r#"{"errors":[{},{"code":1}]}"#,
                NotServed,
            ),
            ("$.errors[1].code", r#"{"errors":{"1":{"code":1}}}"#, Served),
            ("$.a.b.c", r#"{"a":{"b":{"c":0}}}"#, NotServed),
            ("$.a.b.c", r#"{"a":{"b":null}}"#, Served),
        ] {
            check(&[place], JSON, Some(body), expect);
        }
        check(&["$.a", "$.b"], JSON, Some(r#"{"b":1}"#), NotServed);
        check(&["$.a", "$.b"], JSON, Some(r#"{"c":1}"#), Served);
    }

    #[test]
    fn what_is_called_json_and_cannot_be_read_goes_to_nobody() {
        for (media, body, expect) in [
            (JSON, Some("{"), Unclear),
            (JSON, Some(r#"{"a":1} x"#), Unclear),
            (JSON, Some("{\"a\":1}\n{\"error\":1}\n"), Unclear),
            (JSON, Some(r#")]}',{"a":1}"#), Unclear),
            (JSON, Some(r#"{"a":1,}"#), Unclear),
            (JSON, Some("\u{feff}{\"a\":1}"), Served),
            (JSON, Some("\u{feff}{\"error\":1}"), NotServed),
            (JSON, Some(""), Served),
            (JSON, None, Unclear),
            ("application/problem+json; charset=utf-8", None, Unclear),
            ("APPLICATION/JSON", Some("<html>"), Unclear),
            ("text/html", Some("<html>"), Served),
            ("text/html", None, Served),
            ("text/plain", Some(r#"{"error":1}"#), NotServed),
            ("", Some(r#"{"error":1}"#), NotServed),
            ("", Some("plain"), Served),
            ("", None, Unclear),
        ] {
            check(&["$.error"], media, body, expect);
        }
        let deep = "[".repeat(50_000) + &"]".repeat(50_000);
        check(&["$.error"], JSON, Some(&deep), Served);
    }

    #[test]
    fn what_is_compressed_cannot_be_looked_at() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        let when = when(&[], &["$.error"]);
        for body in [None, Some(&b"{}"[..])] {
            assert_eq!(judged(&when, StatusCode::OK, &headers, body), Unclear);
        }
    }

    #[test]
    fn a_rule_may_name_its_statuses() {
        let (headers, when) = (HeaderMap::new(), when(&[200, 201], &[]));
        let is = |status| judged(&when, status, &headers, None) == Served;
        assert!(is(StatusCode::OK) && is(StatusCode::CREATED));
        assert!(!is(StatusCode::ACCEPTED) && !is(StatusCode::NO_CONTENT));
    }
}
