//! Channels of the first protocol version: its client pays our server out of one, and our client its server.
#![allow(clippy::unwrap_used, reason = "a test fails by them")]

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use farthing::{
    client::{self, CloseHow, Closing},
    core::intent::session::Protocol,
};
use farthing_interop::{
    chain::{BUYER, PATH_USD, PAYEE, Rig, TESTNET},
    session_shop::{self, SessionShop},
};
use farthing_testkit::peer;
use mpp::{
    Base64UrlJson, PrivateKeySigner,
    client::{Fetch, TempoSessionProvider},
    parse_authorization, parse_receipt,
    protocol::methods::tempo::session_method::deduct_from_channel,
    server::{
        Mpp, SessionChallengeOptions, SessionChannelStore, SessionMethodConfig, TempoChargeMethod,
        TempoConfig, TempoProvider, TempoSessionMethod,
        sse::{SseEvent, parse_event},
        tempo, tempo_provider,
    },
};

/// What a page costs, and a stream of six words.
const PAGE: i128 = 2_000;
const WORDS: i128 = 600;

async fn rig(test: &str) -> Option<Rig> {
    client::provide_crypto();
    peer::or_skip(&format!("interop: {test}"), Rig::with_channels().await)
}

fn signer(key: &str) -> PrivateKeySigner {
    key.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn its_client_pays_our_server_out_of_a_channel() {
    let Some(rig) = rig("mpp pays us out of a channel").await else {
        return;
    };
    let shop = SessionShop::open(&rig, Protocol::V1).await;
    let provider = TempoSessionProvider::new(signer(BUYER.key), rig.url()).unwrap();
    let provider = provider.with_escrow_contract(rig.escrow().parse().unwrap());
    let http = reqwest::Client::new();
    let before = rig.dollars(PAYEE.address).await;
    let page = format!("{}/page", shop.url);
    for number in 1..=3 {
        let paid = http.get(&page).header("Accept-Payment", "tempo/session");
        let paid = paid.send_with_payment(&provider).await.unwrap();
        assert_eq!(paid.status(), 200);
        let receipt = parse_receipt(paid.headers()["payment-receipt"].to_str().unwrap()).unwrap();
        let said = serde_json::to_value(&receipt).unwrap();
        assert_eq!(said["spent"], (number * PAGE).to_string(), "{said}");
        assert_eq!(paid.text().await.unwrap(), "bought");
    }
    let words = format!("{}/words", shop.url);
    let stream = http.get(&words).header("Accept-Payment", "tempo/session");
    let stream = stream.send_with_payment(&provider).await.unwrap();
    assert_eq!(
        read(&http, &provider, &words, stream).await,
        session_shop::WORDS
    );
    assert_eq!(provider.channels().len(), 1);

    let closed = provider.close(&http, &page).await.unwrap().unwrap();
    let closed = serde_json::to_value(&closed).unwrap();
    let fee = rig.fee(closed["txHash"].as_str().unwrap()).await;
    let paid = rig.dollars(PAYEE.address).await - before;
    assert_eq!(paid, 3 * PAGE + WORDS - fee, "{closed}");
    assert_eq!(rig.balance(PATH_USD, rig.escrow()).await, 0);
}

/// Reads a stream, and pays what it asks for.
async fn read(
    http: &reqwest::Client,
    provider: &TempoSessionProvider,
    url: &str,
    mut stream: reqwest::Response,
) -> Vec<String> {
    let (mut text, mut words) = (String::new(), Vec::new());
    while let Some(chunk) = stream.chunk().await.unwrap() {
        text.push_str(std::str::from_utf8(&chunk).unwrap());
        while let Some(end) = text.find("\n\n") {
            let event: String = text.drain(..end + 2).collect();
            match parse_event(&event) {
                Some(SseEvent::Message(word)) => words.push(word),
                Some(SseEvent::PaymentNeedVoucher(need)) => {
                    let required = need.required_cumulative.parse().unwrap();
                    let sent = provider.send_voucher(http, url, &need.channel_id, required);
                    sent.await.unwrap();
                }
                Some(SseEvent::PaymentReceipt(_)) => {}
                None => unreachable!("it knows no such event: {event}"),
            }
        }
    }
    words
}

type Seller = Mpp<TempoChargeMethod<TempoProvider>, TempoSessionMethod<TempoProvider>>;

struct Shop {
    seller: Seller,
    store: Arc<SessionChannelStore>,
}

impl Shop {
    fn asks(&self) -> Response {
        let options = SessionChallengeOptions {
            suggested_deposit: Some("10000"),
            unit_type: Some("request"),
            ..Default::default()
        };
        let challenge = self.seller.session_challenge_with_details(
            &PAGE.to_string(),
            PATH_USD,
            self.seller.recipient().unwrap(),
            options,
        );
        let challenge = challenge.unwrap().to_header().unwrap();
        let head = [(header::WWW_AUTHENTICATE, challenge)];
        (StatusCode::PAYMENT_REQUIRED, head).into_response()
    }

    /// One page for each opening and voucher; a closing gets its receipt.
    async fn sell(&self, headers: &HeaderMap) -> Response {
        let said = headers.get(header::AUTHORIZATION);
        let Some(credential) = said.and_then(|it| parse_authorization(it.to_str().ok()?).ok())
        else {
            return self.asks();
        };
        let verified = match self.seller.verify_session(&credential).await {
            Ok(verified) => verified,
            Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
        };
        // It is written before the charge, and says so: `units: 0` and what was spent until then.
        let receipt = serde_json::to_value(&verified.receipt).unwrap();
        let closes = credential.payload["action"] == "close";
        if !closes {
            let channel = &verified.receipt.reference;
            let price = u128::try_from(PAGE).unwrap();
            let charged = deduct_from_channel(&*self.store, channel, price).await;
            charged.unwrap();
        }
        let receipt = Base64UrlJson::from_typed(&receipt).unwrap();
        let head = [("payment-receipt", receipt.raw().to_owned())];
        (head, if closes { "" } else { "bought" }).into_response()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_client_pays_its_server_out_of_a_channel() {
    let Some(rig) = rig("we pay mpp out of a channel").await else {
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
    let sell = |State(shop): State<Arc<Shop>>, headers: HeaderMap| async move {
        shop.sell(&headers).await
    };
    let app = Router::new()
        .route("/page", get(sell).post(sell))
        .with_state(shop);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/page", listener.local_addr().unwrap());
    let served = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });

    let client = session_shop::client(&rig).await;
    let before = rig.dollars(PAYEE.address).await;
    for _ in 0..4 {
        let answer = client.get(&url).send().await.unwrap();
        let status = answer.status();
        assert_eq!(
            (status.as_u16(), &*answer.text().await.unwrap()),
            (200, "bought")
        );
    }
    let purses = client.sessions().list(None, 10).await.unwrap();
    assert_eq!(purses.len(), 1, "{purses:?}");
    let closing = client
        .sessions()
        .close(purses[0].id, CloseHow::Together)
        .await;
    let Ok(Closing::Closed(purse)) = closing else {
        panic!("it is not closed: {closing:?}")
    };
    assert_eq!(rig.balance(PATH_USD, rig.escrow()).await, 0);
    let fee = rig.fee(purse.reference.unwrap().as_str()).await;
    let paid = rig.dollars(PAYEE.address).await - before;
    assert_eq!(paid, 4 * PAGE - fee, "the fee of closing is {fee}");
    served.abort();
}
