//! Fundings: what opens a channel or locks more in it, from the moment before it is sent.
//!
//! A funding is claimed under the identity of its transaction, so that it is sent for one channel
//! once, and its effect is journaled with the claim. It ends when the channel's own books show it:
//! a process that dies in between leaves one that is found and finished.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    claims::{Claims, Held, Record},
    payments::REMEMBER,
};
use crate::{
    bounds, encoding,
    encoding::packed::{Packer, UnpackError, Unpacker},
    intent::session::{ChannelId, Protocol, Terms},
    noun::problem::ProblemKind,
    payment::Moved,
    port::backend::{Backend, Key, Partition, Place, Range, StoreError, Table, Write},
    value::{Amount, ChallengeId, PaymentId, Reference, Secret, Timestamp},
};

const FUNDINGS: Table = Table::new("core.fundings");
const KEYS: Table = Table::new("core.funding_keys");
const JOURNAL: Table = Table::new("core.funding_journal");
const DUE: &str = "due";

/// A funding, as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FundingRecord {
    /// Its id.
    pub id: PaymentId,
    /// The channel it is for.
    pub channel: ChannelId,
    /// What the channel is.
    pub terms: Terms,
    /// By which rules it is kept on its rail.
    pub protocol: Protocol,
    /// Whether it opens the channel; else it locks more in it.
    pub opens: bool,
    /// The challenge it came with. It is not consumed: a session goes on with it.
    pub challenge: ChallengeId,
    /// How much it locks.
    pub amount: Amount,
    /// What the rail has to show as locked, at the least, once it has this funding.
    pub least: Amount,
    /// How far it is.
    pub state: FundingState,
    /// When it was claimed.
    pub claimed_at: Timestamp,
    /// Until when its owner works on it, or when it is looked at next.
    pub lease_until: Timestamp,
    /// Until when the rail could take it.
    pub proof_until: Timestamp,
    /// How often the rail was asked about it.
    #[serde(default)]
    pub asked: u32,
    /// What the rail will call it if it comes to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awaits: Option<Reference>,
    /// What the rail calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
    /// When it moved, by the rail's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<Timestamp>,
    /// Why it failed, in the words that the peer reads, so that it reads the same each time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Box<str>>,
    /// The type of the problem that it was told with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Box<str>>,
}

/// How far a funding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FundingState {
    /// It is journaled, and may have been sent.
    Sent,
    /// The rail has it and is not done.
    Pending,
    /// It was sent, and the rail gave no answer.
    Unknown,
    /// The rail has it for good, and the channel's books do not show it yet.
    Moved,
    /// The channel's books show it.
    Done,
    /// The rail refused it for good: nothing moved.
    Failed,
}

impl FundingState {
    /// Whether nothing more happens to it.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed)
    }

    /// Whether money moved.
    #[must_use]
    pub const fn moved(self) -> Moved {
        match self {
            Self::Sent | Self::Pending | Self::Unknown => Moved::Unknown,
            Self::Moved | Self::Done => Moved::Yes,
            Self::Failed => Moved::No,
        }
    }
}

impl FundingRecord {
    /// Whether somebody works on it, or it is not yet time to ask again.
    #[must_use]
    pub fn is_leased(&self, now: Timestamp) -> bool {
        self.lease_until > now
    }

    /// What the peer is told of one that failed. A method's own problem is told the first time only.
    #[must_use]
    pub fn problem(&self) -> ProblemKind {
        let known = self.problem.as_deref().and_then(ProblemKind::from_uri);
        known.unwrap_or(ProblemKind::VerificationFailed)
    }

    fn due_at(&self) -> Timestamp {
        if self.state.is_final() {
            self.proof_until
                .max(self.claimed_at)
                .saturating_add(REMEMBER)
        } else {
            self.lease_until
        }
    }
}

impl Record for FundingRecord {
    const TABLE: Table = FUNDINGS;
    const KEYS: Table = KEYS;

    fn place(&self) -> Option<Place> {
        Some(Place {
            group: Key::from(DUE),
            at: self.due_at().as_millis(),
        })
    }

    fn pack(&self, out: &mut Packer) -> Result<(), serde_json::Error> {
        out.json(self)
    }

    fn unpack(from: &mut Unpacker<'_>) -> Result<Self, UnpackError> {
        from.json()
    }
}

/// The fundings of a store. The verbs of a claim are those of [`Claims`], which this is over.
#[derive(Clone, Debug)]
pub struct Fundings {
    claims: Claims<FundingRecord>,
}

impl Fundings {
    /// Fundings kept in a backend.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self {
            claims: Claims::new(backend),
        }
    }

    /// The claims: claim, find, load, change, take over, forget.
    #[must_use]
    pub const fn claims(&self) -> &Claims<FundingRecord> {
        &self.claims
    }

    /// The fundings that are due, the longest due first; going on after the last one of the page
    /// before.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn due(
        &self,
        now: Timestamp,
        last: Option<&Held<FundingRecord>>,
        limit: usize,
    ) -> Result<Vec<Held<FundingRecord>>, StoreError> {
        let range = Range {
            partition: Partition::Store,
            table: FUNDINGS,
            group: Key::from(DUE),
            before: now.as_millis().saturating_add(1),
            after: last.map(|last| (last.record.due_at().as_millis(), last.id().clone())),
            newest_first: false,
            limit: limit.min(bounds::PAGE),
        };
        let rows = self.claims.backend().range(range).await?;
        rows.into_iter().map(Held::read).collect()
    }

    /// The write that journals an effect, to stand in the batch of the claim. It is written as it is
    /// given: whoever writes it seals it.
    #[must_use]
    pub fn journal(id: PaymentId, sealed: &Secret) -> Write {
        Write::Put {
            table: JOURNAL,
            key: id.to_key(),
            value: encoding::base64url::encode(sealed.expose()).into_bytes(),
            fence: 0,
            place: None,
        }
    }

    /// The write that erases a journaled effect, once the rail's word on it is final.
    #[must_use]
    pub fn erase(id: PaymentId) -> Write {
        Write::Delete {
            table: JOURNAL,
            key: id.to_key(),
        }
    }

    /// Reads a journaled effect.
    ///
    /// # Errors
    /// When the store fails, or what is there is no journaled effect.
    pub async fn journaled(&self, id: PaymentId) -> Result<Option<Secret>, StoreError> {
        let (partition, key) = (Partition::Store, id.to_key());
        let row = self.claims.backend().get(&partition, JOURNAL, &key).await?;
        row.map(|row| {
            encoding::base64url::decode(row.value)
                .map(Secret::new)
                .map_err(|error| StoreError::Corrupt(error.into()))
        })
        .transpose()
    }
}
