//! The receipt: that a payment was made and settled.

use std::collections::BTreeMap;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::SerializeMap as _,
};
use serde_json::{Map, Value, json};

use crate::{
    bounds,
    encoding::{
        base64url::Base64UrlError,
        json::{self, JsonError},
    },
    value::{MethodId, Reference, TextError, Timestamp, TimestampError},
};

/// A receipt. There is none for a payment that failed, so its `status` is always `success`.
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt {
    method: MethodId,
    timestamp: Timestamp,
    reference: Reference,
    extra: Map<String, Value>,
}

/// Why a text is no receipt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// It is larger than [`bounds::RECEIPT`].
    #[error("the receipt is larger than {} bytes", bounds::RECEIPT)]
    TooLarge,
    /// It is not base64url.
    #[error("the receipt is {0}")]
    Encoding(#[from] Base64UrlError),
    /// It is not UTF-8.
    #[error("the receipt is not UTF-8")]
    Utf8(#[from] std::str::Utf8Error),
    /// It is no JSON object.
    #[error("the receipt is {0}")]
    Json(#[from] JsonError),
    /// A field is missing or no text.
    #[error("the receipt has no {0}")]
    Missing(&'static str),
    /// It speaks of something else than success.
    #[error("the receipt's status is not success")]
    Status,
    /// A name in it breaks its grammar.
    #[error("the receipt has {0}")]
    Name(#[from] TextError),
    /// Its time is none.
    #[error("the receipt's timestamp is {0}")]
    Timestamp(#[from] TimestampError),
}

/// The fields every receipt has.
const OWN: [&str; 4] = ["status", "method", "timestamp", "reference"];

impl Receipt {
    /// A receipt for a payment that the rail confirmed.
    #[must_use]
    pub fn new(method: MethodId, timestamp: Timestamp, reference: Reference) -> Self {
        Self {
            method,
            timestamp,
            reference,
            extra: Map::new(),
        }
    }

    /// Adds fields beyond those of every receipt, such as `challengeId` or `amount`. The names of
    /// its own fields are passed over: details of a method cannot change what the receipt says.
    #[must_use]
    pub fn with_extra(mut self, fields: impl IntoIterator<Item = (String, Value)>) -> Self {
        let foreign = fields
            .into_iter()
            .filter(|(name, _)| !OWN.contains(&&**name));
        self.extra.extend(foreign);
        self
    }

    /// The method that was paid by.
    #[must_use]
    pub const fn method(&self) -> &MethodId {
        &self.method
    }

    /// When it was settled.
    #[must_use]
    pub const fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// What the rail calls it.
    #[must_use]
    pub const fn reference(&self) -> &Reference {
        &self.reference
    }

    /// The fields beyond those of every receipt, unknown ones included.
    #[must_use]
    pub const fn extra(&self) -> &Map<String, Value> {
        &self.extra
    }

    /// Reads its JSON.
    ///
    /// # Errors
    /// When it is no JSON object, lacks a field, or has one that breaks its grammar.
    pub fn from_json(json: &str) -> Result<Self, ReceiptError> {
        Self::from_fields(json::parse_object(json)?)
    }

    fn from_fields(mut fields: Map<String, Value>) -> Result<Self, ReceiptError> {
        let mut take = |name: &'static str| match fields.remove(name) {
            Some(Value::String(text)) => Ok(text),
            _ => Err(ReceiptError::Missing(name)),
        };
        if take("status")? != "success" {
            return Err(ReceiptError::Status);
        }
        Ok(Self {
            method: MethodId::new(take("method")?)?,
            timestamp: take("timestamp")?.parse()?,
            reference: Reference::new(take("reference")?)?,
            extra: fields,
        })
    }

    /// Writes its JSON, with the names in order.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a map of JSON values is JSON")
    }
}

impl Serialize for Receipt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.extra.is_empty() {
            // Most receipts say no more than this, and every paid answer carries one.
            let mut fields = serializer.serialize_map(Some(OWN.len()))?;
            fields.serialize_entry("method", &self.method)?;
            fields.serialize_entry("reference", &self.reference)?;
            fields.serialize_entry("status", "success")?;
            fields.serialize_entry("timestamp", &self.timestamp)?;
            return fields.end();
        }
        let own = [
            json!("success"),
            json!(self.method),
            json!(self.timestamp),
            json!(self.reference),
        ];
        let extra = self
            .extra
            .iter()
            .map(|(name, value)| (name.as_str(), value));
        let fields: BTreeMap<&str, &Value> = OWN.into_iter().zip(&own).chain(extra).collect();
        fields.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Receipt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_fields(Map::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
