//! An upstream's body as pieces with their prices. It is read no faster than they are taken.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use farthing::{
    core::encoding::sse::{Event, Message, Reader, SseError},
    server::session::Piece,
};
use futures_core::Stream;
use http_body::Body;

use super::count::{self, Count};
use crate::{
    config::Usage,
    forward::{UpstreamBody, UpstreamBodyError},
};

/// Why a stream does not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum PieceError {
    /// The service broke it off, or stopped.
    #[error(transparent)]
    Upstream(#[from] UpstreamBodyError),
    /// What it sends cannot be told apart any more.
    #[error(transparent)]
    Events(#[from] SseError),
}

pin_project_lite::pin_project! {
    /// A stream of events.
    pub(super) struct Events {
        #[pin]
        body: UpstreamBody,
        reader: Reader,
        ready: VecDeque<Message>,
        tally: Tally,
    }
}

/// What came so far.
struct Tally {
    usage: Usage,
    count: Count,
    events: u64,
    bytes: u64,
}

impl Events {
    pub(super) fn new(body: UpstreamBody, usage: Usage, count: Count) -> Self {
        let tally = Tally {
            usage,
            count,
            events: 0,
            bytes: 0,
        };
        Self {
            body,
            reader: Reader::default(),
            ready: VecDeque::new(),
            tally,
        }
    }
}

impl Tally {
    /// An event with its price; `None` of one that only the gate may send.
    fn piece(&mut self, message: Message) -> Option<Piece<Event>> {
        let told = match &self.usage {
            Usage::Json(place) => count::at(message.data.as_bytes(), place),
            _ => None,
        };
        let event = match Event::try_from(message) {
            Ok(event) => event,
            Err(error) => {
                tracing::debug!("an event of the service behind is left out: {error}");
                return None;
            }
        };
        self.events += 1;
        let units = match &self.usage {
            Usage::Bytes => {
                self.bytes += event.to_bytes().len() as u64;
                self.count.up_to_bytes(self.bytes)
            }
            // What it says comes to at least what went out before it.
            _ => self.count.up_to(told.unwrap_or(0).max(self.events)),
        };
        Some(Piece::new(units, event))
    }
}

impl Stream for Events {
    type Item = Result<Piece<Event>, PieceError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        loop {
            while let Some(message) = this.ready.pop_front() {
                if let Some(piece) = this.tally.piece(message) {
                    return Poll::Ready(Some(Ok(piece)));
                }
            }
            let Some(frame) = ready!(this.body.as_mut().poll_frame(context)) else {
                return Poll::Ready(None);
            };
            let data = match frame {
                Ok(frame) => frame.into_data().unwrap_or_default(),
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
            };
            match this.reader.push(&data) {
                Ok(messages) => this.ready.extend(messages),
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
            }
        }
    }
}

pin_project_lite::pin_project! {
    /// Bytes as they come.
    pub(super) struct Chunks {
        #[pin]
        body: UpstreamBody,
        bytes: u64,
        count: Count,
    }
}

impl Chunks {
    pub(super) const fn new(body: UpstreamBody, count: Count) -> Self {
        Self {
            body,
            bytes: 0,
            count,
        }
    }
}

impl Stream for Chunks {
    type Item = Result<Piece<Bytes>, PieceError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        loop {
            let Some(frame) = ready!(this.body.as_mut().poll_frame(context)) else {
                return Poll::Ready(None);
            };
            let data = match frame {
                Ok(frame) => frame.into_data().unwrap_or_default(),
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
            };
            // Trailers, or nothing: what is empty would end a body.
            if data.is_empty() {
                continue;
            }
            *this.bytes += data.len() as u64;
            let units = this.count.up_to_bytes(*this.bytes);
            return Poll::Ready(Some(Ok(Piece::new(units, data))));
        }
    }
}
