//! Whether an upstream can be reached, learnt from what happens to requests.

use std::{
    future::Future,
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

/// Connections that fail in a row before an upstream is taken for down.
const IN_A_ROW: u32 = 3;

/// How long after one attempt to reach an upstream that is down the next one is made.
const BETWEEN_PROBES: Duration = Duration::from_secs(1);

/// What is known of an upstream's health.
///
/// It is passive: as long as connections succeed nothing is asked. Once an upstream is down, the
/// question whether it is ready may start an attempt to connect, one at a time; no request, and
/// nobody's payment, is the probe.
#[derive(Debug, Default)]
pub struct Health {
    unreachable: AtomicU32,
    failures: AtomicU64,
    is_probed: AtomicBool,
}

impl Health {
    /// Whether the last connections failed.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.unreachable.load(Ordering::Relaxed) >= IN_A_ROW
    }

    /// How often it failed in all: not reached, late, or broken off.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// An answer began.
    pub(super) fn answered(&self) {
        // Every request comes here: it must not fetch a cache line for itself to say nothing new.
        if self.unreachable.load(Ordering::Relaxed) != 0 {
            self.unreachable.store(0, Ordering::Relaxed);
        }
    }

    /// It failed, and was there to fail.
    pub(super) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// It could not be reached.
    pub(super) fn not_reached(&self) {
        self.failed();
        let seen = self.unreachable.load(Ordering::Relaxed);
        self.unreachable
            .store(seen.saturating_add(1), Ordering::Relaxed);
    }

    /// Whether it is time for an attempt to reach it. Who is told so has to make one.
    pub(super) fn may_probe(&self) -> bool {
        !self.is_probed.swap(true, Ordering::Relaxed)
    }

    /// Makes the attempt, and remembers how it ended. After one that failed the next one waits.
    pub(super) async fn probe<T, E>(&self, attempt: impl Future<Output = Result<T, E>>) {
        if attempt.await.is_ok() {
            self.answered();
        } else {
            tokio::time::sleep(BETWEEN_PROBES).await;
        }
        self.is_probed.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn three_failures_in_a_row_are_down_and_one_attempt_at_a_time_looks_again() {
        let health = Health::default();
        health.not_reached();
        health.not_reached();
        health.answered();
        health.not_reached();
        health.not_reached();
        assert!(!health.is_down());
        health.not_reached();
        assert!(health.is_down());
        assert_eq!(health.failures(), 5);

        assert!(health.may_probe());
        assert!(!health.may_probe(), "one is under way");
        let mut failing = Box::pin(health.probe(async { Err::<(), ()>(()) }));
        assert!(poll_once(&mut failing).await.is_pending());
        assert!(health.is_down());
        assert!(!health.may_probe(), "too soon");
        failing.await;
        assert!(health.may_probe());
        health.probe(async { Ok::<(), ()>(()) }).await;
        assert!(!health.is_down());
    }

    async fn poll_once<F: Future + Unpin>(future: &mut F) -> std::task::Poll<F::Output> {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context))
        })
        .await
    }
}
