//! Headers that say two things.

use http::{HeaderMap, HeaderValue, Request, Version, header};

use super::DoorRefusal;

pub(super) fn check<B>(request: &Request<B>) -> Result<(), DoorRefusal> {
    host(request)?;
    length(request.headers())?;
    upgrade(request.headers())
}

/// There is one host, and the target names no other.
fn host<B>(request: &Request<B>) -> Result<(), DoorRefusal> {
    let mut lines = request.headers().get_all(header::HOST).iter();
    let authority = request.uri().authority();
    let Some(host) = lines.next() else {
        let needed = authority.is_none() && request.version() >= Version::HTTP_11;
        return match needed || is_absolute(request) {
            true => Err(DoorRefusal::Host("is missing")),
            false => Ok(()),
        };
    };
    if lines.next().is_some() {
        return Err(DoorRefusal::Host("is there twice"));
    }
    let host = host.as_bytes();
    if host.is_empty() || !host.iter().all(|byte| is_of_a_host(*byte)) {
        return Err(DoorRefusal::Host("is no host"));
    }
    match authority {
        Some(authority) if !host.eq_ignore_ascii_case(authority.as_str().as_bytes()) => {
            Err(DoorRefusal::Host("is another than the target's"))
        }
        _ => Ok(()),
    }
}

/// The absolute form, which stands beside a `Host` in HTTP/1.1.
fn is_absolute<B>(request: &Request<B>) -> bool {
    request.version() == Version::HTTP_11 && request.uri().scheme().is_some()
}

const fn is_of_a_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']')
}

/// The body has one length, told in one way.
fn length(headers: &HeaderMap) -> Result<(), DoorRefusal> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    match (codings.next(), lengths.next()) {
        (None, None) => return Ok(()),
        (Some(_), Some(_)) => return Err(DoorRefusal::Length("is told in two ways")),
        (Some(coding), None) if !coding.as_bytes().eq_ignore_ascii_case(b"chunked") => {
            return Err(DoorRefusal::Length(
                "is hidden in a coding other than chunked",
            ));
        }
        (None, Some(length)) if !is_number(length) => {
            return Err(DoorRefusal::Length("is no number"));
        }
        _ => {}
    }
    match codings.next().or(lengths.next()) {
        Some(_) => Err(DoorRefusal::Length("is told twice")),
        None => Ok(()),
    }
}

fn is_number(value: &HeaderValue) -> bool {
    !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_digit)
}

/// Nothing is upgraded. A client that only offers HTTP/2 goes on in HTTP/1.1, as one whose offer
/// nobody takes up (RFC 9110, section 7.8).
fn upgrade(headers: &HeaderMap) -> Result<(), DoorRefusal> {
    let asks = headers.get_all(header::UPGRADE).iter().any(|line| {
        let mut protocols = line.as_bytes().split(|byte| *byte == b',');
        protocols.any(|name| !name.trim_ascii().eq_ignore_ascii_case(b"h2c"))
    });
    match asks {
        true => Err(DoorRefusal::Upgrade),
        false => Ok(()),
    }
}
