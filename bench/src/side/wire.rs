//! A connection without a socket: the requests come one after the other, the answers are counted.
//!
//! A server reads, parses, routes, answers and writes as over a socket. Only what the system does
//! for a socket is left out, which is the same for both sides and would only hide the difference.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Duration,
    vec,
};

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use hyper::{
    body::Incoming,
    rt::{Read, ReadBufCursor, Write},
    server::conn::http1,
};
use hyper_util::service::TowerToHyperService;
use tower::{Service, ServiceExt as _};

use super::ask::client;
use crate::measure::{Latency, wall};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The client's end: each request is sent when the one before was answered.
struct Wire {
    requests: vec::IntoIter<Bytes>,
    sent: usize,
    answered: usize,
    /// How a good answer starts.
    good: &'static [u8],
    counted: Arc<AtomicUsize>,
    reader: Option<Waker>,
    /// When the last request was read, and where to note how long each took.
    since: Duration,
    took: Option<Arc<Took>>,
}

type Took = Mutex<Vec<Duration>>;

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.sent > self.answered {
            self.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        if let Some(request) = self.requests.next() {
            buffer.put_slice(&request);
            self.sent += 1;
            if self.took.is_some() {
                self.since = wall();
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Write for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.starts_with(b"HTTP/1.1") {
            self.answered += 1;
            if let Some(took) = &self.took {
                let mut took = took.lock().unwrap_or_else(PoisonError::into_inner);
                took.push(wall().saturating_sub(self.since));
            }
            if bytes[9..].starts_with(self.good) {
                self.counted.fetch_add(1, Relaxed);
            }
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// What is left to do for an answer that went out takes no longer than this, or it never ends.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);

/// Serves the requests over one connection each list, all lists at once, as `axum::serve` does.
/// Returns how many were answered as they should be, and where there were several lists, how long each
/// request took.
pub(crate) async fn serve<S, B>(
    service: &S,
    lists: Vec<Vec<Bytes>>,
    good: &'static str,
) -> (usize, Option<Latency>)
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let before = tasks();
    let counted = Arc::new(AtomicUsize::new(0));
    let requests = lists.iter().map(Vec::len).sum();
    let took = (lists.len() > 1).then(|| Arc::new(Mutex::new(Vec::with_capacity(requests))));
    let serving: Vec<_> = lists
        .into_iter()
        .map(|requests| {
            let wire = Wire {
                requests: requests.into_iter(),
                sent: 0,
                answered: 0,
                good: good.as_bytes(),
                counted: Arc::clone(&counted),
                reader: None,
                since: Duration::ZERO,
                took: took.clone(),
            };
            let service = service.clone().map_request(|request: Request<Incoming>| {
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(client());
                request
            });
            tokio::spawn(
                http1::Builder::new().serve_connection(wire, TowerToHyperService::new(service)),
            )
        })
        .collect();
    for connection in serving {
        // A connection that failed shows in what was counted.
        let _ = connection.await;
    }
    settle_to(before).await;
    let took =
        took.map(|took| std::mem::take(&mut *took.lock().unwrap_or_else(PoisonError::into_inner)));
    (counted.load(Relaxed), took.and_then(Latency::of))
}

/// Waits until no task is left: what is still to be done for an answer that went out belongs to
/// its request.
pub(crate) async fn settle() {
    settle_to(0).await;
}

/// Waits until no more tasks are left than there were before: who keeps a connection to somebody else has a
/// task of it for good.
///
/// # Panics
/// When that takes longer than anything that belongs to a request.
async fn settle_to(before: usize) {
    if tasks() <= before {
        return;
    }
    let settled = tokio::time::timeout(SETTLED_WITHIN, async {
        while tasks() > before {
            tokio::task::yield_now().await;
        }
    });
    assert!(
        settled.await.is_ok(),
        "{} tasks are left {} s after the last answer, and {before} were there before the first request",
        tasks(),
        SETTLED_WITHIN.as_secs(),
    );
}

fn tasks() -> usize {
    tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks()
}
