//! What only a method understands of a channel.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// What only the method understands of a channel: contract, signer, descriptor.
///
/// It is kept as a text, which its copies share: a channel in memory has it for as long as it is there, and no
/// voucher needs it. As JSON values the same is several times as large.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details(Option<Arc<str>>);

impl Details {
    /// What there is, to be looked at. It is read anew each time.
    #[must_use]
    pub fn to_map(&self) -> Map<String, Value> {
        self.0.as_ref().map_or_else(Map::new, |text| {
            serde_json::from_str(text).expect("it was written from such a map")
        })
    }

    /// Whether there is nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl From<Map<String, Value>> for Details {
    fn from(map: Map<String, Value>) -> Self {
        Self((!map.is_empty()).then(|| Value::Object(map).to_string().into()))
    }
}

impl Serialize for Details {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_map().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Details {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Map::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn what_is_kept_is_read_again_and_written_as_it_was() {
        for value in [
            json!({}),
            json!({"chainId": 1, "rate": 0.1, "descriptor": {"salt": "0x\u{0}ä\"", "later": [null, true]}}),
            json!({"most": u64::MAX, "least": i64::MIN}),
        ] {
            let details = Details::from(map(&value));
            assert_eq!(details.to_map(), map(&value));
            assert_eq!(details.is_empty(), value == json!({}));
            assert_eq!(serde_json::to_value(&details).unwrap(), value);
            let again: Details = serde_json::from_value(value).unwrap();
            assert_eq!(again, details);
        }
        assert!(serde_json::from_value::<Details>(json!("text")).is_err());
    }

    #[test]
    fn the_same_in_another_order_is_the_same() {
        let read = |text: &str| serde_json::from_str::<Details>(text).unwrap();
        assert_eq!(read(r#"{"a":1,"b":2}"#), read(r#"{ "b": 2, "a": 1 }"#));
        assert_ne!(read(r#"{"a":1}"#), read(r#"{"a":"1"}"#));
    }
}
