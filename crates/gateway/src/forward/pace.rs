//! How slowly a client may send.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Sleep;

/// How long a body may take before its rate is looked at.
const GRACE: Duration = Duration::from_secs(30);

/// The time a body has left: half a minute from when it was first waited for, and more with each
/// byte.
///
/// It is looked at only while the client is waited for, and whoever sent much before has much left.
/// So an upstream that takes a body slowly is not held against its client.
pub(super) struct Pace {
    /// Bytes a second; 0 for as slow as it likes.
    rate: u64,
    /// What came before the client was waited for is good for so long.
    early: Duration,
    until: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    pub(super) const fn new(rate: u64) -> Self {
        Self {
            rate,
            early: Duration::ZERO,
            until: None,
        }
    }

    /// So many bytes came.
    pub(super) fn came(&mut self, bytes: u64) {
        let more = worth(bytes, self.rate);
        match &mut self.until {
            Some(until) => {
                let later = until.deadline() + more;
                until.as_mut().reset(later);
            }
            None => self.early = self.early.saturating_add(more),
        }
    }

    /// Ready when the client was too slow.
    pub(super) fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.rate == 0 {
            return Poll::Pending;
        }
        let first = GRACE.saturating_add(self.early);
        let until = self
            .until
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(first)));
        until.as_mut().poll(context)
    }
}

/// How long so many bytes may take.
fn worth(bytes: u64, rate: u64) -> Duration {
    let micros = u128::from(bytes) * 1_000_000 / u128::from(rate.max(1));
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pace")
            .field("rate", &self.rate)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_is_worth_its_part_of_a_second() {
        for (bytes, rate, micros) in [
            (1024, 1024, 1_000_000),
            (1, 1024, 976),
            (10 << 20, 1024, 10_240_000_000),
            (0, 1024, 0),
        ] {
            assert_eq!(worth(bytes, rate), Duration::from_micros(micros), "{bytes}");
        }
    }
}
