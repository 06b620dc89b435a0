//! JSON from outside: bounded in depth, and without repeated keys.
//!
//! A repeated key lets two readers of one text see two different values, so it is an error here
//! and not the last one's win.

use std::fmt;

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

use crate::bounds;

/// Why a text is not JSON that is taken.
///
/// It holds no piece of the text: that may be a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// It is no JSON, or an object in it repeats a key.
    #[error("not JSON, or a repeated key, at line {line}, column {column}")]
    Malformed {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// It is nested too deeply.
    #[error("JSON nested deeper than {}", bounds::JSON_DEPTH)]
    TooDeep,
    /// It is JSON, but no object.
    #[error("not a JSON object")]
    NotAnObject,
}

impl JsonError {
    pub(crate) fn malformed(error: &serde_json::Error) -> Self {
        Self::Malformed {
            line: error.line(),
            column: error.column(),
        }
    }
}

/// Reads any JSON value.
///
/// # Errors
/// When it is none, is nested too deeply, or repeats a key.
pub fn parse(text: &str) -> Result<Value, JsonError> {
    check_depth(text)?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = Strict
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value));
    read.map_err(|error| JsonError::malformed(&error))
}

/// Reads a JSON object.
///
/// # Errors
/// As [`parse`], and when it is something else than an object.
pub fn parse_object(text: &str) -> Result<Map<String, Value>, JsonError> {
    match parse(text)? {
        Value::Object(object) => Ok(object),
        _ => Err(JsonError::NotAnObject),
    }
}

/// Checks that brackets nest no deeper than [`bounds::JSON_DEPTH`], without parsing.
///
/// # Errors
/// When they do.
pub fn check_depth(text: &str) -> Result<(), JsonError> {
    // Few brackets cannot nest deeply, and counting them is much faster than following them. A
    // count of up to 128 fits a byte, which lets the compiler count many bytes at once.
    let opening: usize = text
        .as_bytes()
        .chunks(128)
        .map(|chunk| usize::from(chunk.iter().map(|b| u8::from(b | 0x20 == b'{')).sum::<u8>()))
        .sum();
    if opening <= bounds::JSON_DEPTH || deepest(text) <= bounds::JSON_DEPTH {
        Ok(())
    } else {
        Err(JsonError::TooDeep)
    }
}

fn deepest(text: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    let (mut quoted, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Reads a value and refuses repeated keys.
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without repeated keys")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(element) = elements.next_element_seed(Strict)? {
            array.push(element);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(Strict)?;
            if object.insert(key, value).is_some() {
                return Err(A::Error::custom("a key stands twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_key_is_an_error_at_any_depth() {
        assert!(parse(r#"{"a":1,"b":{"a":1}}"#).is_ok());
        assert!(parse(r#"{"a":1,"a":1}"#).is_err());
        assert!(parse(r#"[{"b":{"a":1,"a":2}}]"#).is_err());
        assert!(parse(r#"{"a":1,"\u0061":2}"#).is_err());
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(bounds::JSON_DEPTH)).is_ok());
        assert_eq!(
            parse(&nested(bounds::JSON_DEPTH + 1)),
            Err(JsonError::TooDeep)
        );
        let wide = format!("[{}0]", "[],".repeat(200));
        assert!(parse(&wide).is_ok(), "many brackets are not deep brackets");
        let quoted = format!(r#"["\"{}"]"#, "[".repeat(200));
        assert!(parse(&quoted).is_ok(), "brackets in a text do not nest");
    }

    #[test]
    fn what_follows_the_value_is_an_error() {
        for bad in ["", "{}x", "{} {}", "nul", r#"{"a":}"#] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(parse_object("[]"), Err(JsonError::NotAnObject));
    }

    #[test]
    fn values_are_read_as_they_are() {
        let text = r#"{"a":[null,true,-1,18446744073709551615,0.5,"é\n"]}"#;
        assert_eq!(
            parse(text).unwrap(),
            serde_json::from_str::<Value>(text).unwrap()
        );
    }
}
