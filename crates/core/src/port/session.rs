//! The session port: how a rail keeps channels, on the seller's side.
//!
//! A channel is locked and paid out on a rail; what is spent in between is signed and costs the rail
//! nothing. So a method's part falls into two. What happens with every request is synchronous and
//! asks nobody: [`Session::read`] and a channel's [`Verifier`]. What happens now and then waits for
//! the rail: funding, looking, settling.
//!
//! A method never sees a channel's books. It is told what to fund, what to look at and what to hand
//! in, and says what the rail answers; [`crate::domain::channels`] keeps what was accepted and
//! spent.

use std::{fmt, sync::Arc, time::Duration};

use serde_json::{Map, Value, value::RawValue};

use super::{
    BoxFuture,
    method::{Outcome, PrepareError, Refusal, Verified},
};
use crate::{
    intent::session::{ChannelId, RawSignature, Seen, SessionRequest, Terms, Voucher},
    value::{
        Amount, ChallengeId, Currency, CurrencyCode, MethodId, Price, Realm, Reference, Secret,
        Timestamp,
    },
};

/// A method's side of the session intent. Registered under (method, `session`).
pub trait Session: Send + Sync + 'static {
    /// The method's identifier.
    fn method(&self) -> &MethodId;

    /// What is asked for at the price of a unit: the static part of an offer, made once per route at
    /// the start. One request for each way to pay it, the seller's favourite first; never none.
    ///
    /// # Errors
    /// When the price cannot be said exactly in one of the method's currencies, or the route's terms
    /// are not the method's. At the start this stops the start.
    fn prepare(&self, wanted: &WantedSession<'_>) -> Result<Vec<SessionRequest>, PrepareError>;

    /// What a currency of its is: the unit and the decimals by which what is unsettled is counted
    /// over all channels. Never `None` of a currency that it offers.
    fn currency(&self, code: &CurrencyCode) -> Option<&Currency>;

    /// How long a payer who asks the rail for a channel's end has to wait for it. What was served
    /// has to be settled within that time.
    fn grace(&self) -> Duration;

    /// Reads a payload: its form, and that it is about a channel of this offer's currency, payee and
    /// place. No signature is checked and nobody is asked, so that what is malformed costs little.
    ///
    /// # Errors
    /// When it is no payload, or is about another channel than it says.
    fn read(&self, shown: &Shown<'_>) -> Result<Action, Refusal>;

    /// What checks the vouchers of a channel. Made once for a channel that is in memory, from what
    /// the rail said of it when it was opened, and never from what a request says.
    ///
    /// # Errors
    /// When the terms are none of this method's.
    fn verifier(&self, id: &ChannelId, terms: &Terms) -> Result<Arc<dyn Verifier>, Refusal>;

    /// What only the method understands of a channel, as its payer is told of it in a snapshot; `None`
    /// where its protocol has no snapshots.
    fn told(&self, terms: &Terms) -> Option<Map<String, Value>> {
        Some(terms.details.to_map())
    }

    /// Checks what would open a channel or lock more in it, and moves nothing. `terms` are those
    /// kept of a channel that is known; an opening has none.
    fn check<'a>(
        &'a self,
        shown: Shown<'a>,
        funding: &'a Funding,
        terms: Option<&'a Terms>,
    ) -> BoxFuture<'a, Result<Checked, Refusal>>;

    /// Sends what funds a channel, or asks what became of it and sends it again: the same bytes move
    /// value once, however often and by whomever they are sent. It was journaled before.
    ///
    /// [`Outcome::Settled`] means that the rail has it for good; what the channel then holds is asked
    /// by [`look`](Self::look).
    fn fund<'a>(&'a self, order: FundOrder<'a>) -> BoxFuture<'a, Outcome>;

    /// What the rail says of channels, in their order: `None` of one that it does not have. All are
    /// asked at once, and as of one block.
    fn look<'a>(
        &'a self,
        channels: &'a [(ChannelId, Terms)],
    ) -> BoxFuture<'a, Result<Vec<Option<Seen>>, Refusal>>;

    /// What happened on the rail after a block, to any channel of ours: the end of what was looked
    /// through, its time, and the channels to look at. `None` asks for the newest block alone.
    ///
    /// What it names need not be ours; what it does not name did not change.
    fn news(&self, since: Option<u64>) -> BoxFuture<'_, Result<News, Refusal>>;

    /// Waits until there may be news: for a block, where the rail tells, and else for as long as one
    /// takes. Also when the rail does not answer it returns within a few of its blocks.
    fn wait_for_news(&self) -> BoxFuture<'_, ()>;

    /// How many channels one settlement can carry.
    fn settlement_limit(&self) -> usize;

    /// Settles or closes channels, all or none. A job's id stands for its items: whoever asks again
    /// with the same job causes no second settlement, in whatever process.
    fn settle<'a>(&'a self, job: &'a SettleJob) -> BoxFuture<'a, Settled>;

    /// Forgets what the method keeps in our store of something that is over: nobody asks about it any
    /// more. `false` where it cannot yet; then it is told again later, and what it is about stays.
    ///
    /// It is told before we forget the same, so a process that dies in between tells it again.
    ///
    /// What must never come back is the method's to see to: the id of a channel that it forgot must not
    /// be opened again, and what funded one must not be good any more.
    fn forget<'a>(&'a self, _over: Bygone<'a>) -> BoxFuture<'a, Result<bool, Refusal>> {
        Box::pin(std::future::ready(Ok(true)))
    }
}

/// Something that is over, and that nobody asks a rail about any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Bygone<'a> {
    /// A funding that came to its end, and whose proof ran out.
    Funding {
        /// The channel it was for.
        channel: &'a ChannelId,
        /// What the rail called it, or would have.
        reference: Option<&'a Reference>,
    },
    /// A settlement that is written off, done or refused.
    Settlement {
        /// The job's id.
        id: [u8; 16],
    },
    /// A channel that the rail closed.
    Channel {
        /// Which one.
        channel: &'a ChannelId,
        /// What it was.
        terms: &'a Terms,
    },
    /// What happened up to a block: it was taken into the books.
    News {
        /// The last one that was.
        block: u64,
    },
}

/// What a route wants to be paid by the unit.
#[derive(Clone, Copy, Debug)]
pub struct WantedSession<'a> {
    /// The price of one unit.
    pub price: &'a Price,
    /// What a unit is.
    pub unit: Option<&'a str>,
    /// What the seller advises to lock.
    pub deposit: Option<&'a Price>,
    /// The least by which a voucher has to pass the one before.
    pub min_delta: Option<&'a Price>,
    /// What the route says to this method alone. Only the method understands it.
    pub terms: Option<&'a Map<String, Value>>,
}

/// A credential whose challenge is ours, for one method to look at.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The challenge's id.
    pub challenge: &'a ChallengeId,
    /// The realm it was issued in.
    pub realm: &'a Realm,
    /// What was asked for.
    pub request: &'a SessionRequest,
    /// When the challenge expires.
    pub expires: Timestamp,
    /// Who the payer says it is. Proven by nobody.
    pub source: Option<&'a str>,
    /// The method's payload, as JSON.
    pub payload: &'a RawValue,
    /// The time.
    pub now: Timestamp,
}

/// What a payload asks for. Nothing of it is verified.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Action {
    /// To open a channel.
    Open(Funding),
    /// To lock more in one.
    TopUp(Funding),
    /// To take a voucher.
    Voucher(Said),
    /// To close the channel with this voucher.
    Close(Said),
}

impl Action {
    /// The channel it is about.
    #[must_use]
    pub const fn channel(&self) -> &ChannelId {
        match self {
            Self::Open(funding) | Self::TopUp(funding) => &funding.channel,
            Self::Voucher(said) | Self::Close(said) => &said.channel,
        }
    }
}

/// What is said to open a channel or to lock more in it.
#[derive(Clone, Debug)]
pub struct Funding {
    /// The channel.
    pub channel: ChannelId,
    /// What an opening says is spent beforehand.
    pub voucher: Option<Said>,
}

/// A voucher as a payload says it, with nothing checked but its form.
#[derive(Clone, Debug)]
pub struct Said {
    /// The channel.
    pub channel: ChannelId,
    /// How much may be taken in all.
    pub cumulative: Amount,
    /// What it is signed with: of each signature the one form that the rail takes.
    pub signature: RawSignature,
}

/// What checks the vouchers of one channel.
pub trait Verifier: Send + Sync + fmt::Debug + 'static {
    /// Checks a voucher against the channel's signer. It takes as long as the check of a signature.
    ///
    /// # Errors
    /// When the signature is not the signer's, or the protocol has no room for the amount.
    fn check(&self, said: &Said) -> Result<Voucher, Refusal>;
}

/// A funding that is good.
#[derive(Debug)]
pub struct Checked {
    /// Who pays, what it claims and reserves, and what will be sent.
    pub verified: Verified,
    /// What the channel is.
    pub terms: Terms,
    /// How much is locked by it.
    pub amount: Amount,
}

/// A funding to be sent, as it was journaled.
#[derive(Clone, Copy, Debug)]
pub struct FundOrder<'a> {
    /// The channel.
    pub channel: &'a ChannelId,
    /// What the channel is.
    pub terms: &'a Terms,
    /// What is sent.
    pub effect: &'a Secret,
}

/// What happened on the rail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// The last block that was looked at.
    pub block: u64,
    /// When that block was made, by the rail's clock.
    pub at: Timestamp,
    /// The channels that something happened to, each once.
    pub channels: Vec<ChannelId>,
}

/// Channels to be settled together.
#[derive(Clone, Debug)]
pub struct SettleJob {
    /// Its id. It stands for the items: another id is another settlement.
    pub id: [u8; 16],
    /// What is handed in, of each channel at most once.
    pub items: Vec<SettleItem>,
}

/// What is handed in of one channel.
#[derive(Clone, Debug)]
pub struct SettleItem {
    /// The channel.
    pub channel: ChannelId,
    /// What the channel is.
    pub terms: Terms,
    /// What is done with it.
    pub how: Handing,
}

/// What is done with a channel on the rail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handing {
    /// It is paid out up to this voucher, and goes on.
    Settle(Voucher),
    /// It is closed: so much is paid out in all, and the rest goes back.
    Close {
        /// What is paid out in all. For a protocol whose vouchers move what they say, it is what the
        /// voucher says.
        capture: Amount,
        /// What allows it. None where nothing is added to what was paid out, and only for a protocol
        /// whose rail needs none then.
        voucher: Option<Voucher>,
    },
}

/// What a rail took from the seller for a settlement: the whole of it, however many channels it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cost {
    /// In what. It need not be what the channels hold.
    pub currency: CurrencyCode,
    /// How much.
    pub amount: Amount,
}

/// What became of a settlement.
#[derive(Debug)]
#[non_exhaustive]
pub enum Settled {
    /// The rail has it for good.
    Done {
        /// What the rail calls it.
        reference: Reference,
        /// When.
        at: Timestamp,
        /// What the rail took for it.
        fee: Option<Cost>,
        /// What else there is to say of it, in the rail's words, for the log.
        details: Map<String, Value>,
    },
    /// The rail refused it, for good: nothing of it happened, and this job never will. `culprits`
    /// are the items that it was refused for, where that is known.
    Refused {
        /// Positions among the items.
        culprits: Vec<usize>,
        /// Why.
        refusal: Refusal,
        /// What the rail took all the same.
        fee: Option<Cost>,
    },
    /// It was sent, and is not done. Ask again with the same job.
    Pending {
        /// When to ask again.
        ask_after: Duration,
    },
    /// There was no answer, or none that says anything. Ask again with the same job.
    Unknown {
        /// What went wrong, for the log.
        refusal: Option<Refusal>,
    },
}
