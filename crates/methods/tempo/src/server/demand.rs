//! What a challenge asked for, held against what the seller takes today.

use farthing_core::{intent::charge::ChargeRequest, port::method::Presented};
use farthing_evm::Address;

use super::{Flaw, TempoOptions};
use crate::{
    charge::{Details, Legs, Mode, source},
    token,
};

/// A challenge that was ours, and still is.
#[derive(Debug)]
pub(super) struct Demand<'a> {
    pub(super) presented: Presented<'a>,
    pub(super) details: Details,
    /// The transfers that pay it. A charge of nothing has none.
    pub(super) legs: Option<Legs>,
}

impl<'a> Demand<'a> {
    /// Reads a request of ours. Its price was promised until it expires; who is paid and in what was not, so
    /// that a seller whose keys are lost can stop being paid there.
    pub(super) fn read(presented: Presented<'a>, options: &TempoOptions) -> Result<Self, Flaw> {
        let request = presented.request;
        let details = Details::read(&request.method_details).map_err(Flaw::Details)?;
        if details.chain != options.network.chain() {
            return Err(Flaw::Withdrawn("this chain"));
        }
        if !options.tokens.iter().any(|known| is_in(request, known)) {
            return Err(Flaw::Withdrawn("this token"));
        }
        if recipient(request) != Some(options.recipient) {
            return Err(Flaw::Withdrawn("this recipient"));
        }
        if details.fee_payer && options.sponsor.is_none() {
            return Err(Flaw::Withdrawn("a payment with its fee paid by the seller"));
        }
        let legs = if request.amount.is_zero() {
            None
        } else {
            let legs = Legs::new(request, &details, presented.challenge, presented.realm);
            Some(legs.map_err(Flaw::Legs)?)
        };
        Ok(Self {
            presented,
            details,
            legs,
        })
    }

    /// The transfers that pay it, in the way the buyer chose.
    pub(super) fn legs(&self, mode: Mode) -> Result<&Legs, Flaw> {
        let legs = self.legs.as_ref().ok_or(Flaw::NothingToPay)?;
        if !self.details.allows(mode) {
            return Err(Flaw::Mode(mode));
        }
        Ok(legs)
    }

    /// That the challenge is not over. What was made before its end may be presented a little later, so the
    /// gate lets such credentials pass.
    pub(super) fn is_open(&self) -> Result<(), Flaw> {
        if self.presented.now >= self.presented.expires {
            return Err(Flaw::ChallengeOver);
        }
        Ok(())
    }

    /// The account that the buyer says pays. It has to be one of this chain.
    pub(super) fn source(&self) -> Result<Option<Address>, Flaw> {
        match self.presented.source {
            None => Ok(None),
            named => source(named, self.details.chain)
                .map(Some)
                .map_err(Flaw::Source),
        }
    }
}

fn is_in(request: &ChargeRequest, token: &token::Token) -> bool {
    token::address(request.currency.as_str()) == Ok(token.address)
}

fn recipient(request: &ChargeRequest) -> Option<Address> {
    token::address(request.recipient.as_ref()?.as_str()).ok()
}
