//! Why a request does not come in.

use std::borrow::Cow;

use farthing::core::{
    noun::problem::{Problem, ProblemKind},
    payment::Moved,
};

/// Why a request was turned away at the door. Nothing was looked at but its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DoorRefusal {
    /// `CONNECT`.
    #[error("this is no proxy to elsewhere: CONNECT is not supported")]
    Connect,
    /// A method that answers with the request it got, and with what was added to it on the way.
    #[error("TRACE is not supported")]
    Trace,
    /// A method in small letters.
    #[error("a method is written in capitals")]
    Method,
    /// A WebSocket, or a connection for another protocol.
    #[error("a connection cannot be upgraded here, to a WebSocket or else")]
    Upgrade,
    /// The target is `*`.
    #[error("the target * is not supported")]
    Asterisk,
    /// The target is a host.
    #[error("the target has to be a path")]
    AuthorityForm,
    /// The target is a URL of another site.
    #[error("the target is of another site")]
    OtherSite,
    /// The path could be read in two ways.
    #[error("the path {0}")]
    Path(&'static str),
    /// The query could be read in two ways.
    #[error("the query {0}")]
    Query(&'static str),
    /// It is not clear which host is meant.
    #[error("the Host {0}")]
    Host(&'static str),
    /// It is not clear where the body ends.
    #[error("the length of the body {0}")]
    Length(&'static str),
}

impl DoorRefusal {
    /// The problem type it is answered with.
    #[must_use]
    pub const fn kind(self) -> ProblemKind {
        match self {
            Self::OtherSite => ProblemKind::Misdirected,
            Self::Upgrade => ProblemKind::UpgradeUnsupported,
            _ => ProblemKind::BadRequest,
        }
    }

    /// What happened, for people.
    #[must_use]
    pub fn detail(self) -> Cow<'static, str> {
        let text = self.to_string();
        let mut rest = text.chars();
        let first = rest.next().map(|first| first.to_ascii_uppercase());
        first
            .into_iter()
            .chain(rest)
            .chain(['.'])
            .collect::<String>()
            .into()
    }

    /// The whole problem. Nothing was paid with what came no further than here.
    #[must_use]
    pub fn problem(self) -> Problem {
        Problem::new(self.kind())
            .with_detail(self.detail())
            .with_moved(Moved::No)
    }
}
