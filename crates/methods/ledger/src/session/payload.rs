//! The payloads of credentials, as they travel.

use std::borrow::Cow;

use farthing_core::{
    encoding::base64url,
    intent::session::{ChannelId, RawSignature},
    port::{
        method::{Fault, Refusal},
        session::Said,
    },
    value::{Amount, Timestamp},
};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::{
    descriptor::{ChannelDescriptor, Salt},
    signed::{ChannelLock, bytes, raw},
};

/// A payload with all members that any action has. What it has beside them is passed over, as the
/// session's draft asks.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Payload<'a> {
    #[serde(borrow)]
    pub(super) action: Cow<'a, str>,
    pub(super) channel_id: ChannelId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    descriptor: Option<ChannelDescriptor>,
    /// What is signed to open a channel or to lock more in it, and by whom it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    authorization: Option<Authorization>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    additional_deposit: Option<Amount>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cumulative_amount: Option<Amount>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    signature: Option<Cow<'a, str>>,
}

/// A signed lock, but for the channel that is said beside it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Authorization {
    amount: Amount,
    /// In seconds. The signed text says them as a date.
    valid_until: u64,
    nonce: Salt,
    signature: String,
}

impl Authorization {
    pub(super) fn new(lock: &ChannelLock, signature: &[u8; 64]) -> Self {
        Self {
            amount: lock.amount,
            valid_until: lock.valid_until.as_secs(),
            nonce: lock.nonce,
            signature: base64url::encode(signature),
        }
    }

    fn lock(&self, channel: ChannelDescriptor, opens: bool) -> Result<ChannelLock, Refusal> {
        let valid_until = Timestamp::from_secs(self.valid_until);
        if valid_until.as_secs() != self.valid_until {
            return Err(malformed("the authorization ends at no time there is"));
        }
        Ok(ChannelLock {
            channel,
            opens,
            amount: self.amount,
            valid_until,
            nonce: self.nonce,
        })
    }
}

impl<'a> Payload<'a> {
    pub(super) fn open(
        channel: ChannelDescriptor,
        authorization: Authorization,
        cumulative: Amount,
        signature: &RawSignature,
    ) -> Self {
        Self {
            authorization: Some(authorization),
            descriptor: Some(channel.clone()),
            ..Self::said("open", channel.id(), cumulative, signature)
        }
    }

    pub(super) fn top_up(channel: ChannelDescriptor, authorization: Authorization) -> Self {
        Self {
            action: "topUp".into(),
            channel_id: channel.id(),
            descriptor: Some(channel),
            additional_deposit: Some(authorization.amount),
            authorization: Some(authorization),
            cumulative_amount: None,
            signature: None,
        }
    }

    pub(super) fn said(
        action: &'a str,
        channel_id: ChannelId,
        cumulative: Amount,
        signature: &RawSignature,
    ) -> Self {
        Self {
            action: action.into(),
            channel_id,
            descriptor: None,
            authorization: None,
            additional_deposit: None,
            cumulative_amount: Some(cumulative),
            signature: Some(base64url::encode(bytes(signature)).into()),
        }
    }

    pub(super) fn write(&self) -> Result<Box<RawValue>, Refusal> {
        to_raw_value(self).map_err(|error| {
            Refusal::new(Fault::Internal, "the payload could not be written").caused_by(error)
        })
    }

    pub(super) fn read(raw: &'a RawValue) -> Result<Self, Refusal> {
        serde_json::from_str(raw.get()).map_err(|error| {
            malformed("the payload is not one of a session on a ledger").caused_by(error)
        })
    }

    /// The channel as it is described, which is the one that is named.
    pub(super) fn descriptor(&self) -> Result<Option<&ChannelDescriptor>, Refusal> {
        match &self.descriptor {
            Some(channel) if channel.id() != self.channel_id => Err(Refusal::new(
                Fault::Invalid,
                "the payload describes another channel than it names",
            )),
            described => Ok(described.as_ref()),
        }
    }

    /// What is to be locked, with its signature.
    pub(super) fn lock(&self, opens: bool) -> Result<(ChannelLock, Vec<u8>), Refusal> {
        let channel = self.descriptor()?;
        let channel = channel.ok_or_else(|| malformed("the payload describes no channel"))?;
        let authorization = self.authorization.as_ref();
        let authorization =
            authorization.ok_or_else(|| malformed("the payload has no authorization"))?;
        if !opens && self.additional_deposit != Some(authorization.amount) {
            let other = "the authorization is for another amount than the payload says";
            return Err(Refusal::new(Fault::Invalid, other));
        }
        let signature = base64url::decode(&authorization.signature)
            .map_err(|error| malformed("the signature is not base64url").caused_by(error))?;
        Ok((authorization.lock(channel.clone(), opens)?, signature))
    }

    /// What it says may be taken in all.
    pub(super) fn voucher(&self) -> Result<Said, Refusal> {
        let (Some(cumulative), Some(signature)) = (self.cumulative_amount, &self.signature) else {
            return Err(malformed("the payload has no voucher"));
        };
        let signature = base64url::decode(&**signature)
            .map_err(|error| malformed("the signature is not base64url").caused_by(error))?;
        let signature = signature
            .try_into()
            .map_err(|_| malformed("a signature has 64 bytes"))?;
        Ok(Said {
            channel: self.channel_id.clone(),
            cumulative,
            signature: raw(signature),
        })
    }
}

pub(super) fn malformed(why: &'static str) -> Refusal {
    Refusal::new(Fault::Malformed, why)
}
