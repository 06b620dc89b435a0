//! What went wrong on the way to the upstream, and how it is told.

use std::{error::Error, io, time::Duration};

use bytes::Bytes;
use farthing::core::{
    noun::problem::{Problem, ProblemKind},
    payment::Moved,
};
use http::Response;
use hyper_util::client::legacy;

use super::request_body::RequestBodyError;
use crate::answer;

/// Why there is no answer of the upstream's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum Failure {
    /// It cannot be reached.
    #[error("the service behind cannot be reached")]
    Unreachable(#[source] legacy::Error),
    /// It broke the exchange off before its answer began, or answered with what is no HTTP.
    #[error("the service behind broke off before it answered")]
    Broken(#[source] legacy::Error),
    /// It did not begin its answer in time.
    #[error("the service behind did not answer in time")]
    Late,
    /// It took no more of the request.
    #[error("the service behind stopped reading the request")]
    Stuck,
    /// It changed the protocol, which nobody asked it to.
    #[error("the service behind changed the protocol")]
    Upgraded,
    /// It asks for a payment of its own.
    #[error("the service behind asks the gateway for a payment")]
    AsksForPayment,
    /// It compressed what it was asked not to, and what has to be looked at.
    #[error("the service behind compresses an answer that has to be looked at")]
    Compressed,
    /// Base and path are no URI together.
    #[error("the path is too long for the service behind")]
    Target(#[source] http::Error),
    /// The request is larger than the gateway takes.
    #[error("the body is larger than is taken here")]
    TooLarge,
    /// The request did not arrive whole.
    #[error("the request did not arrive whole")]
    Client(#[source] legacy::Error),
}

/// How soon to ask again for what could not be had.
const AGAIN: Duration = Duration::from_secs(1);

impl Failure {
    /// What an error of the client's means. A connection that was never there is told from one
    /// that broke, and both from a request that did not come whole.
    pub(super) fn of(error: legacy::Error) -> Self {
        match cause::<RequestBodyError>(&error) {
            Some(RequestBodyError::TooLarge) => return Self::TooLarge,
            Some(_) => return Self::Client(error),
            None => {}
        }
        let stuck = |error: &io::Error| error.kind() == io::ErrorKind::TimedOut;
        if error.is_connect() {
            Self::Unreachable(error)
        } else if cause(&error).is_some_and(stuck) {
            Self::Stuck
        } else {
            Self::Broken(error)
        }
    }

    const fn kind(&self) -> ProblemKind {
        match self {
            Self::Unreachable(_) => ProblemKind::UpstreamUnavailable,
            Self::Late | Self::Stuck => ProblemKind::UpstreamTimeout,
            Self::Broken(_) | Self::Upgraded | Self::AsksForPayment | Self::Compressed => {
                ProblemKind::UpstreamBroken
            }
            Self::TooLarge => ProblemKind::BodyTooLarge,
            Self::Target(_) | Self::Client(_) => ProblemKind::BadRequest,
        }
    }

    /// Whether it is the upstream that failed.
    pub(super) const fn is_of_upstream(&self) -> bool {
        !matches!(self, Self::TooLarge | Self::Target(_) | Self::Client(_))
    }

    /// The answer. `moved` is what is known of the request's payment, where it has one.
    pub(super) fn answer(&self, moved: Option<Moved>) -> Response<Bytes> {
        let mut detail = self.to_string();
        detail[..1].make_ascii_uppercase();
        detail.push('.');
        let mut problem = Problem::new(self.kind()).with_detail(detail);
        problem.moved = moved;
        if matches!(self, Self::Unreachable(_)) {
            problem.retry_after = Some(AGAIN);
        }
        answer::problem(&problem)
    }

    /// For the log: the causes, which the client does not read. What is known already is not
    /// worth a line a request.
    pub(super) fn log(&self, upstream: &str, known: bool) {
        let mut causes = String::new();
        let mut cause = self.source();
        while let Some(error) = cause {
            causes.push_str(": ");
            causes.push_str(&error.to_string());
            cause = error.source();
        }
        if self.is_of_upstream() && !known {
            tracing::warn!(upstream, "{self}{causes}");
        } else {
            tracing::debug!(upstream, "{self}{causes}");
        }
    }
}

/// The first of an error's causes that is of a kind.
fn cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
