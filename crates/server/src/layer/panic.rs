//! A future that turns the panic of another into a value.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

pin_project_lite::pin_project! {
    /// Catches what the future panics with. The future is not polled again afterwards, so the
    /// state it broke is seen by nobody.
    pub(crate) struct CatchPanic<F> {
        #[pin]
        future: F,
    }
}

/// The future panicked.
pub(crate) struct Panicked;

impl<F> CatchPanic<F> {
    pub(crate) const fn new(future: F) -> Self {
        Self { future }
    }
}

impl<F: Future> Future for CatchPanic<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let future = self.project().future;
        match catch_unwind(AssertUnwindSafe(|| future.poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(_) => Poll::Ready(Err(Panicked)),
        }
    }
}
