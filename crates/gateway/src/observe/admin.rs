//! The listener for the operator: whether it lives, whether it is ready, and its numbers.
//!
//! It is apart from the one for buyers, so no rule can take its paths and no buyer reads them.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use farthing::core::{
    header::PROBLEM_JSON,
    noun::problem::{Problem, ProblemKind},
};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};

use super::exposition;
use crate::serve::{Phase, Shared};

/// Connections at the same time.
const CONNECTIONS: usize = 32;

/// How long a request's head may take.
const HEAD_WITHIN: Duration = Duration::from_secs(5);

/// How long a connection may be kept.
const CONNECTION: Duration = Duration::from_secs(300);

/// Answers until the gateway is gone: it is asked whether it is ready while it is leaving, too.
pub(crate) async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    let mut phase = shared.subscribe();
    let over = phase.wait_for(|phase| *phase == Phase::Over);
    tokio::select! {
        () = take(&listener, &shared) => {}
        _ = over => {}
    }
}

async fn take(listener: &TcpListener, shared: &Arc<Shared>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let permit = Arc::clone(&room).acquire_owned().await;
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = Arc::clone(shared);
                tokio::spawn(async move {
                    let _ = timeout(CONNECTION, connection(stream, shared)).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!("no connection can be taken for the operator: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let mut phase = shared.subscribe();
    let service = service_fn(move |request: Request<Incoming>| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(&shared, request.method(), request.uri().path()).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // How a connection ends is its client's affair.
        _ = serving => {}
        _ = phase.wait_for(|phase| *phase == Phase::Over) => {}
    }
}

async fn answer(shared: &Shared, method: &Method, path: &str) -> Response<Full<Bytes>> {
    let known = matches!(path, "/healthz" | "/readyz" | "/metrics");
    if !known {
        return refusal(ProblemKind::NotFound);
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        return refusal(ProblemKind::MethodNotAllowed);
    }
    match path {
        "/healthz" => text(
            StatusCode::OK,
            "text/plain; charset=utf-8",
            "alive\n".into(),
        ),
        "/readyz" => {
            let report = shared.ready().await;
            let status = if report.ready {
                StatusCode::OK
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            };
            text(status, "application/json", format!("{}\n", report.body))
        }
        _ => text(StatusCode::OK, exposition::TYPE, shared.exposition().await),
    }
}

fn refusal(kind: ProblemKind) -> Response<Full<Bytes>> {
    let problem = Problem::new(kind);
    let status = StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::NOT_FOUND);
    text(status, PROBLEM_JSON, problem.to_json())
}

fn text(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
