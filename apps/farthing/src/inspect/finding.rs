//! What is wrong, and what would be right.

use serde_json::{Value, json};

use super::rule::Rule;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// Worth knowing, and no fault.
    Note,
    /// The specification advises against it, or it will not work now.
    Warning,
    /// It breaks the specification.
    Error,
}

impl Severity {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Something that is wrong.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    /// Which part it is about, as the fields name it.
    pub(crate) about: String,
    pub(crate) what: String,
    /// What would be right.
    pub(crate) right: String,
    pub(crate) rule: Rule,
    /// Who takes it all the same.
    pub(crate) tolerated: Option<&'static str>,
    pub(crate) mark: Option<Mark>,
}

/// A place in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) line: String,
    /// The offset in bytes.
    pub(crate) at: usize,
}

impl Finding {
    pub(crate) fn new(
        severity: Severity,
        rule: Rule,
        about: impl Into<String>,
        what: impl Into<String>,
    ) -> Self {
        Self {
            severity,
            about: about.into(),
            what: what.into(),
            right: String::new(),
            rule,
            tolerated: None,
            mark: None,
        }
    }

    pub(crate) fn error(rule: Rule, about: impl Into<String>, what: impl Into<String>) -> Self {
        Self::new(Severity::Error, rule, about, what)
    }

    pub(crate) fn warning(rule: Rule, about: impl Into<String>, what: impl Into<String>) -> Self {
        Self::new(Severity::Warning, rule, about, what)
    }

    pub(crate) fn note(rule: Rule, about: impl Into<String>, what: impl Into<String>) -> Self {
        Self::new(Severity::Note, rule, about, what)
    }

    /// Says what would be right.
    #[must_use]
    pub(crate) fn right(mut self, right: impl Into<String>) -> Self {
        self.right = right.into();
        self
    }

    /// Says who takes it all the same.
    #[must_use]
    pub(crate) const fn tolerated(mut self, who: &'static str) -> Self {
        self.tolerated = Some(who);
        self
    }

    /// Says where it stands in a line.
    #[must_use]
    pub(crate) fn at(mut self, line: &[u8], at: usize) -> Self {
        self.mark = Some(Mark {
            line: String::from_utf8_lossy(line).into_owned(),
            at,
        });
        self
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "severity": self.severity.name(),
            "about": self.about,
            "message": self.what,
            "right": Some(&self.right).filter(|right| !right.is_empty()),
            "rule": { "document": self.rule.document(), "section": self.rule.section() },
            "toleratedBy": self.tolerated,
            "column": self.mark.as_ref().map(|mark| mark.at + 1),
        })
    }
}
