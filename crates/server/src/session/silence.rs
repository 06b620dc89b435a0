//! Silence: whether a rail has been heard of lately.
//!
//! A payer may ask the rail for its channel's end, and what was served has to be settled before the
//! grace is over. So a rail whose newest block is old may hide such a request, and what is served
//! meanwhile may never be settled. When the last block that was seen is older than a third of the
//! grace, sessions are not served: by the time of that block, for a node may go on answering with an
//! old one, and by ours since somebody answered, for a rail's clock may be ahead.
//!
//! A process that has just begun knows nothing, so it counts as deaf until it has caught up: see
//! [`Till::hear`].

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use farthing_core::{
    port::{backend::StoreError, method::Refusal},
    value::{MethodId, Timestamp},
};

use super::till::Till;

const FAILED_NOW: &str = "it failed a moment ago, and is not asked again yet";

/// What a process heard of a rail.
#[derive(Debug, Default)]
pub(super) struct Hearing {
    heard: Mutex<Option<Heard>>,
    /// Held by the one that looks around.
    pub(super) looking: tokio::sync::Mutex<()>,
    /// Held by the request that catches up, with when one of them last failed to, and why.
    trying: tokio::sync::Mutex<Option<(Timestamp, Failed)>>,
}

/// What a request that could not catch up failed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failed {
    Rail,
    Store,
}

#[derive(Clone, Copy, Debug)]
struct Heard {
    block: u64,
    /// When the newest block was made, by the rail's clock.
    at: Timestamp,
    /// When a block that was new to us was last told, by our clock.
    told_at: Timestamp,
}

/// Why sessions on a rail are not served at the moment. Nothing was charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Silent {
    /// This process has not heard of it yet.
    #[error("the rail has not been looked at yet")]
    NotYet,
    /// Its newest block is older than a third of the grace.
    #[error("nothing new has been heard of the rail since {0}")]
    Since(Timestamp),
    /// There is no such rail.
    #[error("there is no such rail")]
    NoRail,
}

/// A rail that could not be caught up with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeafError {
    /// It is silent.
    #[error(transparent)]
    Silent(#[from] Silent),
    /// It does not answer.
    #[error(transparent)]
    Rail(Refusal),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Hearing {
    pub(super) fn block(&self) -> Option<u64> {
        self.lock().map(|heard| heard.block)
    }

    /// Notes the newest block.
    pub(super) fn note(&self, block: u64, at: Timestamp, now: Timestamp) {
        let mut heard = self.lock();
        match &mut *heard {
            // A node that answers with the same block again says nothing new.
            Some(heard) if block <= heard.block && at <= heard.at => {}
            // A rail that is the seller's own books has a block only where something happened; that
            // it is there is told by its time.
            Some(heard) if block <= heard.block => {
                heard.at = at;
                heard.told_at = now;
            }
            heard => {
                *heard = Some(Heard {
                    block,
                    at,
                    told_at: now,
                });
            }
        }
    }

    fn check(&self, grace: Duration, now: Timestamp) -> Result<(), Silent> {
        let heard = (*self.lock()).ok_or(Silent::NotYet)?;
        let since = heard.at.min(heard.told_at);
        // Where our clock went back, what was heard before lies ahead of it, and grows no older.
        let off = now.since(since).max(since.since(now));
        if off > grace / 3 {
            return Err(Silent::Since(since));
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Heard>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Till {
    /// Whether sessions on a rail may be served. It asks nobody.
    ///
    /// # Errors
    /// When it has been silent for a third of its grace, or was not looked at yet.
    pub fn heard(&self, method: &MethodId) -> Result<(), Silent> {
        let desk = self.desk(method).ok_or(Silent::NoRail)?;
        desk.hearing.check(desk.rail.grace(), self.now())
    }

    /// Catches up with a rail that was not looked at yet, and says whether sessions on it may be
    /// served. However many ask at once, one of them does it; where that fails, nobody tries for a
    /// while.
    ///
    /// # Errors
    /// When it is silent, does not answer, or the store fails.
    pub async fn hear(&self, method: &MethodId) -> Result<(), DeafError> {
        let desk = self.desk(method).ok_or(Silent::NoRail)?;
        if self.heard(method) == Err(Silent::NotYet) {
            let mut failed_at = desk.hearing.trying.lock().await;
            // Those who waited find that it is done, or that it failed a moment ago.
            if self.heard(method) != Err(Silent::NotYet) {
                return Ok(self.heard(method)?);
            }
            if let Some((at, failed)) = *failed_at
                && self.now() < at.saturating_add(self.0.options.ask_again)
            {
                return Err(match failed {
                    Failed::Rail => Silent::NotYet.into(),
                    Failed::Store => StoreError::Unavailable(FAILED_NOW.into()).into(),
                });
            }
            let looked = self.look_around(method).await;
            *failed_at = looked.as_ref().err().map(|error| {
                let failed = match error {
                    DeafError::Store(_) => Failed::Store,
                    DeafError::Silent(_) | DeafError::Rail(_) => Failed::Rail,
                };
                (self.now(), failed)
            });
            looked?;
        }
        Ok(self.heard(method)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(900);

    #[test]
    fn an_old_block_is_silence_and_so_is_a_node_that_tells_the_same_one() {
        let at = Timestamp::from_secs;
        let hearing = Hearing::default();
        let check = |now| hearing.check(GRACE, at(now));
        assert_eq!(check(1_000), Err(Silent::NotYet));
        hearing.note(5, at(1_000), at(1_001));
        assert_eq!(check(1_300), Ok(()));
        assert_eq!(check(1_301), Err(Silent::Since(at(1_000))));
        // The same block again, and an older one, are no news.
        hearing.note(5, at(1_000), at(1_301));
        hearing.note(4, at(990), at(1_301));
        assert_eq!(check(1_302), Err(Silent::Since(at(1_000))));
        // A rail whose clock is ahead is silent by ours.
        hearing.note(6, at(9_000), at(1_400));
        assert_eq!(check(1_700), Ok(()));
        hearing.note(6, at(9_000), at(1_700));
        assert_eq!(check(1_701), Err(Silent::Since(at(1_400))));
        // One on which nothing happens, and whose time goes on, is there.
        hearing.note(6, at(9_001), at(1_701));
        assert_eq!(check(2_001), Ok(()));
        assert_eq!(check(2_002), Err(Silent::Since(at(1_701))));
    }

    #[test]
    fn a_clock_that_goes_back_hides_no_silence() {
        let at = Timestamp::from_secs;
        let hearing = Hearing::default();
        hearing.note(5, at(10_000), at(10_000));
        // An hour back, and the rail says nothing more.
        assert_eq!(
            hearing.check(GRACE, at(6_400)),
            Err(Silent::Since(at(10_000)))
        );
        // A little back is what clocks do.
        assert_eq!(hearing.check(GRACE, at(9_990)), Ok(()));
        // The next block is heard at the time that it is now.
        hearing.note(6, at(10_001), at(6_401));
        assert_eq!(hearing.check(GRACE, at(6_401)), Ok(()));
        assert_eq!(
            hearing.check(GRACE, at(6_702)),
            Err(Silent::Since(at(6_401)))
        );
    }
}
