//! Paths that two readers take for two.

use farthing::core::encoding::percent;

use super::DoorRefusal;

/// Checks a path as it came. It is walked once.
pub(super) fn check(path: &str) -> Result<(), DoorRefusal> {
    let bytes = path.as_bytes();
    if bytes.first() != Some(&b'/') {
        return Err(DoorRefusal::Path("does not begin with a slash"));
    }
    let mut at = 1;
    // Where the segment that is being walked began.
    let mut start = 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'/' if at == start => return Err(DoorRefusal::Path("has an empty segment")),
            b'/' => {
                segment(&bytes[start..at])?;
                start = at + 1;
            }
            b'\\' => return Err(DoorRefusal::Path("has a backslash")),
            b'%' => {
                escape(&bytes[at..])?;
                at += 2;
            }
            0..=0x20 | 0x7f..=0xff => {
                return Err(DoorRefusal::Path("has a character that has to be escaped"));
            }
            _ => {}
        }
        at += 1;
    }
    segment(&bytes[start..])
}

/// Dot segments, also those with parameters: a server that knows parameters cuts them off first.
fn segment(segment: &[u8]) -> Result<(), DoorRefusal> {
    match segment {
        [b'.'] | [b'.', b';', ..] | [b'.', b'.'] | [b'.', b'.', b';', ..] => {
            Err(DoorRefusal::Path("has a dot segment"))
        }
        _ => Ok(()),
    }
}

/// An escape whose meaning is not structure, however often it is decoded.
fn escape(from: &[u8]) -> Result<(), DoorRefusal> {
    match percent::escape(from).ok_or(DoorRefusal::Path("has a broken escape"))? {
        b'/' | b'\\' => Err(DoorRefusal::Path("has an escaped slash")),
        b'.' => Err(DoorRefusal::Path("has an escaped dot")),
        0..=0x1f | 0x7f => Err(DoorRefusal::Path("has an escaped control character")),
        b'%' if is_escaped_again(&from[3..]) => Err(DoorRefusal::Path("is escaped twice")),
        _ => Ok(()),
    }
}

/// Whether what follows an escaped percent sign would be an escape, once it is decoded.
fn is_escaped_again(mut after: &[u8]) -> bool {
    (0..2).all(|_| {
        let (digit, length) = match after {
            [b'%', ..] => (percent::escape(after), 3),
            [byte, ..] => (Some(*byte), 1),
            [] => (None, 1),
        };
        after = after.get(length..).unwrap_or_default();
        digit.is_some_and(|digit| digit.is_ascii_hexdigit())
    })
}

/// The query is the upstream's business, but for what is no part of a URI.
pub(super) fn check_query(query: &str) -> Result<(), DoorRefusal> {
    match query
        .bytes()
        .any(|byte| matches!(byte, 0..=0x20 | 0x7f..=0xff))
    {
        true => Err(DoorRefusal::Query("has a character that has to be escaped")),
        false => Ok(()),
    }
}
