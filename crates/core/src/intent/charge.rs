//! The charge intent: one payment for one request (`draft-payment-intent-charge-00`).

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::value::{Amount, CurrencyCode, IntentId, Recipient};

/// The intent's identifier.
pub const CHARGE: &str = "charge";

/// The identifier as a value.
#[must_use]
pub fn id() -> IntentId {
    static ID: LazyLock<IntentId> =
        LazyLock::new(|| IntentId::new(CHARGE).expect("the identifier of charge is well formed"));
    ID.clone()
}

/// What a charge asks for: the `request` of a challenge whose intent is `charge`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChargeRequest {
    /// How much, in base units.
    pub amount: Amount,
    /// Of what.
    pub currency: CurrencyCode,
    /// To whom, in the method's own form. Some methods name nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<Recipient>,
    /// For people; nothing is decided by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Box<str>>,
    /// The seller's own reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<Box<str>>,
    /// What only the method understands.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub method_details: Map<String, Value>,
}

impl ChargeRequest {
    /// The fields every charge has, and no others.
    #[must_use]
    pub fn new(amount: Amount, currency: CurrencyCode, recipient: Option<Recipient>) -> Self {
        Self {
            amount,
            currency,
            recipient,
            description: None,
            external_id: None,
            method_details: Map::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_options_are_not_written() {
        let request = ChargeRequest::new(
            Amount::new(2000),
            CurrencyCode::new("usd6").unwrap(),
            Some(Recipient::new("did:key:z6Mk").unwrap()),
        );
        let json = serde_json::to_string(&request).unwrap();
        assert_eq!(
            json,
            r#"{"amount":"2000","currency":"usd6","recipient":"did:key:z6Mk"}"#
        );
        assert_eq!(
            serde_json::from_str::<ChargeRequest>(&json).unwrap(),
            request
        );
    }

    #[test]
    fn an_amount_is_a_string_of_digits() {
        for amount in ["2000", r#""-1""#, r#""1.5""#, "null"] {
            let json = format!(r#"{{"amount":{amount},"currency":"usd"}}"#);
            assert!(
                serde_json::from_str::<ChargeRequest>(&json).is_err(),
                "{json}"
            );
        }
    }
}
