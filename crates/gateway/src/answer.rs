//! What the gateway says by itself: problems.

use bytes::Bytes;
use farthing::core::{header::PROBLEM_JSON, noun::problem::Problem};
use http::{HeaderValue, Response, StatusCode, header};

/// A problem as a response.
pub(crate) fn problem(problem: &Problem) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(problem.to_json()));
    *response.status_mut() =
        StatusCode::from_u16(problem.status()).expect("the table's rows hold statuses");
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    if let Some(after) = problem.retry_after_secs() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(after));
    }
    response
}
