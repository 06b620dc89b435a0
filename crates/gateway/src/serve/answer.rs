//! What a gateway answers with, and the passage of a request through it.

use std::{
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use farthing::{clock, core::header::PAYMENT_RECEIPT, server::body::GateBody};
use http::{Method, Request, Response};
use http_body::{Body, Frame, SizeHint};

use super::{Shared, line::Line, till::Till, via::Via};
use crate::{
    forward::UpstreamBody,
    metered::{MeteredBody, PaidBy},
    observe::{log::Entry, metrics::RouteMetrics},
};

pin_project_lite::pin_project! {
    /// The body of an answer.
    pub(crate) struct AnswerBody {
        #[pin]
        content: Content,
        passage: Passage,
    }
}

pin_project_lite::pin_project! {
    /// What an answer holds.
    #[project = ContentProjection]
    pub(crate) enum Content {
        /// The upstream's own.
        Free { #[pin] body: UpstreamBody },
        /// What came through the gate, whose till stays open until the last byte: a stream is paid for
        /// while it flows.
        Priced { #[pin] body: GateBody<MeteredBody>, till: Arc<Till> },
        /// Bytes of ours.
        Held { bytes: Option<Bytes> },
    }
}

impl Content {
    pub(super) fn held(bytes: Bytes) -> Self {
        Self::Held {
            bytes: (!bytes.is_empty()).then_some(bytes),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Free { body } => body.is_end_stream(),
            Self::Priced { body, .. } => body.is_end_stream(),
            Self::Held { bytes } => bytes.is_none(),
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let mut this = self.project();
        let polled = match this.content.as_mut().project() {
            ContentProjection::Free { body } => body
                .poll_frame(context)
                .map(|frame| frame.map(|frame| frame.map_err(Into::into))),
            ContentProjection::Priced { body, .. } => body.poll_frame(context),
            ContentProjection::Held { bytes } => {
                Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes))))
            }
        };
        let ends = this.content.is_end_stream();
        this.passage.polled(&polled, ends);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Free { body } => body.size_hint(),
            Content::Priced { body, .. } => body.size_hint(),
            Content::Held { bytes } => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64)
            }
        }
    }
}

/// A request on its way through, from its head to the last byte of its answer. However it ends, it
/// is counted out and written down.
pub(crate) struct Passage {
    shared: Arc<Shared>,
    line: Arc<Line>,
    since: Instant,
    /// Whether it waits for us.
    waits: bool,
    head_only: bool,
    whole: bool,
    bytes: u64,
    entry: Option<Box<Entry>>,
}

impl Passage {
    pub(super) fn begin<B>(
        shared: &Arc<Shared>,
        line: &Arc<Line>,
        via: &Via,
        request: &Request<B>,
    ) -> Self {
        shared.metrics.in_flight.up();
        line.begins();
        let entry = shared.log.is_on().then(|| {
            Box::new(Entry {
                at: shared.clock.now(),
                client: via.client,
                method: request.method().clone(),
                path: request.uri().path().into(),
                status: None,
                route: Arc::clone(&shared.metrics.unmatched),
                paid: false,
                channel: None,
                receipt: None,
                bytes: 0,
                time: std::time::Duration::ZERO,
                whole: false,
            })
        });
        Self {
            shared: Arc::clone(shared),
            line: Arc::clone(line),
            since: clock::monotonic(),
            waits: true,
            head_only: *request.method() == Method::HEAD,
            whole: false,
            bytes: 0,
            entry,
        }
    }

    /// The head of the answer is there, and its body goes out under this passage's eyes.
    pub(super) fn answered(
        mut self,
        response: Response<Content>,
        route: &Arc<RouteMetrics>,
    ) -> Response<AnswerBody> {
        route.answered(response.status(), self.since.elapsed());
        self.goes_on();
        if let Some(entry) = &mut self.entry {
            entry.status = Some(response.status());
            entry.route = Arc::clone(route);
            entry.receipt = response.headers().get(&PAYMENT_RECEIPT).cloned();
            let payer = response.extensions().get::<PaidBy>();
            entry.channel = payer.map(|payer| payer.0.clone());
            entry.paid = entry.receipt.is_some() || payer.is_some();
        }
        let mut response = response.map(|content| AnswerBody {
            content,
            passage: self,
        });
        let body = response.body_mut();
        body.passage.whole = body.passage.head_only || body.is_end_stream();
        response
    }

    /// A body whose end is known is not asked again after its last byte.
    fn polled<E>(&mut self, polled: &Poll<Option<Result<Frame<Bytes>, E>>>, ends: bool) {
        match polled {
            Poll::Pending => {
                if !mem::replace(&mut self.waits, true) {
                    self.line.waits();
                }
            }
            Poll::Ready(frame) => {
                self.goes_on();
                match frame {
                    None => self.whole = true,
                    Some(Ok(frame)) => {
                        self.bytes += frame.data_ref().map_or(0, Bytes::len) as u64;
                        self.whole = ends;
                    }
                    Some(Err(_)) => {}
                }
            }
        }
    }

    fn goes_on(&mut self) {
        if mem::take(&mut self.waits) {
            self.line.has();
        }
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        self.goes_on();
        self.line.ends();
        self.shared.metrics.in_flight.down();
        if let Some(mut entry) = self.entry.take() {
            entry.bytes = self.bytes;
            entry.time = self.since.elapsed();
            entry.whole = self.whole;
            self.shared.log.write(entry);
        }
    }
}
