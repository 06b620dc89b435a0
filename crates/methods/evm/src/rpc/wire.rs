//! The envelope: several questions in one exchange, and their answers by their ids.

use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::{Value, json, value::RawValue};

/// A question without the type of its answer.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(super) method: &'static str,
    pub(super) params: Value,
}

/// What was answered to one question.
pub(crate) type Answer = Result<Box<RawValue>, WireError>;

/// The error of an answer.
#[derive(Debug, Deserialize)]
pub(crate) struct WireError {
    #[serde(default)]
    pub(super) code: i64,
    #[serde(default)]
    pub(super) message: String,
    #[serde(default)]
    pub(super) data: Option<Value>,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    id: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    result: Option<Box<RawValue>>,
    #[serde(default)]
    error: Option<WireError>,
}

/// `null` is an answer; a member that is missing is none.
fn present<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(reader).map(Some)
}

/// The body of an exchange. Ids count from 1.
pub(super) fn body(questions: &[Question]) -> Vec<u8> {
    let one = |(at, question): (usize, &Question)| {
        json!({
            "jsonrpc": "2.0",
            "id": at + 1,
            "method": question.method,
            "params": question.params,
        })
    };
    let mut all: Vec<Value> = questions.iter().enumerate().map(one).collect();
    let body = match all.len() {
        1 => all.remove(0),
        _ => Value::Array(all),
    };
    body.to_string().into_bytes()
}

/// Why a body is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Garbage {
    #[error("it is no JSON of the form of an answer")]
    Form(#[source] serde_json::Error),
    #[error("it answers something else than was asked")]
    Ids,
    #[error("an answer has neither a result nor an error, or both")]
    Neither,
}

/// Reads the answers, in the order of the questions.
pub(super) fn read(body: &[u8], asked: usize) -> Result<Vec<Answer>, Garbage> {
    let several = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let envelopes: Vec<Envelope> = if several {
        serde_json::from_slice(body).map_err(Garbage::Form)?
    } else {
        vec![serde_json::from_slice(body).map_err(Garbage::Form)?]
    };
    // A node that refuses a whole batch answers once, without an id.
    if !several && asked > 1 {
        return Err(Garbage::Ids);
    }
    if envelopes.len() != asked {
        return Err(Garbage::Ids);
    }
    let mut answers: Vec<Option<Answer>> = (0..asked).map(|_| None).collect();
    for envelope in envelopes {
        let number = envelope.id.as_ref().and_then(Value::as_u64);
        let number = match number {
            Some(number) => number,
            // An error about a question that could not be read has no id.
            None if asked == 1 && envelope.error.is_some() => 1,
            None => return Err(Garbage::Ids),
        };
        let place = usize::try_from(number)
            .ok()
            .and_then(|number| answers.get_mut(number.checked_sub(1)?))
            .filter(|place| place.is_none())
            .ok_or(Garbage::Ids)?;
        *place = Some(match (envelope.result, envelope.error) {
            (Some(result), None) => Ok(result),
            (None, Some(error)) => Err(error),
            // Some write both, one of them `null`.
            (Some(result), Some(error)) if is_null(&result) => Err(error),
            _ => return Err(Garbage::Neither),
        });
    }
    answers
        .into_iter()
        .map(|answer| answer.ok_or(Garbage::Ids))
        .collect()
}

fn is_null(result: &RawValue) -> bool {
    result.get() == "null"
}

/// Whether a body is JSON-RPC at all: some nodes send their errors with a status of HTTP.
pub(super) fn is_answer(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Marked {
        #[serde(rename = "jsonrpc")]
        _mark: IgnoredAny,
    }
    serde_json::from_slice::<Marked>(body).is_ok()
        || serde_json::from_slice::<Vec<Marked>>(body).is_ok_and(|all| !all.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_matched_by_their_ids() {
        let body = br#" [{"id":2,"result":null},{"id":1,"error":{"code":3,"message":"no"}}]"#;
        let answers = read(body, 2).unwrap();
        assert_eq!(answers[0].as_ref().unwrap_err().code, 3);
        assert_eq!(answers[1].as_ref().unwrap().get(), "null");
        let one = read(br#"{"id":1,"result":"0x1","error":null}"#, 1).unwrap();
        assert_eq!(one[0].as_ref().unwrap().get(), r#""0x1""#);
    }

    #[test]
    fn what_answers_something_else_is_garbage() {
        let bad: [(&str, usize); 12] = [
            ("", 1),
            ("<html>", 1),
            ("{}", 1),
            (r#"{"id":1}"#, 1),
            (r#"{"id":2,"result":1}"#, 1),
            (r#"{"id":0,"result":1}"#, 1),
            (r#"{"id":"1","result":1}"#, 1),
            (r#"{"id":1,"result":1,"error":{"code":1}}"#, 1),
            (r#"[{"id":1,"result":1},{"id":1,"result":2}]"#, 2),
            (r#"[{"id":1,"result":1}]"#, 2),
            (r#"{"id":null,"error":{"code":-32600}}"#, 2),
            ("[]", 1),
        ];
        for (body, asked) in bad {
            assert!(read(body.as_bytes(), asked).is_err(), "{body}");
        }
        let deep = format!(r#"{{"id":1,"result":{}"#, "[".repeat(100_000));
        assert!(read(deep.as_bytes(), 1).is_err());
    }
}
