//! Streams that are paid for while they flow.
//!
//! A handler answers with a stream of pieces, each with what it costs in units:
//!
//! ```
//! use farthing_core::encoding::sse::Event;
//! use farthing_server::session::{Meter, Piece, StreamBody};
//! use futures_util::stream;
//!
//! async fn poem(meter: Meter) -> http::Response<StreamBody> {
//!     let words = ["roses", "are", "red"];
//!     let pieces = words.map(|word| Ok::<_, std::io::Error>(Piece::new(1, Event::data(word))));
//!     meter.stream().sse(stream::iter(pieces))
//! }
//! ```
//!
//! - Each piece is charged before it is handed over, durably, and the next is made when the transport
//!   took it: a reader that does not read is charged for nothing that it has no room for.
//! - Where the balance is out, the stream pauses. As events it says so, with `payment-need-voucher`,
//!   and it goes on when a voucher came with any request to the gate.
//! - It ends with a receipt: the event `payment-receipt`, or a trailer where the buyer reads them.
//! - One that is cut says so. Events end with a receipt that says why
//!   ([`Cut`](farthing_core::noun::session::Cut)); a body of plain
//!   bytes ends with an error, because nothing else in it would.
//! - A channel has one stream. A newer one ends the older.
//!
//! | file | what happens there |
//! |---|---|
//! | `drive` | make, charge, hand over |
//! | `ahead` | what was charged and not handed over |
//! | `hand` | from whoever makes the pieces to the body |
//! | `forms` | how it looks: events, or plain bytes |
//! | `socket` | the same on a WebSocket |

mod ahead;
mod drive;
mod forms;
mod hand;
#[cfg(feature = "websocket")]
pub mod socket;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;
use farthing_core::{
    encoding::sse::{self, Event},
    header::PAYMENT_RECEIPT,
};
use futures_core::Stream;
use http::{HeaderValue, Response, header};

pub use hand::{StreamBody, StreamCut};

use super::meter::Meter;
use drive::Drive;
use forms::{Events, Plain};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How long a reader may take nothing of a stream, unless the stream says otherwise.
const PATIENCE: Duration = Duration::from_secs(60);

/// A part of a stream, with what it costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece<T> {
    /// How many units it costs. Nothing, for a comment that keeps the connection.
    pub units: u64,
    /// What it is.
    pub content: T,
}

impl<T> Piece<T> {
    /// A piece that costs this many units.
    pub const fn new(units: u64, content: T) -> Self {
        Self { units, content }
    }
}

/// A stream that is about to begin.
#[derive(Debug)]
#[must_use = "nothing is streamed before it is given pieces"]
pub struct Streaming {
    meter: Meter,
    ahead: u64,
    patience: Duration,
}

impl Meter {
    /// Begins a stream on the channel. Call it for what the request is answered with.
    pub fn stream(&self) -> Streaming {
        Streaming {
            meter: self.clone(),
            ahead: 0,
            patience: PATIENCE,
        }
    }
}

impl Streaming {
    /// Charges so many units at once, where the balance has them, and gives back at the end what was
    /// not used. Each charge is a write: a stream of many cheap pieces is faster with fewer of them.
    /// A process that dies keeps what it charged ahead.
    pub const fn ahead(mut self, units: u64) -> Self {
        self.ahead = units;
        self
    }

    /// Ends the stream when its reader takes nothing for so long.
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// A stream of events.
    pub fn sse<S, E>(self, pieces: S) -> Response<StreamBody>
    where
        S: Stream<Item = Result<Piece<Event>, E>> + Send + 'static,
        E: Into<BoxError> + Send + 'static,
    {
        let (giver, body) = hand::pair();
        self.begin(pieces, Events(giver));
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(sse::MEDIA_TYPE),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // A proxy that gathers events before it sends them on defeats their purpose.
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        response
    }

    /// A stream of plain bytes. Its media type is for the handler to say.
    pub fn bytes<S, E>(self, pieces: S) -> Response<StreamBody>
    where
        S: Stream<Item = Result<Piece<Bytes>, E>> + Send + 'static,
        E: Into<BoxError> + Send + 'static,
    {
        let (giver, body) = hand::pair();
        let takes_trailers = self.meter.tariff().takes_trailers;
        self.begin(
            pieces,
            Plain {
                giver,
                takes_trailers,
            },
        );
        let mut response = Response::new(body);
        if takes_trailers {
            let name = HeaderValue::from_str(PAYMENT_RECEIPT.as_str());
            let name = name.expect("a header's name is a header's value");
            response.headers_mut().insert(header::TRAILER, name);
        }
        response
    }

    fn begin<S, O, E>(self, pieces: S, outlet: O)
    where
        S: Stream<Item = Result<Piece<O::Piece>, E>> + Send + 'static,
        O: drive::Outlet + 'static,
        E: Into<BoxError> + Send + 'static,
    {
        let drive = self.drive();
        let work = drive.meter.tariff().work.clone();
        // It belongs to the gate: a reader that goes away leaves it to end as it should.
        work.spawn(Box::pin(drive.run(pieces, outlet)));
    }

    fn drive(self) -> Drive {
        Drive {
            place: self.meter.begin_stream(),
            meter: self.meter,
            ahead: self.ahead,
            patience: self.patience,
        }
    }
}
