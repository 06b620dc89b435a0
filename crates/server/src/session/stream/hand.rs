//! Handing frames to a body one at a time: the next is made when the one before was taken.
//!
//! A frame that was not taken can be taken back, so that nobody pays for it. One that was taken is
//! the transport's.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use farthing_core::noun::session::Cut;
use http_body::{Body, Frame};

/// The body of a stream that is paid for while it flows.
#[derive(Debug)]
pub struct StreamBody(Shared);

/// A stream whose form has no last word was cut: what came of it is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream was cut short: {}", .0.as_str())]
pub struct StreamCut(pub Cut);

/// The one who hands over.
#[derive(Debug)]
pub(super) struct Giver(Shared);

#[derive(Clone, Debug, Default)]
struct Shared(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    frame: Option<Frame<Bytes>>,
    /// No frame comes after the one that is there, or with this error after it.
    over: Option<Result<(), StreamCut>>,
    /// The body is gone.
    is_gone: bool,
    body: Option<Waker>,
    giver: Option<Waker>,
}

/// A body, and the one who fills it.
pub(super) fn pair() -> (Giver, StreamBody) {
    let shared = Shared::default();
    (Giver(shared.clone()), StreamBody(shared))
}

impl Giver {
    /// Puts a frame where the body finds it. The one before was taken, or taken back.
    pub(super) fn put(&self, frame: Frame<Bytes>) {
        let mut state = self.0.lock();
        state.frame = Some(frame);
        wake(state.body.take());
    }

    /// Resolves when the frame was taken, or to `false` when it never will be.
    pub(super) async fn taken(&self) -> bool {
        std::future::poll_fn(|context| {
            let mut state = self.0.lock();
            match (state.frame.is_none(), state.is_gone) {
                (true, _) => Poll::Ready(true),
                (false, true) => Poll::Ready(false),
                (false, false) => state.wait(context),
            }
        })
        .await
    }

    /// Takes the frame back, and says whether it was still there.
    pub(super) fn take_back(&self) -> bool {
        self.0.lock().frame.take().is_some()
    }

    /// Resolves when nobody reads any more.
    pub(super) async fn gone(&self) {
        std::future::poll_fn(|context| {
            let mut state = self.0.lock();
            if state.is_gone {
                return Poll::Ready(());
            }
            state.wait(context)
        })
        .await;
    }

    /// Ends the body, after the frame that is there.
    pub(super) fn end(self, how: Result<(), StreamCut>) {
        self.0.lock().over = Some(how);
    }
}

impl Drop for Giver {
    /// Whoever dies over a stream leaves no reader waiting, nor one that believes it had all.
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.over.get_or_insert(Err(StreamCut(Cut::Failed)));
        wake(state.body.take());
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = StreamCut;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamCut>>> {
        let mut state = self.0.lock();
        if let Some(frame) = state.frame.take() {
            wake(state.giver.take());
            return Poll::Ready(Some(Ok(frame)));
        }
        match state.over {
            Some(Ok(())) => Poll::Ready(None),
            Some(Err(cut)) => {
                // An error is told once; whoever asks on is told that it is over.
                state.over = Some(Ok(()));
                Poll::Ready(Some(Err(cut)))
            }
            None => {
                state.body = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let state = self.0.lock();
        state.frame.is_none() && state.over == Some(Ok(()))
    }
}

impl Drop for StreamBody {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_gone = true;
        wake(state.giver.take());
    }
}

impl State {
    fn wait<T>(&mut self, context: &Context<'_>) -> Poll<T> {
        self.giver = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn frame(text: &'static str) -> Frame<Bytes> {
        Frame::data(Bytes::from(text))
    }

    async fn next(body: &mut StreamBody) -> Option<Result<Bytes, StreamCut>> {
        let frame = body.frame().await?;
        Some(frame.map(|frame| frame.into_data().unwrap()))
    }

    #[tokio::test]
    async fn a_frame_is_taken_once_or_taken_back() {
        let (giver, mut body) = pair();
        giver.put(frame("a"));
        assert_eq!(next(&mut body).await, Some(Ok("a".into())));
        assert!(giver.taken().await);
        assert!(!giver.take_back());
        giver.put(frame("b"));
        assert!(giver.take_back());
        giver.put(frame("c"));
        drop(body);
        assert!(!giver.taken().await);
        giver.gone().await;
    }

    #[tokio::test]
    async fn a_body_ends_as_its_giver_says() {
        let (giver, mut body) = pair();
        giver.put(frame("last"));
        giver.end(Ok(()));
        assert!(!body.is_end_stream());
        assert_eq!(next(&mut body).await, Some(Ok("last".into())));
        assert!(body.is_end_stream());
        assert_eq!(next(&mut body).await, None);

        for cut in [Cut::Unpaid, Cut::Failed] {
            let (giver, mut body) = pair();
            match cut {
                // It died.
                Cut::Failed => drop(giver),
                cut => giver.end(Err(StreamCut(cut))),
            }
            assert_eq!(next(&mut body).await, Some(Err(StreamCut(cut))));
            assert_eq!(next(&mut body).await, None);
        }
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let (giver, mut body) = pair();
        let reader = tokio::spawn(async move {
            let mut read = Vec::new();
            while let Some(Ok(bytes)) = next(&mut body).await {
                read.extend_from_slice(&bytes);
            }
            read
        });
        for text in ["a", "b", "c"] {
            giver.put(frame(text));
            assert!(giver.taken().await);
        }
        giver.end(Ok(()));
        assert_eq!(reader.await.unwrap(), b"abc");
    }
}
