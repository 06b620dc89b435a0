//! What the calls of a transaction that locks value have to look like.

use farthing_core::{intent::session::Protocol, value::Amount};
use farthing_evm::{Address, B256, Bytes};

use super::{Flaw, demand::Demand};
use crate::{
    session::{Open, Origin, is_approval},
    transaction::Call,
};

pub(super) const OPENING: &str =
    "an opening, with an approval of exactly its deposit before it or none";
pub(super) const TOP_UP: &str =
    "a top-up, with an approval of exactly its amount before it or none";

/// The calls of a transaction that locks value: one of the contract, and before it perhaps one that lets the
/// contract take exactly that much. The chain's own reserve needs none; contracts do.
pub(super) struct Calls<'a> {
    approval: Option<&'a Call>,
    pub(super) data: &'a Bytes,
    wanted: &'static str,
}

impl<'a> Calls<'a> {
    pub(super) fn of(
        calls: &'a [Call],
        demand: &Demand<'_>,
        wanted: &'static str,
    ) -> Result<Self, Flaw> {
        let (approval, call) = match calls {
            [call] => (None, call),
            [approval, call] => (Some(approval), call),
            _ => {
                let found = "another number of calls";
                return Err(Flaw::Calls { wanted, found });
            }
        };
        let this = Self {
            approval,
            data: &call.input,
            wanted,
        };
        if call.to != Some(demand.escrow.contract) {
            return Err(this.wrong("a call of another contract"));
        }
        if calls.iter().any(|call| !call.value.is_zero()) {
            return Err(this.wrong("a call with value"));
        }
        Ok(this)
    }

    pub(super) fn approves(&self, amount: Amount, demand: &Demand<'_>) -> Result<(), Flaw> {
        let fits = |call: &Call| {
            call.to == Some(demand.token.address) && is_approval(&call.input, demand.escrow, amount)
        };
        match self.approval {
            Some(call) if !fits(call) => Err(self.wrong("another call before it")),
            _ => Ok(()),
        }
    }

    pub(super) const fn wrong(&self, found: &'static str) -> Flaw {
        Flaw::Calls {
            wanted: self.wanted,
            found,
        }
    }
}

/// What an opening makes its channel's id of.
pub(super) fn origin(
    demand: &Demand<'_>,
    open: &Open,
    payer: Address,
    identity: B256,
) -> Result<Origin, Flaw> {
    let protocol = demand.escrow.protocol;
    if protocol == Protocol::V2 && open.operator != demand.operator {
        return Err(Flaw::OtherTerms("operator"));
    }
    Ok(Origin::of(protocol, payer, open, identity))
}
