//! The table of what is checked: each rule with its section, what must hold and how it is tried.

mod discovery;
mod offer;
mod paths;
mod refusal;

use super::{
    http::{Answer, Ask},
    seen::Seen,
    verdict::{Judged, Verdict},
};
use crate::inspect::Rule;

/// A rule that can be tried from outside.
pub(super) struct Entry {
    pub(super) id: &'static str,
    pub(super) rule: Rule,
    /// What must hold.
    pub(super) what: &'static str,
    /// How it is tried.
    pub(super) how: &'static str,
    pub(super) trial: Trial,
}

/// How a rule is tried.
#[derive(Clone, Copy)]
pub(super) enum Trial {
    /// By looking at the first two answers.
    Look(fn(&Seen) -> Judged),
    /// By requests of its own.
    Ask(fn(&Seen) -> Asks, fn(&Seen, &[Answer]) -> Judged),
    /// In the course of a payment.
    Paid,
}

/// The requests a rule is tried with, or why it cannot be.
pub(super) type Asks = Result<Vec<Ask>, Verdict>;

/// Every rule, in the order in which they are told.
pub(super) fn table() -> impl Iterator<Item = &'static Entry> {
    let groups = [
        offer::RULES,
        refusal::RULES,
        paths::RULES,
        discovery::RULES,
        super::paid::RULES,
    ];
    groups.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_rule_has_a_name_of_its_own_and_fits_a_line() {
        let mut names = HashSet::new();
        for entry in table() {
            assert!(names.insert(entry.id), "{} stands twice", entry.id);
            let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(
                entry.id.chars().all(is_name) && entry.id.len() <= 18,
                "{}",
                entry.id
            );
            assert!(
                entry.what.chars().count() <= 53,
                "{}: {}",
                entry.id,
                entry.what
            );
            assert!(!entry.how.is_empty(), "{}", entry.id);
        }
    }

    #[test]
    fn the_manual_names_every_rule() {
        let manual = include_str!("../../../../../docs/cli.md");
        for entry in table() {
            let row = format!("| `{}` | {} | {} |", entry.id, entry.what, entry.rule);
            assert!(manual.contains(&row), "docs/cli.md lacks: {row}");
        }
    }
}
