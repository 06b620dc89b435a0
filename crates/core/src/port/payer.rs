//! The payer port: how a rail takes part in a payment on the buyer's side.

use serde_json::value::RawValue;

use super::{BoxFuture, method::Refusal};
use crate::{
    intent::charge::ChargeRequest,
    noun::Challenge,
    value::{ClaimKey, Currency, Did, MethodId, Reference, Timestamp},
};

/// Something that can pay: a key, an account, a card.
///
/// A payer is asked to sign only after the spending policy agreed and the amount was reserved.
pub trait Payer: Send + Sync + 'static {
    /// The method it pays by.
    fn method(&self) -> &MethodId;

    /// What it can pay for this offer, or why not. Synchronous, because every offer of a 402 is
    /// asked about: it looks at the offer and its own configuration, never at the rail.
    ///
    /// # Errors
    /// When this payer cannot pay this offer: another network, an unknown currency.
    fn quote(&self, offer: &Offer) -> Result<Quote, Refusal>;

    /// Signs. What it returns is kept and sent as it is until its outcome is known; a payer is
    /// never asked to sign the same challenge twice.
    fn sign<'a>(
        &'a self,
        offer: &'a Offer,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Proof, Refusal>>;

    /// What became of a proof, as far as the rail tells without the seller's help. The default is
    /// for rails that cannot be asked: a proof that ran out may have been taken before it did, so
    /// age is no evidence.
    fn resolve<'a>(&'a self, proof: &'a Proof, now: Timestamp) -> BoxFuture<'a, Resolved> {
        let _ = (proof, now);
        Box::pin(async { Resolved::Unknown })
    }

    /// What it has, in the currencies it knows, where the rail tells.
    fn balances(&self) -> BoxFuture<'_, Result<Vec<Balance>, Refusal>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

/// One way to pay that a seller offers: a challenge, with its request read.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The challenge as it came.
    pub challenge: Challenge,
    /// What it asks for.
    pub request: ChargeRequest,
}

/// What paying an offer costs the payer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// The currency, with its decimals, as this payer knows it. Never taken from the seller.
    pub currency: Currency,
    /// Who would sign.
    pub payer: Did,
}

/// A signed payment.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The method's payload.
    pub payload: Box<RawValue>,
    /// Who signed.
    pub source: Option<Did>,
    /// What the rail would call it, where that is known beforehand.
    pub key: Option<ClaimKey>,
    /// When it can no longer be taken.
    pub valid_until: Timestamp,
}

/// What became of a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resolved {
    /// Value moved.
    Moved {
        /// What the rail calls it.
        reference: Reference,
    },
    /// Nothing moved, and nothing ever will by this proof: its reservation can be released.
    Dead,
    /// It may move yet.
    Unknown,
}

/// What a payer has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Of what.
    pub currency: Currency,
    /// How much.
    pub amount: crate::value::Amount,
}
