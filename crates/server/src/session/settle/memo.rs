//! What a settler remembers between its rounds. Nothing of it is needed: one that begins anew looks
//! once more at what was looked at, and finds out again which channels a rail refuses.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use farthing_core::{
    intent::session::ChannelId,
    value::{Amount, Timestamp},
};
use tokio::sync::Notify;

/// A settler of one rail, in one process.
#[derive(Debug, Default)]
pub(in crate::session) struct Settler {
    /// Held by the round that is under way.
    pub(super) turn: tokio::sync::Mutex<()>,
    /// How many rounds were begun.
    pub(super) begun: AtomicU64,
    pub(super) wake: Notify,
    memo: Mutex<Memo>,
}

#[derive(Debug, Default)]
pub(super) struct Memo {
    suspects: HashMap<ChannelId, Suspect>,
    sightings: HashMap<ChannelId, Sighting>,
    passed: HashMap<ChannelId, Timestamp>,
}

/// A channel that was in a settlement that was refused.
#[derive(Clone, Copy, Debug)]
struct Suspect {
    refused: u32,
    until: Timestamp,
}

/// A channel that was seen with something unsettled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sighting {
    /// What was spent.
    spent: Amount,
    /// Since when that has not changed.
    pub(super) unchanged_since: Timestamp,
    /// Since when anything is unsettled.
    pub(super) unsettled_since: Timestamp,
    /// When it was seen last.
    seen_at: Timestamp,
}

impl Settler {
    /// Has it look at once for what is due.
    pub(in crate::session) fn nudge(&self) {
        self.wake.notify_one();
    }

    pub(super) fn memo(&self) -> MutexGuard<'_, Memo> {
        self.memo.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memo {
    /// Notes what was spent of a channel that has something unsettled.
    pub(super) fn sight(&mut self, id: &ChannelId, spent: Amount, now: Timestamp) -> Sighting {
        let sighting = self.sightings.entry(id.clone()).or_insert(Sighting {
            spent,
            unchanged_since: now,
            unsettled_since: now,
            seen_at: now,
        });
        if sighting.spent != spent {
            sighting.spent = spent;
            sighting.unchanged_since = now;
        }
        sighting.seen_at = now;
        *sighting
    }

    /// Forgets that anything of it was unsettled.
    pub(super) fn clear(&mut self, id: &ChannelId) {
        self.sightings.remove(id);
    }

    /// How often a channel's settlement was refused, unless it has to wait for the next try.
    pub(super) fn may_be_handed(&self, id: &ChannelId, now: Timestamp) -> Option<u32> {
        match self.suspects.get(id) {
            None => Some(0),
            Some(suspect) if suspect.until <= now => Some(suspect.refused),
            Some(_) => None,
        }
    }

    /// A settlement with this channel was refused.
    pub(super) fn suspect(&mut self, id: &ChannelId, until: Timestamp) {
        let refused = self.refused(id).saturating_add(1);
        self.suspects.insert(id.clone(), Suspect { refused, until });
    }

    /// How often it was refused.
    pub(super) fn refused(&self, id: &ChannelId) -> u32 {
        self.suspects.get(id).map_or(0, |suspect| suspect.refused)
    }

    pub(super) fn acquit(&mut self, id: &ChannelId) {
        self.suspects.remove(id);
    }

    /// There was nothing to hand in of a channel, and it need not be looked at before this time.
    pub(super) fn pass(&mut self, id: &ChannelId, until: Timestamp) {
        self.passed.insert(id.clone(), until);
    }

    pub(super) fn is_passed(&self, id: &ChannelId, now: Timestamp) -> bool {
        self.passed.get(id).is_some_and(|until| *until > now)
    }

    /// Forgets what is over, so that it holds no more than what is open.
    pub(super) fn tidy(&mut self, now: Timestamp, keep: Duration) {
        self.passed.retain(|_, until| *until > now);
        let oldest = now.saturating_sub(keep);
        self.sightings
            .retain(|_, sighting| sighting.seen_at >= oldest);
        self.suspects.retain(|_, suspect| suspect.until >= oldest);
    }
}
