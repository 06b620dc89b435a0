//! Percent-encoding (RFC 3986, section 2.1), as the paths of requests and of rules have it.
//!
//! Who compares paths has to read an escape as everybody else here does: a `%` that one reader takes
//! for an escape and another for itself is a way around a price.

/// The byte that an escape at the front stands for.
#[inline]
#[must_use]
pub const fn escape(bytes: &[u8]) -> Option<u8> {
    match bytes {
        [b'%', high, low, ..] => match (digit(*high), digit(*low)) {
            (Some(high), Some(low)) => Some(high << 4 | low),
            _ => None,
        },
        _ => None,
    }
}

/// The bytes of a text with its escapes decoded, once. A `%` that begins none is itself.
#[inline]
pub const fn decode(text: &str) -> Decode<'_> {
    Decode(text.as_bytes())
}

/// The bytes of a text with its escapes decoded: see [`decode`].
#[derive(Clone, Debug)]
pub struct Decode<'a>(&'a [u8]);

impl Iterator for Decode<'_> {
    type Item = u8;

    #[inline]
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        if let Some(byte) = escape(self.0) {
            self.0 = &self.0[3..];
            return Some(byte);
        }
        self.0 = rest;
        Some(*first)
    }
}

const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &[u8]) {
        assert_eq!(decode(text).collect::<Vec<_>>(), expect, "{text:?}");
    }

    #[test]
    fn escapes_are_decoded_once() {
        check("", b"");
        check("/p%61id", b"/paid");
        check("%2F%2f", b"//");
        check("%2561", b"%61");
        check("%ff%00", b"\xff\x00");
    }

    #[test]
    fn what_is_no_escape_is_itself() {
        for text in ["%", "%4", "%4g", "%g4", "%%", "%+1", "%-1", "% 1", "100%"] {
            check(text, text.as_bytes());
        }
        check("%%41", b"%A");
    }

    #[test]
    fn every_byte_has_its_escapes() {
        for byte in 0..=u8::MAX {
            assert_eq!(escape(format!("%{byte:02x}").as_bytes()), Some(byte));
            assert_eq!(escape(format!("%{byte:02X}").as_bytes()), Some(byte));
        }
    }
}
