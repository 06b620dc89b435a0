//! What a payment is bound to: the hash of a request as far as its price and answer depend on it.

use farthing_core::value::{Fingerprint, RouteId};
use http::{HeaderName, header, request::Parts};
use ring::digest::{Context, SHA256};

/// Hashes route, method, path, query, `Range` and the headers a dynamic price declared.
///
/// Each part is preceded by its length, so that no two requests run into the same bytes.
pub(crate) fn of_request(route: &RouteId, parts: &Parts, inputs: &[HeaderName]) -> Fingerprint {
    let mut hash = Context::new(&SHA256);
    part(&mut hash, route.as_str().as_bytes());
    part(&mut hash, parts.method.as_str().as_bytes());
    part(&mut hash, parts.uri.path().as_bytes());
    part(&mut hash, parts.uri.query().unwrap_or_default().as_bytes());
    for name in std::iter::once(&header::RANGE).chain(inputs) {
        let values = parts.headers.get_all(name);
        hash.update(&[u8::try_from(values.iter().count()).unwrap_or(u8::MAX)]);
        for value in values {
            part(&mut hash, value.as_bytes());
        }
    }
    finish(hash)
}

/// Hashes a credential's proof, so that it is known again without being kept.
pub(crate) fn of_proof(payload: &str) -> Fingerprint {
    let mut hash = Context::new(&SHA256);
    hash.update(payload.as_bytes());
    finish(hash)
}

/// Hashes an `Idempotency-Key` within the scope of the payer who sent it.
pub(crate) fn of_idempotency(payer: &str, key: &str) -> Fingerprint {
    let mut hash = Context::new(&SHA256);
    part(&mut hash, payer.as_bytes());
    part(&mut hash, key.as_bytes());
    finish(hash)
}

/// Adds the digest of a body to a request's fingerprint.
pub(crate) fn with_body(request: Fingerprint, body: &[u8]) -> Fingerprint {
    let mut hash = Context::new(&SHA256);
    part(&mut hash, &request.0);
    part(&mut hash, body);
    finish(hash)
}

fn part(hash: &mut Context, bytes: &[u8]) {
    hash.update(&(bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}

fn finish(hash: Context) -> Fingerprint {
    let mut out = [0; 32];
    out.copy_from_slice(hash.finish().as_ref());
    Fingerprint(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(method: &str, uri: &str, range: Option<&str>) -> Fingerprint {
        let mut request = http::Request::builder().method(method).uri(uri);
        if let Some(range) = range {
            request = request.header(header::RANGE, range);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        of_request(&RouteId::new("GET /a").unwrap(), &parts, &[])
    }

    #[test]
    fn every_part_counts() {
        let base = print("GET", "/a?b=1", None);
        assert_eq!(base, print("GET", "/a?b=1", None));
        for other in [
            print("HEAD", "/a?b=1", None),
            print("GET", "/a/?b=1", None),
            print("GET", "/a?b=2", None),
            print("GET", "/a", None),
            print("GET", "/a?b=1", Some("bytes=0-1")),
        ] {
            assert_ne!(base, other);
        }
    }
}
