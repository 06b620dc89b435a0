//! An answer's body on its way to the client.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

use super::{health::Health, names};

pin_project_lite::pin_project! {
    /// The body of an answer: the upstream's own, or what the gateway says by itself.
    ///
    /// One that does not come to its end is an error, and so never looks whole to the client.
    pub struct UpstreamBody {
        #[pin]
        kind: Kind,
    }
}

pin_project_lite::pin_project! {
    #[project = KindProjection]
    enum Kind {
        Incoming {
            #[pin]
            body: Incoming,
            #[pin]
            sleep: Option<Sleep>,
            idle: Duration,
            health: Arc<Health>,
        },
        Held { bytes: Option<Bytes> },
    }
}

/// Why an answer stops short of its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamBodyError {
    /// The upstream broke it off.
    #[error("the service behind broke its answer off")]
    Broken(#[source] hyper::Error),
    /// The upstream stopped sending it.
    #[error("the service behind stopped in the middle of its answer")]
    Stalled,
}

impl UpstreamBody {
    pub(super) const fn new(body: Incoming, idle: Duration, health: Arc<Health>) -> Self {
        Self {
            kind: Kind::Incoming {
                body,
                sleep: None,
                idle,
                health,
            },
        }
    }
}

impl From<Bytes> for UpstreamBody {
    fn from(bytes: Bytes) -> Self {
        Self {
            kind: Kind::Held {
                bytes: (!bytes.is_empty()).then_some(bytes),
            },
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = UpstreamBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamBodyError>>> {
        match self.project().kind.project() {
            KindProjection::Held { bytes } => {
                Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes))))
            }
            KindProjection::Incoming {
                body,
                mut sleep,
                idle,
                health,
            } => {
                let frame = match body.poll_frame(context) {
                    Poll::Ready(frame) => frame,
                    Poll::Pending => {
                        if sleep.is_none() {
                            sleep.set(Some(tokio::time::sleep(*idle)));
                        }
                        if let Some(sleep) = sleep.as_mut().as_pin_mut() {
                            ready!(sleep.poll(context));
                        }
                        health.failed();
                        return Poll::Ready(Some(Err(UpstreamBodyError::Stalled)));
                    }
                };
                sleep.set(None);
                Poll::Ready(frame.map(|frame| match frame {
                    Ok(frame) => Ok(without_ours(frame)),
                    Err(error) => {
                        health.failed();
                        Err(UpstreamBodyError::Broken(error))
                    }
                }))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Incoming { body, .. } => body.is_end_stream(),
            Kind::Held { bytes } => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Incoming { body, .. } => body.size_hint(),
            Kind::Held { bytes } => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
        }
    }
}

/// Trailers come through but for what no header of an upstream's may say either.
fn without_ours(mut frame: Frame<Bytes>) -> Frame<Bytes> {
    if let Some(trailers) = frame.trailers_mut() {
        names::remove(trailers, names::is_held_back);
    }
    frame
}

impl fmt::Debug for UpstreamBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamBody")
            .field("size", &self.size_hint())
            .finish_non_exhaustive()
    }
}
