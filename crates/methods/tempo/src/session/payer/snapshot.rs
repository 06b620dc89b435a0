//! Channels as a seller describes them.

use farthing_core::{
    noun::session::Snapshot,
    port::{
        method::{Fault, Refusal},
        session_payer::{SessionOffer, Told},
    },
};
use serde::Deserialize;
use serde_json::Value;

use super::{TempoSessionPayer, kept};
use crate::session::{Descriptor, Origin, TempoChannel};

impl TempoSessionPayer {
    /// Reads a description. Only a channel of the second protocol is described: of one of the first, nothing
    /// tells between whom it is.
    pub(super) fn told(
        &self,
        offer: &SessionOffer,
        snapshot: &Value,
    ) -> Result<Option<Told>, Refusal> {
        let asked = self.asked(offer)?;
        let malformed = || Refusal::new(Fault::Malformed, "the snapshot cannot be read");
        let told = Snapshot::from_value(snapshot).map_err(|error| malformed().caused_by(error))?;
        let details = told.details();
        let descriptor = details.get("descriptor").ok_or_else(malformed)?;
        let descriptor =
            Descriptor::deserialize(descriptor).map_err(|error| malformed().caused_by(error))?;
        let chain = details.get("chainId").and_then(Value::as_u64);
        let contract = details.get("escrow").and_then(Value::as_str);
        let contract = contract.and_then(|text| crate::token::address(text).ok());
        let escrow = asked.escrow;
        if chain != Some(escrow.chain.get()) || contract != Some(escrow.contract) {
            return Err(contradicts("the snapshot is of a channel kept elsewhere"));
        }
        let Ok(channel) = TempoChannel::new(escrow, Origin::V2(descriptor)) else {
            return Err(contradicts("the offer is of a protocol without snapshots"));
        };
        if !told
            .channel
            .as_str()
            .eq_ignore_ascii_case(channel.channel_id().as_str())
        {
            return Err(contradicts(
                "the snapshot describes another channel than it names",
            ));
        }
        if told.spent > told.accepted || told.accepted > told.deposit {
            return Err(contradicts("the snapshot's amounts cannot be true"));
        }
        let is_ours = descriptor.payer == self.account()
            && descriptor.payee == asked.payee
            && descriptor.token == asked.token.address
            && descriptor.operator == asked.operator
            && self.signs(&channel);
        Ok(is_ours.then(|| Told {
            channel: kept(&channel),
            accepted: told.accepted,
            spent: told.spent,
            deposit: told.deposit,
        }))
    }
}

fn contradicts(why: &'static str) -> Refusal {
    Refusal::new(Fault::Invalid, why)
}
