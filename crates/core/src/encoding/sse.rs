//! Server-sent events: what a handler streams, and what the scheme says of the payment in between.
//!
//! Both travel in one text, so the form keeps them apart: a name that begins with `payment-` is the
//! scheme's, and no [`Event`] can have it; a line break in what a handler sends begins another line
//! of the same data, whichever of the three kinds it is. What a conforming reader sees as a payment
//! event was written by [`write_payment`].
//!
//! ```
//! use farthing_core::encoding::sse::{self, Event, Payment, Reader};
//!
//! let mut wire = Event::data("sunny\r\nevent: payment-receipt\rdata: {}").to_bytes();
//! sse::write_payment(Payment::Receipt, r#"{"spent":"7"}"#, &mut wire);
//!
//! let read = Reader::default().push(&wire)?;
//! assert_eq!(read[0].payment(), None);
//! assert_eq!(read[0].data, "sunny\nevent: payment-receipt\ndata: {}");
//! assert_eq!(read[1].payment(), Some(Payment::Receipt));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::time::Duration;

use crate::bounds;

mod reader;
#[cfg(test)]
mod tests;

pub use reader::{Message, Reader, SseError};

/// The media type of a stream of events.
pub const MEDIA_TYPE: &str = "text/event-stream";

/// What names of the scheme's own events begin with.
const RESERVED: &str = "payment-";

/// An event of the scheme (`draft-tempo-session-00`, sections "Insufficient Balance During
/// Streaming" and "Receipt Generation").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Payment {
    /// The balance is out: the stream goes on when a voucher was taken.
    NeedVoucher,
    /// What was spent, at the end of the stream.
    Receipt,
}

impl Payment {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NeedVoucher => "payment-need-voucher",
            Self::Receipt => "payment-receipt",
        }
    }
}

/// Writes an event of the scheme.
pub fn write_payment(payment: Payment, json: &str, out: &mut Vec<u8>) {
    write_line(out, "event", payment.name());
    write_lines(out, "data", json);
    out.push(b'\n');
}

/// An event of a handler. It is never one of the scheme's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    id: Option<Box<str>>,
    name: Option<Box<str>>,
    data: Option<String>,
    retry: Option<Duration>,
    comment: Option<String>,
}

/// Why an event cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// Its name is empty, too long, or has more than visible ASCII in it.
    #[error(
        "an event's name is 1 to {} visible ASCII characters",
        bounds::EVENT_NAME
    )]
    Name,
    /// Its name is the scheme's.
    #[error("names of events that begin with `payment-` are the payment scheme's")]
    Reserved,
    /// Its id has a line break or a NUL in it, or is too long.
    #[error(
        "an event's id has no line break, no NUL and at most {} bytes",
        bounds::EVENT_ID
    )]
    Id,
}

impl Event {
    /// An event with data, which may have any number of lines. A reader sees each line break as LF.
    #[must_use]
    pub fn data(text: impl Into<String>) -> Self {
        Self {
            data: Some(text.into()),
            ..Self::default()
        }
    }

    /// A comment alone: a reader passes it over, and the connection is seen to live.
    #[must_use]
    pub fn comment(text: impl Into<String>) -> Self {
        Self::default().with_comment(text)
    }

    /// Gives it a name. One without is a `message`.
    ///
    /// # Errors
    /// When a reader could not read the name, or it is the scheme's.
    pub fn named(mut self, name: &str) -> Result<Self, EventError> {
        let length = (1..=bounds::EVENT_NAME).contains(&name.len());
        if !length || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(EventError::Name);
        }
        let start = name.get(..RESERVED.len());
        if start.is_some_and(|start| start.eq_ignore_ascii_case(RESERVED)) {
            return Err(EventError::Reserved);
        }
        self.name = Some(name.into());
        Ok(self)
    }

    /// Gives it an id, from which a reader that lost the connection can ask to go on.
    ///
    /// # Errors
    /// When a reader would read another one.
    pub fn with_id(mut self, id: &str) -> Result<Self, EventError> {
        if id.len() > bounds::EVENT_ID || id.contains(['\r', '\n', '\0']) {
            return Err(EventError::Id);
        }
        self.id = Some(id.into());
        Ok(self)
    }

    /// Tells a reader how long to wait before it connects again, to the millisecond.
    #[must_use]
    pub const fn with_retry(mut self, after: Duration) -> Self {
        self.retry = Some(after);
        self
    }

    /// Puts a comment before it.
    #[must_use]
    pub fn with_comment(mut self, text: impl Into<String>) -> Self {
        self.comment = Some(text.into());
        self
    }

    /// Writes it.
    pub fn write(&self, out: &mut Vec<u8>) {
        if let Some(comment) = &self.comment {
            write_lines(out, "", comment);
        }
        if let Some(id) = &self.id {
            write_line(out, "id", id);
        }
        if let Some(name) = &self.name {
            write_line(out, "event", name);
        }
        if let Some(retry) = self.retry {
            write_line(out, "retry", &retry.as_millis().to_string());
        }
        if let Some(data) = &self.data {
            write_lines(out, "data", data);
        }
        out.push(b'\n');
    }

    /// The bytes of it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let data = self.data.as_ref().map_or(0, String::len);
        let mut out = Vec::with_capacity(data + 32);
        self.write(&mut out);
        out
    }
}

/// One that was read can be sent on, unless it is the scheme's.
impl TryFrom<Message> for Event {
    type Error = EventError;

    fn try_from(message: Message) -> Result<Self, EventError> {
        let mut event = Self::data(message.data);
        if message.name.as_ref() != Message::DEFAULT {
            event = event.named(&message.name)?;
        }
        if let Some(id) = message.id {
            event = event.with_id(&id)?;
        }
        event.retry = message.retry;
        Ok(event)
    }
}

/// Writes a text as lines of one field: none of its line breaks is left.
fn write_lines(out: &mut Vec<u8>, field: &str, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find(['\r', '\n']) {
        write_line(out, field, &rest[..at]);
        let length = if rest[at..].starts_with("\r\n") { 2 } else { 1 };
        rest = &rest[at + length..];
    }
    write_line(out, field, rest);
}

fn write_line(out: &mut Vec<u8>, field: &str, line: &str) {
    out.extend_from_slice(field.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(line.as_bytes());
    out.push(b'\n');
}
