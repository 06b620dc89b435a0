//! A connection, as far as the requests on it share something: who it is, and who waits for whom.
//!
//! A client that takes nothing more of an answer would keep it, its upstream and the connection for
//! as long as it likes. So a connection counts what waits for us; where nothing does and nothing
//! moves either, it is the client that stands still.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use farthing::clock;

/// How long a client may take nothing of what is there for it.
const STALLED: Duration = Duration::from_secs(60);

/// How long a connection may be kept without a request.
const IDLE: Duration = Duration::from_secs(75);

/// A connection.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) hop: IpAddr,
    since: Instant,
    /// Requests whose answers are not all handed over.
    running: AtomicUsize,
    /// How many of them wait for us, or for an upstream.
    ours: AtomicUsize,
    /// When something moved last, in milliseconds from the beginning.
    moved: AtomicU64,
}

/// What is to become of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Goes,
    /// Nobody asked for anything in a long time.
    Idle,
    /// The client takes nothing.
    Stalled,
}

impl Line {
    pub(super) fn new(hop: IpAddr) -> Self {
        Self {
            hop,
            since: clock::monotonic(),
            running: AtomicUsize::new(0),
            ours: AtomicUsize::new(0),
            moved: AtomicU64::new(0),
        }
    }

    /// Looks whether somebody is still there. A first request has to come within `head_within`.
    pub(super) fn verdict(&self, head_within: Duration) -> Verdict {
        self.verdict_at(self.now(), head_within)
    }

    fn verdict_at(&self, now: u64, head_within: Duration) -> Verdict {
        let moved = self.moved.load(Ordering::Relaxed);
        let still = now.saturating_sub(moved);
        let longer_than = |time: Duration| still > millis(time);
        if self.running.load(Ordering::Relaxed) == 0 {
            let patience = if moved == 0 { head_within } else { IDLE };
            if longer_than(patience) {
                return Verdict::Idle;
            }
        } else if self.ours.load(Ordering::Relaxed) == 0 && longer_than(STALLED) {
            return Verdict::Stalled;
        }
        Verdict::Goes
    }

    /// A request came: it waits for us.
    pub(super) fn begins(&self) {
        self.running.fetch_add(1, Ordering::Relaxed);
        self.waits();
    }

    /// A request is over, or nobody wants its answer any more.
    pub(super) fn ends(&self) {
        self.running.fetch_sub(1, Ordering::Relaxed);
        self.moves();
    }

    /// Something waits for us.
    pub(super) fn waits(&self) {
        self.ours.fetch_add(1, Ordering::Relaxed);
        self.moves();
    }

    /// It has what it waited for.
    pub(super) fn has(&self) {
        self.ours.fetch_sub(1, Ordering::Relaxed);
        self.moves();
    }

    fn moves(&self) {
        // Never zero, which is what no request has been seen for.
        self.moved.store(self.now().max(1), Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        millis(self.since.elapsed())
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a line so many seconds from now.
    #[track_caller]
    fn check(line: &Line, seconds: u64, expect: Verdict) {
        let then = line.now() + seconds * 1000;
        let verdict = line.verdict_at(then, Duration::from_secs(10));
        assert_eq!(verdict, expect, "after {seconds} s");
    }

    #[test]
    fn whoever_never_asks_is_sent_away() {
        let line = Line::new([127, 0, 0, 1].into());
        check(&line, 9, Verdict::Goes);
        check(&line, 11, Verdict::Idle);
    }

    #[test]
    fn an_answer_that_is_not_taken_ends_the_connection() {
        let line = Line::new([127, 0, 0, 1].into());
        line.begins();
        // The upstream takes its time.
        check(&line, 600, Verdict::Goes);
        line.has();
        check(&line, 59, Verdict::Goes);
        check(&line, 61, Verdict::Stalled);
        // It takes again, and waits for more.
        line.waits();
        check(&line, 600, Verdict::Goes);
        line.has();
        line.ends();
        check(&line, 74, Verdict::Goes);
        check(&line, 76, Verdict::Idle);
    }
}
