//! What a server tells of a channel, so that its payer can go on with it without having kept
//! anything.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Map, Value};

use crate::{
    bounds,
    encoding::{
        base64url::{self, Base64UrlError},
        json::{self, JsonError},
    },
    intent::session::{Channel, ChannelId, Standing},
    value::{Amount, Timestamp},
};

/// A channel as its server sees it: `methodDetails.sessionSnapshot` of a challenge, and the header
/// [`PAYMENT_SESSION_SNAPSHOT`](crate::header::PAYMENT_SESSION_SNAPSHOT).
///
/// It is a claim of the server and no more. A client derives the channel's id from the details
/// itself, and signs nothing above what it kept on the word of a snapshot alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// What vouchers said.
    #[serde(rename = "acceptedCumulative")]
    pub accepted: Amount,
    /// Which channel.
    #[serde(rename = "channelId")]
    pub channel: ChannelId,
    /// When its payer asked for its end, if that stands.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "write_seconds",
        deserialize_with = "read_seconds"
    )]
    pub close_requested_at: Option<Timestamp>,
    /// What is locked in it.
    pub deposit: Amount,
    /// What a voucher has to say at the least for the request that was answered.
    #[serde(rename = "requiredCumulative")]
    pub required: Amount,
    /// What was paid out of it.
    pub settled: Amount,
    /// What was charged.
    pub spent: Amount,
    /// What was delivered, where the server counts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<u64>,
    #[serde(flatten)]
    details: Map<String, Value>,
}

/// Why a text is no snapshot.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// It is larger than [`bounds::SNAPSHOT`].
    #[error("the snapshot is larger than {} bytes", bounds::SNAPSHOT)]
    TooLarge,
    /// It is not base64url.
    #[error("the snapshot is {0}")]
    Encoding(#[from] Base64UrlError),
    /// It is not UTF-8.
    #[error("the snapshot is not UTF-8")]
    Utf8(#[from] std::str::Utf8Error),
    /// It is no JSON object.
    #[error("the snapshot is {0}")]
    Json(#[from] JsonError),
    /// A field is missing, or is not what it should be.
    #[error("the snapshot does not say what a channel is")]
    Fields(#[source] serde_json::Error),
}

/// The fields every snapshot has.
const OWN: [&str; 8] = [
    "acceptedCumulative",
    "channelId",
    "closeRequestedAt",
    "deposit",
    "requiredCumulative",
    "settled",
    "spent",
    "units",
];

impl Snapshot {
    /// What is told of a channel to one whose request costs `price`.
    #[must_use]
    pub fn new(id: ChannelId, channel: &Channel, price: Amount) -> Self {
        let is = channel.balance();
        let lacks = price.checked_sub(is.available()).unwrap_or_default();
        Self {
            accepted: is.accepted,
            channel: id,
            close_requested_at: match channel.standing() {
                Standing::CloseRequested(at) => Some(at),
                _ => None,
            },
            deposit: is.deposit,
            required: is.accepted.checked_add(lacks).unwrap_or(is.accepted),
            settled: is.settled,
            spent: is.spent,
            units: None,
            details: Map::new(),
        }
    }

    /// Adds what only the method understands: on Tempo `chainId`, `escrow` and `descriptor`. The names
    /// of a snapshot's own fields are passed over.
    #[must_use]
    pub fn with_details(mut self, details: impl IntoIterator<Item = (String, Value)>) -> Self {
        let foreign = details.into_iter();
        let foreign = foreign.filter(|(name, _)| !OWN.contains(&&**name));
        self.details.extend(foreign);
        self
    }

    /// What only the method understands, and fields that this version does not know.
    #[must_use]
    pub const fn details(&self) -> &Map<String, Value> {
        &self.details
    }

    /// As it stands in a challenge's method details.
    #[must_use]
    pub fn to_value(&self) -> Value {
        serde_json::to_value(self).expect("texts and JSON are JSON")
    }

    /// Reads one out of a challenge's method details.
    ///
    /// # Errors
    /// When it lacks a field, or has one that is not what it should be.
    pub fn from_value(value: &Value) -> Result<Self, SnapshotError> {
        Self::deserialize(value).map_err(SnapshotError::Fields)
    }

    /// Writes it as a header has it.
    #[must_use]
    pub fn to_header_text(&self) -> String {
        base64url::encode(serde_json::to_string(self).expect("texts and JSON are JSON"))
    }

    /// Reads it as a header has it.
    ///
    /// # Errors
    /// When it is too large, not base64url, or no snapshot.
    pub fn from_header_text(text: impl AsRef<[u8]>) -> Result<Self, SnapshotError> {
        let text = text.as_ref().trim_ascii();
        if text.len() > bounds::SNAPSHOT {
            return Err(SnapshotError::TooLarge);
        }
        let json = base64url::decode(text)?;
        let fields = json::parse_object(std::str::from_utf8(&json)?)?;
        Self::from_value(&fields.into())
    }
}

/// The draft writes the time as seconds in a text.
fn write_seconds<S: Serializer>(at: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
    let seconds = at.unwrap_or(Timestamp::EPOCH).as_secs();
    to.collect_str(&seconds)
}

/// Nothing and zero both mean that the payer did not ask.
fn read_seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<Box<str>>::deserialize(from)? else {
        return Ok(None);
    };
    let seconds: u64 = text.parse().map_err(D::Error::custom)?;
    let seconds = seconds.min(u64::MAX / 1000);
    Ok((seconds > 0).then(|| Timestamp::from_secs(seconds)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::intent::session::{OnChain, Protocol, Seen};

    fn snapshot() -> Snapshot {
        let state = OnChain::open(Amount::new(100));
        let channel = Channel::open(Protocol::V2, Seen { block: 1, state }).unwrap();
        let details = json!({ "chainId": 4217, "descriptor": { "salt": "0x1" }, "spent": "9" });
        Snapshot::new("0x6d0f".parse().unwrap(), &channel, Amount::new(7))
            .with_details(details.as_object().unwrap().clone())
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let mut snapshot = snapshot();
        assert_eq!(
            (snapshot.required, snapshot.spent.units()),
            (Amount::new(7), 0)
        );
        assert_eq!(snapshot.details().len(), 2, "details change nothing");
        snapshot.units = Some(3);
        snapshot.close_requested_at = Some(Timestamp::from_secs(1_800_000_000));
        assert_eq!(snapshot.to_value()["closeRequestedAt"], "1800000000");
        let text = snapshot.to_header_text();
        assert_eq!(Snapshot::from_header_text(&text).unwrap(), snapshot);
        assert_eq!(
            Snapshot::from_value(&snapshot.to_value()).unwrap(),
            snapshot
        );
    }

    #[test]
    fn what_is_no_snapshot_is_refused() {
        let check = |name: &str, value: Value| {
            let mut broken = snapshot().to_value();
            broken[name] = value;
            Snapshot::from_value(&broken)
        };
        for (name, value) in [
            ("channelId", json!("")),
            ("spent", json!(0)),
            ("deposit", Value::Null),
            ("closeRequestedAt", json!(7)),
            ("closeRequestedAt", json!("7.5")),
            ("units", json!("3")),
        ] {
            let read = check(name, value);
            assert!(read.is_err(), "{name}: {read:?}");
        }
        for nothing in [Value::Null, json!("0")] {
            let read = check("closeRequestedAt", nothing).unwrap();
            assert_eq!(read.close_requested_at, None);
        }
        let twice = base64url::encode(r#"{"spent":"1","spent":"2"}"#);
        let read = Snapshot::from_header_text(twice);
        assert!(matches!(read, Err(SnapshotError::Json(_))));
        let large = "A".repeat(bounds::SNAPSHOT + 1);
        let read = Snapshot::from_header_text(large);
        assert!(matches!(read, Err(SnapshotError::TooLarge)));
    }
}
