//! `x-payment-info`: what an operation costs.

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value};

use super::read::{InfoError, Members};
use crate::{
    bounds,
    value::{Amount, CurrencyCode, IntentId, MethodId},
};

/// The ways to pay for an operation; there is at least one.
///
/// Two forms are read, a list of offers and the fields of a single one, and they mean the same.
/// The list is what is written.
#[derive(Clone, Debug, PartialEq)]
pub struct PaymentInfo {
    offers: Vec<Offer>,
    /// Members beside the list that the draft does not know. Its schema allows none.
    pub extra: Map<String, Value>,
}

/// One way to pay, told beforehand. It only informs: what binds is the challenge.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Offer {
    /// The kind of payment.
    pub intent: IntentId,
    /// The method.
    pub method: MethodId,
    /// How much, in base units; nothing where it depends on the request.
    pub amount: Option<Amount>,
    /// Of what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<CurrencyCode>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Box<str>>,
    /// Members that the draft does not know. Its schema allows none.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

const NAME: &str = "x-payment-info";

/// The fields of a single offer, which must not stand beside a list.
const FIELDS: [&str; 5] = ["intent", "method", "amount", "currency", "description"];

impl PaymentInfo {
    /// The ways to pay, the seller's favourite first.
    ///
    /// # Errors
    /// When there is none, or more than [`bounds::OFFERS`].
    pub fn new(offers: Vec<Offer>) -> Result<Self, InfoError> {
        let at = || format!("{NAME}.offers").into();
        match offers.len() {
            0 => Err(InfoError::Empty { at: at() }),
            many if many > bounds::OFFERS => Err(InfoError::TooMany {
                at: at(),
                most: bounds::OFFERS,
            }),
            _ => Ok(Self {
                offers,
                extra: Map::new(),
            }),
        }
    }

    /// Reads either form.
    ///
    /// # Errors
    /// When it is neither, or an offer in it lacks what it needs.
    pub fn from_json(value: &Value) -> Result<Self, InfoError> {
        let mut members = Members::of(NAME, value)?;
        let Some(offers) = members.take("offers") else {
            return Self::new(vec![Offer::from_json(NAME, value)?]);
        };
        let Value::Array(offers) = offers else {
            return Err(InfoError::shape(members.place("offers"), "an array"));
        };
        if offers.len() > bounds::OFFERS {
            return Err(InfoError::TooMany {
                at: members.place("offers"),
                most: bounds::OFFERS,
            });
        }
        let extra = members.rest();
        if let Some(field) = FIELDS.into_iter().find(|name| extra.contains_key(*name)) {
            return Err(InfoError::Mixed {
                at: NAME.into(),
                field,
            });
        }
        let read = |(index, offer)| Offer::from_json(&format!("{NAME}.offers[{index}]"), offer);
        let offers: Result<_, _> = offers.iter().enumerate().map(read).collect();
        Ok(Self {
            extra,
            ..Self::new(offers?)?
        })
    }

    /// The ways to pay, the seller's favourite first.
    #[must_use]
    pub fn offers(&self) -> &[Offer] {
        &self.offers
    }
}

impl Offer {
    fn from_json(at: &str, value: &Value) -> Result<Self, InfoError> {
        let mut members = Members::of(at, value)?;
        Ok(Self {
            intent: members.require_parsed("intent")?,
            method: members.require_parsed("method")?,
            amount: amount(&mut members)?,
            currency: members.parse("currency")?,
            description: members.text("description")?.map(Into::into),
            extra: members.rest(),
        })
    }
}

/// An amount that has to be said, if only as `null`: a price that was forgotten is no dynamic one.
fn amount(members: &mut Members) -> Result<Option<Amount>, InfoError> {
    let at = members.place("amount");
    match members.require("amount")? {
        Value::Null => Ok(None),
        Value::String(text) => match text.parse() {
            Ok(amount) => Ok(Some(amount)),
            Err(source) => Err(InfoError::Amount { at, source }),
        },
        _ => Err(InfoError::shape(at, "a string of digits or null")),
    }
}

impl Serialize for PaymentInfo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("offers", &self.offers)?;
        for (name, value) in &self.extra {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(value: &Value, expect: &str) {
        let said = match PaymentInfo::from_json(value) {
            Ok(info) => serde_json::to_string(&info).unwrap(),
            Err(error) => error.to_string(),
        };
        assert_eq!(said, expect, "{value}");
    }

    #[test]
    fn both_forms_mean_the_same() {
        let single = json!({"intent": "charge", "method": "abacus", "amount": null});
        let list = r#"{"offers":[{"intent":"charge","method":"abacus","amount":null}]}"#;
        check(&single, list);
        check(&json!({"offers": [single]}), list);
    }

    #[test]
    fn an_amount_is_said_strictly_or_as_null() {
        let of = |amount: Value| json!({"intent": "charge", "method": "abacus", "amount": amount});
        for good in ["0", "1", "340282366920938463463374607431768211455"] {
            assert!(PaymentInfo::from_json(&of(json!(good))).is_ok(), "{good}");
        }
        for bad in ["", "01", "-1", "1.5", "1e3", "$1", " 1", "0x1"] {
            check(&of(json!(bad)), "x-payment-info.amount is no amount");
        }
        check(
            &of(json!(5)),
            "x-payment-info.amount is not a string of digits or null",
        );
        check(
            &json!({"intent": "charge", "method": "abacus"}),
            "x-payment-info.amount is missing",
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let offer = json!({"intent": "charge", "method": "abacus", "amount": "1"});
        check(&json!([]), "x-payment-info is not an object");
        check(&json!({}), "x-payment-info.intent is missing");
        check(&json!({"offers": []}), "x-payment-info.offers is empty");
        check(
            &json!({"offers": {}}),
            "x-payment-info.offers is not an array",
        );
        check(
            &json!({"offers": [offer, {"intent": "charge", "method": "A!", "amount": "1"}]}),
            "x-payment-info.offers[1].method cannot be read",
        );
        check(
            &json!({"offers": [offer, 7]}),
            "x-payment-info.offers[1] is not an object",
        );
        check(
            &json!({"offers": vec![offer.clone(); bounds::OFFERS + 1]}),
            "x-payment-info.offers has more than 32 elements",
        );
        check(
            &json!({"offers": [offer], "amount": "1"}),
            "x-payment-info has offers and, beside them, the field \"amount\" of a single one",
        );
    }

    #[test]
    fn what_the_draft_does_not_know_is_kept() {
        let info = PaymentInfo::from_json(&json!({
            "note": 1,
            "offers": [{"intent": "charge", "method": "abacus", "amount": "1", "more": [2]}],
        }))
        .unwrap();
        assert_eq!(info.extra["note"], 1);
        assert_eq!(info.offers()[0].extra["more"], json!([2]));
    }
}
