//! A request on its way to the upstream and back.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use farthing::{clock, core::payment::Moved};
use http::{Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::client::legacy::{self, ResponseFuture};
use tokio::time::Sleep;

use super::{
    UpstreamBody,
    failure::Failure,
    pools::Way,
    request_body::{Progress, Turn},
    response_head,
};
use crate::served;

pin_project_lite::pin_project! {
    /// A request on its way. Dropped, it gives the upstream's work up.
    pub struct ForwardFuture {
        #[pin]
        kind: Kind,
    }
}

pin_project_lite::pin_project! {
    #[project = KindProjection]
    enum Kind {
        Answered { response: Option<Response<UpstreamBody>> },
        Sent {
            sending: ResponseFuture,
            #[pin]
            late: Sleep,
            sent: Sent,
        },
    }
}

/// What is kept of a request while it is out.
pub(super) struct Sent {
    pub(super) way: Arc<Way>,
    pub(super) progress: Option<Arc<Progress>>,
    pub(super) moved: Option<Moved>,
    /// Whether the answer is to be looked at.
    pub(super) plain_text: bool,
}

impl ForwardFuture {
    pub(super) fn sent(sending: ResponseFuture, sent: Sent) -> Self {
        let late = tokio::time::sleep(sent.way.upstream().first_byte);
        Self {
            kind: Kind::Sent {
                sending,
                late,
                sent,
            },
        }
    }

    pub(super) const fn answered(response: Response<UpstreamBody>) -> Self {
        Self {
            kind: Kind::Answered {
                response: Some(response),
            },
        }
    }
}

impl Future for ForwardFuture {
    type Output = Result<Response<UpstreamBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let (sending, mut late, sent) = match self.project().kind.project() {
            KindProjection::Answered { response } => {
                let response = response.take();
                return Poll::Ready(Ok(
                    response.expect("a future is not polled after it is ready")
                ));
            }
            KindProjection::Sent {
                sending,
                late,
                sent,
            } => (sending, late, sent),
        };
        if let Poll::Ready(result) = Pin::new(sending).poll(context) {
            return Poll::Ready(Ok(sent.receive(result)));
        }
        while late.as_mut().poll(context).is_ready() {
            match sent.time_left() {
                Ok(left) => late.set(tokio::time::sleep(left)),
                Err(failure) => return Poll::Ready(Ok(sent.fail(&failure))),
            }
        }
        Poll::Pending
    }
}

impl Sent {
    fn receive(&self, result: Result<Response<Incoming>, legacy::Error>) -> Response<UpstreamBody> {
        let mut response = match result {
            Ok(response) => response,
            Err(error) => return self.fail(&Failure::of(error)),
        };
        let health = &self.way.health;
        match response.status() {
            StatusCode::SWITCHING_PROTOCOLS => return self.fail(&Failure::Upgraded),
            // A 402 here is the gate's: a buyer could not pay another one's.
            StatusCode::PAYMENT_REQUIRED => {
                health.answered();
                return self.fail(&Failure::AsksForPayment);
            }
            _ => health.answered(),
        }
        let is_success = response.status().is_success();
        if self.plain_text && is_success && served::is_compressed(response.headers()) {
            return self.fail(&Failure::Compressed);
        }
        response_head::clean(response.headers_mut(), &self.way);
        let idle = self.way.upstream().idle;
        response.map(|body| UpstreamBody::new(body, idle, Arc::clone(health)))
    }

    fn fail(&self, failure: &Failure) -> Response<UpstreamBody> {
        let health = &self.way.health;
        failure.log(self.way.upstream().authority.as_str(), health.is_down());
        match failure {
            Failure::Unreachable(_) => health.not_reached(),
            failure if failure.is_of_upstream() => health.failed(),
            _ => {}
        }
        failure.answer(self.moved).map(UpstreamBody::from)
    }

    /// How much of its time the upstream has left. Its clock stands as long as it is the client
    /// that is waited for: a body that does not come has a limit of its own.
    fn time_left(&self) -> Result<Duration, Failure> {
        let upstream = self.way.upstream();
        let Some((since, turn)) = self.progress.as_ref().map(|progress| progress.now()) else {
            return Err(Failure::Late);
        };
        let (time, failure) = match turn {
            Turn::Client => return Ok(upstream.first_byte),
            Turn::Upstream => (upstream.idle.max(upstream.first_byte), Failure::Stuck),
            Turn::Done => (upstream.first_byte, Failure::Late),
        };
        match time.checked_sub(clock::monotonic().duration_since(since)) {
            None | Some(Duration::ZERO) => Err(failure),
            Some(left) => Ok(left),
        }
    }
}

impl fmt::Debug for ForwardFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ForwardFuture")
    }
}
