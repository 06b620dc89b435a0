//! What an answer to a payment means.

use std::time::Duration;

use farthing_core::{
    bounds,
    header::{MONEY_MOVED, PAYMENT_RECEIPT, PROBLEM_JSON, payment_receipt},
    noun::{
        Receipt,
        problem::{Problem, Retry},
    },
};
use http::{
    HeaderMap, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use reqwest::{Response, ResponseBuilderExt};
use serde_json::Value;

use crate::{error::Said, outgoing::Outgoing};

/// What to do after an answer.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It was served.
    Served(Response),
    /// Nothing is decided: the same payment is to be sent again.
    Again {
        /// After how long, where the server says.
        after: Option<Duration>,
        /// What it said.
        said: Said,
        /// The service's own answer, where the server says beside it that it charged nothing for it.
        free: Option<Box<Response>>,
    },
    /// The payment was refused, or kept without service.
    Refused {
        /// What it said.
        said: Said,
        /// With a new challenge, perhaps.
        headers: HeaderMap,
    },
    /// An answer about something else than the payment. It belongs to the caller.
    Other(Response, Said),
}

/// Judges an answer that is no redirect.
pub(crate) async fn judge(response: Response) -> Verdict {
    if response.status().is_success() {
        return Verdict::Served(response);
    }
    let (problem, response) = peek(response).await;
    let said = Said {
        status: Some(response.status()),
        problem,
    };
    match weigh(&said) {
        Weight::Again => Verdict::Again {
            after: wait(response.headers(), &said),
            said,
            free: is_free(response.headers()).then(|| Box::new(response)),
        },
        Weight::Refused => Verdict::Refused {
            said,
            headers: response.headers().clone(),
        },
        Weight::Other => Verdict::Other(response, said),
    }
}

/// Whether a server says beside an answer that it charged nothing for it.
pub(crate) fn is_free(headers: &HeaderMap) -> bool {
    let said = headers.get(MONEY_MOVED);
    said.is_some_and(|said| said.as_bytes() == b"false")
}

/// What an answer without service means for the payment.
pub(crate) enum Weight {
    Again,
    Refused,
    Other,
}

/// The problem decides where its type is known, the status otherwise.
pub(crate) fn weigh(said: &Said) -> Weight {
    let status = said.status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let transient = status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT
                | StatusCode::CONFLICT
                | StatusCode::TOO_EARLY
                | StatusCode::TOO_MANY_REQUESTS
        );
    match said.problem.as_ref().and_then(Problem::retry) {
        Some(Retry::Same | Retry::After) => Weight::Again,
        Some(Retry::Fresh | Retry::Never) => Weight::Refused,
        None if transient => Weight::Again,
        None if status == StatusCode::PAYMENT_REQUIRED => Weight::Refused,
        None => Weight::Other,
    }
}

/// After how long the server wants to be asked again.
pub(crate) fn wait(headers: &HeaderMap, said: &Said) -> Option<Duration> {
    retry_after(headers).or_else(|| said.problem.as_ref()?.retry_after)
}

/// Reads the problem off a response, where it is one, and gives the response back whole.
async fn peek(mut response: Response) -> (Option<Problem>, Response) {
    if !is_problem(response.headers()) {
        return (None, response);
    }
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = bounds::PROBLEM - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() >= room {
            break;
        }
    }
    let problem = Problem::parse(&body, response.status().as_u16()).ok();
    let mut head = http::Response::builder()
        .status(response.status())
        .version(response.version())
        .url(response.url().clone());
    if let Some(headers) = head.headers_mut() {
        *headers = response.headers().clone();
    }
    match head.body(body) {
        Ok(whole) => (problem, Response::from(whole)),
        Err(_) => (problem, response),
    }
}

pub(crate) fn is_problem(headers: &HeaderMap) -> bool {
    let Some(media) = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
    else {
        return false;
    };
    let essence = media.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(PROBLEM_JSON)
}

/// The seconds of a `Retry-After`. A date is passed over: our own backoff does as well.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// The receipt of a payment, if the response carries one that is about it. One by another method
/// or for another challenge is none.
pub(crate) fn receipt(record: &Outgoing, headers: &HeaderMap) -> Option<Receipt> {
    let receipt = payment_receipt::parse(headers.get(PAYMENT_RECEIPT)?).ok()?;
    let other = |name: &str, ours: &str| match receipt.extra().get(name) {
        Some(Value::String(text)) => text != ours,
        _ => false,
    };
    let foreign =
        *receipt.method() != record.rail || other("challengeId", record.challenge.as_str());
    (!foreign).then_some(receipt)
}
