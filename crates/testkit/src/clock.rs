//! A clock that shows what it is told to.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use farthing_core::{port::clock::Clock, value::Timestamp};
use tokio::time::Instant;

/// A [`Clock`] that stands still until somebody moves it. Clones show the same time.
///
/// ```
/// use std::time::Duration;
/// use farthing_core::port::clock::Clock;
/// use farthing_testkit::clock::FakeClock;
///
/// let clock = FakeClock::default();
/// let before = clock.now();
/// clock.clone().advance(Duration::from_secs(90));
/// assert_eq!(clock.now().since(before), Duration::from_secs(90));
/// ```
#[derive(Clone, Debug)]
pub struct FakeClock {
    shown: Arc<AtomicU64>,
    /// Where it goes with a runtime's time: when it began to.
    with: Option<Instant>,
}

impl FakeClock {
    /// A clock that shows a time.
    #[must_use]
    pub fn at(time: Timestamp) -> Self {
        Self {
            shown: Arc::new(AtomicU64::new(time.as_millis())),
            with: None,
        }
    }

    /// A clock that starts at a time and then goes as fast as the runtime it is made in. With a
    /// paused runtime, timers and this clock agree.
    ///
    /// # Panics
    /// Outside of a runtime that was built with its time paused, if the clock is read there.
    #[must_use]
    pub fn going(from: Timestamp) -> Self {
        Self {
            with: Some(Instant::now()),
            ..Self::at(from)
        }
    }

    /// Shows another time from now on.
    pub fn set(&self, time: Timestamp) {
        let gone = self.gone();
        let base = time.as_millis().saturating_sub(gone);
        self.shown.store(base, Ordering::SeqCst);
    }

    /// Goes forward.
    pub fn advance(&self, by: Duration) {
        self.set(self.now().saturating_add(by));
    }

    /// Goes back, as a clock does that was wrong and is corrected.
    pub fn go_back(&self, by: Duration) {
        self.set(self.now().saturating_sub(by));
    }

    fn gone(&self) -> u64 {
        let gone = self.with.map(|since| since.elapsed().as_millis());
        gone.map_or(0, |gone| u64::try_from(gone).unwrap_or(u64::MAX))
    }
}

impl Default for FakeClock {
    /// A fixed moment, long after the epoch.
    fn default() -> Self {
        Self::at(Timestamp::from_secs(1_800_000_000))
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        let shown = self.shown.load(Ordering::SeqCst);
        Timestamp::from_millis(shown.saturating_add(self.gone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_both_ways_and_only_when_told() {
        let clock = FakeClock::default();
        let start = clock.now();
        clock.advance(Duration::from_secs(5));
        clock.go_back(Duration::from_secs(7));
        assert_eq!(start.since(clock.now()), Duration::from_secs(2));
        clock.set(Timestamp::from_secs(9));
        assert_eq!(clock.now(), Timestamp::from_secs(9));
    }

    #[tokio::test(start_paused = true)]
    async fn a_going_clock_agrees_with_the_timers() {
        let clock = FakeClock::going(Timestamp::from_secs(100));
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(clock.now(), Timestamp::from_secs(103));
        clock.set(Timestamp::from_secs(50));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(clock.now(), Timestamp::from_secs(51));
    }
}
