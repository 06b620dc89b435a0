//! Places in a JSON document.

use std::{fmt, str::FromStr};

use super::NotJson;

/// Bytes of the longest place.
const LONGEST: usize = 256;

/// One step into a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// The member of an object.
    Member(&'a str),
    /// The element of an array, from 0.
    Element(usize),
}

/// Why a text is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PlaceError(&'static str);

impl NotJson {
    /// The steps from the top of a document.
    pub fn steps(&self) -> impl Iterator<Item = Step<'_>> {
        let mut rest = &self.text[1..];
        // A text that is a place has only steps.
        std::iter::from_fn(move || {
            let (step, after) = step(rest).ok()?;
            rest = after;
            Some(step)
        })
    }

    /// The place as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for NotJson {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        if text.len() > LONGEST {
            return Err(PlaceError("a place has at most 256 bytes"));
        }
        let mut rest = text
            .strip_prefix('$')
            .ok_or(PlaceError("a place begins with `$`, as in `$.error`"))?;
        if rest.is_empty() {
            return Err(PlaceError(
                "`$` alone is the whole answer, and nothing would ever be served",
            ));
        }
        while !rest.is_empty() {
            rest = step(rest)?.1;
        }
        Ok(Self { text: text.into() })
    }
}

/// The step at the front, and what follows it.
fn step(text: &str) -> Result<(Step<'_>, &str), PlaceError> {
    const WRITE: PlaceError = PlaceError("a step is `.name` or `[0]`, as in `$.errors[0].code`");
    if let Some(rest) = text.strip_prefix('.') {
        let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        return if name.is_empty() {
            Err(WRITE)
        } else {
            Ok((Step::Member(name), rest))
        };
    }
    let (digits, rest) = text
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .ok_or(WRITE)?;
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && digits.len() <= 9;
    match digits.parse() {
        Ok(at) if plain => Ok((Step::Element(at), rest)),
        _ => Err(WRITE),
    }
}

impl fmt::Display for NotJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_its_steps() {
        let place: NotJson = "$.errors[10].code".parse().unwrap();
        let steps: Vec<_> = place.steps().collect();
        let expect = [
            Step::Member("errors"),
            Step::Element(10),
            Step::Member("code"),
        ];
        assert_eq!(steps, expect);
        for bad in [
            "", "error", "$", "$error", "$.", "$..a", "$[*]", "$[-1]", "$[1", "$.a.", "$['a']",
        ] {
            assert!(bad.parse::<NotJson>().is_err(), "{bad}");
        }
    }
}
