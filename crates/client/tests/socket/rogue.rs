//! A seller whose every word on a socket is a test's. Over HTTP it asks for what the real one would.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract::Request, response::Response, routing::get};
use base64::{Engine, engine::general_purpose::STANDARD};
use farthing_client::Client;
use farthing_core::{
    header::{authorization, www_authenticate},
    intent::session::{self, ChannelId, SessionRequest},
    memory::MemoryBackend,
    noun::{
        Challenge, Expires, Receipt, Request as ChallengeRequest,
        session::{NeedVoucher, SessionReceipt},
        socket::{Form, FromBuyer, FromSeller},
    },
    port::{backend::Backend, clock::Clock},
    value::{Amount, ChallengeId, Realm, Recipient, Timestamp},
};
use farthing_testkit::method::{self, FakeReserve, FakeSessionPayer};
use futures_util::{SinkExt, StreamExt, future::BoxFuture};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use ring::digest;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

use super::{WEALTH, WORD, client, common::StillClock, generous};

/// What a rogue does with a socket.
type Script = Arc<dyn Fn(Line) -> BoxFuture<'static, ()> + Send + Sync>;

/// A rogue, and its buyer.
pub struct Rogue {
    pub client: Client,
    pub reserve: Arc<FakeReserve>,
    address: SocketAddr,
    opened: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl Drop for Rogue {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// One socket of a rogue.
pub struct Line {
    stream: WebSocketStream<TokioIo<Upgraded>>,
    pub form: Form,
    pub challenge: Challenge,
    channel: Option<ChannelId>,
    /// What the vouchers said that came, one by one.
    pub vouchers: Vec<u128>,
}

impl Rogue {
    /// One that asks to be paid over HTTP, or only on the socket itself.
    pub async fn open<F>(
        asks_over_http: bool,
        script: impl Fn(Line) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        farthing_testkit::trace::start();
        let clock = StillClock::new();
        let reserve = Arc::new(FakeReserve::new(clock.clone()));
        let account = method::account("buyer");
        reserve.deposit(&account, WEALTH);
        let script: Script = Arc::new(move |line| Box::pin(script(line)));
        let challenge = challenge(&clock);
        let opened: Arc<AtomicUsize> = Arc::default();
        let count = Arc::clone(&opened);
        let answer = move |request: Request| {
            let (script, challenge) = (Arc::clone(&script), challenge.clone());
            let count = Arc::clone(&count);
            async move { answer(request, asks_over_http, challenge, script, &count) }
        };
        let app = Router::new().route("/", get(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let payer = Arc::new(FakeSessionPayer::new(Arc::clone(&reserve), &account));
        let kept: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        Self {
            client: client(payer, &kept, &clock, generous()),
            reserve,
            address,
            opened,
            serving,
        }
    }

    pub fn url(&self) -> String {
        format!("ws://{}/", self.address)
    }

    /// How often it was dialled.
    pub fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }
}

fn answer(
    mut request: Request,
    asks_over_http: bool,
    challenge: Challenge,
    script: Script,
    count: &AtomicUsize,
) -> Response {
    let head = Response::builder();
    let Some(key) = request.headers().get("sec-websocket-key") else {
        let asks = www_authenticate::format(&challenge);
        let answer = match asks_over_http {
            true => head.status(402).header("www-authenticate", asks),
            false => head.status(426),
        };
        return answer.body(axum::body::Body::empty()).unwrap();
    };
    count.fetch_add(1, Ordering::SeqCst);
    let accept = accept(key.as_bytes());
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let connection = TokioIo::new(upgrade.await.unwrap());
        let stream = WebSocketStream::from_raw_socket(connection, Role::Server, None).await;
        let form = if asks_over_http {
            Form::Mpp
        } else {
            Form::Type
        };
        let mut line = Line {
            stream,
            form,
            challenge,
            channel: None,
            vouchers: Vec::new(),
        };
        if form == Form::Type {
            line.ask(None).await;
        }
        script(line).await;
    });
    let head = head.status(101).header("sec-websocket-accept", accept);
    let head = head.header("connection", "upgrade");
    let head = head.header("upgrade", "websocket");
    head.body(axum::body::Body::empty()).unwrap()
}

fn challenge(clock: &StillClock) -> Challenge {
    let payee = Recipient::new(method::account("shop").as_str()).unwrap();
    let price = Amount::new(WORD);
    let mut request = SessionRequest::new(price, method::currency().code, payee);
    request.unit_type = Some("word".into());
    let details = &mut request.method_details;
    details.insert("sessionProtocol".to_owned(), "v2".into());
    let mut challenge = Challenge::new(
        ChallengeId::new("session-1").unwrap(),
        Realm::new("127.0.0.1").unwrap(),
        method::method(),
        session::id(),
        ChallengeRequest::new(&request).unwrap(),
    );
    let end = clock.now().saturating_add(Duration::from_secs(3600));
    challenge.expires = Some(Expires::new(end));
    challenge
}

fn accept(key: &[u8]) -> String {
    let text = [key, b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"].concat();
    STANDARD.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &text))
}

impl Line {
    pub async fn say(&mut self, said: FromSeller) {
        let text = said.to_text(self.form);
        self.text(text).await;
    }

    /// What cannot be written any more is said to nobody.
    pub async fn text(&mut self, text: impl Into<String>) {
        let _ = self.stream.send(Message::text(text.into())).await;
    }

    pub async fn word(&mut self, word: &str) {
        self.say(FromSeller::Message(word.to_owned())).await;
    }

    /// Says what it asks for.
    pub async fn ask(&mut self, error: Option<&str>) {
        let challenge = Box::new(self.challenge.clone());
        let error = error.map(str::to_owned);
        self.say(FromSeller::Challenge { challenge, error }).await;
    }

    /// The next credential: what its voucher says. `None` where the buyer is gone, or wants no more.
    pub async fn credential(&mut self) -> Option<u128> {
        while let Some(Ok(message)) = self.stream.next().await {
            let Message::Text(text) = message else {
                continue;
            };
            match FromBuyer::read(text.as_str()).unwrap().1 {
                FromBuyer::Credential(secret) => return Some(self.read(secret.expose())),
                FromBuyer::Close => return None,
                FromBuyer::Own(_) => {}
            }
        }
        None
    }

    fn read(&mut self, credential: &[u8]) -> u128 {
        let credential = authorization::parse(credential).unwrap();
        let payload: Value = serde_json::from_str(credential.payload.get()).unwrap();
        let channel = payload["channelId"].as_str().unwrap();
        self.channel = Some(channel.parse().unwrap());
        let said = payload["cumulativeAmount"].as_str().unwrap();
        let said = said.parse().unwrap();
        self.vouchers.push(said);
        said
    }

    pub fn channel(&self) -> ChannelId {
        self.channel.clone().unwrap()
    }

    pub fn receipt(&self, accepted: u128, spent: u128, units: Option<u64>) -> Receipt {
        let receipt = SessionReceipt {
            method: method::method(),
            at: Timestamp::from_secs(super::common::START),
            challenge: self.challenge.id.clone(),
            channel: self.channel(),
            accepted: Amount::new(accepted),
            spent: Amount::new(spent),
            units,
            transaction: None,
        };
        receipt.to_receipt()
    }

    /// Takes the first credential, with a receipt as anybody gives one.
    pub async fn take(&mut self) -> u128 {
        let said = self.credential().await.unwrap();
        let receipt = self.receipt(said, 0, None);
        self.say(FromSeller::Receipt(receipt)).await;
        said
    }

    /// Asks for a voucher.
    pub async fn need(&mut self, required: u128) {
        let channel = self.channel();
        self.need_of(channel, required).await;
    }

    pub async fn need_of(&mut self, channel: ChannelId, required: u128) {
        let accepted = self.vouchers.last().copied().unwrap_or_default();
        self.say(FromSeller::NeedVoucher(NeedVoucher {
            accepted: Amount::new(accepted),
            channel,
            deposit: Amount::new(1_000_000),
            required: Amount::new(required),
        }))
        .await;
    }

    pub async fn close(&mut self) {
        let _ = self.stream.close(None).await;
        while let Some(Ok(_)) = self.stream.next().await {}
    }
}
