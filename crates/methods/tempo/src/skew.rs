//! The chain's time beside ours.
//!
//! What is signed with an expiring nonce ends by the chain's time, and a node tells what that is. One that
//! names a later time would have us sign what stays good for long after we think it is over. One that names
//! an earlier time gains nothing: what is signed is over all the sooner.

use std::time::Duration;

use farthing_core::value::Timestamp;

/// How far the chain's time may lie before ours.
const SKEW: Duration = Duration::from_secs(60);

/// Whether a chain's time lies so far before ours that its node lies, or our clock is wrong. Then nothing is
/// to be signed that ends by it.
#[must_use]
pub fn is_far_ahead(chain: Timestamp, now: Timestamp) -> bool {
    chain > now.saturating_add(SKEW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_a_clock_and_more_is_a_lie() {
        let now = Timestamp::from_secs(1_000);
        let is_far = |at| is_far_ahead(Timestamp::from_secs(at), now);
        assert_eq!(
            [0, 1_000, 1_060, 1_061].map(is_far),
            [false, false, false, true]
        );
    }
}
