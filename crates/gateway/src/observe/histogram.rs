//! How long something took, in counters by upper bound.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The upper bounds, in microseconds.
pub(super) const BOUNDS: [u64; 15] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000, 30_000_000,
];

/// A histogram. Taking a value in is two additions.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    /// One more than there are bounds: the last is for what took longer than all of them.
    counts: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

impl Histogram {
    pub(crate) fn take(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let at = BOUNDS.partition_point(|bound| *bound < micros);
        self.counts[at].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// How many took at most each bound, and how many there were.
    pub(super) fn cumulated(&self) -> ([u64; BOUNDS.len()], u64) {
        let mut so_far = 0;
        let mut counts = self.counts.iter().map(|count| {
            so_far += count.load(Ordering::Relaxed);
            so_far
        });
        let below = std::array::from_fn(|_| counts.next().unwrap_or_default());
        let all = counts.next().unwrap_or_default();
        (below, all)
    }

    pub(super) fn micros(&self) -> u64 {
        self.micros.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_counts_under_every_bound_it_is_not_over() {
        let histogram = Histogram::default();
        for micros in [0, 500, 501, 30_000_000, 30_000_001] {
            histogram.take(Duration::from_micros(micros));
        }
        let (below, all) = histogram.cumulated();
        assert_eq!(below[..3], [2, 3, 3]);
        assert_eq!((below[BOUNDS.len() - 1], all), (4, 5));
        assert_eq!(histogram.micros(), 60_001_002);
    }
}
