//! The receipt of a session: what was authorized and spent after the request it came with.

use std::str::FromStr;

use serde::Serialize;
use serde_json::Value;

use crate::{
    intent::session::{ChannelId, SESSION},
    noun::{Receipt, ReceiptError},
    value::{Amount, ChallengeId, MethodId, Reference, TextError, Timestamp},
};

/// A receipt of a request that a channel paid for, or of something done to the channel.
///
/// It is on every paid answer, so it is written without the [`Receipt`] that it is one of; whoever
/// keeps it reads it as that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionReceipt {
    /// The method whose rail the channel is on.
    pub method: MethodId,
    /// When it was made.
    pub at: Timestamp,
    /// The challenge that was answered.
    pub challenge: ChallengeId,
    /// The channel. It is also what the receipt has for a reference.
    pub channel: ChannelId,
    /// What vouchers said.
    pub accepted: Amount,
    /// What was charged, with this request.
    pub spent: Amount,
    /// What this request used.
    pub units: Option<u64>,
    /// The rail's transaction, where one was sent.
    pub transaction: Option<Reference>,
}

/// As it is written: the names in order, as every receipt has them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    accepted_cumulative: Amount,
    challenge_id: &'a ChallengeId,
    channel_id: &'a ChannelId,
    intent: &'static str,
    method: &'a MethodId,
    reference: &'a ChannelId,
    spent: Amount,
    status: &'static str,
    timestamp: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    tx_hash: Option<&'a Reference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    units: Option<u64>,
}

impl SessionReceipt {
    /// Writes its JSON: what [`SessionReceipt::to_receipt`] would write.
    #[must_use]
    pub fn to_json(&self) -> String {
        let wire = Wire {
            accepted_cumulative: self.accepted,
            challenge_id: &self.challenge,
            channel_id: &self.channel,
            intent: SESSION,
            method: &self.method,
            reference: &self.channel,
            spent: self.spent,
            status: "success",
            timestamp: self.at,
            tx_hash: self.transaction.as_ref(),
            units: self.units,
        };
        serde_json::to_string(&wire).expect("texts and numbers are JSON")
    }

    /// The receipt that it is.
    #[must_use]
    pub fn to_receipt(&self) -> Receipt {
        let reference = Reference::new(self.channel.as_str())
            .expect("a channel's id is visible ASCII and shorter than a reference may be");
        let text = |text: &str| Some(Value::from(text));
        let amount = |amount: Amount| Some(Value::from(amount.units().to_string()));
        let fields = [
            ("acceptedCumulative", amount(self.accepted)),
            ("challengeId", text(self.challenge.as_str())),
            ("channelId", text(self.channel.as_str())),
            ("intent", text(SESSION)),
            ("spent", amount(self.spent)),
            (
                "txHash",
                self.transaction.as_ref().and_then(|it| text(it.as_str())),
            ),
            ("units", self.units.map(Value::from)),
        ];
        let said = fields
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Receipt::new(self.method.clone(), self.at, reference).with_extra(said)
    }

    /// Reads a receipt as one of a session.
    ///
    /// # Errors
    /// When it is of another intent, or lacks what a session's has.
    pub fn read(receipt: &Receipt) -> Result<Self, ReceiptError> {
        if optional(receipt, "intent")?.as_deref() != Some(SESSION) {
            return Err(ReceiptError::Missing("intent of a session"));
        }
        let units = match receipt.extra().get("units") {
            None => None,
            Some(units) => Some(units.as_u64().ok_or(ReceiptError::Missing("units"))?),
        };
        Ok(Self {
            method: receipt.method().clone(),
            at: receipt.timestamp(),
            challenge: named(receipt, "challengeId")?,
            channel: named(receipt, "channelId")?,
            accepted: amount(receipt, "acceptedCumulative")?,
            spent: amount(receipt, "spent")?,
            units,
            transaction: optional(receipt, "txHash")?
                .map(Reference::new)
                .transpose()?,
        })
    }
}

fn text<'a>(receipt: &'a Receipt, name: &'static str) -> Result<&'a str, ReceiptError> {
    let value = receipt.extra().get(name).and_then(Value::as_str);
    value.ok_or(ReceiptError::Missing(name))
}

fn optional(receipt: &Receipt, name: &'static str) -> Result<Option<String>, ReceiptError> {
    match receipt.extra().get(name) {
        None => Ok(None),
        Some(_) => text(receipt, name).map(|text| Some(text.to_owned())),
    }
}

fn named<T: FromStr<Err = TextError>>(
    receipt: &Receipt,
    name: &'static str,
) -> Result<T, ReceiptError> {
    Ok(text(receipt, name)?.parse()?)
}

fn amount(receipt: &Receipt, name: &'static str) -> Result<Amount, ReceiptError> {
    text(receipt, name)?
        .parse()
        .map_err(|_| ReceiptError::Missing(name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn receipt() -> SessionReceipt {
        SessionReceipt {
            method: "ledger".parse().unwrap(),
            at: Timestamp::from_secs(1_800_000_000),
            challenge: "c1".parse().unwrap(),
            channel: "0x6d0f".parse().unwrap(),
            accepted: Amount::new(250_000),
            spent: Amount::new(237_500),
            units: None,
            transaction: None,
        }
    }

    #[test]
    fn it_is_written_as_the_receipt_it_is() {
        let plain = receipt();
        let full = SessionReceipt {
            units: Some(u64::MAX),
            transaction: Some("0x1a".parse().unwrap()),
            accepted: Amount::new(u128::MAX),
            ..receipt()
        };
        for receipt in [plain, full] {
            let written = receipt.to_receipt();
            assert_eq!(receipt.to_json(), written.to_json());
            assert_eq!(SessionReceipt::read(&written).unwrap(), receipt);
        }
        let longest = "a".repeat(crate::bounds::CHANNEL_ID);
        let long = SessionReceipt {
            channel: longest.parse().unwrap(),
            ..receipt()
        };
        assert_eq!(long.to_receipt().reference().as_str(), longest);
    }

    #[test]
    fn what_lacks_a_field_or_is_of_another_intent_is_none() {
        let full = json!(receipt().to_receipt());
        for (name, value) in [
            ("intent", json!("charge")),
            ("intent", Value::Null),
            ("channelId", json!("")),
            ("challengeId", json!(7)),
            ("spent", json!(7)),
            ("spent", json!("-7")),
            ("acceptedCumulative", Value::Null),
            ("units", json!(-1)),
            ("txHash", json!(7)),
        ] {
            let mut broken = full.clone();
            broken[name] = value;
            let receipt = Receipt::from_json(&broken.to_string()).unwrap();
            let read = SessionReceipt::read(&receipt);
            assert!(read.is_err(), "{name}: {read:?}");
        }
    }
}
