//! The opening handshake of a WebSocket (RFC 6455, section 4.2).

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request::Parts};
use ring::digest;

use crate::refused::Refused;

const VERSION: &str = "13";

/// Accepts what asks for a WebSocket.
///
/// # Errors
/// When it asks for something else, or in another version.
pub(super) fn accept(parts: &Parts) -> Result<Response<Bytes>, Refused> {
    let headers = &parts.headers;
    let asks = parts.method == Method::GET
        && has(headers, header::UPGRADE, "websocket")
        && has(headers, header::CONNECTION, "upgrade")
        && has(headers, header::SEC_WEBSOCKET_VERSION, VERSION);
    let key = headers.get(header::SEC_WEBSOCKET_KEY);
    let key = key.filter(|key| STANDARD.decode(key).is_ok_and(|key| key.len() == 16));
    let (true, Some(key)) = (asks, key) else {
        return Err(Refused::BadRequest("this is no WebSocket of version 13"));
    };
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let answers = [
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::SEC_WEBSOCKET_ACCEPT, shown(key.as_bytes())),
    ];
    response.headers_mut().extend(answers);
    Ok(response)
}

/// Whether one of a header's words is this one.
fn has(headers: &HeaderMap, name: header::HeaderName, word: &str) -> bool {
    let lines = headers.get_all(name).into_iter();
    let mut words = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','));
    words.any(|said| said.trim().eq_ignore_ascii_case(word))
}

/// What shows that we speak WebSocket.
fn shown(key: &[u8]) -> HeaderValue {
    let mut text = key.to_vec();
    text.extend_from_slice(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &text);
    let shown = HeaderValue::try_from(STANDARD.encode(hash));
    shown.expect("base64 is visible ASCII")
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn request(change: impl FnOnce(&mut Request<()>)) -> Parts {
        let mut request = Request::get("/")
            .header("upgrade", "WebSocket")
            .header("connection", "keep-alive, Upgrade")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .body(())
            .unwrap();
        change(&mut request);
        request.into_parts().0
    }

    #[test]
    fn the_example_of_the_rfc_is_accepted() {
        let response = accept(&request(|_| {})).unwrap();
        assert_eq!(response.status(), 101);
        assert_eq!(
            response.headers()["sec-websocket-accept"],
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    #[test]
    fn what_is_none_is_refused() {
        let set = |name: &'static str, value: &'static str| {
            request(|it| {
                it.headers_mut()
                    .insert(name, HeaderValue::from_static(value));
            })
        };
        for other in [
            request(|it| *it.method_mut() = Method::POST),
            set("upgrade", "h2c"),
            set("connection", "close"),
            set("sec-websocket-version", "8"),
            set("sec-websocket-key", "dGhlIHNhbXBsZQ=="),
            set("sec-websocket-key", "not base64 at all!!!"),
        ] {
            assert!(accept(&other).is_err(), "{other:?}");
        }
    }
}
