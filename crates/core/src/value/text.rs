//! Names: texts with a grammar and a bound.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserializer, de::Visitor};

use crate::bounds;

/// Why a text is not the name it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not {what}: {reason}")]
pub struct TextError {
    what: &'static str,
    reason: &'static str,
}

impl TextError {
    pub(crate) const fn new(what: &'static str, reason: &'static str) -> Self {
        Self { what, reason }
    }
}

/// Declares the inherent and conversion impls of a checked text. Texts are shared, because a
/// payment carries ten of them through each of its states.
macro_rules! newtype {
    ($name:ident, $what:literal, $check:path) => {
        impl $name {
            /// Checks a text.
            ///
            /// # Errors
            /// When it breaks the grammar or the bound of this type.
            pub fn new(text: impl Into<std::sync::Arc<str>>) -> Result<Self, TextError> {
                let text = text.into();
                match $check(&text) {
                    Ok(()) => Ok(Self(text)),
                    Err(reason) => Err(TextError::new($what, reason)),
                }
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = TextError;

            fn from_str(text: &str) -> Result<Self, TextError> {
                Self::new(text)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::value::text::deserialize(deserializer)
            }
        }
    };
}
pub(crate) use newtype;

/// Deserializes through [`FromStr`], without allocating the text first.
pub(crate) fn deserialize<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    struct Parsed<T>(std::marker::PhantomData<T>);

    impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Parsed<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }

    deserializer.deserialize_str(Parsed(std::marker::PhantomData))
}

/// The identifier of a payment method: `1*LOWERALPHA`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MethodId(Arc<str>);
newtype!(MethodId, "a payment method", method);

/// The identifier of an intent: `1*( ALPHA / DIGIT / "-" )`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IntentId(Arc<str>);
newtype!(IntentId, "a payment intent", intent);

/// A protection space. It stands in the challenge's HMAC next to a `|`, so it holds none.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Realm(Arc<str>);
newtype!(Realm, "a realm", realm);

/// Who is paid, in the method's own form.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Recipient(Arc<str>);
newtype!(Recipient, "a recipient", visible);

/// What a rail calls a payment: a transaction hash, an invoice, a transfer id. The rail gives
/// it; nothing else makes one up.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference(Arc<str>);
newtype!(Reference, "a reference", reference);

/// The name a route has in configuration, records and logs, for example `GET /weather`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteId(Arc<str>);
newtype!(RouteId, "a route", route);

pub(crate) fn method(text: &str) -> Result<(), &'static str> {
    bounded(text, bounds::IDENTIFIER)?;
    if text.bytes().all(|b| b.is_ascii_lowercase()) {
        Ok(())
    } else {
        Err("only a-z are allowed")
    }
}

pub(crate) fn intent(text: &str) -> Result<(), &'static str> {
    bounded(text, bounds::IDENTIFIER)?;
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        Ok(())
    } else {
        Err("only letters, digits and - are allowed")
    }
}

pub(crate) fn realm(text: &str) -> Result<(), &'static str> {
    bounded(text, bounds::REALM)?;
    if text
        .bytes()
        .all(|b| matches!(b, b' '..=b'~') && !matches!(b, b'|' | b'"' | b'\\'))
    {
        Ok(())
    } else {
        Err("only printable ASCII without | \" and \\ is allowed")
    }
}

pub(crate) fn visible(text: &str) -> Result<(), &'static str> {
    bounded(text, bounds::NAME)?;
    if text.bytes().all(|b| matches!(b, b'!'..=b'~')) {
        Ok(())
    } else {
        Err("only visible ASCII is allowed")
    }
}

fn reference(text: &str) -> Result<(), &'static str> {
    bounded(text, bounds::REFERENCE)?;
    if text.chars().any(char::is_control) {
        Err("control characters are not allowed")
    } else {
        Ok(())
    }
}

fn route(text: &str) -> Result<(), &'static str> {
    bounded(text, bounds::NAME)?;
    if text.chars().any(char::is_control) {
        Err("control characters are not allowed")
    } else {
        Ok(())
    }
}

pub(crate) fn bounded(text: &str, most: usize) -> Result<(), &'static str> {
    match text.len() {
        0 => Err("it is empty"),
        length if length > most => Err("it is too long"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn method_ids_are_lower_case_letters_only() {
        assert!(MethodId::new("tempo").is_ok());
        for bad in ["", "Tempo", "tempo2", "te-mpo", "tempo|", "é"] {
            assert!(MethodId::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_realm_cannot_shift_a_slot_or_break_a_header() {
        assert!(Realm::new("api.example.com").is_ok());
        assert!(Realm::new("contact Payment support").is_ok());
        for bad in ["", "a|b", "a\"b", "a\\b", "a\nb", "a\u{7f}", "é"] {
            assert!(Realm::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_are_bounded() {
        assert!(Recipient::new("x".repeat(bounds::NAME)).is_ok());
        assert!(Recipient::new("x".repeat(bounds::NAME + 1)).is_err());
    }
}
