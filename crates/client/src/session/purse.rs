//! A channel as its buyer keeps it: a purse.

use farthing_core::{
    domain::claims::Record,
    encoding::packed::{Packer, UnpackError, Unpacker},
    intent::session::{ChannelId, Protocol},
    port::{
        backend::{self, Key, Table},
        session_payer::Keeping,
    },
    value::{
        Amount, Currency, CurrencyCode, Did, MethodId, PaymentId, Realm, Recipient, Reference,
        Timestamp, Worth,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::booked::Booked;
use crate::outgoing::Toll;

/// How far a purse is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Stage {
    /// It is being opened; what opens it may be signed, and may have been sent.
    Opening,
    /// It pays.
    Open,
    /// It pays nothing more, and its end was asked for or can be.
    Closing,
    /// The rail closed it: what was not paid out is back.
    Closed,
    /// It never came to be, or its rail does not know it.
    Lost,
}

impl Stage {
    /// Its name, as people and programs read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Open => "open",
            Self::Closing => "closing",
            Self::Closed => "closed",
            Self::Lost => "lost",
        }
    }

    /// Whether money may still be locked in it.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Opening | Self::Open | Self::Closing)
    }
}

/// What one client has under way on a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Flying {
    /// Which client.
    pub worker: PaymentId,
    /// How much was counted for its requests.
    pub amount: Amount,
    /// How much more its streams may yet use.
    #[serde(default)]
    pub more: Amount,
    /// When it said so last.
    pub at: Timestamp,
}

/// A channel as its buyer keeps it.
///
/// ```text
///      0 ─── spent ─── owed ─── signed ─── deposit
///         the seller's  ours    vouchers   on the rail
/// ```
///
/// What is *owed* is our own count of what the seller may have charged; what is under way is part
/// of it. Of a receipt that says more than that nothing is believed. What is *signed* is in the
/// budgets; what is locked beyond it is not spent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Purse {
    /// Under what it is kept and named.
    pub id: PaymentId,
    /// What it can pay: only offers of this scope.
    pub scope: Box<str>,
    /// The method it pays by.
    pub rail: MethodId,
    /// The network, where the method has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Box<str>>,
    /// The realm it was opened for.
    pub realm: Realm,
    /// Where it was served last, of what was counted by then.
    pub url: Box<str>,
    /// The HTTP method of that request.
    pub method: Box<str>,
    /// Where it was opened, where that is another server's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_at: Option<Box<str>>,
    /// Who is paid.
    pub payee: Recipient,
    /// Who pays.
    pub payer: Did,
    /// The currency's code.
    pub currency: CurrencyCode,
    /// The currency's decimals.
    pub decimals: u8,
    /// What people call the currency.
    pub symbol: Box<str>,
    /// The channel's id; there is none before what opens it is signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelId>,
    /// By which protocol it is kept.
    pub protocol: Protocol,
    /// What only the method understands.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub details: Map<String, Value>,
    /// How far it is.
    pub stage: Stage,
    /// What is locked in it, with what was paid out of it.
    pub deposit: Amount,
    /// The most that was ever signed.
    pub signed: Amount,
    /// What the seller may have charged, by our own count.
    pub owed: Amount,
    /// The part of it that may not have been charged: nobody said.
    pub unsure: Amount,
    /// The part that stands for what was unsure until a receipt came that may be of before its request:
    /// it is signed for, and a last voucher that moves what it says leaves it out at first.
    #[serde(default)]
    pub(super) vague: Amount,
    /// What is under way, by client.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flying: Vec<Flying>,
    /// What the seller acknowledged to hold vouchers for.
    pub accepted: Amount,
    /// What the seller said was charged.
    pub spent: Amount,
    /// Whether its receipts are known to speak of the request that they come with. Some sellers write
    /// them first and charge then. One that says more than was owed without its request cannot be of
    /// before it; until one did, none is taken to say that its request cost nothing.
    #[serde(default)]
    pub(super) prompt: bool,
    /// In which budgets the parts of what is signed are counted, the last part last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) booked: Vec<Booked>,
    /// How much of it counts in what is locked in all channels, in the unit's smallest parts; nothing
    /// where that was never counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) locks: Option<Amount>,
    /// What a top-up that is signed and not confirmed would add.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adding: Option<Amount>,
    /// What the rail may have taken for opening it and topping it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee: Option<Toll>,
    /// What the seller said that cannot be: nothing more is signed on its word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispute: Option<Box<str>>,
    /// When the rail was asked for its end without its seller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close_requested_at: Option<Timestamp>,
    /// What was paid out of it in all, once it is closed: by the word of its rail, or of the receipt of
    /// its closing where the rail keeps nothing of a channel that is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid_out: Option<Amount>,
    /// What the rail calls its closing, where anybody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
    /// When it was begun.
    pub at: Timestamp,
    /// When it paid last.
    pub used_at: Timestamp,
    /// When it was found to be over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Which client opens, tops up or closes it. Only together with the lease does it mean anything.
    pub worker: PaymentId,
    /// Until when that work counts as alive.
    pub lease_until: Timestamp,
}

pub(super) const LIVE: &str = "live";
pub(super) const ENDED: &str = "ended";

impl Purse {
    /// The currency it is in.
    #[must_use]
    pub fn currency(&self) -> Currency {
        Currency {
            code: self.currency.clone(),
            decimals: self.decimals,
            rail: self.rail.clone(),
            symbol: self.symbol.clone(),
        }
    }

    /// What is locked and not signed away: it comes back when the channel is closed.
    #[must_use]
    pub fn locked(&self) -> Amount {
        match self.stage {
            Stage::Closed | Stage::Lost => Amount::ZERO,
            _ => less(self.deposit, self.signed),
        }
    }

    /// What of the rail's it takes up: the deposit, with what a top-up under way adds.
    fn takes_up(&self) -> Amount {
        match self.stage.is_live() {
            true => more(self.deposit, self.adding.unwrap_or_default()),
            false => Amount::ZERO,
        }
    }

    /// Counts in what is locked in all channels what it takes up after a step, and says by how much that
    /// changes.
    pub(super) fn recount(&mut self, before: &Self) -> i128 {
        let takes_up = self.takes_up();
        if before.locks.is_some() && before.takes_up() == takes_up {
            self.locks = before.locks;
            return 0;
        }
        let worth = self.currency().worth(takes_up);
        // What is too large to be counted is more than any limit.
        let counts = worth.unwrap_or(Worth::UNLIMITED).count();
        let delta = |amount: Amount| amount.to_delta().unwrap_or(i128::MAX / 2);
        let by = delta(counts) - delta(before.locks.unwrap_or_default());
        self.locks = Some(counts);
        by
    }

    /// The channel, for its payer.
    #[must_use]
    pub fn keeping(&self) -> Option<Keeping> {
        Some(Keeping {
            id: self.channel.clone()?,
            protocol: self.protocol,
            details: self.details.clone(),
        })
    }

    /// What has to be signed for all that is certainly owed.
    pub(super) fn due(&self) -> Amount {
        less(self.owed, self.unsure)
    }

    /// What is owed for certain, whatever kind of receipts its seller writes.
    pub(super) fn sure(&self) -> Amount {
        less(self.due(), self.vague)
    }

    /// Whether somebody else has something under way. Who was not heard of for an hour has not.
    pub(super) fn others_fly(&self, us: PaymentId, now: Timestamp) -> bool {
        self.flying.iter().any(|flying| {
            flying.worker != us && !flying.amount.is_zero() && now.since(flying.at) < DEAD
        })
    }

    /// How much more the streams of others may yet use.
    pub(super) fn others_may_use(&self, us: PaymentId, now: Timestamp) -> Amount {
        let others = self.flying.iter().filter(|flying| flying.worker != us);
        let alive = others.filter(|flying| now.since(flying.at) < DEAD);
        alive.fold(Amount::ZERO, |sum, flying| more(sum, flying.more))
    }

    /// Follows its seller to where that served last. Where that is another server's address, the one it
    /// was opened at is kept beside it: whoever takes an address for the seller's own cannot take away the
    /// way to close.
    pub(super) fn move_to(&mut self, place: &Place) {
        if *self.url == *place.url {
            return;
        }
        let before = std::mem::replace(&mut self.url, place.url.clone());
        self.method = place.method.clone();
        if self.opened_at.is_none() && origin(&before) != origin(&self.url) {
            self.opened_at = Some(before);
        }
        if self.opened_at.as_deref().map(origin) == Some(origin(&self.url)) {
            self.opened_at = None;
        }
    }

    /// Writes down what of ours is under way.
    pub(super) fn fly(&mut self, flying: Flying) {
        let Flying { worker, at, .. } = flying;
        self.flying
            .retain(|other| other.worker != worker && at.since(other.at) < DEAD);
        // One of many more clients than anybody runs is not noted, and its requests only cost the
        // others the chance to correct their count.
        if !flying.amount.is_zero() && self.flying.len() < FLYERS {
            self.flying.push(flying);
        }
    }
}

/// Where a request was served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) url: Box<str>,
    pub(super) method: Box<str>,
}

/// The scheme, the host and the port of an address.
fn origin(url: &str) -> Option<url::Origin> {
    Some(url::Url::parse(url).ok()?.origin())
}

/// After how long what a client had under way is over.
const DEAD: std::time::Duration = std::time::Duration::from_secs(60 * 60);

/// Clients whose flights are noted.
const FLYERS: usize = 64;

impl Record for Purse {
    const TABLE: Table = Table::new("client.purses");
    const KEYS: Table = Table::new("client.scopes");

    fn place(&self) -> Option<backend::Place> {
        let group = if self.stage.is_live() { LIVE } else { ENDED };
        Some(backend::Place {
            group: Key::from(group),
            at: self.at.as_millis(),
        })
    }

    /// As readable as the other records of a client.
    fn pack(&self, out: &mut Packer) -> Result<(), serde_json::Error> {
        out.json(self)
    }

    fn unpack(from: &mut Unpacker<'_>) -> Result<Self, UnpackError> {
        from.json()
    }
}

/// The sum, or the most there is, which no deposit covers.
pub(super) fn more(a: Amount, b: Amount) -> Amount {
    a.checked_add(b).unwrap_or(Amount::new(u128::MAX))
}

/// The difference, or nothing.
pub(super) fn less(a: Amount, b: Amount) -> Amount {
    a.checked_sub(b).unwrap_or_default()
}
