//! The payloads of credentials for fake channels.

use farthing_core::{
    encoding::base64url,
    intent::session::{ChannelId, Protocol, RawSignature},
    value::{Amount, Secret},
};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::descriptor::{FakeDescriptor, FakeLock};

/// A payload, with every field there is. Tests change what they like before they send it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FakeSessionPayload {
    /// `open`, `topUp`, `voucher` or `close`.
    pub action: Box<str>,
    /// The channel.
    pub channel_id: ChannelId,
    /// What the channel is. The first protocol says it when it opens one, the second always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub descriptor: Option<FakeDescriptor>,
    /// What locks value, in base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<Box<str>>,
    /// How much a top-up locks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub additional_deposit: Option<Amount>,
    /// How much may be taken in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cumulative_amount: Option<Amount>,
    /// The voucher's signature, in base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Box<str>>,
}

impl FakeSessionPayload {
    /// Opens a channel, with a first voucher.
    #[must_use]
    pub fn open(channel: &FakeDescriptor, lock: &FakeLock, cumulative: Amount) -> Self {
        Self {
            descriptor: Some(channel.clone()),
            transaction: Some(text(&lock.seal())),
            ..Self::said("open", channel, cumulative)
        }
    }

    /// Locks more in a channel.
    #[must_use]
    pub fn top_up(channel: &FakeDescriptor, lock: &FakeLock) -> Self {
        Self {
            transaction: Some(text(&lock.seal())),
            additional_deposit: Some(lock.amount),
            cumulative_amount: None,
            signature: None,
            ..Self::said("topUp", channel, Amount::ZERO)
        }
    }

    /// Says how much may be taken in all.
    #[must_use]
    pub fn voucher(channel: &FakeDescriptor, cumulative: Amount) -> Self {
        Self::said("voucher", channel, cumulative)
    }

    /// Says so to close with it.
    #[must_use]
    pub fn close(channel: &FakeDescriptor, cumulative: Amount) -> Self {
        Self::said("close", channel, cumulative)
    }

    /// The same with another signature.
    #[must_use]
    pub fn with_signature(self, signature: &RawSignature) -> Self {
        Self {
            signature: Some(signature_text(signature)),
            ..self
        }
    }

    /// As a credential carries it.
    #[must_use]
    pub fn raw(&self) -> Box<RawValue> {
        to_raw_value(self).expect("a payload is plain data")
    }

    fn said(action: &str, channel: &FakeDescriptor, cumulative: Amount) -> Self {
        let always = channel.protocol == Protocol::V2;
        Self {
            action: action.into(),
            channel_id: channel.id(),
            descriptor: always.then(|| channel.clone()),
            transaction: None,
            additional_deposit: None,
            cumulative_amount: Some(cumulative),
            signature: Some(signature_text(&channel.sign(cumulative))),
        }
    }
}

pub(super) fn text(transaction: &Secret) -> Box<str> {
    base64url::encode(transaction.expose()).into()
}

fn signature_text(signature: &RawSignature) -> Box<str> {
    base64url::encode([signature.r, signature.s].concat()).into()
}

/// Reads a signature; `None` where it has not 64 bytes.
pub(super) fn signature(text: &str) -> Option<RawSignature> {
    let bytes: [u8; 64] = base64url::decode(text).ok()?.try_into().ok()?;
    let (r, s) = bytes.split_at(32);
    Some(RawSignature {
        r: r.try_into().ok()?,
        s: s.try_into().ok()?,
    })
}
