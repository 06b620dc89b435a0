//! Times as a person reads them.

use std::time::Duration;

use farthing::core::value::Timestamp;

/// `in 4m59s`, or `expired 2h ago`.
pub(crate) fn relative(end: Timestamp, now: Timestamp) -> String {
    if end > now {
        format!("in {}", length(end.since(now)))
    } else {
        format!("expired {} ago", length(now.since(end)))
    }
}

/// The two largest units, for example `4m59s`.
pub(crate) fn length(length: Duration) -> String {
    let secs = length.as_secs();
    let (days, hours, minutes) = (secs / 86_400, secs / 3600 % 24, secs / 60 % 60);
    match (days, hours, minutes, secs % 60) {
        (0, 0, 0, secs) => format!("{secs}s"),
        (0, 0, minutes, 0) => format!("{minutes}m"),
        (0, 0, minutes, secs) => format!("{minutes}m{secs}s"),
        (0, hours, 0, _) => format!("{hours}h"),
        (0, hours, minutes, _) => format!("{hours}h{minutes}m"),
        (days, 0, ..) => format!("{days}d"),
        (days, hours, ..) => format!("{days}d{hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_largest_units_are_told() {
        for (secs, expect) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (299, "4m59s"),
            (7200, "2h"),
            (7260, "2h1m"),
            (86_400, "1d"),
            (90_061, "1d1h"),
        ] {
            assert_eq!(length(Duration::from_secs(secs)), expect);
        }
        let at = Timestamp::from_secs;
        assert_eq!(relative(at(300), at(1)), "in 4m59s");
        assert_eq!(relative(at(300), at(300)), "expired 0s ago");
    }
}
