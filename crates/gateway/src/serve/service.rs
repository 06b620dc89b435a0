//! The requests of one connection: what needs no waiting is decided in the call, and the future
//! that is left holds nothing but what it waits for.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use farthing::server::layer::PaymentFuture;
use http::{Request, Response};
use hyper::{body::Incoming, service::Service};

use super::{
    Shared,
    answer::{AnswerBody, Content, Passage},
    line::Line,
    till::Till,
    via::Via,
};
use crate::{
    forward::ForwardFuture,
    metered::{MeteredBody, MeteredFuture},
    observe::metrics::RouteMetrics,
};

/// Answers the requests of one connection.
pub(super) struct Requests {
    pub(super) shared: Arc<Shared>,
    pub(super) line: Arc<Line>,
}

impl Service<Request<Incoming>> for Requests {
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = Passing;

    fn call(&self, request: Request<Incoming>) -> Passing {
        let live = self.shared.live.load();
        let via = Via::read(&live.config.listen.trust, &self.line.hop, request.headers());
        let passage = Passage::begin(&self.shared, &self.line, &via, &request);
        let (going, route) = live.answer(&self.shared.metrics, via, request);
        Passing {
            going,
            passage: Some((passage, route)),
        }
    }
}

pin_project_lite::pin_project! {
    /// A request on its way through.
    pub(super) struct Passing {
        #[pin]
        going: Going,
        passage: Option<(Passage, Arc<RouteMetrics>)>,
    }
}

pin_project_lite::pin_project! {
    /// What is waited for.
    #[project = GoingProjection]
    pub(super) enum Going {
        /// Nothing.
        Held { answer: Option<Response<Bytes>> },
        /// The upstream.
        Free { #[pin] future: ForwardFuture },
        /// The gate, whose till stays open as long.
        Priced {
            #[pin] future: PaymentFuture<MeteredFuture, MeteredBody, Infallible>,
            till: Arc<Till>,
        },
    }
}

impl Future for Passing {
    type Output = Result<Response<AnswerBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = match this.going.project() {
            GoingProjection::Held { answer } => answer.take().map(|it| it.map(Content::held)),
            GoingProjection::Free { future } => {
                let answer = sure(ready!(future.poll(context)));
                Some(answer.map(|body| Content::Free { body }))
            }
            GoingProjection::Priced { future, till } => {
                let answer = sure(ready!(future.poll(context)));
                let till = Arc::clone(till);
                Some(answer.map(|body| Content::Priced { body, till }))
            }
        };
        let (answer, (passage, route)) = answer
            .zip(this.passage.take())
            .expect("a future is not polled after it is ready");
        Poll::Ready(Ok(passage.answered(answer, &route)))
    }
}

fn sure<T>(result: Result<T, Infallible>) -> T {
    match result {
        Ok(value) => value,
        Err(never) => match never {},
    }
}
