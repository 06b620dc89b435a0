//! A payload, held against what was asked for, and in the port's words.

use farthing_core::{
    intent::session::Protocol,
    port::session::{Action, Funding, Said},
    value::Amount,
};

use super::{
    Flaw,
    demand::Demand,
    hashed::Hashed,
    payload::{Payload, Wanted},
};
use crate::session::channel_id;

/// That a payload is about the channel it names, as far as it says between whom that is.
pub(super) fn is_consistent(
    payload: &Payload,
    demand: &Demand<'_>,
    hashed: &Hashed,
) -> Result<(), Flaw> {
    let Some(descriptor) = payload
        .descriptor
        .filter(|_| demand.escrow.protocol == Protocol::V2)
    else {
        return Ok(());
    };
    if !hashed.is_of(demand.escrow, &descriptor, payload.channel) {
        return Err(Flaw::OtherChannel);
    }
    if descriptor.payee != demand.recipient {
        return Err(Flaw::OtherTerms("payee"));
    }
    if descriptor.token != demand.token.address {
        return Err(Flaw::OtherTerms("token"));
    }
    if descriptor.operator != demand.operator {
        return Err(Flaw::OtherTerms("operator"));
    }
    Ok(())
}

/// What a payload asks for, in the port's words.
pub(super) fn action(payload: &Payload) -> Action {
    let channel = channel_id(payload.channel);
    let said = |cumulative: Amount, signature| Said {
        channel: channel.clone(),
        cumulative,
        signature,
    };
    match payload.action {
        Wanted::Open {
            cumulative,
            signature,
            ..
        } => Action::Open(Funding {
            voucher: Some(said(cumulative, signature)),
            channel: channel.clone(),
        }),
        Wanted::TopUp { .. } => Action::TopUp(Funding {
            channel: channel.clone(),
            voucher: None,
        }),
        Wanted::Voucher {
            cumulative,
            signature,
        } => Action::Voucher(said(cumulative, signature)),
        Wanted::Close {
            cumulative,
            signature,
        } => Action::Close(said(cumulative, signature)),
    }
}
