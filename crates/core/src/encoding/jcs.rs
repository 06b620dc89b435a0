//! The JSON Canonicalization Scheme (RFC 8785): one value, one text.

use serde::Serialize;
use serde_json::Value;

/// Why a value has no canonical text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JcsError {
    /// It is not representable in JSON.
    #[error("not representable in JSON")]
    Serialize(#[from] serde_json::Error),
    /// It holds an integer that a double cannot hold. RFC 8785 counts in doubles, so the text
    /// would say another number.
    #[error("the integer {0} is too large for canonical JSON; write it as a string")]
    Inexact(Box<str>),
}

/// Writes the canonical text of a value.
///
/// # Errors
/// When the value is not representable in JSON, or holds an integer beyond 2⁵³ − 1.
pub fn to_string(value: &impl Serialize) -> Result<String, JcsError> {
    let value = serde_json::to_value(value)?;
    check_numbers(&value)?;
    Ok(serde_json_canonicalizer::to_string(&value)?)
}

fn check_numbers(value: &Value) -> Result<(), JcsError> {
    // 2⁵³ − 1, the largest of the integers that doubles tell apart. From 10²¹ on ECMAScript writes
    // an exponent, and nobody takes the number for an integer.
    const SAFE: f64 = 9_007_199_254_740_991.0;
    match value {
        Value::Number(number) => match number.as_f64().map(f64::abs) {
            Some(magnitude) if magnitude > SAFE && magnitude < 1e21 => {
                Err(JcsError::Inexact(number.to_string().into()))
            }
            _ => Ok(()),
        },
        Value::Array(array) => array.iter().try_for_each(check_numbers),
        Value::Object(object) => object.values().try_for_each(check_numbers),
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expect: &str) {
        let value: Value = serde_json::from_str(input).unwrap();
        assert_eq!(to_string(&value).unwrap(), expect);
    }

    #[test]
    fn keys_are_sorted_by_utf_16_units() {
        check(
            r#"{"b":1,"a":2,"B":3,"é":4}"#,
            r#"{"B":3,"a":2,"b":1,"é":4}"#,
        );
        // U+1F600 is written with surrogates, which sort before U+FB33.
        check(
            r#"{"\ufb33":1,"\ud83d\ude00":2}"#,
            "{\"\u{1f600}\":2,\"\u{fb33}\":1}",
        );
    }

    #[test]
    fn numbers_are_written_as_ecmascript_does() {
        check(
            "[1.0,1e21,1e-7,0.000001,-0.0,333333333.33333329,9007199254740991]",
            "[1,1e+21,1e-7,0.000001,0,333333333.3333333,9007199254740991]",
        );
    }

    #[test]
    fn texts_keep_their_characters() {
        check(
            r#"["\u20ac$\u000f\nA'B\"\\\\\"/<>&"]"#,
            "[\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/<>&\"]",
        );
    }

    #[test]
    fn an_integer_beyond_a_double_is_refused() {
        for bad in [
            "9007199254740992",
            "-9007199254740992",
            "18446744073709551615",
            "1e18",
        ] {
            let value: Value = serde_json::from_str(bad).unwrap();
            assert!(
                matches!(to_string(&value), Err(JcsError::Inexact(_))),
                "{bad}"
            );
        }
    }
}
