//! Reading a stream of events, in whatever pieces it comes.

use std::{mem, time::Duration};

use super::Payment;
use crate::bounds;

/// An event as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its name.
    pub name: Box<str>,
    /// The id that was said last, if any was.
    pub id: Option<Box<str>>,
    /// Its lines, with LF between them.
    pub data: String,
    /// How long to wait before connecting again, where it says so.
    pub retry: Option<Duration>,
}

impl Message {
    /// The name of an event that says none.
    pub const DEFAULT: &str = "message";

    /// Which of the scheme's events it is, if it is one.
    #[must_use]
    pub fn payment(&self) -> Option<Payment> {
        [Payment::NeedVoucher, Payment::Receipt]
            .into_iter()
            .find(|it| it.name() == &*self.name)
    }
}

/// Why a stream is not read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SseError {
    /// An event is larger than this reader takes.
    #[error("an event of the stream is larger than {limit} bytes")]
    TooLarge {
        /// How many bytes it takes.
        limit: usize,
    },
}

/// A reader of one stream. What is left of an event at the stream's end is not one: it was cut off.
#[derive(Clone, Debug)]
pub struct Reader {
    limit: usize,
    /// What came of a line so far.
    line: Vec<u8>,
    /// Whether a byte order mark may still come.
    is_start: bool,
    /// A LF that comes next ends no line of its own.
    after_cr: bool,
    data: Vec<u8>,
    name: Option<Box<str>>,
    retry: Option<Duration>,
    last_id: Option<Box<str>>,
}

impl Default for Reader {
    fn default() -> Self {
        Self::new(bounds::EVENT)
    }
}

impl Reader {
    /// A reader that takes events of so many bytes, and no larger ones.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            is_start: true,
            after_cr: false,
            data: Vec::new(),
            name: None,
            retry: None,
            last_id: None,
        }
    }

    /// Takes in what came, and answers the events that are whole by now.
    ///
    /// # Errors
    /// When an event is too large. Nothing that comes after it can be told apart.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Message>, SseError> {
        let mut messages = Vec::new();
        let mut rest = bytes;
        while let Some(&first) = rest.first() {
            if mem::take(&mut self.after_cr) && first == b'\n' {
                rest = &rest[1..];
                continue;
            }
            let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            self.hold(&rest[..end.unwrap_or(rest.len())])?;
            let Some(end) = end else { break };
            self.after_cr = rest[end] == b'\r';
            rest = &rest[end + 1..];
            messages.extend(self.end_line());
        }
        Ok(messages)
    }

    fn hold(&mut self, part: &[u8]) -> Result<(), SseError> {
        if self.line.len() + self.data.len() + part.len() > self.limit {
            return Err(SseError::TooLarge { limit: self.limit });
        }
        self.line.extend_from_slice(part);
        Ok(())
    }

    fn end_line(&mut self) -> Option<Message> {
        let mut line = mem::take(&mut self.line);
        if mem::take(&mut self.is_start) && line.starts_with("\u{feff}".as_bytes()) {
            line.drain(.."\u{feff}".len());
        }
        if line.is_empty() {
            return self.dispatch();
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let (field, value) = match colon {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (&line[..], &b""[..]),
        };
        self.take_field(field, value.strip_prefix(b" ").unwrap_or(value));
        // The room of the line is used again.
        line.clear();
        self.line = line;
        None
    }

    fn take_field(&mut self, field: &[u8], value: &[u8]) {
        match field {
            b"data" => {
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
            }
            b"event" => self.name = Some(String::from_utf8_lossy(value).into()),
            b"id" if !value.contains(&0) => {
                self.last_id = Some(String::from_utf8_lossy(value).into());
            }
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                let millis = std::str::from_utf8(value)
                    .ok()
                    .and_then(|it| it.parse().ok());
                self.retry = millis.map(Duration::from_millis);
            }
            // A comment, or a field that nobody knows.
            _ => {}
        }
    }

    fn dispatch(&mut self) -> Option<Message> {
        let (name, retry) = (self.name.take(), self.retry.take());
        let mut data = mem::take(&mut self.data);
        // The line break after the last line is the form's.
        data.pop()?;
        let data = String::from_utf8(data)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        Some(Message {
            name: name
                .filter(|name| !name.is_empty())
                .unwrap_or_else(|| Message::DEFAULT.into()),
            id: self.last_id.clone().filter(|id| !id.is_empty()),
            data,
            retry,
        })
    }
}
