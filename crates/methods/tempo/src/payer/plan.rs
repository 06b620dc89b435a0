//! What an offer wants of this payer: read, understood, and refused where it is not.

use farthing_core::{
    intent::charge::CHARGE,
    port::{
        method::{Fault, Refusal},
        payer::{Offer, Share},
    },
    value::{Amount, Recipient},
};
use farthing_evm::Address;

use super::TempoPayer;
use crate::{
    charge::{Details, Legs, METHOD, Mode},
    token::{self, Token},
};

/// What an offer wants.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    /// The token, as we know it.
    pub(super) token: &'a Token,
    /// How much of it, in all.
    pub(super) amount: Amount,
    pub(super) kind: Kind<'a>,
}

/// How it is paid.
#[derive(Debug)]
pub(super) enum Kind<'a> {
    /// Nothing is to be paid: a signature answers it.
    Proof,
    /// By transfers.
    Transfers {
        legs: Legs,
        /// Who sends them.
        mode: Mode,
        /// What we pay the fee in; `None` where the seller pays it.
        fee_token: Option<&'a Token>,
    },
}

impl TempoPayer {
    /// Reads an offer. What is not understood to the last member is refused, for it could change what
    /// is paid.
    pub(super) fn plan(&self, offer: &Offer) -> Result<Plan<'_>, Refusal> {
        let (challenge, request) = (&offer.challenge, &offer.request);
        if challenge.method.as_str() != METHOD || challenge.intent.as_str() != CHARGE {
            return Err(unsupported("this payer pays charges on Tempo"));
        }
        let details = Details::read(&request.method_details).map_err(|error| {
            unsupported("the offer has details this payer does not know").caused_by(error)
        })?;
        if details.chain != self.network.chain() {
            return Err(unsupported(format!(
                "the offer is on chain {}, and this payer pays on {}",
                details.chain,
                self.network.name()
            )));
        }
        let token = token::address(request.currency.as_str())
            .ok()
            .and_then(|address| self.network.token_at(address))
            .ok_or_else(|| unsupported("this payer does not know the token"))?;
        let amount = request.amount;
        if amount.is_zero() {
            let kind = Kind::Proof;
            return Ok(Plan {
                token,
                amount,
                kind,
            });
        }
        let legs =
            Legs::new(request, &details, &challenge.id, &challenge.realm).map_err(|error| {
                unsupported("the offer cannot be paid with transfers").caused_by(error)
            })?;
        if legs.iter().any(|leg| leg.recipient == self.account()) {
            return Err(unsupported("an account cannot pay itself"));
        }
        let mode = match (details.allows(Mode::Pull), details.allows(Mode::Push)) {
            (true, true) => self.options.mode,
            (true, false) => Mode::Pull,
            _ => Mode::Push,
        };
        let fee_token = if details.fee_payer {
            None
        } else {
            let fees = self.options.fee_token(&self.network, token);
            Some(fees.ok_or_else(|| unsupported("this payer knows no token that pays fees"))?)
        };
        let kind = Kind::Transfers {
            legs,
            mode,
            fee_token,
        };
        Ok(Plan {
            token,
            amount,
            kind,
        })
    }
}

impl Plan<'_> {
    /// Who gets how much, each address in the one form we write it in.
    pub(super) fn shares(&self) -> Vec<Share> {
        let Kind::Transfers { legs, .. } = &self.kind else {
            return Vec::new();
        };
        let share = |recipient: Address, amount| Share {
            recipient: Recipient::new(format!("{recipient:#x}"))
                .expect("an address is visible text"),
            amount,
        };
        legs.iter()
            .map(|leg| share(leg.recipient, leg.amount))
            .collect()
    }
}

pub(super) fn unsupported(why: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(Fault::Unsupported, why)
}
