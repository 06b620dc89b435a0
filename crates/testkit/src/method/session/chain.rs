//! What is true on the fake reserve.

use std::collections::{BTreeMap, BTreeSet};

use farthing_core::{
    intent::session::{ChannelId, Protocol},
    value::Timestamp,
};
use serde::{Deserialize, Serialize};

use super::{
    descriptor::FakeDescriptor,
    work::{FakeWork, Why},
};

/// What is true on the rail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReserveTruth {
    /// The newest block.
    pub block: u64,
    /// When it was made.
    pub at: Timestamp,
    /// What every account has, apart from what is locked.
    pub accounts: BTreeMap<String, u128>,
    /// Every channel there ever was.
    pub channels: BTreeMap<ChannelId, FakeChannel>,
    /// Everything that was ever sent, by name: `fake-tx-…` of a transaction that locks value,
    /// `fake-job-…` of a job.
    pub sent: BTreeMap<String, FakeSent>,
    /// The names of what waits for a block.
    pub waiting: BTreeSet<String>,
    /// In which block something happened to a channel, in order.
    pub touched: Vec<(u64, ChannelId)>,
}

/// A channel on the fake reserve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FakeChannel {
    /// What it is.
    pub descriptor: FakeDescriptor,
    /// What was ever locked.
    pub deposit: u128,
    /// What was paid out to the payee.
    pub settled: u128,
    /// When its payer asked for its end.
    pub close_requested_at: Option<Timestamp>,
    /// Whether it was closed or withdrawn.
    pub finalized: bool,
}

/// Something that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FakeSent {
    /// What it does.
    pub work: FakeWork,
    /// How it stands.
    pub standing: FakeStanding,
    /// How often it arrived.
    pub arrived: u64,
    /// How often something else arrived under its name. It is never done.
    pub mixed: u64,
}

/// How something that was sent stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FakeStanding {
    /// It waits for a block, and for this time at the least.
    Waits(Timestamp),
    /// It arrived, and was forgotten.
    Forgotten,
    /// It is done, in this block and at this time.
    Done(u64, Timestamp),
    /// It was refused, for good.
    Refused {
        /// Why.
        why: Box<str>,
        /// For which of its parts.
        culprits: Vec<usize>,
    },
}

impl ReserveTruth {
    /// A channel, whatever became of it.
    #[must_use]
    pub fn channel(&self, id: &ChannelId) -> Option<&FakeChannel> {
        self.channels.get(id)
    }

    /// What somebody has, apart from what is locked.
    #[must_use]
    pub fn balance(&self, account: &str) -> u128 {
        self.accounts.get(account).copied().unwrap_or_default()
    }

    /// What is locked in channels and not paid out.
    #[must_use]
    pub fn locked(&self) -> u128 {
        let open = self.channels.values().filter(|channel| !channel.finalized);
        open.map(|channel| channel.deposit - channel.settled).sum()
    }

    /// What there is in all: it changes only by [`FakeReserve::deposit`](super::FakeReserve::deposit).
    #[must_use]
    pub fn total(&self) -> u128 {
        self.accounts.values().sum::<u128>() + self.locked()
    }

    /// How many settlements were done.
    #[must_use]
    pub fn settlements(&self) -> usize {
        let done = |sent: &&FakeSent| {
            matches!(sent.work, FakeWork::Settle(_))
                && matches!(sent.standing, FakeStanding::Done(..))
        };
        self.sent.values().filter(done).count()
    }

    /// The channels that something happened to after a block, each once.
    #[must_use]
    pub fn touched_since(&self, block: u64) -> BTreeSet<ChannelId> {
        let from = self.touched.partition_point(|(at, _)| *at <= block);
        let after = self.touched[from..].iter();
        after.map(|(_, channel)| channel.clone()).collect()
    }

    pub(super) fn starting(at: Timestamp) -> Self {
        Self {
            block: 1,
            at,
            accounts: BTreeMap::new(),
            channels: BTreeMap::new(),
            sent: BTreeMap::new(),
            waiting: BTreeSet::new(),
            touched: Vec::new(),
        }
    }

    /// Makes a block, with all that waits for this time or an earlier one.
    pub(super) fn make_block(&mut self, now: Timestamp, waited_until: Timestamp) {
        self.block += 1;
        self.at = self.at.max(now);
        let names: Vec<String> = self.due(waited_until).cloned().collect();
        for name in names {
            self.execute(&name);
        }
    }

    /// Whether something waits that a block at this time takes.
    pub(super) fn has_due(&self, now: Timestamp) -> bool {
        self.due(now).next().is_some()
    }

    fn due(&self, now: Timestamp) -> impl Iterator<Item = &String> {
        let is_due = move |name: &&String| {
            let standing = self.sent.get(*name).map(|sent| &sent.standing);
            matches!(standing, Some(FakeStanding::Waits(from)) if *from <= now)
        };
        self.waiting.iter().filter(is_due)
    }

    /// Does what was sent under a name, in the present block.
    pub(super) fn execute(&mut self, name: &str) {
        let Some(sent) = self.sent.get(name) else {
            return;
        };
        let standing = match sent.work.clone().apply(self) {
            Ok(()) => FakeStanding::Done(self.block, self.at),
            Err(Why { text, culprits }) => FakeStanding::Refused {
                why: text,
                culprits,
            },
        };
        if let Some(sent) = self.sent.get_mut(name) {
            sent.standing = standing;
        }
        self.waiting.remove(name);
    }

    pub(super) fn live(&self, id: &ChannelId) -> Result<&FakeChannel, &'static str> {
        match self.channels.get(id) {
            None => Err("there is no such channel"),
            Some(channel) if channel.finalized => Err("the channel is finalized"),
            Some(channel) => Ok(channel),
        }
    }

    pub(super) fn live_mut(&mut self, id: &ChannelId) -> Result<&mut FakeChannel, &'static str> {
        self.live(id)?;
        Ok(self.channels.get_mut(id).expect("it was just found"))
    }

    pub(super) fn touch(&mut self, id: &ChannelId) {
        self.touched.push((self.block, id.clone()));
    }

    pub(super) fn credit(&mut self, account: &str, amount: u128) {
        if amount > 0 {
            *self.accounts.entry(account.to_owned()).or_default() += amount;
        }
    }

    /// Takes from an account, where it has enough.
    pub(super) fn pay(&mut self, account: &str, amount: u128) -> Option<()> {
        let rest = self.balance(account).checked_sub(amount)?;
        self.accounts.insert(account.to_owned(), rest);
        Some(())
    }
}

impl FakeChannel {
    pub(super) const fn new(descriptor: FakeDescriptor) -> Self {
        Self {
            descriptor,
            deposit: 0,
            settled: 0,
            close_requested_at: None,
            finalized: false,
        }
    }

    /// By which rules it is kept.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        self.descriptor.protocol
    }
}

impl Default for ReserveTruth {
    fn default() -> Self {
        Self::starting(Timestamp::EPOCH)
    }
}
