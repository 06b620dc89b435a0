//! A subscription over one WebSocket.
//!
//! The connection is made by the client that HTTP uses, with the same certificates and proxies, and handed
//! over by the upgrade of HTTP/1.1 (RFC 6455, section 4).

use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::{SinkExt, StreamExt};
use reqwest::{Client, StatusCode, Upgraded, header};
use ring::{
    digest,
    rand::{SecureRandom, SystemRandom},
};
use serde::Deserialize;
use serde_json::json;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message,
        protocol::{Role, WebSocketConfig},
    },
};
use url::Url;

use super::wire::{self, Garbage, Question, WireError};
use crate::{Block, ChainId};

/// The most bytes of one message. The head of a block has a few thousand.
const MAX: usize = 256 * 1024;

/// What is passed over before an answer: other subscriptions of a proxy, for example.
const PATIENCE: usize = 100;

/// Why nothing more is told.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("it cannot be reached")]
    Unreached(#[source] reqwest::Error),
    #[error("it does not speak WebSocket, but answered {0}")]
    Plain(StatusCode),
    #[error("the connection broke")]
    Cut(#[source] Box<tungstenite::Error>),
    #[error("it was closed")]
    Closed,
    #[error("it says nothing")]
    Silent,
    #[error("it is of chain {0}")]
    WrongChain(u64),
    #[error("it refused {0}: {1}")]
    Refused(&'static str, String),
    #[error("what it says cannot be read")]
    Garbage(#[source] Garbage),
    #[error("this machine has no random numbers")]
    NoRandom,
}

/// A subscription to the heads of new blocks.
pub(super) struct Socket {
    stream: WebSocketStream<Upgraded>,
    subscription: String,
}

impl Socket {
    /// Connects, makes sure that it is of our chain, and subscribes.
    pub(super) async fn subscribe(
        http: &Client,
        url: &Url,
        chain: ChainId,
    ) -> Result<Self, Broken> {
        let connection = upgraded(http, url).await?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX))
            .max_frame_size(Some(MAX))
            .read_buffer_size(8 * 1024);
        let mut socket = Self {
            stream: WebSocketStream::from_raw_socket(connection, Role::Client, Some(config)).await,
            subscription: String::new(),
        };
        let found = socket.ask("eth_chainId", json!([])).await?;
        let number = found.strip_prefix("0x").unwrap_or_default();
        let found = u64::from_str_radix(number, 16).map_err(|_| Broken::Garbage(Garbage::Ids))?;
        if found != chain.get() {
            return Err(Broken::WrongChain(found));
        }
        socket.subscription = socket.ask("eth_subscribe", json!(["newHeads"])).await?;
        Ok(socket)
    }

    /// Waits for the next message, which need not tell of a block.
    pub(super) async fn next(&mut self) -> Result<Option<Block>, Broken> {
        let message = self.message().await?;
        let Some(text) = message.to_text().ok().filter(|_| message.is_text()) else {
            return Ok(None);
        };
        match serde_json::from_str(text) {
            Ok(Notice { params }) if params.subscription == self.subscription => {
                Ok(Some(params.result))
            }
            Ok(_) => Ok(None),
            Err(wrong) => Err(Broken::Garbage(Garbage::Form(wrong))),
        }
    }

    /// Asks whether the other side is there. Its answer is a message without a block.
    pub(super) async fn ping(&mut self) -> Result<(), Broken> {
        let ping = Message::Ping(Vec::new().into());
        self.stream.send(ping).await.map_err(cut)
    }

    /// Asks a question whose answer is a text.
    async fn ask(
        &mut self,
        method: &'static str,
        params: serde_json::Value,
    ) -> Result<String, Broken> {
        let body = wire::body(&[Question { method, params }]);
        let body = String::from_utf8(body).map_err(|_| Broken::Garbage(Garbage::Ids))?;
        self.stream.send(body.into()).await.map_err(cut)?;
        for _ in 0..PATIENCE {
            let message = self.message().await?;
            if !message.is_text()
                || serde_json::from_slice::<Sign>(&message.clone().into_data()).is_ok()
            {
                continue;
            }
            let answer = wire::read(&message.into_data(), 1)
                .map_err(Broken::Garbage)?
                .pop();
            let answer = answer.ok_or(Broken::Garbage(Garbage::Ids))?;
            let said = answer.map_err(|WireError { message, .. }| {
                Broken::Refused(method, super::revert::plain(&message))
            })?;
            return serde_json::from_str(said.get())
                .map_err(|wrong| Broken::Garbage(Garbage::Form(wrong)));
        }
        Err(Broken::Garbage(Garbage::Ids))
    }

    async fn message(&mut self) -> Result<Message, Broken> {
        match self.stream.next().await {
            Some(Ok(Message::Close(_))) | None => Err(Broken::Closed),
            Some(message) => message.map_err(cut),
        }
    }
}

/// What is told of a subscription.
#[derive(Deserialize)]
struct Notice {
    params: Params,
}

#[derive(Deserialize)]
struct Params {
    subscription: String,
    result: Block,
}

/// Any message that tells and does not answer.
#[derive(Deserialize)]
struct Sign {
    #[serde(rename = "method")]
    _method: String,
}

async fn upgraded(http: &Client, url: &Url) -> Result<Upgraded, Broken> {
    let mut random = [0; 16];
    SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| Broken::NoRandom)?;
    let key = STANDARD.encode(random);
    let mut url = url.clone();
    let scheme = if url.scheme() == "wss" {
        "https"
    } else {
        "http"
    };
    // Both are special schemes, between which a URL can be moved.
    let _ = url.set_scheme(scheme);
    let answer = http
        .get(url)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, &key)
        .send()
        .await
        .map_err(unreached)?;
    let accepted = answer.headers().get(header::SEC_WEBSOCKET_ACCEPT);
    let accepted = accepted.is_some_and(|said| said.as_bytes() == accept(&key).as_bytes());
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS || !accepted {
        return Err(Broken::Plain(answer.status()));
    }
    answer.upgrade().await.map_err(unreached)
}

/// What shows that the other side speaks WebSocket (RFC 6455, section 4.2.2).
fn accept(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    STANDARD.encode(hash)
}

/// Without the URL, which may hold a key.
fn unreached(error: reqwest::Error) -> Broken {
    Broken::Unreached(error.without_url())
}

fn cut(error: tungstenite::Error) -> Broken {
    Broken::Cut(Box::new(error))
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
