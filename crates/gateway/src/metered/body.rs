//! The body of an answer behind the gate: as the service sends it, or paid for while it flows.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use farthing::server::session::StreamBody;
use http_body::{Body, Frame, SizeHint};

use super::Flowing;
use crate::forward::UpstreamBody;

pin_project_lite::pin_project! {
    /// The body of an answer behind the gate.
    pub(crate) struct MeteredBody {
        #[pin]
        kind: Kind,
    }
}

pin_project_lite::pin_project! {
    #[project = KindProjection]
    enum Kind {
        Upstream { #[pin] body: UpstreamBody },
        Stream { #[pin] body: StreamBody, flowing: Flowing },
    }
}

impl MeteredBody {
    pub(crate) const fn upstream(body: UpstreamBody) -> Self {
        Self {
            kind: Kind::Upstream { body },
        }
    }

    pub(super) const fn stream(body: StreamBody, flowing: Flowing) -> Self {
        Self {
            kind: Kind::Stream { body, flowing },
        }
    }
}

impl Body for MeteredBody {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.project().kind.project() {
            KindProjection::Upstream { body } => body
                .poll_frame(context)
                .map(|frame| frame.map(|frame| frame.map_err(Into::into))),
            KindProjection::Stream { body, .. } => body
                .poll_frame(context)
                .map(|frame| frame.map(|frame| frame.map_err(Into::into))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Upstream { body } => body.is_end_stream(),
            Kind::Stream { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Upstream { body } => body.size_hint(),
            Kind::Stream { body, .. } => body.size_hint(),
        }
    }
}
