//! What a channel is, apart from its balance.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Details;
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
    #[serde(default, skip_serializing_if = "Details::is_empty")]
    pub details: Details,
}

impl Terms {
    /// The same, with what others say too shared with them: what a seller's channels say differs in
    /// little, and what is there once is found in the processor's cache.
    #[must_use]
    pub fn shared_with(mut self, others: &Self) -> Self {
        share(&mut self.method, &others.method);
        share(&mut self.realm, &others.realm);
        share(&mut self.currency, &others.currency);
        share(&mut self.payee, &others.payee);
        share(&mut self.payer, &others.payer);
        self
    }

    /// The same, without what only the method understands.
    #[must_use]
    pub fn without_details(&self) -> Self {
        Self {
            method: self.method.clone(),
            realm: self.realm.clone(),
            currency: self.currency.clone(),
            payee: self.payee.clone(),
            payer: self.payer.clone(),
            details: Details::default(),
        }
    }
}

fn share<T: Clone + PartialEq>(said: &mut T, others: &T) {
    if said == others {
        said.clone_from(others);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    #[test]
    fn what_is_shared_says_the_same() {
        let terms = |payer: &str| Terms {
            method: MethodId::new("tempo").unwrap(),
            realm: "api.example.com".parse().unwrap(),
            currency: CurrencyCode::new("usd6").unwrap(),
            payee: Recipient::new("shop").unwrap(),
            payer: Did::new(payer).unwrap(),
            details: Map::from_iter([("salt".to_owned(), payer.into())]).into(),
        };
        let (alice, bob) = (terms("did:web:alice.example"), terms("did:web:bob.example"));
        let shared = bob.clone().shared_with(&alice);
        assert_eq!(shared, bob);
        let places = |terms: &Terms| (terms.realm.as_str().as_ptr(), terms.payer.as_str().as_ptr());
        assert_eq!(places(&shared).0, places(&alice).0);
        assert_eq!(places(&shared).1, places(&bob).1);
    }

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
