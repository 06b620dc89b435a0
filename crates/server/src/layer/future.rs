//! The future of a request through the layer.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;

use crate::body::GateBody;

pin_project_lite::pin_project! {
    /// A request on its way through the layer.
    pub struct PaymentFuture<F, B, E> {
        #[pin]
        kind: Kind<F, B, E>,
    }
}

pin_project_lite::pin_project! {
    #[project = KindProjection]
    enum Kind<F, B, E> {
        // Nothing to pay: the inner service's own future.
        Free { #[pin] future: F },
        // A 402 that needed nothing to wait for.
        Answered { response: Option<Response<GateBody<B>>> },
        Paying { future: Paying<B, E> },
    }
}

pub(super) type Paying<B, E> =
    Pin<Box<dyn Future<Output = Result<Response<GateBody<B>>, E>> + Send>>;

impl<F, B, E> PaymentFuture<F, B, E> {
    pub(super) const fn free(future: F) -> Self {
        Self {
            kind: Kind::Free { future },
        }
    }

    pub(super) const fn answered(response: Response<GateBody<B>>) -> Self {
        Self {
            kind: Kind::Answered {
                response: Some(response),
            },
        }
    }

    pub(super) fn paying(future: Paying<B, E>) -> Self {
        Self {
            kind: Kind::Paying { future },
        }
    }
}

impl<F, B, E> Future for PaymentFuture<F, B, E>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<GateBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProjection::Free { future } => Poll::Ready(
                ready!(future.poll(context)).map(|response| response.map(GateBody::inner)),
            ),
            KindProjection::Answered { response } => Poll::Ready(Ok(response
                .take()
                .expect("a future is not polled after it is ready"))),
            KindProjection::Paying { future } => future.as_mut().poll(context),
        }
    }
}

impl<F, B, E> std::fmt::Debug for PaymentFuture<F, B, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PaymentFuture")
    }
}
