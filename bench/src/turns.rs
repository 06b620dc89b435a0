//! A row run in turns.

use std::time::Duration;

use serde::Serialize;

use crate::{
    measure::{Latency, Side, Spent},
    rows::{Pair, Peer, Row, Unit},
};

/// Something of both sides, for one request.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Both {
    /// What we need.
    pub ours: f64,
    /// What the floor needs.
    pub floor: f64,
}

/// What a row came to.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Nanoseconds a request: the median of all turns.
    pub time: Both,
    /// The median of the ratios of the turns.
    pub ratio: f64,
    /// The processor's nanoseconds a request, in all threads.
    pub cpu: Both,
    /// Flushes of the disk a request.
    pub flushes: Both,
    /// Milliseconds that half of the requests took at the most, and all but one in a hundred: the median
    /// of all turns.
    pub latency: Option<(Both, Both)>,
    /// Nanoseconds a request of the peer, and the median of its ratios to the floor.
    pub peer: Option<(f64, f64)>,
    /// How many turns there were.
    pub runs: usize,
}

/// Runs both sides so many times, each going first as often as the other, and the peer after them.
pub fn take(row: &Row, runs: usize, peer: Option<&Peer>) -> Outcome {
    let Pair {
        mut ours,
        mut floor,
    } = (row.make)();
    let mut peer = peer.map(|peer| (peer.make)());
    // The first turn fills caches and tables, and is not counted.
    let _ = (ours(row.batch / 4), floor(row.batch / 4));
    if let Some(peer) = &mut peer {
        let _ = peer(row.batch / 4);
    }
    let mut beside = Vec::new();
    let turns: Vec<(Spent, Spent)> = (0..runs)
        .map(|turn| {
            let both = turn_of(&mut ours, &mut floor, row.batch, turn % 2 == 0);
            beside.extend(peer.as_mut().map(|peer| (peer(row.batch), both.1)));
            both
        })
        .collect();
    let each = |time: Duration| time.as_secs_f64() * 1e9 / row.batch as f64;
    let time = |spent: &Spent| match row.unit {
        Unit::Wall => each(spent.wall),
        Unit::Cpu | Unit::Instructions => each(spent.thread),
    };
    let both = |of: &dyn Fn(&Spent) -> f64| Both {
        ours: median(turns.iter().map(|(ours, _)| of(ours))),
        floor: median(turns.iter().map(|(_, floor)| of(floor))),
    };
    Outcome {
        time: both(&time),
        ratio: median(turns.iter().map(|(ours, floor)| time(ours) / time(floor))),
        cpu: both(&|spent| each(spent.process)),
        flushes: both(&|spent| spent.flushes as f64 / row.batch as f64),
        latency: turns.first().and_then(|(ours, _)| ours.latency).map(|_| {
            let of = |which: fn(&Latency) -> Duration| {
                both(&|spent| {
                    spent
                        .latency
                        .as_ref()
                        .map_or(f64::NAN, |it| which(it).as_secs_f64() * 1e3)
                })
            };
            (of(|it| it.median), of(|it| it.slow))
        }),
        peer: (!beside.is_empty()).then(|| {
            let needs = median(beside.iter().map(|(peer, _)| time(peer)));
            let ratio = median(beside.iter().map(|(peer, floor)| time(peer) / time(floor)));
            (needs, ratio)
        }),
        runs,
    }
}

fn turn_of(ours: &mut Side, floor: &mut Side, batch: usize, ours_first: bool) -> (Spent, Spent) {
    if ours_first {
        (ours(batch), floor(batch))
    } else {
        let floor = floor(batch);
        (ours(batch), floor)
    }
}

fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    if numbers.len() % 2 == 1 {
        numbers[middle]
    } else {
        (numbers[middle - 1] + numbers[middle]) / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(
            median([3.0, 1.0, 2.0].into_iter()).to_bits(),
            2f64.to_bits()
        );
        assert_eq!(median([4.0, 1.0].into_iter()).to_bits(), 2.5f64.to_bits());
    }
}
