//! The service behind the price: it does what the script says, and counts.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use farthing_core::{port::BoxFuture, value::PaymentId};
use farthing_server::Paid;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use tower_service::Service;

use super::action::Behaviour;

pub(super) type Body = BoxBody<Bytes, Infallible>;

/// The largest answer the routes store.
pub(super) const STORED: usize = 96;

/// What the handler has to do and what it did, kept over the death of a process.
#[derive(Clone, Debug, Default)]
pub(super) struct Handler(Arc<Mutex<Done>>);

#[derive(Debug, Default)]
struct Done {
    script: VecDeque<Behaviour>,
    runs: HashMap<PaymentId, u32>,
    empty: HashSet<PaymentId>,
}

impl Handler {
    pub(super) fn script(&self, behaviour: Behaviour) {
        self.done().script.push_back(behaviour);
    }

    pub(super) fn forget_script(&self) {
        self.done().script.clear();
    }

    /// How often it ran for a payment.
    pub(super) fn runs(&self, payment: PaymentId) -> u32 {
        self.done().runs.get(&payment).copied().unwrap_or_default()
    }

    /// Whether it answered with nothing but a head, which counts as delivered when it leaves the
    /// gate: there is nothing after it that could be waited for.
    pub(super) fn was_empty(&self, payment: PaymentId) -> bool {
        self.done().empty.contains(&payment)
    }

    fn done(&self) -> MutexGuard<'_, Done> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, payment: PaymentId) -> Behaviour {
        let mut done = self.done();
        *done.runs.entry(payment).or_default() += 1;
        done.script.pop_front().unwrap_or(Behaviour::Small)
    }
}

/// What an answer to a payment begins with: whoever reads it knows whose it is.
pub(super) fn mark(payment: PaymentId) -> String {
    format!("for {payment};")
}

impl Service<Request<Full<Bytes>>> for Handler {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let handler = self.clone();
        Box::pin(async move {
            let Some(paid) = request.extensions().get::<Paid>() else {
                // Nothing here is free: an answer without a mark is noticed.
                return Ok(Response::new(Full::from("unpaid").boxed()));
            };
            let payment = paid.payment;
            let text = mark(payment);
            let body = match handler.begin(payment) {
                Behaviour::Small => Full::from(text).boxed(),
                Behaviour::Empty => {
                    handler.done().empty.insert(payment);
                    Full::default().boxed()
                }
                Behaviour::Large => Full::from(format!("{text}{:>STORED$}", "")).boxed(),
                Behaviour::Stream => Frames::new(&text).boxed(),
                Behaviour::Hang => std::future::pending().await,
                Behaviour::Slow(turns) => {
                    for _ in 0..turns {
                        tokio::task::yield_now().await;
                    }
                    Full::from(text).boxed()
                }
                Behaviour::Fail => {
                    let mut response = Response::new(Full::from("failed").boxed());
                    *response.status_mut() = http::StatusCode::BAD_GATEWAY;
                    return Ok(response);
                }
            };
            Ok(Response::new(body))
        })
    }
}

/// A body whose length nobody knows beforehand.
struct Frames(VecDeque<Bytes>);

impl Frames {
    fn new(text: &str) -> Self {
        Self(
            [text, "and", "more"]
                .map(|part| Bytes::copy_from_slice(part.as_bytes()))
                .into(),
        )
    }
}

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|bytes| Ok(Frame::data(bytes))))
    }
}
