//! Units: what an answer came to so far, and what of it is not charged yet.

use serde_json::Value;

use crate::config::{NotJson, Step};

/// Bytes of one unit.
const KIB: u64 = 1024;

/// Counts what a stream is charged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Count {
    /// The least that it costs, once anything of it goes out.
    least: u64,
    charged: u64,
}

impl Count {
    pub(super) const fn new(least: u64) -> Self {
        Self { least, charged: 0 }
    }

    /// The same where so many bytes go out, none of which costs nothing: each KiB that was begun is one.
    pub(super) fn up_to_bytes(&mut self, bytes: u64) -> u64 {
        match bytes {
            0 => 0,
            bytes => self.up_to(bytes.div_ceil(KIB)),
        }
    }

    /// What is to be charged now that the stream came to so many units in all. What was charged before
    /// is never more than what it comes to.
    pub(super) fn up_to(&mut self, units: u64) -> u64 {
        let more = units.max(self.least).saturating_sub(self.charged);
        self.charged += more;
        more
    }
}

/// The whole number at a place of a JSON document, where there is one.
pub(super) fn at(document: &[u8], place: &NotJson) -> Option<u64> {
    let document: Value = serde_json::from_slice(document).ok()?;
    let mut here = &document;
    for step in place.steps() {
        here = match step {
            Step::Member(name) => here.as_object()?.get(name)?,
            Step::Element(index) => here.as_array()?.get(index)?,
        };
    }
    here.as_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_charged_is_not_charged_again_and_the_least_comes_first() {
        let mut count = Count::new(5);
        let charged: Vec<_> = [1, 2, 5, 6, 6, 20, 3]
            .into_iter()
            .map(|units| count.up_to(units))
            .collect();
        assert_eq!(charged, [5, 0, 0, 1, 0, 14, 0]);
        assert_eq!(Count::new(0).up_to(0), 0);
    }

    #[test]
    fn only_a_whole_number_at_the_place_counts() {
        let place: NotJson = "$.usage.total[1]".parse().unwrap();
        for (document, expect) in [
            (r#"{"usage":{"total":[1,42]}}"#, Some(42)),
            (r#"{"usage":{"total":[1,42.5]}}"#, None),
            (r#"{"usage":{"total":[1,-42]}}"#, None),
            (r#"{"usage":{"total":[1,"42"]}}"#, None),
            (r#"{"usage":{"total":[1,18446744073709551616]}}"#, None),
            (r#"{"usage":{"total":[1]}}"#, None),
            (r#"{"usage":null}"#, None),
            ("[DONE]", None),
            ("", None),
        ] {
            assert_eq!(at(document.as_bytes(), &place), expect, "{document}");
        }
    }
}
