//! The session payer port: how a rail keeps channels, on the buyer's side.
//!
//! Opening a channel and locking more in it are signed transactions that the seller sends; a voucher
//! is a signature; and what a seller will not do — closing — the payer can do alone, after a wait.

use std::time::Duration;

use serde_json::{Map, Value, value::RawValue};

use super::{
    BoxFuture,
    method::{Outcome, Refusal},
    payer::Fee,
};
use crate::{
    intent::session::{ChannelId, Protocol, Seen, SessionRequest},
    noun::Challenge,
    value::{Amount, Currency, Did, MethodId, Secret, Timestamp},
};

/// Something that can keep channels.
///
/// It is asked to sign only after the spending policy agreed and the deposit was reserved. It keeps
/// nothing itself: what a channel is and how much was signed on it is handed to it each time, so that
/// all processes of a buyer go by one store.
pub trait SessionPayer: Send + Sync + 'static {
    /// The method it pays by.
    fn method(&self) -> &MethodId;

    /// Whether a channel is one of its own, of its account and on its network: where a buyer has several
    /// payers of one method, each channel is looked at and closed by the one that keeps it. Without a word
    /// it is.
    fn keeps(&self, _channel: &Keeping) -> bool {
        true
    }

    /// What it can pay for this offer, or why not. Synchronous: it looks at the offer and its own
    /// configuration, never at the rail.
    ///
    /// # Errors
    /// When this payer cannot pay this offer: another network, an unknown currency, a contract that
    /// its configuration does not name.
    fn quote(&self, offer: &SessionOffer) -> Result<SessionQuote, Refusal>;

    /// Makes a new channel: signs what opens it. What is returned is kept before anybody sees it,
    /// and is never signed anew for the same channel.
    fn open<'a>(
        &'a self,
        offer: &'a SessionOffer,
        deposit: Amount,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Opening, Refusal>>;

    /// Signs what locks more in a channel.
    fn top_up<'a>(
        &'a self,
        offer: &'a SessionOffer,
        channel: &'a Keeping,
        additional: Amount,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Locking, Refusal>>;

    /// The payload that presents an opening with the first voucher.
    ///
    /// # Errors
    /// When the key is not to be had.
    fn present_opening(
        &self,
        channel: &Keeping,
        transaction: &Secret,
        cumulative: Amount,
    ) -> Result<Box<RawValue>, Refusal>;

    /// The payload that says how much may be taken in all, to be charged or to close with. It takes
    /// as long as a signature.
    ///
    /// # Errors
    /// When the key is not to be had, or the protocol has no room for the amount.
    fn voucher(
        &self,
        channel: &Keeping,
        cumulative: Amount,
        closes: bool,
    ) -> Result<Box<RawValue>, Refusal>;

    /// What the rail says of a channel; `None` where it does not have it.
    fn look<'a>(&'a self, channel: &'a Keeping) -> BoxFuture<'a, Result<Option<Seen>, Refusal>>;

    /// Whether what opened or topped up a channel can still come: `false` once the rail proves that it
    /// never will, and while it may, `true`.
    fn may_come<'a>(
        &'a self,
        transaction: &'a Secret,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<bool, Refusal>>;

    /// Asks the rail for a channel's end, without its seller. The same job is done once.
    fn request_close<'a>(&'a self, channel: &'a Keeping, job: [u8; 16]) -> BoxFuture<'a, Outcome>;

    /// Takes back what is left in a channel whose end was asked for [`grace`](Self::grace) ago. The
    /// same job is done once.
    fn withdraw<'a>(&'a self, channel: &'a Keeping, job: [u8; 16]) -> BoxFuture<'a, Outcome>;

    /// How long after asking for a channel's end it takes until what is left can be taken back.
    fn grace(&self) -> Duration;

    /// A channel as a seller describes it, where it is one of this payer's for this offer: what it is,
    /// and what the seller says was accepted and spent. The seller's word is no evidence of either.
    ///
    /// # Errors
    /// When the description contradicts itself or the offer.
    fn read_snapshot(
        &self,
        offer: &SessionOffer,
        snapshot: &Value,
    ) -> Result<Option<Told>, Refusal>;
}

/// A session that a seller offers: a challenge, with its request read.
#[derive(Clone, Debug)]
pub struct SessionOffer {
    /// The challenge as it came.
    pub challenge: Challenge,
    /// What it asks for.
    pub request: SessionRequest,
    /// By which protocol.
    pub protocol: Protocol,
}

/// What paying an offer would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionQuote {
    /// The currency, as this payer knows it. Never taken from the seller.
    pub currency: Currency,
    /// Who would sign.
    pub payer: Did,
    /// The network, where the method has several.
    pub network: Option<Box<str>>,
    /// The channels that this offer can be paid from: those kept under the same text. It names what
    /// the payer trusts and the offer must agree with: network, contract, payer, payee, token.
    pub scope: Box<str>,
    /// What the rail takes from the payer for an opening or a top-up, at the most.
    pub fee: Option<Fee>,
}

/// A channel as its payer keeps it: what never changes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// Its id.
    pub id: ChannelId,
    /// By which protocol.
    pub protocol: Protocol,
    /// What only the method understands: contract, descriptor, the vouchers' signer.
    pub details: Map<String, Value>,
}

/// A new channel.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The channel it makes.
    pub channel: Keeping,
    /// What locks the deposit.
    pub locking: Locking,
}

/// Something signed that locks value in a channel.
#[derive(Clone, Debug)]
pub struct Locking {
    /// The transaction, as the seller is to send it. Whoever has it can.
    pub transaction: Secret,
    /// The payload that presents it, where it is a top-up.
    pub payload: Option<Box<RawValue>>,
    /// When it can no longer be taken.
    pub valid_until: Timestamp,
    /// What the rail may take from the payer for it. It counts as spent.
    pub fee: Option<Fee>,
}

/// A channel as a seller describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What it is.
    pub channel: Keeping,
    /// How much vouchers said, as the seller says.
    pub accepted: Amount,
    /// How much was spent, as the seller says.
    pub spent: Amount,
    /// How much is locked, as the seller says.
    pub deposit: Amount,
}
