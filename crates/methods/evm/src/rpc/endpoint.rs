//! One endpoint: an exchange with it, and what is known of it.

use std::{
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};

use farthing_core::port::backend::Source;
use reqwest::{Client, StatusCode, header::CONTENT_TYPE};
use url::Url;

use super::{
    options::shown,
    wire::{self, Answer, Garbage, Question},
};

/// What is known of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// It is of our chain, and answered last time.
    Good,
    /// Nothing: it was not asked yet, or its connection broke since.
    Unchecked,
    /// It said that it is of another chain.
    Elsewhere,
}

/// One endpoint.
#[derive(Debug)]
pub(super) struct Endpoint {
    url: Url,
    standing: AtomicU8,
}

/// Why an exchange gave no answers.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// Nobody was reached, so nobody received anything.
    #[error("it cannot be reached")]
    NotSent(#[source] reqwest::Error),
    /// The exchange broke: what was asked may have been received.
    #[error("the exchange broke")]
    Broken(#[source] reqwest::Error),
    /// It took too long.
    #[error("it did not answer within {0:?}")]
    Slow(Duration),
    /// It answered with a status of HTTP and nothing else.
    #[error("it answered {0}")]
    Status(StatusCode),
    /// It answered with more than we read.
    #[error("its answer is larger than {0} bytes")]
    TooLarge(usize),
    /// It answered with what is no answer.
    #[error("its answer cannot be read")]
    Garbage(#[source] Garbage),
}

impl Failure {
    /// Whether the endpoint answered, but not as a node does.
    pub(super) const fn is_nonsense(&self) -> bool {
        matches!(self, Self::TooLarge(_) | Self::Garbage(_))
    }

    pub(super) fn source(self) -> Source {
        Box::new(self)
    }
}

impl Endpoint {
    pub(super) const fn new(url: Url) -> Self {
        Self {
            url,
            standing: AtomicU8::new(Standing::Unchecked as u8),
        }
    }

    /// How it is shown: without its path, which may hold a key.
    pub(super) fn shown(&self) -> String {
        shown(&self.url)
    }

    pub(super) fn standing(&self) -> Standing {
        match self.standing.load(Ordering::Relaxed) {
            0 => Standing::Good,
            1 => Standing::Unchecked,
            _ => Standing::Elsewhere,
        }
    }

    pub(super) fn stands(&self, standing: Standing) {
        self.standing.store(standing as u8, Ordering::Relaxed);
    }

    /// Asks and reads the answers. What breaks the connection makes the endpoint unchecked.
    pub(super) async fn exchange(
        &self,
        http: &Client,
        questions: &[Question],
        patience: Duration,
        max: usize,
    ) -> Result<Vec<Answer>, Failure> {
        let exchange = self.answers(http, questions, max);
        let answers = tokio::time::timeout(patience, exchange)
            .await
            .unwrap_or(Err(Failure::Slow(patience)));
        if matches!(
            answers,
            Err(Failure::NotSent(_) | Failure::Broken(_) | Failure::Slow(_))
        ) && self.standing() == Standing::Good
        {
            self.stands(Standing::Unchecked);
        }
        answers
    }

    async fn answers(
        &self,
        http: &Client,
        questions: &[Question],
        max: usize,
    ) -> Result<Vec<Answer>, Failure> {
        let request = http
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .body(wire::body(questions));
        let mut response = request.send().await.map_err(broken)?;
        let status = response.status();
        let length = response.content_length().unwrap_or(0);
        if usize::try_from(length).unwrap_or(usize::MAX) > max {
            return Err(Failure::TooLarge(max));
        }
        let mut body = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            if body.len() + chunk.len() > max {
                return Err(Failure::TooLarge(max));
            }
            body.extend_from_slice(&chunk);
        }
        if !status.is_success() && !wire::is_answer(&body) {
            return Err(Failure::Status(status));
        }
        wire::read(&body, questions.len()).map_err(Failure::Garbage)
    }
}

/// Without the URL, which may hold a key.
fn broken(error: reqwest::Error) -> Failure {
    let error = error.without_url();
    if error.is_connect() {
        return Failure::NotSent(error);
    }
    Failure::Broken(error)
}
