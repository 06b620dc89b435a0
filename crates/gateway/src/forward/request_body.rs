//! A request's body on its way to the upstream.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use farthing::clock;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

use super::{ForwardOptions, pace::Pace};

/// The body of a request: the client's own, or bytes that were read from it before.
///
/// Its trailers are not passed on. Some upstreams take them for headers, and those were judged
/// before the body began.
pub struct RequestBody {
    kind: Kind,
    left: u64,
    /// Unbounded until it is forwarded: the gate that reads one has a deadline of its own.
    idle: Option<Duration>,
    /// Made when the client is waited for the first time.
    sleep: Option<Pin<Box<Sleep>>>,
    waits: bool,
    pace: Pace,
    progress: Option<Arc<Progress>>,
}

enum Kind {
    Incoming(Incoming),
    Held(Option<Bytes>),
}

/// Why a body stops short of its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestBodyError {
    /// It is larger than the gateway takes.
    #[error("the body is larger than is taken here")]
    TooLarge,
    /// The client did not send it whole.
    #[error("the body did not arrive whole")]
    Broken(#[source] hyper::Error),
    /// The client stopped sending it, or sent it drop by drop.
    #[error("the body did not arrive in time")]
    Stalled,
}

/// Who is waited for while a body goes up.
#[derive(Debug)]
pub(super) struct Progress(Mutex<(Instant, Turn)>);

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The client has to send more.
    Client,
    /// The upstream has to take more.
    Upstream,
    /// The body is through.
    Done,
}

impl Progress {
    fn is(&self, turn: Turn) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (clock::monotonic(), turn);
    }

    /// Since when it is whose turn.
    pub(super) fn now(&self) -> (Instant, Turn) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RequestBody {
    const fn new(kind: Kind) -> Self {
        Self {
            kind,
            left: u64::MAX,
            idle: None,
            sleep: None,
            waits: false,
            pace: Pace::new(0),
            progress: None,
        }
    }

    /// Bounds a body in size, in the time it may stand still, and in how slowly it may come. What is
    /// returned tells how far it got, where there is anything to tell.
    pub(super) fn bounded(
        mut self,
        options: &ForwardOptions,
        idle: Duration,
    ) -> (Self, Option<Arc<Progress>>) {
        if !self.is_end_stream() {
            let progress = Progress(Mutex::new((clock::monotonic(), Turn::Upstream)));
            (self.left, self.idle) = (options.body, Some(idle));
            self.pace = Pace::new(options.body_rate);
            self.progress = Some(Arc::new(progress));
        }
        let progress = self.progress.clone();
        (self, progress)
    }

    fn tell(&self, turn: Turn) {
        if let Some(progress) = &self.progress {
            progress.is(turn);
        }
    }

    /// Waits for the client, but not for ever.
    fn poll_stalled(&mut self, context: &mut Context<'_>) -> Poll<RequestBodyError> {
        let Some(idle) = self.idle else {
            return Poll::Pending;
        };
        if !self.waits {
            self.waits = true;
            self.tell(Turn::Client);
            if let Some(sleep) = &mut self.sleep {
                sleep.set(tokio::time::sleep(idle));
            }
        }
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
        if sleep.as_mut().poll(context).is_pending() {
            ready!(self.pace.poll_late(context));
        }
        Poll::Ready(RequestBodyError::Stalled)
    }
}

impl From<Bytes> for RequestBody {
    fn from(bytes: Bytes) -> Self {
        Self::new(Kind::Held((!bytes.is_empty()).then_some(bytes)))
    }
}

impl From<Incoming> for RequestBody {
    fn from(body: Incoming) -> Self {
        Self::new(Kind::Incoming(body))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let this = self.get_mut();
        let frame = match &mut this.kind {
            Kind::Held(bytes) => bytes.take().map(|bytes| Ok(Frame::data(bytes))),
            Kind::Incoming(body) => match Pin::new(body).poll_frame(context) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    let stalled = ready!(this.poll_stalled(context));
                    return Poll::Ready(Some(Err(stalled)));
                }
            },
        };
        this.waits = false;
        // Behind trailers nothing follows.
        let data = match frame.transpose().map_err(RequestBodyError::Broken)? {
            Some(frame) => frame.into_data().ok(),
            None => None,
        };
        let Some(data) = data else {
            this.tell(Turn::Done);
            return Poll::Ready(None);
        };
        let Some(left) = this.left.checked_sub(data.len() as u64) else {
            return Poll::Ready(Some(Err(RequestBodyError::TooLarge)));
        };
        this.left = left;
        this.pace.came(data.len() as u64);
        let over = this.is_end_stream();
        this.tell(if over { Turn::Done } else { Turn::Upstream });
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Incoming(body) => body.is_end_stream(),
            Kind::Held(bytes) => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Incoming(body) => body.size_hint(),
            Kind::Held(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
        }
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody")
            .field("size", &self.size_hint())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use farthing::core::value::Realm;
    use http_body_util::BodyExt;
    use hyper::{Request, Response, server::conn::http1, service::service_fn};
    use hyper_util::rt::TokioIo;
    use tokio::{io::AsyncWriteExt, sync::mpsc};

    use super::*;
    use crate::door::Site;

    /// What comes of a body of so many parts, of which one comes each ten seconds. The time is
    /// made up.
    async fn sent(rate: u64, part: usize, parts: usize) -> Result<usize, String> {
        let site = Site::new(&Realm::new("api.example.com").unwrap());
        let options = ForwardOptions::new(site, u64::MAX, rate);
        let (mut client, ours) = tokio::io::duplex(1024 * 1024);
        let (say, mut said) = mpsc::unbounded_channel();
        let service = service_fn(move |request: Request<Incoming>| {
            let body = RequestBody::from(request.into_body());
            let (body, _) = body.bounded(&options, Duration::from_secs(60));
            let say = say.clone();
            async move {
                let collected = body.collect().await;
                let length = collected.map(|body| body.to_bytes().len());
                let _ = say.send(length.map_err(|error| error.to_string()));
                Ok::<_, Infallible>(Response::new(String::new()))
            }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(ours), service);
        tokio::spawn(connection);
        let length = part * parts;
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        client.write_all(head.as_bytes()).await.unwrap();
        let sending = async {
            for _ in 0..parts {
                tokio::time::sleep(Duration::from_secs(10)).await;
                let _ = client.write_all(&vec![b'x'; part]).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            said = said.recv() => said.unwrap(),
            () = sending => unreachable!("it never ends"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_comes_drop_by_drop_is_given_up() {
        let late = Err("the body did not arrive in time".to_owned());
        // A byte each ten seconds never stands still, and would take years for a mebibyte.
        assert_eq!(sent(1024, 1, 100).await, late);
        assert_eq!(sent(1024, 2 * 1024, 100).await, late);
        assert_eq!(sent(1024, 1, 2).await, Ok(2));
        assert_eq!(sent(1024, 10 * 1024, 100).await, Ok(1024 * 1000));
        assert_eq!(sent(0, 1, 100).await, Ok(100));
    }
}
