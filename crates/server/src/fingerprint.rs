//! What a payment is bound to: the hash of a request as far as its price and answer depend on it.

use farthing_core::value::{Fingerprint, RouteId};
use http::{HeaderName, header, request};
use ring::digest::{self, Context, Digest, SHA256};

/// Hashes route, method, path, query, `Range` and the headers a dynamic price declared.
///
/// Each part is preceded by its length, so that no two requests run into the same bytes.
pub(crate) fn of_request(
    route: &RouteId,
    parts: &request::Parts,
    inputs: &[HeaderName],
) -> Fingerprint {
    let mut hash = Parts::new();
    hash.part(route.as_str().as_bytes());
    hash.part(parts.method.as_str().as_bytes());
    hash.part(parts.uri.path().as_bytes());
    hash.part(parts.uri.query().unwrap_or_default().as_bytes());
    for name in std::iter::once(&header::RANGE).chain(inputs) {
        let values = parts.headers.get_all(name);
        hash.add(&[u8::try_from(values.iter().count()).unwrap_or(u8::MAX)]);
        for value in values {
            hash.part(value.as_bytes());
        }
    }
    // One router may be mounted in two places, and what is asked for in one is not in the other.
    if let Some(whole) = crate::layer::stripped_from(parts) {
        hash.part(whole.path().as_bytes());
        hash.part(whole.query().unwrap_or_default().as_bytes());
    }
    hash.finish()
}

/// Hashes a credential's proof, so that it is known again without being kept.
pub(crate) fn of_proof(payload: &str) -> Fingerprint {
    print(digest::digest(&SHA256, payload.as_bytes()))
}

/// Hashes an `Idempotency-Key` within the scope of the payer who sent it.
pub(crate) fn of_idempotency(payer: &str, key: &str) -> Fingerprint {
    let mut hash = Parts::new();
    hash.part(payer.as_bytes());
    hash.part(key.as_bytes());
    hash.finish()
}

/// Adds the digest of a body to a request's fingerprint.
pub(crate) fn with_body(request: Fingerprint, body: &[u8]) -> Fingerprint {
    let mut hash = Parts::new();
    hash.part(&request.0);
    hash.part(body);
    hash.finish()
}

/// A hash of several parts. What fits is put together first: each update of the hash itself walks
/// its block buffer, and an unpaid request is answered in less time than ten of them take.
struct Parts {
    buffer: [u8; 256],
    length: usize,
    /// What did not fit is in here.
    hash: Option<Context>,
}

impl Parts {
    const fn new() -> Self {
        Self {
            buffer: [0; 256],
            length: 0,
            hash: None,
        }
    }

    /// Adds bytes with their length before them.
    fn part(&mut self, bytes: &[u8]) {
        self.add(&(bytes.len() as u64).to_be_bytes());
        self.add(bytes);
    }

    fn add(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        if let Some(place) = self.buffer.get_mut(self.length..end) {
            place.copy_from_slice(bytes);
            self.length = end;
        } else {
            let hash = self.hash.get_or_insert_with(|| Context::new(&SHA256));
            hash.update(&self.buffer[..self.length]);
            hash.update(bytes);
            self.length = 0;
        }
    }

    fn finish(self) -> Fingerprint {
        let rest = &self.buffer[..self.length];
        print(match self.hash {
            None => digest::digest(&SHA256, rest),
            Some(mut hash) => {
                hash.update(rest);
                hash.finish()
            }
        })
    }
}

fn print(digest: Digest) -> Fingerprint {
    let mut out = [0; 32];
    out.copy_from_slice(digest.as_ref());
    Fingerprint(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_do_not_fit_the_buffer_are_hashed_alike() {
        for lengths in [[0, 0], [8, 240], [10, 300], [300, 10], [300, 300], [248, 1]] {
            let (mut hash, mut plain) = (Parts::new(), Vec::new());
            for (length, byte) in lengths.into_iter().zip(1..) {
                let bytes = vec![byte; length];
                hash.part(&bytes);
                plain.extend((length as u64).to_be_bytes());
                plain.extend(bytes);
            }
            assert_eq!(hash.finish(), print(digest::digest(&SHA256, &plain)));
        }
    }

    fn of(method: &str, uri: &str, range: Option<&str>) -> Fingerprint {
        let mut request = http::Request::builder().method(method).uri(uri);
        if let Some(range) = range {
            request = request.header(header::RANGE, range);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        of_request(&RouteId::new("GET /a").unwrap(), &parts, &[])
    }

    #[test]
    fn every_part_counts() {
        let base = of("GET", "/a?b=1", None);
        assert_eq!(base, of("GET", "/a?b=1", None));
        for other in [
            of("HEAD", "/a?b=1", None),
            of("GET", "/a/?b=1", None),
            of("GET", "/a?b=2", None),
            of("GET", "/a", None),
            of("GET", "/a?b=1", Some("bytes=0-1")),
        ] {
            assert_ne!(base, other);
        }
    }
}
