//! From a service to a side of a row.

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tokio::runtime::{Builder, Runtime};
use tower::Service;

use super::{
    ask::Ask,
    wire::{serve, settle},
};
use crate::measure::{Side, Spent, measured_stretch};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What makes the requests of a batch, before it is measured.
pub type Asks = Box<dyn FnMut(&Runtime, usize) -> Vec<Ask>>;

/// Requests that are all alike.
#[must_use]
pub fn alike(ask: Ask) -> Asks {
    Box::new(move |_, count| vec![ask.clone(); count])
}

/// A runtime of one thread: this one.
#[must_use]
pub fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime on this thread needs nothing from the system but memory")
}

/// A service that is asked in HTTP/1.1, over so many connections at once.
#[must_use]
pub fn over_http<S, B>(
    runtime: Runtime,
    service: S,
    mut asks: Asks,
    status: &'static str,
    connections: usize,
) -> Side
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let mut some = move |count: usize| {
        let requests: Vec<Bytes> = asks(&runtime, count).iter().map(Ask::to_bytes).collect();
        let each = count.div_ceil(connections);
        let mut lists: Vec<_> = requests.chunks(each).map(<[Bytes]>::to_vec).collect();
        drop(requests);
        let mut answered = (0, None);
        let mut spent = measured_stretch(&mut || {
            answered = runtime.block_on(serve(&service, std::mem::take(&mut lists), status));
        });
        assert_eq!(answered.0, count, "every request is answered with {status}");
        spent.latency = answered.1;
        spent
    };
    if connections == 1 {
        Box::new(move |count| in_parts(count, PIPELINE, &mut some))
    } else {
        Box::new(some)
    }
}

/// A service that is called as a router calls it, without HTTP around it.
#[must_use]
pub fn as_service<S, B>(runtime: Runtime, mut service: S, mut asks: Asks, status: u16) -> Side
where
    S: Service<Request<Body>, Response = Response<B>> + 'static,
    B: http_body::Body<Data = Bytes>,
{
    let mut some = move |count| {
        let mut requests: Vec<_> = asks(&runtime, count).iter().map(Ask::to_request).collect();
        let mut answered = 0;
        let spent = measured_stretch(&mut || {
            answered = runtime.block_on(async {
                let mut answered = 0;
                for request in requests.drain(..) {
                    let Ok(response) = service.call(request).await else {
                        continue;
                    };
                    let good = response.status().as_u16() == status;
                    let body = response.into_body().collect().await;
                    answered += usize::from(good && body.is_ok());
                }
                settle().await;
                answered
            });
        });
        assert_eq!(answered, count, "every request is answered with {status}");
        spent
    };
    Box::new(move |count| in_parts(count, CALLS, &mut some))
}

/// Requests that are prepared together, as bytes and as values. More would lie in memory side by
/// side, and what the allocator does when they are freed one after the other would be measured
/// with them.
const PIPELINE: usize = 200;
const CALLS: usize = 32;

fn in_parts(count: usize, part: usize, some: &mut dyn FnMut(usize) -> Spent) -> Spent {
    let mut spent = Spent::default();
    for start in (0..count).step_by(part) {
        spent += some(part.min(count - start));
    }
    spent
}

/// Something that needs no runtime, over and over.
#[must_use]
pub fn over_and_over(mut work: impl FnMut() + 'static) -> Side {
    Box::new(move |count| {
        measured_stretch(&mut || {
            for _ in 0..count {
                work();
            }
        })
    })
}
