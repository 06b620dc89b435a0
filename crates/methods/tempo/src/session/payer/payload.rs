//! What a credential of a session holds (draft, "Payload Actions").

use farthing_core::{
    intent::session::ChannelId,
    port::{method::Refusal, session_payer::Keeping},
    value::{Amount, Secret},
};
use farthing_evm::{Address, Bytes};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{TempoSessionPayer, internal};
use crate::{
    session::{Descriptor, Origin, TempoChannel},
    transaction::Received,
};

/// A payload, whichever action it is of.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Payload<'a> {
    pub(super) action: &'static str,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<&'static str>,
    pub(super) channel_id: ChannelId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) descriptor: Option<&'a Descriptor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) transaction: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) authorized_signer: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) additional_deposit: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cumulative_amount: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) signature: Option<String>,
}

impl<'a> Payload<'a> {
    pub(super) fn of(action: &'static str, channel: &'a TempoChannel) -> Self {
        Self {
            action,
            kind: None,
            channel_id: channel.channel_id(),
            descriptor: match channel.origin() {
                Origin::V1(_) => None,
                Origin::V2(descriptor) => Some(descriptor),
            },
            transaction: None,
            authorized_signer: None,
            additional_deposit: None,
            cumulative_amount: None,
            signature: None,
        }
    }

    pub(super) fn write(&self) -> Result<Box<RawValue>, Refusal> {
        to_raw_value(self)
            .map_err(|error| internal("the credential cannot be written").caused_by(error))
    }
}

impl TempoSessionPayer {
    /// The payload of an opening.
    pub(super) fn opening(
        &self,
        keeping: &Keeping,
        transaction: &Secret,
        cumulative: Amount,
    ) -> Result<Box<RawValue>, Refusal> {
        let known = self.known(keeping)?;
        let signed = Received::decode(transaction.expose())
            .map_err(|error| internal("what was kept is no transaction").caused_by(error))?;
        let signer = match known.channel.origin() {
            Origin::V1(opened) => opened.authorized_signer,
            Origin::V2(descriptor) => descriptor.authorized_signer,
        };
        let payload = Payload {
            kind: Some("transaction"),
            transaction: Some(signed.encode()),
            authorized_signer: Some(signer).filter(|signer| !signer.is_zero()),
            cumulative_amount: Some(cumulative),
            signature: Some(self.sign_voucher(&known, cumulative)?),
            ..Payload::of("open", &known.channel)
        };
        payload.write()
    }

    /// The payload that says how much may be taken in all.
    pub(super) fn said(
        &self,
        keeping: &Keeping,
        cumulative: Amount,
        closes: bool,
    ) -> Result<Box<RawValue>, Refusal> {
        let known = self.known(keeping)?;
        let action = if closes { "close" } else { "voucher" };
        let payload = Payload {
            cumulative_amount: Some(cumulative),
            signature: Some(self.sign_voucher(&known, cumulative)?),
            ..Payload::of(action, &known.channel)
        };
        payload.write()
    }
}
