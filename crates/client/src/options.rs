//! Bounds and times of a client, in one place.

use std::time::Duration;

use crate::error::BuildError;

/// How long a client waits, and how often it tries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many redirects are followed.
    pub redirects: usize,
    /// How long the server may take for the head of an answer.
    pub answer_within: Duration,
    /// How long a payer's rail may take.
    pub rail_within: Duration,
    /// How long somebody who is asked for approval may take.
    pub approve_within: Duration,
    /// How often a signed payment is sent at the most, in one call.
    pub sends: u32,
    /// How long is waited between those in total.
    pub wait: Duration,
    /// The first of those waits, where the server names none. Each later one is twice as long.
    pub backoff: Duration,
    /// How late a challenge may end and still be paid.
    pub window: Duration,
    /// For how long a record counts as being worked on after its worker was last heard of. Running
    /// work says so three times as often. Until it has passed, no other process presents the
    /// payment, for its answer may be on its way.
    pub lease: Duration,
    /// For how long channels are listed that are over. Then they are forgotten, when all are looked at.
    pub keep_ended: Duration,
    /// How many pending payments one call of [`resume`](crate::Client::resume) looks at.
    pub resume: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            redirects: 8,
            answer_within: Duration::from_secs(120),
            rail_within: Duration::from_secs(20),
            approve_within: Duration::from_secs(300),
            sends: 6,
            wait: Duration::from_secs(60),
            backoff: Duration::from_millis(250),
            window: Duration::from_secs(24 * 60 * 60),
            lease: Duration::from_secs(6),
            keep_ended: Duration::from_secs(90 * 24 * 60 * 60),
            resume: 64,
        }
    }
}

impl Options {
    /// Options by which nothing that was signed would come to anything.
    pub(crate) fn check(&self) -> Result<(), BuildError> {
        let wrong = if self.sends == 0 {
            "what is signed has to be sent once at least"
        } else if self.answer_within.is_zero() || self.rail_within.is_zero() {
            "a server and a rail need time to answer in"
        } else if self.lease.is_zero() {
            "work needs a lease, or others take it over at once"
        } else {
            return Ok(());
        };
        Err(BuildError::Options(wrong))
    }

    /// How long to wait after this many sendings, where the server names no time.
    pub(crate) fn backoff_after(&self, sends: u32) -> Duration {
        let doublings = sends.saturating_sub(1).min(16);
        self.backoff.saturating_mul(1 << doublings)
    }
}
