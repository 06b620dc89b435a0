//! The file that is read, and what is wrong with it.

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

use super::super::{Finding, finding::Place};

/// How many mistakes are told at once.
const MOST: usize = 100;

/// A mistake in a value, before its place is known.
#[derive(Debug)]
pub(in super::super) struct Wrong {
    pub(in super::super) what: String,
    pub(in super::super) instead: Option<String>,
}

impl Wrong {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            instead: None,
        }
    }

    pub(super) fn write(what: impl Into<String>, instead: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            instead: Some(instead.into()),
        }
    }
}

/// The mistakes that were found so far.
#[derive(Debug)]
pub(super) struct Report<'a> {
    file: &'a Path,
    text: &'a str,
    found: Vec<(Range<usize>, Wrong)>,
    /// What must not be quoted.
    hidden: Vec<Range<usize>>,
    /// Where the lines end.
    ends: Vec<usize>,
    /// What is not there at all.
    missing: Vec<Wrong>,
    /// Every file that was looked at.
    sources: Vec<PathBuf>,
}

impl<'a> Report<'a> {
    pub(super) fn new(file: &'a Path, text: &'a str) -> Self {
        Self {
            file,
            text,
            found: Vec::new(),
            hidden: Vec::new(),
            ends: text.match_indices('\n').map(|(at, _)| at).collect(),
            missing: Vec::new(),
            sources: vec![file.to_owned()],
        }
    }

    /// A path of the file, which is relative to the file's folder.
    pub(super) fn path(&self, named: &str) -> PathBuf {
        let folder = self.file.parent().unwrap_or(Path::new(""));
        folder.join(named)
    }

    /// A file that is part of what is read.
    pub(super) fn source(&mut self, named: &str) -> PathBuf {
        let path = self.path(named);
        if !self.sources.contains(&path) {
            self.sources.push(path.clone());
        }
        path
    }

    /// Every file that is part of what was read, the first being the file itself.
    pub(super) fn sources(&mut self) -> Vec<PathBuf> {
        std::mem::take(&mut self.sources)
    }

    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// Writes a mistake down. A second one at the same place follows from the first, and is not.
    pub(super) fn add(&mut self, at: Range<usize>, wrong: Wrong) {
        if self.found.iter().all(|(known, _)| known.start != at.start) {
            self.found.push((at, wrong));
        }
    }

    pub(super) fn wrong(&mut self, at: Range<usize>, what: impl Into<String>) {
        self.add(at, Wrong::new(what));
    }

    /// Writes down what is not there at all.
    pub(super) fn missing(&mut self, what: &str, instead: &str) {
        self.missing.push(Wrong::write(what, instead));
    }

    /// Keeps a secret from being quoted.
    pub(super) fn hide(&mut self, at: Range<usize>) {
        self.hidden.push(at);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty() && self.missing.is_empty()
    }

    /// The line of a place, from 1.
    pub(super) fn line(&self, at: usize) -> u32 {
        let lines = self.ends.partition_point(|end| *end < at);
        u32::try_from(lines + 1).unwrap_or(u32::MAX)
    }

    /// The mistakes in the order of the file.
    pub(super) fn into_findings(mut self) -> Vec<Finding> {
        self.found.sort_by_key(|(at, _)| at.start);
        let more = self.found.len().saturating_sub(MOST);
        self.found.truncate(MOST);
        let (file, text, hidden) = (self.file, self.text, self.hidden);
        let placed = |(at, wrong): (Range<usize>, Wrong)| Finding {
            file: file.to_owned(),
            place: Some(Place::of(text, at, &hidden)),
            what: plain(&wrong.what),
            instead: wrong.instead.as_deref().map(plain),
        };
        let mut findings: Vec<_> = self.found.into_iter().map(placed).collect();
        let whole = |wrong: Wrong| Finding::whole(file, wrong.what, wrong.instead);
        findings.extend(self.missing.into_iter().map(whole));
        if more > 0 {
            let what = format!("and {more} more mistakes");
            findings.push(Finding::whole(file, what, None));
        }
        findings
    }
}

/// A sentence that may hold a piece of the file, without what could move a terminal's cursor or
/// turn the direction of its text.
fn plain(text: &str) -> String {
    let strange = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.replace(strange, "\u{fffd}")
}
