//! `x-service-info`: what a service is, beyond what OpenAPI has words for.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use super::read::{InfoError, Members};
use crate::{
    bounds,
    value::{TextError, text},
};

/// What a service is: for people and registries. Nothing is decided by it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ServiceInfo {
    /// What kind of service it is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<Category>,
    /// Where more is written.
    #[serde(skip_serializing_if = "Docs::is_empty")]
    pub docs: Docs,
    /// Members that the draft does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Where more is written about a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Docs {
    /// The reference of its API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_reference: Option<Link>,
    /// Its main page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub homepage: Option<Link>,
    /// A page for language models.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub llms: Option<Link>,
    /// Members that the draft does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A category. Any text is one; [`is_plain`](Self::is_plain) says whether it is written as the
/// draft recommends.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Category(Arc<str>);
text::newtype!(Category, "a category", category);

/// An absolute URI (RFC 3986). It is not looked at whether anything is there.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Link(Arc<str>);
text::newtype!(Link, "a link", uri);

const NAME: &str = "x-service-info";

impl ServiceInfo {
    /// Reads it.
    ///
    /// # Errors
    /// When a member the draft knows is not what the draft says.
    pub fn from_json(value: &Value) -> Result<Self, InfoError> {
        let mut members = Members::of(NAME, value)?;
        Ok(Self {
            categories: categories(&mut members)?,
            docs: match members.take("docs") {
                Some(docs) => Docs::from_json(members.place("docs"), &docs)?,
                None => Docs::default(),
            },
            extra: members.rest(),
        })
    }

    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Docs {
    fn from_json(at: Box<str>, value: &Value) -> Result<Self, InfoError> {
        let mut members = Members::of(at, value)?;
        Ok(Self {
            api_reference: members.parse("apiReference")?,
            homepage: members.parse("homepage")?,
            llms: members.parse("llms")?,
            extra: members.rest(),
        })
    }

    /// Whether it has no link.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Category {
    /// Whether it is lower case with hyphens between its words, as the draft recommends
    /// (section "Categories").
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.0.split('-').all(|word| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        })
    }
}

fn categories(members: &mut Members) -> Result<Vec<Category>, InfoError> {
    let at = members.place("categories");
    let Some(value) = members.take("categories") else {
        return Ok(Vec::new());
    };
    let Value::Array(values) = value else {
        return Err(InfoError::shape(at, "an array of strings"));
    };
    if values.len() > bounds::CATEGORIES {
        return Err(InfoError::TooMany {
            at,
            most: bounds::CATEGORIES,
        });
    }
    let read = |(index, value): (usize, &Value)| {
        let at = || format!("{at}[{index}]").into();
        let text = value
            .as_str()
            .ok_or_else(|| InfoError::shape(at(), "a string"))?;
        text.parse()
            .map_err(|source| InfoError::Text { at: at(), source })
    };
    values.iter().enumerate().map(read).collect()
}

fn category(text: &str) -> Result<(), &'static str> {
    text::bounded(text, bounds::IDENTIFIER)?;
    if text.chars().any(char::is_control) {
        Err("control characters are not allowed")
    } else {
        Ok(())
    }
}

fn uri(text: &str) -> Result<(), &'static str> {
    text::bounded(text, bounds::LINK)?;
    let (scheme, rest) = text
        .split_once(':')
        .ok_or("it has no scheme, such as https:")?;
    let scheme_ok = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    if !scheme_ok {
        return Err("it has no scheme, such as https:");
    }
    if rest.trim_start_matches('/').is_empty() {
        return Err("nothing follows its scheme");
    }
    let mut bytes = rest.bytes();
    while let Some(byte) = bytes.next() {
        let fine = match byte {
            b'%' => [bytes.next(), bytes.next()]
                .iter()
                .all(|digit| digit.is_some_and(|b| b.is_ascii_hexdigit())),
            byte => byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(&byte),
        };
        if !fine {
            return Err("it has characters that have to be percent-encoded");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(value: &Value, expect: &str) {
        let said = match ServiceInfo::from_json(value) {
            Ok(info) => serde_json::to_string(&info).unwrap(),
            Err(error) => error.to_string(),
        };
        assert_eq!(said, expect, "{value}");
    }

    #[test]
    fn is_read_as_the_draft_says() {
        check(&json!({}), "{}");
        check(
            &json!({"categories": ["compute"], "docs": {
                "homepage": "https://api.example.com/docs",
                "llms": "https://api.example.com/llms.txt",
                "apiReference": "https://api.example.com/reference",
            }, "more": true}),
            r#"{"categories":["compute"],"docs":{"apiReference":"https://api.example.com/reference","homepage":"https://api.example.com/docs","llms":"https://api.example.com/llms.txt"},"more":true}"#,
        );
        check(&json!(null), "x-service-info is not an object");
        check(
            &json!({"categories": "data"}),
            "x-service-info.categories is not an array of strings",
        );
        check(
            &json!({"categories": ["data", 1]}),
            "x-service-info.categories[1] is not a string",
        );
        check(&json!({"docs": []}), "x-service-info.docs is not an object");
        check(
            &json!({"docs": {"llms": "/llms.txt"}}),
            "x-service-info.docs.llms cannot be read",
        );
    }

    #[test]
    fn a_link_is_an_absolute_uri() {
        for good in [
            "https://a.example",
            "http://[::1]:80/x?y#z",
            "mailto:a@b.example",
            "https://a.example/%20",
        ] {
            assert!(Link::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a.example",
            "/llms.txt",
            "https://",
            "https:",
            "1a:b",
            "https://a b",
            "https://a/<b>",
            "https://a/%2",
            "https://a/é",
            "https://a/\n",
        ] {
            assert!(Link::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_plain_category_is_lower_case_with_hyphens() {
        for (text, plain) in [
            ("developer-tools", true),
            ("web3", true),
            ("Data", false),
            ("a b", false),
            ("-a", false),
            ("a--b", false),
        ] {
            assert_eq!(Category::new(text).unwrap().is_plain(), plain, "{text}");
        }
    }
}
