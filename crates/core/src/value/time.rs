//! Wall time, as RFC 3339 writes it.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::text;

/// A moment of wall time, in milliseconds since 1970, between the years 1970 and 9999.
///
/// On the wire it is an RFC 3339 text. A fraction of a second is written only when there is one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(u64);

/// Why a text is not an RFC 3339 date-time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 date-time between 1970 and 9999")]
pub struct TimestampError;

/// 9999-12-31T23:59:59.999Z.
const MAX: u64 = 253_402_300_799_999;

impl Timestamp {
    /// The start of 1970.
    pub const EPOCH: Self = Self(0);
    /// The end of 9999.
    pub const FAR: Self = Self(MAX);

    /// From milliseconds since 1970; what lies past the year 9999 becomes its end.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(if millis > MAX { MAX } else { millis })
    }

    /// From seconds since 1970; what lies past the year 9999 becomes its end.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self::from_millis(secs.saturating_mul(1000))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since 1970.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// Later by this much, at the most the end of 9999.
    #[must_use]
    pub fn saturating_add(self, by: Duration) -> Self {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// Earlier by this much, at the least the start of 1970.
    #[must_use]
    pub fn saturating_sub(self, by: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)),
        )
    }

    /// How long it is from `earlier` to this moment; nothing when it lies before.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The same moment without the fraction of its second.
    #[must_use]
    pub const fn whole_secs(self) -> Self {
        Self(self.0 - self.0 % 1000)
    }
}

impl Timestamp {
    /// The RFC 3339 text on the stack, without the formatting machinery: a challenge is dated on
    /// every unpaid request.
    #[must_use]
    pub fn to_text(self) -> TimestampText {
        let (days, secs) = (self.as_secs() / 86_400, self.as_secs() % 86_400);
        let (year, month, day) = civil_from_days(days);
        let mut bytes = *b"0000-00-00T00:00:00.000Z";
        digits(&mut bytes[0..4], year);
        digits(&mut bytes[5..7], month);
        digits(&mut bytes[8..10], day);
        digits(&mut bytes[11..13], secs / 3600);
        digits(&mut bytes[14..16], secs / 60 % 60);
        digits(&mut bytes[17..19], secs % 60);
        let length = match self.0 % 1000 {
            0 => {
                bytes[19] = b'Z';
                20
            }
            millis => {
                digits(&mut bytes[20..23], millis);
                24
            }
        };
        TimestampText { bytes, length }
    }
}

/// The text of a [`Timestamp`].
#[derive(Clone, Copy, Debug)]
pub struct TimestampText {
    bytes: [u8; 24],
    length: usize,
}

impl TimestampText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).expect("a timestamp is written in ASCII")
    }
}

fn digits(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).expect("a remainder of ten is a digit");
        number /= 10;
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_text().as_str())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timestamp({self})")
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        parse(text.as_bytes()).ok_or(TimestampError)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.to_text().as_str())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::deserialize(deserializer)
    }
}

/// Reads `YYYY-MM-DDTHH:MM:SS[.fraction](Z|±HH:MM)` (RFC 3339, section 5.6). Digits of the fraction
/// past the third are dropped.
fn parse(text: &[u8]) -> Option<Timestamp> {
    let (fields, rest) = text.split_at_checked(19)?;
    let shape_ok = fields[4] == b'-'
        && fields[7] == b'-'
        && matches!(fields[10], b'T' | b't')
        && fields[13] == b':'
        && fields[16] == b':';
    let date = (
        number(&fields[..4])?,
        number(&fields[5..7])?,
        number(&fields[8..10])?,
    );
    let (hour, minute) = (number(&fields[11..13])?, number(&fields[14..16])?);
    // 60 is a leap second, which this count of seconds shows as the first one after it.
    let second = number(&fields[17..19])?;
    let (millis, zone) = fraction(rest)?;
    if !shape_ok || !date_exists(date) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let local = days_from_civil(date) * 86_400 + (hour * 3600 + minute * 60 + second).cast_signed();
    let utc = local - offset(zone)?;
    let millis = u64::try_from(utc).ok()?.checked_mul(1000)? + millis;
    (millis <= MAX).then_some(Timestamp(millis))
}

/// Reads an optional fraction of a second as milliseconds, and returns what follows it.
fn fraction(text: &[u8]) -> Option<(u64, &[u8])> {
    let Some(digits) = text.strip_prefix(b".") else {
        return Some((0, text));
    };
    let length = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    if !matches!(length, 1..=12) {
        return None;
    }
    let mut millis = [b'0'; 3];
    let kept = length.min(3);
    millis[..kept].copy_from_slice(&digits[..kept]);
    Some((number(&millis)?, &digits[length..]))
}

/// Reads a zone as seconds east of UTC.
fn offset(zone: &[u8]) -> Option<i64> {
    let east = match zone.first()? {
        b'Z' | b'z' if zone.len() == 1 => return Some(0),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    if zone.len() != 6 || zone[3] != b':' {
        return None;
    }
    let (hour, minute) = (number(&zone[1..3])?, number(&zone[4..6])?);
    (hour <= 23 && minute <= 59).then(|| east * (hour * 3600 + minute * 60).cast_signed())
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |sum, b| {
        b.is_ascii_digit().then(|| sum * 10 + u64::from(b - b'0'))
    })
}

const fn date_exists((year, month, day): (u64, u64, u64)) -> bool {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let longest = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    day >= 1 && day <= longest
}

/// A date of the proleptic Gregorian calendar as days since 1970, counted in eras of 400 years
/// that start in March.
const fn days_from_civil((year, month, day): (u64, u64, u64)) -> i64 {
    let year = if month <= 2 {
        year.cast_signed() - 1
    } else {
        year.cast_signed()
    };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let from_march = (month.cast_signed() + 9) % 12;
    let day_of_year = (153 * from_march + 2) / 5 + day.cast_signed() - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`], from 1970 on.
const fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_rfc_3339() {
        let cases = [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-01-29T12:00:30Z", 1_769_688_030_000),
            ("2024-02-29T23:59:59.250Z", 1_709_251_199_250),
            ("9999-12-31T23:59:59.999Z", MAX),
        ];
        for (text, millis) in cases {
            assert_eq!(text.parse(), Ok(Timestamp(millis)), "{text}");
            assert_eq!(Timestamp(millis).to_string(), text);
        }
        assert_eq!(
            "2026-01-29T13:00:30+01:00".parse(),
            Ok(Timestamp(1_769_688_030_000))
        );
    }

    #[test]
    fn refuses_what_is_not_rfc_3339() {
        let bad = [
            "",
            "Jan 29 2026 12:00",
            "2026-01-29",
            "2026-01-29 12:00:00Z",
            "2026-01-29T12:00Z",
            "2026-13-29T12:00:00Z",
            "2026-01-29T12:00:00",
            "1969-12-31T23:59:59Z",
            "2026-01-29T12:00:00Z[UTC]",
            "20260129T120000Z",
            "2026-01-29T12:00:00+25:00",
        ];
        for text in bad {
            assert_eq!(text.parse::<Timestamp>(), Err(TimestampError), "{text}");
        }
    }
}
