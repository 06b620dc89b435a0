//! The opening handshake of a WebSocket, from the side that asks (RFC 6455, section 4.1), by the client that
//! HTTP uses: with its proxies and certificates.

use base64::{Engine, engine::general_purpose::STANDARD};
use farthing_core::bounds;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use reqwest::{Client, Upgraded};
use ring::{
    digest,
    rand::{SecureRandom, SystemRandom},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::protocol::{Role, WebSocketConfig},
};
use url::Url;

use super::fault::SocketFault;

/// A connection.
pub(super) type Wire = WebSocketStream<Upgraded>;

/// Opens a connection at an address of HTTP.
pub(super) async fn dial(
    http: &Client,
    url: &Url,
    headers: &HeaderMap,
) -> Result<Wire, SocketFault> {
    let mut random = [0; 16];
    SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| SocketFault::Broken("the system gave no randomness".into()))?;
    let key = STANDARD.encode(random);
    let mut headers = headers.clone();
    let asks = [
        (header::CONNECTION, "Upgrade"),
        (header::UPGRADE, "websocket"),
        (header::SEC_WEBSOCKET_VERSION, "13"),
        (header::SEC_WEBSOCKET_KEY, &*key),
    ];
    for (name, value) in asks {
        let value = HeaderValue::from_str(value).expect("base64 is visible ASCII");
        headers.insert(name, value);
    }
    let answer = http.get(url.clone()).headers(headers).send().await;
    let answer = answer.map_err(broken)?;
    let shown = answer.headers().get(header::SEC_WEBSOCKET_ACCEPT);
    let is_shown = shown.is_some_and(|shown| shown.as_bytes() == accept(&key).as_bytes());
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS || !is_shown {
        return Err(SocketFault::Plain(answer.status()));
    }
    let connection = answer.upgrade().await.map_err(broken)?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(bounds::EVENT))
        .max_frame_size(Some(bounds::EVENT))
        .read_buffer_size(8 * 1024);
    Ok(WebSocketStream::from_raw_socket(connection, Role::Client, Some(config)).await)
}

/// What shows that the other side speaks WebSocket.
fn accept(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    STANDARD.encode(hash)
}

fn broken(error: reqwest::Error) -> SocketFault {
    SocketFault::Broken(error.without_url().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accepted_key_is_that_of_the_standard() {
        // RFC 6455, section 1.3.
        assert_eq!(
            accept("dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }
}
