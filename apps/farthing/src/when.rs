//! Points in time as people write them.

use std::{str::FromStr, time::Duration};

use farthing::core::value::Timestamp;

/// A day, a time, or an age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    At(Timestamp),
    Ago(Duration),
}

/// A text that says no point in time.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a time is 2026-01-31 (UTC), 2026-01-31T12:00:00Z, or an age such as 30d, 12h or 15m")]
pub(crate) struct WhenError;

impl When {
    pub(crate) fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(age) => now.saturating_sub(age),
        }
    }
}

impl FromStr for When {
    type Err = WhenError;

    fn from_str(text: &str) -> Result<Self, WhenError> {
        if let Some((count, seconds)) = age(text) {
            let count: u32 = count.parse().map_err(|_| WhenError)?;
            return Ok(Self::Ago(Duration::from_secs(u64::from(count) * seconds)));
        }
        // A day is its first moment.
        let whole = match text.len() {
            10 => format!("{text}T00:00:00Z"),
            _ => text.to_owned(),
        };
        whole.parse().map(Self::At).map_err(|_| WhenError)
    }
}

fn age(text: &str) -> Option<(&str, u64)> {
    let units = [('d', 86_400), ('h', 3600), ('m', 60)];
    let (unit, seconds) = units.into_iter().find(|(unit, _)| text.ends_with(*unit))?;
    let count = text.strip_suffix(unit)?;
    let plain = !count.is_empty() && count.bytes().all(|digit| digit.is_ascii_digit());
    plain.then_some((count, seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_it_is_meant_or_not_at_all() {
        let now = Timestamp::from_secs(1_800_000_000);
        let check = |text: &str, expect: Option<u64>| {
            let when = text.parse::<When>().ok().map(|when| when.at(now));
            assert_eq!(when, expect.map(Timestamp::from_secs), "{text:?}");
        };
        check("2026-01-31", Some(1_769_817_600));
        check("2026-01-31T00:00:01Z", Some(1_769_817_601));
        check("2026-01-31T01:00:01+01:00", Some(1_769_817_601));
        check("2d", Some(1_800_000_000 - 172_800));
        check("12h", Some(1_800_000_000 - 43_200));
        check("15m", Some(1_800_000_000 - 900));
        check("0d", Some(1_800_000_000));
        for bad in [
            "",
            "d",
            "-1d",
            "+1d",
            "1w",
            "1.5d",
            "99999999999d",
            "2026-02-30",
            "2026-1-31",
            "31.1.2026",
            "now",
        ] {
            check(bad, None);
        }
    }
}
