//! The clocks. Nothing else in the workspace reads one: everything that decides is handed a
//! [`Clock`], so that a test can say what time it is.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use farthing_core::{port::clock::Clock, value::Timestamp};

/// A moment to measure from: how long something took, or has left.
///
/// Nothing about money is decided by it, and it means nothing outside this process.
#[must_use]
pub fn monotonic() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one module that reads the clock"
    )]
    Instant::now()
}

/// The system's wall clock.
///
/// It is as right as the system keeps it. A clock that is minutes off refuses good challenges, or
/// pays ones that ended.
///
/// ```
/// use farthing::{clock::SystemClock, core::port::clock::Clock};
///
/// let now = SystemClock.now();
/// assert!(now.to_string().ends_with('Z'));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one module that reads the clock"
        )]
        let now = SystemTime::now();
        // A clock before 1970 was never set; what it says then makes every challenge seem fresh,
        // so it is told as 1970 and nothing worse.
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}
