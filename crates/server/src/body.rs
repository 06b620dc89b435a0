//! Response bodies: the handler's own, or bytes we hold, with an eye on whether they went out.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;

pin_project_lite::pin_project! {
    /// The body of a gated response.
    ///
    /// Where a payment waits for its delivery, the body tells the gate when its last byte was
    /// handed to the transport. A body that is dropped before that was not delivered.
    #[derive(Debug)]
    pub struct GateBody<B> {
        #[pin]
        kind: Kind<B>,
        watch: Option<Watch>,
    }
}

pin_project_lite::pin_project! {
    #[project = KindProjection]
    #[derive(Debug)]
    enum Kind<B> {
        Inner { #[pin] body: B },
        Held { bytes: Option<Bytes> },
    }
}

/// Who waits for the delivery, and what counts as one.
#[derive(Debug)]
struct Watch {
    told: oneshot::Sender<()>,
    counts: Counts,
}

/// When a body counts as delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counts {
    /// With its last byte.
    LastByte,
    /// With its first: a stream, whose end nobody knows.
    FirstByte,
}

impl<B> GateBody<B> {
    /// The handler's own body.
    pub(crate) const fn inner(body: B) -> Self {
        Self {
            kind: Kind::Inner { body },
            watch: None,
        }
    }

    /// Bytes.
    pub(crate) fn held(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self {
            kind: Kind::Held {
                bytes: (!bytes.is_empty()).then_some(bytes),
            },
            watch: None,
        }
    }
}

impl<B> GateBody<B> {
    /// Says that only the head of the response is sent, as for a HEAD request: nobody will read
    /// the body, and the head is the delivery.
    pub fn head_is_all(&mut self) {
        if let Some(watch) = self.watch.take() {
            // The gate may have stopped waiting; then nobody asks.
            let _ = watch.told.send(());
        }
    }
}

impl<B: Body<Data = Bytes>> GateBody<B> {
    /// Watches over the delivery. What is returned resolves when it happened, and to an error
    /// when it cannot happen any more.
    pub(crate) fn watched(mut self, counts: Counts) -> (Self, oneshot::Receiver<()>) {
        let (told, delivered) = oneshot::channel();
        if self.is_end_stream() {
            // Nothing will ever be polled: the head was all there is.
            let _ = told.send(());
        } else {
            self.watch = Some(Watch { told, counts });
        }
        (self, delivered)
    }
}

impl<B: Body<Data = Bytes>> Body for GateBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let frame = match this.kind.as_mut().project() {
            KindProjection::Inner { body } => ready!(body.poll_frame(context)),
            KindProjection::Held { bytes } => next_piece(bytes).map(|piece| Ok(Frame::data(piece))),
        };
        let over = match &frame {
            None => true,
            Some(Ok(_)) => {
                this.watch
                    .as_ref()
                    .is_some_and(|watch| watch.counts == Counts::FirstByte)
                    || this.kind.is_end_stream()
            }
            Some(Err(_)) => false,
        };
        if over && let Some(watch) = this.watch.take() {
            // The gate may have stopped waiting; then nobody asks.
            let _ = watch.told.send(());
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.kind.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner { body } => body.size_hint(),
            Kind::Held { bytes } => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64))
            }
        }
    }
}

/// How much of a held body is handed over at once. The transport asks for the next piece when it
/// has room for it, so the last one goes when the others are on their way.
const PIECE: usize = 16 * 1024;

fn next_piece(bytes: &mut Option<Bytes>) -> Option<Bytes> {
    let all = bytes.as_mut()?;
    if all.len() > PIECE {
        Some(all.split_to(PIECE))
    } else {
        bytes.take()
    }
}

impl<B: Body> Kind<B> {
    fn is_end_stream(&self) -> bool {
        match self {
            Self::Inner { body } => body.is_end_stream(),
            Self::Held { bytes } => bytes.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::{BodyExt, Full};

    use super::*;

    type Plain = GateBody<Full<Bytes>>;

    #[tokio::test]
    async fn the_last_byte_is_the_delivery() {
        let (mut body, mut delivered) = Plain::held("abc").watched(Counts::LastByte);
        assert!(delivered.try_recv().is_err());
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().ok().as_deref(), Some(b"abc".as_slice()));
        delivered.await.unwrap();
    }

    #[tokio::test]
    async fn a_dropped_body_was_not_delivered() {
        let (body, delivered) =
            GateBody::inner(Full::new(Bytes::from("abc"))).watched(Counts::LastByte);
        drop(body);
        assert!(delivered.await.is_err());
    }

    #[tokio::test]
    async fn nothing_to_send_is_delivered_at_once() {
        let (_body, delivered) = Plain::held("").watched(Counts::LastByte);
        delivered.await.unwrap();
    }

    #[tokio::test]
    async fn a_stream_counts_from_its_first_byte() {
        let stream = Full::new(Bytes::from("a"))
            .map_err(|error: Infallible| error)
            .boxed();
        let (mut body, delivered) = GateBody::inner(stream).watched(Counts::FirstByte);
        let _ = body.frame().await;
        delivered.await.unwrap();
    }
}
