//! A problem's JSON.

use std::{borrow::Cow, time::Duration};

use serde::{Serialize, Serializer, de::DeserializeOwned, ser::SerializeMap};
use serde_json::{Map, Value};

use super::{Offer, Problem, ProblemKind};
use crate::{
    bounds,
    encoding::json::{self, JsonError},
    payment::Moved,
};

/// Why a body is no problem.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProblemError {
    /// It is larger than [`bounds::PROBLEM`].
    #[error("the problem is larger than {} bytes", bounds::PROBLEM)]
    TooLarge,
    /// It is not UTF-8.
    #[error("the problem is not UTF-8")]
    Utf8(#[from] std::str::Utf8Error),
    /// It is no JSON object.
    #[error("the problem is {0}")]
    Json(#[from] JsonError),
}

impl Problem {
    /// Writes it as `application/problem+json`.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a problem is made of texts, numbers and JSON")
    }

    /// Reads a body that came with an HTTP status. The status of the response counts, not the one
    /// the body repeats (RFC 9457, section 3.1.2).
    ///
    /// A member of the wrong shape is kept with the unknown ones and read as absent, for it must
    /// not hide the others.
    ///
    /// # Errors
    /// When it is too large or no JSON object.
    pub fn parse(body: &[u8], status: u16) -> Result<Self, ProblemError> {
        if body.len() > bounds::PROBLEM {
            return Err(ProblemError::TooLarge);
        }
        let mut members = json::parse_object(std::str::from_utf8(body)?)?;
        let uri = text(&mut members, "type").unwrap_or(Cow::Borrowed("about:blank"));
        let title = text(&mut members, "title").unwrap_or_default();
        for name in ["type", "title", "status"] {
            members.remove(name);
        }
        let mut problem = Self {
            kind: ProblemKind::from_uri(&uri),
            ..Self::foreign(uri, title, status)
        };
        problem.detail = text(&mut members, "detail");
        problem.challenge = take(&mut members, "challengeId");
        problem.moved = moved(&mut members);
        problem.reference = take(&mut members, "reference");
        problem.awaits = take(&mut members, "awaits");
        problem.owed_until = take(&mut members, "owedUntil");
        problem.offers = offers(&mut members);
        problem.retry_after = take(&mut members, "retryAfter").map(Duration::from_secs);
        problem.required_top_up = take(&mut members, "requiredTopUp");
        problem.channel = take(&mut members, "channelId");
        problem.extra = members;
        Ok(problem)
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &self.uri)?;
        map.serialize_entry("title", &self.title)?;
        map.serialize_entry("status", &self.status)?;
        entry(&mut map, "detail", self.detail.as_ref())?;
        entry(&mut map, "challengeId", self.challenge.as_ref())?;
        let moved = self.moved.map(|moved| match moved {
            Moved::No => Some(false),
            Moved::Yes => Some(true),
            Moved::Unknown => None,
        });
        entry(&mut map, "moneyMoved", moved.as_ref())?;
        entry(&mut map, "reference", self.reference.as_ref())?;
        entry(&mut map, "awaits", self.awaits.as_ref())?;
        entry(&mut map, "owedUntil", self.owed_until.as_ref())?;
        if let Some(first) = self.offers.first() {
            entry(&mut map, "amount", first.amount.as_ref())?;
            entry(&mut map, "currency", first.currency.as_ref())?;
            entry(&mut map, "recipient", first.recipient.as_ref())?;
            map.serialize_entry("offers", &self.offers)?;
        }
        entry(&mut map, "retryAfter", self.retry_after_secs().as_ref())?;
        entry(&mut map, "requiredTopUp", self.required_top_up.as_ref())?;
        entry(&mut map, "channelId", self.channel.as_ref())?;
        for (name, value) in &self.extra {
            if !self.says(name) {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()
    }
}

impl Problem {
    /// Whether a member is already written, so that an unknown one of its name is left out.
    fn says(&self, name: &str) -> bool {
        let first = self.offers.first();
        match name {
            "type" | "title" | "status" => true,
            "detail" => self.detail.is_some(),
            "challengeId" => self.challenge.is_some(),
            "moneyMoved" => self.moved.is_some(),
            "reference" => self.reference.is_some(),
            "awaits" => self.awaits.is_some(),
            "owedUntil" => self.owed_until.is_some(),
            "offers" => first.is_some(),
            "amount" => first.is_some_and(|offer| offer.amount.is_some()),
            "currency" => first.is_some_and(|offer| offer.currency.is_some()),
            "recipient" => first.is_some_and(|offer| offer.recipient.is_some()),
            "retryAfter" => self.retry_after.is_some(),
            "requiredTopUp" => self.required_top_up.is_some(),
            "channelId" => self.channel.is_some(),
            _ => false,
        }
    }
}

fn entry<M: SerializeMap>(
    map: &mut M,
    name: &'static str,
    value: Option<&impl Serialize>,
) -> Result<(), M::Error> {
    match value {
        Some(value) => map.serialize_entry(name, value),
        None => Ok(()),
    }
}

fn text(members: &mut Map<String, Value>, name: &str) -> Option<Cow<'static, str>> {
    take::<String>(members, name).map(Cow::Owned)
}

/// Takes a member out where it has the right shape.
fn take<T: DeserializeOwned>(members: &mut Map<String, Value>, name: &str) -> Option<T> {
    let value = T::deserialize(members.get(name)?).ok()?;
    members.remove(name);
    Some(value)
}

fn moved(members: &mut Map<String, Value>) -> Option<Moved> {
    take::<Option<bool>>(members, "moneyMoved").map(|moved| match moved {
        Some(true) => Moved::Yes,
        Some(false) => Moved::No,
        None => Moved::Unknown,
    })
}

/// Takes the offers out, and with them the price beside the list: what the first offer says itself
/// counts.
fn offers(members: &mut Map<String, Value>) -> Vec<Offer> {
    let mut offers: Vec<Offer> = take(members, "offers").unwrap_or_default();
    offers.truncate(bounds::OFFERS);
    if let Some(first) = offers.first() {
        let said = [
            ("amount", first.amount.is_some()),
            ("currency", first.currency.is_some()),
            ("recipient", first.recipient.is_some()),
        ];
        for (name, _) in said.into_iter().filter(|(_, said)| *said) {
            members.remove(name);
        }
    }
    offers
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(body: &Value) -> Problem {
        Problem::parse(body.to_string().as_bytes(), 402).unwrap()
    }

    #[test]
    fn unknown_types_and_members_are_kept() {
        let body = json!({
            "type": "https://example.com/odd",
            "title": "Odd",
            "status": 402,
            "colour": ["blue"],
            "owedUntil": "not a time",
        });
        let problem = parse(&body);
        assert_eq!((problem.kind(), problem.owed_until), (None, None));
        assert_eq!(serde_json::to_value(&problem).unwrap(), body);
    }

    #[test]
    fn the_status_of_the_response_counts() {
        let problem = Problem::parse(br#"{"status":200}"#, 503).unwrap();
        assert_eq!((problem.status(), problem.uri()), (503, "about:blank"));
    }

    #[test]
    fn money_may_have_moved_or_not_or_nobody_knows() {
        for (moved, json) in [
            (Some(Moved::Yes), json!(true)),
            (Some(Moved::No), json!(false)),
            (Some(Moved::Unknown), json!(null)),
        ] {
            let problem = parse(&json!({ "moneyMoved": json }));
            assert_eq!(problem.moved, moved);
            assert_eq!(serde_json::to_value(&problem).unwrap()["moneyMoved"], json);
        }
        assert_eq!(parse(&json!({})).moved, None);
        assert!(!parse(&json!({})).to_json().contains("moneyMoved"));
    }

    #[test]
    fn a_price_beside_the_list_is_kept_where_the_first_offer_says_none() {
        let body = json!({
            "type": "about:blank",
            "title": "",
            "status": 402,
            "amount": "7",
            "offers": [{ "method": "ledger", "intent": "charge", "currency": "usd6" }],
        });
        let problem = parse(&body);
        assert_eq!(problem.extra["amount"], "7");
        assert_eq!(parse(&serde_json::to_value(&problem).unwrap()), problem);
    }

    #[test]
    fn is_bounded() {
        let body = vec![b' '; bounds::PROBLEM + 1];
        assert!(matches!(
            Problem::parse(&body, 402),
            Err(ProblemError::TooLarge)
        ));
    }
}
