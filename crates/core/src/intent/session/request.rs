//! What a session asks for.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Protocol, UnknownProtocol};
use crate::value::{Amount, CurrencyCode, Recipient};

/// The `request` of a challenge whose intent is `session`.
///
/// Its amount is the price of one unit and not of the request; when the challenge ends is said by
/// the challenge alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionRequest {
    /// What one unit costs, in base units.
    pub amount: Amount,
    /// Of what.
    pub currency: CurrencyCode,
    /// To whom.
    pub recipient: Recipient,
    /// What a unit is: `llm_token`, `byte`, `request`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_type: Option<Box<str>>,
    /// How much the seller advises to lock. It binds nobody: a buyer's policy caps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggested_deposit: Option<Amount>,
    /// What only the method understands.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub method_details: Map<String, Value>,
}

impl SessionRequest {
    /// The fields every session has, and no others.
    #[must_use]
    pub fn new(amount: Amount, currency: CurrencyCode, recipient: Recipient) -> Self {
        Self {
            amount,
            currency,
            recipient,
            unit_type: None,
            suggested_deposit: None,
            method_details: Map::new(),
        }
    }

    /// By which protocol the channel is kept. One who says nothing means the first
    /// (section "Protocol Versions").
    ///
    /// # Errors
    /// When it is one that this version does not know: it must not be answered by another.
    pub fn protocol(&self) -> Result<Protocol, UnknownProtocol> {
        match self.method_details.get("sessionProtocol") {
            None => Ok(Protocol::V1),
            Some(Value::String(name)) => name.parse(),
            Some(_) => Err(UnknownProtocol),
        }
    }

    /// The least by which a voucher has to pass the one before it, where the seller says so.
    ///
    /// # Errors
    /// When what is said is no amount.
    pub fn min_voucher_delta(&self) -> Result<Amount, serde_json::Error> {
        self.method_details
            .get("minVoucherDelta")
            .map_or(Ok(Amount::ZERO), Amount::deserialize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(details: &str) -> SessionRequest {
        let json = format!(
            r#"{{"amount":"25","currency":"usd6","recipient":"bob","unitType":"llm_token",
                 "suggestedDeposit":"10000000","methodDetails":{details},"later":1}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn what_the_draft_names_is_read_and_what_it_does_not_is_passed_over() {
        let request = request(r#"{"sessionProtocol":"v2","minVoucherDelta":"5"}"#);
        assert_eq!(request.amount, Amount::new(25));
        assert_eq!(request.suggested_deposit, Some(Amount::new(10_000_000)));
        assert_eq!(request.unit_type.as_deref(), Some("llm_token"));
        assert_eq!(request.min_voucher_delta().unwrap(), Amount::new(5));
        let written = serde_json::to_string(&request).unwrap();
        assert_eq!(
            serde_json::from_str::<SessionRequest>(&written).unwrap(),
            request
        );
        let plain = SessionRequest::new(request.amount, request.currency, request.recipient);
        assert_eq!(
            serde_json::to_string(&plain).unwrap(),
            r#"{"amount":"25","currency":"usd6","recipient":"bob"}"#
        );
    }

    #[test]
    fn the_protocol_is_the_first_where_nothing_is_said_and_none_where_it_is_not_known() {
        assert_eq!(request("{}").protocol(), Ok(Protocol::V1));
        assert_eq!(
            request(r#"{"sessionProtocol":"v2"}"#).protocol(),
            Ok(Protocol::V2)
        );
        for other in [r#""v3""#, r#""V2""#, "2", "null"] {
            let details = format!(r#"{{"sessionProtocol":{other}}}"#);
            assert_eq!(
                request(&details).protocol(),
                Err(UnknownProtocol),
                "{other}"
            );
        }
        assert!(
            request(r#"{"minVoucherDelta":5}"#)
                .min_voucher_delta()
                .is_err()
        );
        assert_eq!(request("{}").min_voucher_delta().unwrap(), Amount::ZERO);
    }
}
