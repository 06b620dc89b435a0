//! WebSockets in the form of messages with `type`, paid for out of channels of the first protocol version: its client
//! pays on our sockets, and our client on its.
#![allow(clippy::unwrap_used, reason = "a test fails by them")]

use std::sync::Arc;

use axum::{
    Router,
    extract::{
        State,
        ws::{Message, WebSocket, WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use farthing::{
    client::{self, CloseHow, Closing},
    core::{intent::session::Protocol, noun::socket::Form},
};
use farthing_interop::{
    chain::{BUYER, PATH_USD, PAYEE, Rig, TESTNET},
    session_shop::{self, SessionShop, WORDS},
};
use farthing_testkit::peer;
use futures_util::{SinkExt, StreamExt, sink, stream};
use mpp::{
    Base64UrlJson, PaymentChallenge, PrivateKeySigner,
    client::{
        PaymentProvider, TempoSessionProvider,
        transport::Transport,
        ws::{WsClientMessage, WsServerMessage, WsTransport},
    },
    format_authorization, parse_authorization,
    server::{
        Mpp, SessionChallengeOptions, SessionChannelStore, SessionMethodConfig, TempoChargeMethod,
        TempoConfig, TempoProvider, TempoSessionMethod, tempo, tempo_provider,
        ws::{WsMessage, WsResponse},
        ws_session::{WsSessionOptions, process_vouchers, ws_session},
    },
};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_tungstenite::tungstenite;

/// What a word costs, and all six.
const WORD: u128 = 100;
const COST: i128 = 600;

async fn rig(test: &str) -> Option<Rig> {
    client::provide_crypto();
    peer::or_skip(&format!("interop: {test}"), Rig::with_channels().await)
}

fn signer(key: &str) -> PrivateKeySigner {
    key.parse().unwrap()
}

/// Its buyer: answers what it is asked on the socket, and says what it read, with the last receipt.
async fn read(provider: &TempoSessionProvider, url: &str) -> (Vec<String>, serde_json::Value) {
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let (mut words, mut last) = (Vec::new(), serde_json::Value::Null);
    let (mut asked, mut pending): (Option<PaymentChallenge>, _) = (None, None);
    while let Some(Ok(said)) = socket.next().await {
        let tungstenite::Message::Text(text) = said else {
            continue;
        };
        let said: WsServerMessage = serde_json::from_str(text.as_str()).unwrap();
        let pays: Option<PaymentChallenge> = match said {
            WsServerMessage::Challenge { ref error, .. } => {
                assert_eq!(*error, None);
                asked = Some(WsTransport.get_challenge(&said).unwrap());
                asked.clone()
            }
            WsServerMessage::NeedVoucher { .. } => asked.clone(),
            WsServerMessage::Data { data } => {
                words.push(data);
                None
            }
            WsServerMessage::Receipt { receipt } => {
                last = receipt;
                None
            }
            WsServerMessage::Error { error } => unreachable!("{error}"),
        };
        // It signs nothing more before it is told that what it signed was taken.
        if let Some((challenge, credential)) = pending.take() {
            provider
                .commit_payment(&challenge, &credential)
                .await
                .unwrap();
        }
        if let Some(challenge) = pays {
            let paid = provider.pay(&challenge).await.unwrap();
            let credential = format_authorization(&paid).unwrap();
            pending = Some((challenge, paid));
            let said = WsClientMessage::Credential { credential }.to_text();
            socket.send(tungstenite::Message::text(said)).await.unwrap();
        }
    }
    (words, last)
}

#[tokio::test(flavor = "multi_thread")]
async fn its_client_pays_on_our_sockets() {
    let Some(rig) = rig("mpp pays us on a socket").await else {
        return;
    };
    let shop = SessionShop::open(&rig, Protocol::V1).await;
    let provider = TempoSessionProvider::new(signer(BUYER.key), rig.url()).unwrap();
    let provider = provider.with_escrow_contract(rig.escrow().parse().unwrap());
    let before = rig.dollars(PAYEE.address).await;
    let (http, talk) = (reqwest::Client::new(), format!("{}/talk", shop.url));
    for turn in 1..=2 {
        let (words, last) = read(&provider, &talk.replacen("http", "ws", 1)).await;
        assert_eq!(words, WORDS);
        assert_eq!(last["spent"], (turn * COST).to_string(), "{last}");
        assert_eq!(last["units"], 6, "{last}");
    }
    assert_eq!(provider.channels().len(), 1);
    let closed = provider.close(&http, &talk).await.unwrap().unwrap();
    let closed = serde_json::to_value(&closed).unwrap();
    let fee = rig.fee(closed["txHash"].as_str().unwrap()).await;
    let paid = rig.dollars(PAYEE.address).await - before;
    assert_eq!(paid, 2 * COST - fee, "{closed}");
    assert_eq!(rig.balance(PATH_USD, rig.escrow()).await, 0);
}

type Seller = Mpp<TempoChargeMethod<TempoProvider>, TempoSessionMethod<TempoProvider>>;

struct Shop {
    seller: Seller,
    store: Arc<SessionChannelStore>,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Shop {
    fn challenge(&self) -> PaymentChallenge {
        let options = SessionChallengeOptions {
            suggested_deposit: Some("10000"),
            unit_type: Some("word"),
            ..Default::default()
        };
        let payee = self.seller.recipient().unwrap();
        let price = WORD.to_string();
        let challenge = self
            .seller
            .session_challenge_with_details(&price, PATH_USD, payee, options);
        challenge.unwrap()
    }

    /// Over HTTP it asks to be paid, and closes.
    async fn answer(&self, headers: &HeaderMap) -> Response {
        let said = headers.get(header::AUTHORIZATION);
        let Some(credential) = said.and_then(|it| parse_authorization(it.to_str().ok()?).ok())
        else {
            let head = [(
                header::WWW_AUTHENTICATE,
                self.challenge().to_header().unwrap(),
            )];
            return (StatusCode::PAYMENT_REQUIRED, head).into_response();
        };
        let verified = match self.seller.verify_session(&credential).await {
            Ok(verified) => verified,
            Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
        };
        let receipt = serde_json::to_value(&verified.receipt).unwrap();
        let receipt = Base64UrlJson::from_typed(&receipt).unwrap();
        ([("payment-receipt", receipt.raw().to_owned())], "").into_response()
    }

    /// As its example does: it shows what it asks for, takes a credential, and streams what is paid for.
    async fn talk(&self, socket: WebSocket) {
        let (mut write, mut heard) = socket.split();
        let (say, mut said) = unbounded_channel::<String>();
        let writing = async move {
            while let Some(text) = said.recv().await {
                if write.send(Message::Text(text.into())).await.is_err() {
                    return;
                }
            }
            let _ = write.close().await;
        };
        let talking = async move {
            let challenge = serde_json::to_value(self.challenge()).unwrap();
            let greeting = WsResponse::Challenge {
                challenge,
                error: None,
            };
            say.send(greeting.to_text()).unwrap();
            let (channel_id, challenge_id) = loop {
                let Some(Ok(message)) = heard.next().await else {
                    return;
                };
                let Message::Text(text) = message else {
                    continue;
                };
                let Ok(WsMessage::Credential { credential }) = serde_json::from_str(&text) else {
                    let error = "a credential is expected".to_owned();
                    say.send(WsResponse::Error { error }.to_text()).unwrap();
                    continue;
                };
                let credential = parse_authorization(&credential).unwrap();
                let verified = self.seller.verify_session(&credential).await.unwrap();
                let receipt = serde_json::to_value(&verified.receipt).unwrap();
                say.send(WsResponse::Receipt { receipt }.to_text()).unwrap();
                break (
                    verified.receipt.reference.clone(),
                    credential.challenge.id.clone(),
                );
            };
            let vouchers = heard.filter_map(|message| async {
                match message {
                    Ok(Message::Text(text)) => Some(Ok::<_, BoxError>(text.to_string())),
                    Ok(_) => None,
                    Err(error) => Some(Err(error.into())),
                }
            });
            let mut vouchers = Box::pin(vouchers);
            let (mut words, mut answers) = (pen(&say), pen(&say));
            let options = WsSessionOptions {
                store: self.store.clone(),
                channel_id,
                challenge_id,
                tick_cost: WORD,
                generate: stream::iter(WORDS.map(str::to_owned)),
                poll_interval_ms: 20,
                min_voucher_delta: 0,
                before_charge: None,
            };
            tokio::select! {
                () = ws_session(&mut words, options) => {}
                done = process_vouchers(&mut vouchers, &mut answers, &self.seller) => done.unwrap(),
            }
        };
        tokio::join!(writing, talking);
    }
}

fn pen(
    say: &UnboundedSender<String>,
) -> impl futures_util::Sink<String, Error = BoxError> + Send + Unpin + use<> {
    Box::pin(sink::unfold(say.clone(), |say, text: String| async move {
        say.send(text)?;
        Ok::<_, BoxError>(say)
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn our_client_pays_on_its_sockets() {
    let Some(rig) = rig("we pay mpp on a socket").await else {
        return;
    };
    let store = Arc::new(SessionChannelStore::new());
    let config = SessionMethodConfig {
        escrow_contract: rig.escrow().parse().unwrap(),
        chain_id: TESTNET,
        min_voucher_delta: 0,
    };
    let method =
        TempoSessionMethod::new(tempo_provider(&rig.url()).unwrap(), store.clone(), config);
    let method = method.with_close_signer(signer(PAYEE.key));
    let seller = tempo(TempoConfig {
        recipient: PAYEE.address,
    });
    let seller = seller
        .rpc_url(&rig.url())
        .chain_id(TESTNET)
        .realm("127.0.0.1")
        .secret_key("the secret of a test, longer than 32 bytes");
    let seller = Mpp::create(seller).unwrap().with_session_method(method);
    let shop = Arc::new(Shop { seller, store });
    let open = |State(shop): State<Arc<Shop>>,
                socket: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
                headers: HeaderMap| async move {
        match socket {
            Ok(socket) => socket.on_upgrade(async move |socket| shop.talk(socket).await),
            Err(_) => shop.answer(&headers).await,
        }
    };
    let app = Router::new()
        .route("/talk", get(open).post(open))
        .with_state(shop);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/talk", listener.local_addr().unwrap());
    let served = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });

    let client = session_shop::client(&rig).await;
    let before = rig.dollars(PAYEE.address).await;
    for _ in 0..2 {
        // It is asked over HTTP, says that it wants to be paid, and greets in its own form.
        let mut socket = client.socket(&url).await.unwrap();
        assert_eq!(socket.form(), Form::Type);
        let mut words = Vec::new();
        while let Some(word) = socket.message().await.unwrap() {
            words.push(word);
        }
        assert_eq!(words, WORDS);
        let bill = socket.close().await;
        assert_eq!((bill.trouble(), bill.cost().units()), (None, 6 * WORD));
    }
    let purses = client.sessions().list(None, 10).await.unwrap();
    assert_eq!(purses.len(), 1, "{purses:?}");
    let counts = [purses[0].signed, purses[0].owed, purses[0].unsure];
    assert_eq!(counts.map(|it| it.units()), [12 * WORD, 12 * WORD, 0]);
    let closing = client
        .sessions()
        .close(purses[0].id, CloseHow::Together)
        .await;
    let Ok(Closing::Closed(closed)) = closing else {
        unreachable!("{closing:?}")
    };
    assert_eq!(rig.balance(PATH_USD, rig.escrow()).await, 0);
    let fee = rig.fee(closed.reference.unwrap().as_str()).await;
    let paid = rig.dollars(PAYEE.address).await - before;
    assert_eq!(paid, 2 * COST - fee);
    served.abort();
}
