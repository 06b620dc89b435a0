//! How a rule came out.

/// What was found of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It holds, with a remark where there is something to say.
    Pass(String),
    /// It is advice, and not followed; or it could not be told for certain.
    Warn(String),
    /// It is broken.
    Fail(String),
    /// It was not tried, and why.
    Skipped(String),
}

/// What a judge says: nothing where the rule holds.
pub(super) type Judged = Result<(), Verdict>;

impl Verdict {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Pass(_) => "pass",
            Self::Warn(_) => "warn",
            Self::Fail(_) => "fail",
            Self::Skipped(_) => "skipped",
        }
    }

    /// What there is to say about it.
    pub(crate) fn message(&self) -> &str {
        match self {
            Self::Pass(text) | Self::Warn(text) | Self::Fail(text) | Self::Skipped(text) => text,
        }
    }
}

impl From<Judged> for Verdict {
    fn from(judged: Judged) -> Self {
        judged.err().unwrap_or(Self::Pass(String::new()))
    }
}

pub(super) fn fail<T>(why: impl Into<String>) -> Result<T, Verdict> {
    Err(Verdict::Fail(why.into()))
}

pub(super) fn warn<T>(why: impl Into<String>) -> Result<T, Verdict> {
    Err(Verdict::Warn(why.into()))
}

pub(super) fn skip<T>(why: impl Into<String>) -> Result<T, Verdict> {
    Err(Verdict::Skipped(why.into()))
}
