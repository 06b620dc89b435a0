//! A connection, as far as the requests on it share something: who it is, and who waits for whom.
//!
//! A client that takes nothing more of an answer would keep it, its upstream and the connection for
//! as long as it likes. So a connection counts what waits for us; where nothing does and nothing
//! moves either, it is the client that stands still.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    time::Duration,
};

use super::via::Hop;

/// How often a connection is looked at. No request reads the clock for this: it leaves a mark, and
/// the looks that find none are counted.
pub(super) const LOOK: Duration = Duration::from_secs(5);

/// How long a client may take nothing of what is there for it.
const STALLED: Duration = Duration::from_secs(60);

/// How long a connection may be kept without a request.
const IDLE: Duration = Duration::from_secs(75);

/// A connection.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) hop: Hop,
    /// Requests whose answers are not all handed over.
    running: AtomicUsize,
    /// How many of them wait for us, or for an upstream.
    ours: AtomicUsize,
    /// Whether something moved since the last look, and whether anything ever did.
    moved: AtomicBool,
    began: AtomicBool,
    /// Looks in a row that found nothing moved.
    still: AtomicU32,
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
            hop: Hop::new(hop),
            running: AtomicUsize::new(0),
            ours: AtomicUsize::new(0),
            moved: AtomicBool::new(false),
            began: AtomicBool::new(false),
            still: AtomicU32::new(0),
        }
    }

    /// Looks whether somebody is still there, once in [`LOOK`]. A first request has to come within
    /// `head_within`.
    pub(super) fn verdict(&self, head_within: Duration) -> Verdict {
        if self.moved.swap(false, Ordering::Relaxed) {
            self.began.store(true, Ordering::Relaxed);
            self.still.store(0, Ordering::Relaxed);
            return Verdict::Goes;
        }
        let looks = self.still.fetch_add(1, Ordering::Relaxed) + 1;
        let longer_than = |time: Duration| LOOK.saturating_mul(looks) > time;
        if self.running.load(Ordering::Relaxed) == 0 {
            let patience = match self.began.load(Ordering::Relaxed) {
                true => IDLE,
                false => head_within,
            };
            if longer_than(patience) {
                return Verdict::Idle;
            }
        } else if self.ours.load(Ordering::Relaxed) == 0 && longer_than(STALLED) {
            return Verdict::Stalled;
        }
        Verdict::Goes
    }

    /// Whether nobody asked for anything since the last look. A new connection is given one more.
    pub(super) fn is_spare(&self) -> bool {
        let enough = match self.began.load(Ordering::Relaxed) {
            true => 1,
            false => 2,
        };
        self.running.load(Ordering::Relaxed) == 0 && self.still.load(Ordering::Relaxed) >= enough
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
        // Most find the mark set, and leave its cache line alone.
        if !self.moved.load(Ordering::Relaxed) {
            self.moved.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a line after so many looks.
    #[track_caller]
    fn check(line: &Line, looks: u32, expect: Verdict) {
        let verdicts: Vec<_> = (0..looks)
            .map(|_| line.verdict(Duration::from_secs(10)))
            .collect();
        let (last, before) = verdicts.split_last().unwrap();
        assert_eq!(*last, expect, "after {looks} looks");
        assert!(before.iter().all(|verdict| *verdict == Verdict::Goes));
    }

    #[test]
    fn whoever_never_asks_is_sent_away() {
        let line = Line::new([127, 0, 0, 1].into());
        check(&line, 2, Verdict::Goes);
        check(&line, 1, Verdict::Idle);
    }

    #[test]
    fn whoever_asks_for_nothing_has_a_connection_to_spare() {
        let line = Line::new([127, 0, 0, 1].into());
        check(&line, 1, Verdict::Goes);
        assert!(!line.is_spare(), "it may be about to ask");
        check(&line, 1, Verdict::Goes);
        assert!(line.is_spare());
        line.begins();
        check(&line, 3, Verdict::Goes);
        assert!(!line.is_spare(), "a request is on it");
        line.has();
        line.ends();
        check(&line, 1, Verdict::Goes);
        assert!(!line.is_spare(), "it asked a moment ago");
        check(&line, 1, Verdict::Goes);
        assert!(line.is_spare());
    }

    #[test]
    fn an_answer_that_is_not_taken_ends_the_connection() {
        let line = Line::new([127, 0, 0, 1].into());
        line.begins();
        // The upstream takes its time.
        check(&line, 120, Verdict::Goes);
        line.has();
        check(&line, 13, Verdict::Goes);
        check(&line, 1, Verdict::Stalled);
        // It takes again, and waits for more.
        line.waits();
        check(&line, 120, Verdict::Goes);
        line.has();
        line.ends();
        check(&line, 16, Verdict::Goes);
        check(&line, 1, Verdict::Idle);
    }
}
