//! Taking the scheme's events out of a stream, and leaving every other byte as it is.

use farthing_core::{
    bounds,
    encoding::sse::{Message, Payment, Reader},
};

/// Bytes of an event that may be one of the scheme's. A longer one is somebody's data.
const EVENT: usize = bounds::NEED_VOUCHER * 2;

/// A part of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Bytes for whoever reads the stream.
    Data(Vec<u8>),
    /// One of the scheme's events.
    Payment(Payment, String),
}

/// Splits a stream as it comes in. An event is held back until it is whole, because its name may
/// stand in its last line.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    held: Vec<u8>,
    /// Whether what is held is the rest of an event that is too long to be held.
    passes: bool,
    /// Whether the line that goes on has anything in it.
    in_line: bool,
    after_cr: bool,
}

impl Splitter {
    /// Takes in what came.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<Part> {
        let mut parts = Vec::new();
        for &byte in bytes {
            let ends = self.take(byte);
            if ends {
                self.finish(&mut parts);
            } else if self.held.len() >= EVENT {
                self.passes = true;
                data(&mut parts, std::mem::take(&mut self.held));
            }
        }
        if self.passes {
            data(&mut parts, std::mem::take(&mut self.held));
        }
        parts
    }

    /// What is left at the end. It is no event, for it was cut off.
    pub(super) fn rest(self) -> Vec<u8> {
        self.held
    }

    /// Takes a byte in, and says whether an event ends with it.
    fn take(&mut self, byte: u8) -> bool {
        let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
        if byte == b'\n' && after_cr {
            // The second half of a line's end. Where an event ended with the first half, it stands in
            // front of the next one and means nothing there.
            self.held.push(byte);
            return false;
        }
        self.held.push(byte);
        match byte {
            b'\r' | b'\n' => !std::mem::replace(&mut self.in_line, false),
            _ => {
                self.in_line = true;
                false
            }
        }
    }

    fn finish(&mut self, parts: &mut Vec<Part>) {
        let event = std::mem::take(&mut self.held);
        if std::mem::replace(&mut self.passes, false) {
            return data(parts, event);
        }
        match payment(&event) {
            Some((payment, text)) => parts.push(Part::Payment(payment, text)),
            None => data(parts, event),
        }
    }
}

fn payment(event: &[u8]) -> Option<(Payment, String)> {
    let messages = Reader::new(EVENT).push(event).ok()?;
    let [Message { data, .. }] = &*messages else {
        return None;
    };
    Some((messages[0].payment()?, data.clone()))
}

fn data(parts: &mut Vec<Part>, bytes: Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    match parts.last_mut() {
        Some(Part::Data(before)) => before.extend(bytes),
        _ => parts.push(Part::Data(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(chunks: &[&str]) -> (String, Vec<(Payment, String)>) {
        let mut splitter = Splitter::default();
        let (mut text, mut payments) = (Vec::new(), Vec::new());
        for chunk in chunks {
            for part in splitter.push(chunk.as_bytes()) {
                match part {
                    Part::Data(bytes) => text.extend(bytes),
                    Part::Payment(payment, data) => payments.push((payment, data)),
                }
            }
        }
        text.extend(splitter.rest());
        (String::from_utf8(text).unwrap(), payments)
    }

    #[test]
    fn the_schemes_events_are_taken_out_and_nothing_else_is_changed() {
        let stream = ": hello\n\ndata: one\n\nevent: payment-need-voucher\ndata: {\"a\":1}\n\n\
                      event:payment-receipt\r\ndata: r\r\n\r\nid: 7\ndata: two\n\ndata: cut";
        let want = ": hello\n\ndata: one\n\n\nid: 7\ndata: two\n\ndata: cut";
        let events = vec![
            (Payment::NeedVoucher, "{\"a\":1}".to_owned()),
            (Payment::Receipt, "r".to_owned()),
        ];
        assert_eq!(split(&[stream]), (want.to_owned(), events.clone()));
        for at in 1..stream.len() {
            let cut = split(&[&stream[..at], &stream[at..]]);
            assert_eq!(cut, (want.to_owned(), events.clone()), "cut at {at}");
        }
    }

    #[test]
    fn what_is_too_long_to_be_an_event_passes_as_it_comes() {
        let long = format!("data: {}\n", "x".repeat(EVENT));
        let mut splitter = Splitter::default();
        let parts = splitter.push(long.as_bytes());
        assert_eq!(parts, vec![Part::Data(long.clone().into_bytes())]);
        // Its end is found all the same, and what follows is looked at again.
        let parts = splitter.push(b"event: payment-receipt\n\nevent: payment-receipt\ndata: r\n\n");
        assert_eq!(
            parts,
            vec![
                Part::Data(b"event: payment-receipt\n\n".to_vec()),
                Part::Payment(Payment::Receipt, "r".to_owned())
            ]
        );
    }
}
