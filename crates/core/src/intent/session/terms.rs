//! What a channel is, apart from its balance.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    bounds,
    port::backend::Key,
    value::{CurrencyCode, Did, MethodId, Realm, Recipient, TextError, text},
};

/// The id of a channel, in the one spelling that its method gives it: two spellings would be two
/// channels here and one on the rail.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelId(Arc<str>);
text::newtype!(ChannelId, "a channel's id", channel_id);

fn channel_id(text: &str) -> Result<(), &'static str> {
    match text.len() {
        0 => Err("it is empty"),
        length if length > bounds::CHANNEL_ID => Err("it is too long"),
        _ if !text.bytes().all(|b| b.is_ascii_graphic()) => Err("only visible ASCII is allowed"),
        _ => Ok(()),
    }
}

impl ChannelId {
    /// The key as the store has it.
    #[must_use]
    pub fn to_key(&self) -> Key {
        Key::from(&*self.0)
    }
}

/// What never changes of a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    /// The method whose rail it is on.
    pub method: MethodId,
    /// The realm it pays in. A voucher of one channel buys nothing in another realm.
    pub realm: Realm,
    /// What is locked in it.
    pub currency: CurrencyCode,
    /// Who is paid out of it.
    pub payee: Recipient,
    /// Who locked it.
    pub payer: Did,
    /// What only the method understands: contract, signer, descriptor.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub details: Map<String, Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_visible_and_bounded() {
        assert!(ChannelId::new(format!("0x{}", "ab".repeat(32))).is_ok());
        for bad in ["", "a b", "a\n", "ä"] {
            assert!(ChannelId::new(bad).is_err(), "{bad:?}");
        }
        assert!(ChannelId::new("a".repeat(bounds::CHANNEL_ID)).is_ok());
        assert!(ChannelId::new("a".repeat(bounds::CHANNEL_ID + 1)).is_err());
    }
}
