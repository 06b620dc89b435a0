//! `Accept-Payment`: what a client can pay with, and what it prefers.

use std::{fmt, str::FromStr};

use crate::{
    bounds,
    value::{IntentId, MethodId, TextError},
};

/// The ranges a client declares, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AcceptPayment {
    ranges: Vec<Range>,
}

/// A kind of payments, and how much it is preferred.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The method, or any.
    pub method: Option<MethodId>,
    /// The intent, or any.
    pub intent: Option<IntentId>,
    /// How much it is preferred.
    pub weight: Weight,
}

/// A preference in thousandths, from 0 (never) to 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight(u16);

/// Why a header is malformed. A server then does as if it were absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// It is too long, or has too many ranges.
    #[error("Accept-Payment is too large")]
    TooLarge,
    /// A range is not `method/intent`, with or without a weight.
    #[error("Accept-Payment is malformed")]
    Grammar,
    /// A method or an intent breaks its grammar.
    #[error("Accept-Payment has {0}")]
    Name(#[from] TextError),
}

impl AcceptPayment {
    /// The ranges, in order.
    #[must_use]
    pub fn new(ranges: Vec<Range>) -> Self {
        Self { ranges }
    }

    /// Reads all lines of the header.
    ///
    /// # Errors
    /// When they are malformed or too large.
    pub fn parse<I>(lines: I) -> Result<Self, AcceptError>
    where
        I: IntoIterator<Item: AsRef<[u8]>>,
    {
        let mut ranges = Vec::new();
        let mut room = bounds::ACCEPT_PAYMENT;
        for line in lines {
            let line = line.as_ref();
            room = room.checked_sub(line.len()).ok_or(AcceptError::TooLarge)?;
            let line = std::str::from_utf8(line).map_err(|_| AcceptError::Grammar)?;
            let elements = line
                .split(',')
                .map(trim)
                .filter(|element| !element.is_empty());
            for element in elements {
                if ranges.len() >= bounds::ACCEPT_RANGES {
                    return Err(AcceptError::TooLarge);
                }
                ranges.push(element.parse()?);
            }
        }
        Ok(Self { ranges })
    }

    /// The places of the offers a client takes, the preferred ones first and those it likes
    /// equally in the server's order. For each offer the most specific range that covers it
    /// decides: `tempo/charge`, then `tempo/*`, then `*/charge`, then `*/*`.
    ///
    /// When it takes none of them, all are returned in the server's order: the offers still tell
    /// what there is.
    pub fn rank<'a>(
        &self,
        offers: impl IntoIterator<Item = (&'a MethodId, &'a IntentId)>,
    ) -> Vec<usize> {
        let weights: Vec<Weight> = offers
            .into_iter()
            .map(|(method, intent)| self.weight(method, intent))
            .collect();
        let mut taken: Vec<usize> = (0..weights.len())
            .filter(|place| weights[*place] > Weight::NEVER)
            .collect();
        if taken.is_empty() {
            return (0..weights.len()).collect();
        }
        taken.sort_by_key(|place| std::cmp::Reverse(weights[*place]));
        taken
    }

    /// How much a kind of payment is preferred; what no range covers is never taken.
    #[must_use]
    pub fn weight(&self, method: &MethodId, intent: &IntentId) -> Weight {
        let mut best: Option<&Range> = None;
        for range in self
            .ranges
            .iter()
            .filter(|range| range.covers(method, intent))
        {
            // Of two equal ranges the first one counts.
            if best.is_none_or(|best| range.specificity() > best.specificity()) {
                best = Some(range);
            }
        }
        best.map_or(Weight::NEVER, |range| range.weight)
    }
}

impl fmt::Display for AcceptPayment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, range) in self.ranges.iter().enumerate() {
            let separator = if place == 0 { "" } else { ", " };
            write!(f, "{separator}{range}")?;
        }
        Ok(())
    }
}

impl Range {
    fn covers(&self, method: &MethodId, intent: &IntentId) -> bool {
        self.method.as_ref().is_none_or(|own| own == method)
            && self.intent.as_ref().is_none_or(|own| own == intent)
    }

    fn specificity(&self) -> u8 {
        u8::from(self.method.is_some()) * 2 + u8::from(self.intent.is_some())
    }
}

impl FromStr for Range {
    type Err = AcceptError;

    fn from_str(text: &str) -> Result<Self, AcceptError> {
        let (token, weight) = match text.split_once(';') {
            None => (text, Weight::MOST),
            Some((token, weight)) => (token, trim(weight).parse()?),
        };
        let (method, intent) = trim(token).split_once('/').ok_or(AcceptError::Grammar)?;
        Ok(Self {
            method: unless_any(method)?,
            intent: unless_any(intent)?,
            weight,
        })
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = self.method.as_ref().map_or("*", MethodId::as_str);
        let intent = self.intent.as_ref().map_or("*", IntentId::as_str);
        write!(f, "{method}/{intent}")?;
        match self.weight {
            Weight::MOST => Ok(()),
            weight => write!(f, ";q={weight}"),
        }
    }
}

impl Weight {
    /// Never.
    pub const NEVER: Self = Self(0);
    /// As much as can be.
    pub const MOST: Self = Self(1000);

    /// A preference in thousandths; more than 1000 is 1000.
    #[must_use]
    pub const fn from_thousandths(thousandths: u16) -> Self {
        if thousandths > 1000 {
            Self::MOST
        } else {
            Self(thousandths)
        }
    }
}

impl FromStr for Weight {
    type Err = AcceptError;

    /// Reads `q=` and a weight of at most three decimals (RFC 9110, section 12.4.2).
    fn from_str(text: &str) -> Result<Self, AcceptError> {
        let value = text
            .strip_prefix(['q', 'Q'])
            .and_then(|rest| rest.strip_prefix('='))
            .ok_or(AcceptError::Grammar)?;
        let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
        let digits_ok = fraction.len() <= 3 && fraction.bytes().all(|b| b.is_ascii_digit());
        let thousandths = match whole {
            "0" if digits_ok => format!("{fraction:0<3}").parse().ok(),
            "1" if digits_ok && fraction.bytes().all(|b| b == b'0') => Some(1000),
            _ => None,
        };
        thousandths.map(Self).ok_or(AcceptError::Grammar)
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fraction = format!("{:03}", self.0 % 1000);
        match fraction.trim_end_matches('0') {
            "" => write!(f, "{}", self.0 / 1000),
            fraction => write!(f, "0.{fraction}"),
        }
    }
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

fn unless_any<T: FromStr<Err = TextError>>(text: &str) -> Result<Option<T>, TextError> {
    match text {
        "*" => Ok(None),
        name => name.parse().map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFERS: [&str; 4] = [
        "tempo/session",
        "tempo/charge",
        "solana/charge",
        "stripe/charge",
    ];

    fn check(header: &str, expect: &[&str]) {
        let accept = AcceptPayment::parse([header]).unwrap();
        let offers = OFFERS.map(|offer| {
            let (method, intent) = offer.split_once('/').unwrap();
            (
                MethodId::new(method).unwrap(),
                IntentId::new(intent).unwrap(),
            )
        });
        let ranked = accept.rank(offers.iter().map(|(method, intent)| (method, intent)));
        let ranked: Vec<&str> = ranked.into_iter().map(|place| OFFERS[place]).collect();
        assert_eq!(ranked, expect, "{header}");
    }

    #[test]
    fn offers_are_filtered_and_ranked() {
        check(
            "tempo/*, solana/*;q=0.6, stripe/charge;q=0.2",
            &[
                "tempo/session",
                "tempo/charge",
                "solana/charge",
                "stripe/charge",
            ],
        );
        check(
            "stripe/charge, tempo/charge;q=0.999",
            &["stripe/charge", "tempo/charge"],
        );
        check(
            "tempo/charge, tempo/session;q=0, solana/charge",
            &["tempo/charge", "solana/charge"],
        );
    }

    #[test]
    fn the_most_specific_range_decides() {
        check("*/*, tempo/*;q=0", &["solana/charge", "stripe/charge"]);
        check(
            "tempo/*;q=0.1, */charge;q=0.9, tempo/charge;q=0",
            &["solana/charge", "stripe/charge", "tempo/session"],
        );
        check(
            "*/session;q=0, tempo/*;q=0.5",
            &["tempo/session", "tempo/charge"],
        );
    }

    #[test]
    fn all_are_shown_where_none_is_taken() {
        check("lightning/charge", &OFFERS);
        check("", &OFFERS);
        check("*/*;q=0", &OFFERS);
    }

    #[test]
    fn what_is_malformed_is_an_error() {
        for bad in [
            "tempo",
            "tempo/",
            "Tempo/charge",
            "tempo/charge;q=2",
            "tempo/charge;q=0.1234",
            "tempo/charge;q=1.001",
            "tempo/charge;q=",
            "tempo/charge;level=1",
            "tempo/charge;q=.5",
            "tempo/ch arge",
            "é/charge",
        ] {
            assert!(AcceptPayment::parse([bad]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn is_bounded() {
        let many = vec!["*/*"; bounds::ACCEPT_RANGES + 1].join(",");
        assert_eq!(AcceptPayment::parse([many]), Err(AcceptError::TooLarge));
        let long = " ".repeat(bounds::ACCEPT_PAYMENT / 2 + 1);
        assert_eq!(
            AcceptPayment::parse([&long, &long]),
            Err(AcceptError::TooLarge)
        );
    }

    #[test]
    fn is_written_as_it_is_read() {
        for text in [
            "tempo/charge",
            "tempo/*, */session;q=0.3, */*;q=0",
            "*/charge;q=0.005",
        ] {
            assert_eq!(AcceptPayment::parse([text]).unwrap().to_string(), text);
        }
    }
}
