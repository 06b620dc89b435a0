//! The payer port: how a rail takes part in a payment on the buyer's side.

use serde_json::value::RawValue;

use super::{BoxFuture, method::Refusal};
use crate::{
    intent::charge::ChargeRequest,
    noun::Challenge,
    value::{Amount, ClaimKey, Currency, Did, MethodId, Recipient, Reference, Secret, Timestamp},
};

/// Something that can pay: a key, an account, a card.
///
/// A payer is asked to sign only after the spending policy agreed and the amount was reserved.
///
/// Signing moves nothing by itself. Where the payer itself has to hand something to its rail before
/// the seller can be shown the proof, [`sign`](Self::sign) gives that along as the proof's errand;
/// both are kept, and only then [`run_errand`](Self::run_errand) is asked for.
pub trait Payer: Send + Sync + 'static {
    /// The method it pays by.
    fn method(&self) -> &MethodId;

    /// What it can pay for this offer, or why not. Synchronous, because every offer of a 402 is
    /// asked about: it looks at the offer and its own configuration, never at the rail.
    ///
    /// # Errors
    /// When this payer cannot pay this offer: another network, an unknown currency.
    fn quote(&self, offer: &Offer) -> Result<Quote, Refusal>;

    /// Whether an offer is for this payer's network, whether it can pay it or not. Where no payer of
    /// a method can pay an offer, the reasons of those whose network it is are the ones that are
    /// told.
    fn is_on_network(&self, offer: &Offer) -> bool {
        let _ = offer;
        true
    }

    /// Signs. What it returns is kept and sent as it is until its outcome is known; a payer is
    /// never asked to sign the same challenge twice.
    fn sign<'a>(
        &'a self,
        offer: &'a Offer,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Proof, Refusal>>;

    /// Whether a proof is one of this payer's. Of several payers of one method, only those whose it
    /// is are asked what became of it.
    fn owns(&self, proof: &Proof) -> bool {
        let _ = proof;
        true
    }

    /// Does the proof's errand, and waits until the rail says what came of it. It may have been done
    /// before, by this process or by one that died: doing it again moves value once.
    ///
    /// A payer that gives no errands along is never asked.
    fn run_errand<'a>(&'a self, proof: &'a Proof, now: Timestamp) -> BoxFuture<'a, Errand> {
        let _ = (proof, now);
        Box::pin(async { Errand::Unknown })
    }

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
    /// The network it would be paid on, where the method has several: `eip155:4217`.
    pub network: Option<Box<str>>,
    /// Who gets how much, where the method may pay several at once; each recipient in the one form
    /// this payer writes it in. Empty where the request's recipient gets everything.
    pub shares: Vec<Share>,
    /// What the rail takes from the payer beside the amount, at the most. What binds is what the
    /// [proof](Proof::fee) says.
    pub fee: Option<Fee>,
    /// Whether the payer has enough, as far as it knows without asking anybody.
    pub funds: Funds,
}

impl Quote {
    /// A quote of a payer that pays one recipient, on one network, without a fee, and does not know
    /// what it has.
    #[must_use]
    pub const fn new(currency: Currency, payer: Did) -> Self {
        Self {
            currency,
            payer,
            network: None,
            shares: Vec::new(),
            fee: None,
            funds: Funds::Unknown,
        }
    }
}

/// A part of what is paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Who gets it.
    pub recipient: Recipient,
    /// How much, in the quote's currency.
    pub amount: Amount,
}

/// What a rail takes for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fee {
    /// In what.
    pub currency: Currency,
    /// How much, at the most.
    pub most: Amount,
}

/// Whether a payer has enough, as it remembers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Funds {
    /// It had, when it looked last.
    Enough,
    /// It does not know.
    #[default]
    Unknown,
    /// It had too little.
    Short,
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
    /// What the payer has to hand to the rail before the seller is shown the payload: it moves the
    /// value. Whoever has it can do that.
    pub errand: Option<Secret>,
    /// What the rail may take from the payer beside the amount. It counts as spent.
    pub fee: Option<Fee>,
}

impl Proof {
    /// A proof that the seller hands to the rail, without a fee of the payer's and without a name
    /// of its own.
    #[must_use]
    pub const fn new(payload: Box<RawValue>, source: Option<Did>, valid_until: Timestamp) -> Self {
        Self {
            payload,
            source,
            key: None,
            valid_until,
            errand: None,
            fee: None,
        }
    }
}

/// What came of an errand.
#[derive(Debug)]
#[non_exhaustive]
pub enum Errand {
    /// Value moved: the seller can be shown the proof.
    Done {
        /// What the rail calls it.
        reference: Reference,
    },
    /// Nothing moved, and nothing ever will by it.
    Failed(Refusal),
    /// The rail refused it and took its fee: nothing else moved, and nothing ever will by it.
    Charged(Refusal),
    /// It may be done, now or later.
    Unknown,
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
    /// The rail refused it and took its fee: nothing else moved, and nothing ever will by this proof.
    Failed,
    /// It may move yet.
    Unknown,
}

/// What a payer has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Of what.
    pub currency: Currency,
    /// How much.
    pub amount: Amount,
}
