//! How long what is over is kept.

use std::time::Duration;

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long what is over is kept in the store. What was added up of it stays for good: the
/// [report](super::Till::report) says the same before and after.
///
/// | what | from when | where the time is said |
/// |---|---|---|
/// | a channel that ended, its payouts and the calls on it | its end, and the last promise to remember a call | `channels` |
/// | how it ended | its end | `ends` |
/// | that there was a settlement, and what its rail keeps of it | its last question | `settlements` |
/// | a funding | an hour after its proof ran out, when it is good no more | fixed |
/// | a call on a channel that goes on | what its route promises for an idempotency key | the route |
/// | a counter of an hour | a day after the hour | fixed |
///
/// ```
/// use std::time::Duration;
///
/// use farthing_server::session::SessionOptions;
///
/// let mut options = SessionOptions::default();
/// options.retention.ends = Duration::from_secs(365 * 24 * 60 * 60);
/// assert!(options.check().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retention {
    /// A channel after its end: so long its payer is told what became of it. At least an hour, for
    /// processes that still have it in memory.
    pub channels: Duration,
    /// How a channel ended, for the books: at least as long as the channel.
    pub ends: Duration,
    /// That there was a settlement, after it is written off: at least an hour, so that no block with it
    /// can be undone.
    pub settlements: Duration,
    /// How often a process looks for what may be forgotten. Each time it forgets a bounded number of
    /// rows, and begins again at once where there are more.
    pub every: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            channels: 30 * DAY,
            ends: 180 * DAY,
            settlements: 30 * DAY,
            every: Duration::from_secs(60),
        }
    }
}

impl Retention {
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if self.channels < HOUR || self.settlements < HOUR {
            return Err("what is over has to be kept for an hour at least");
        }
        if self.ends < self.channels {
            return Err("how a channel ended has to be kept as long as the channel");
        }
        if self.every.is_zero() {
            return Err("there has to be a time between looking for what may be forgotten");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_is_kept_long_enough() {
        let check = |change: fn(&mut Retention), is_good: bool| {
            let mut retention = Retention::default();
            change(&mut retention);
            assert_eq!(retention.check().is_ok(), is_good, "{retention:?}");
        };
        check(|_| (), true);
        check(|it| it.channels = HOUR, true);
        check(|it| it.channels = Duration::from_secs(3599), false);
        check(|it| it.settlements = Duration::from_secs(3599), false);
        check(|it| it.ends = it.channels - DAY, false);
        check(|it| it.ends = it.channels, true);
        check(|it| it.every = Duration::ZERO, false);
    }
}
