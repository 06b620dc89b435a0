//! A Farthing server that is paid out of channels on a Tempo chain, and a client of ours that pays so.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::get,
};
use farthing::{
    client::{Client, Policy},
    clock::SystemClock,
    core::{
        encoding::sse::Event,
        intent::session::Protocol,
        memory::MemoryBackend,
        value::{Price, Secret},
    },
    evm::Outbox,
    server::{
        Gate, Paid, Route,
        layer::PaymentLayer,
        session::{
            Meter, Metering, Piece,
            socket::{Heard, PaidSocket},
        },
    },
    tempo::{
        AccountKey, Sponsor,
        session::{
            Escrow, SessionPayerOptions, TempoSession, TempoSessionOptions, TempoSessionPayer,
        },
        token::known,
    },
};
use futures_util::Stream;
use serde_json::json;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    chain::{BUYER, PAYEE, Rig, SPONSOR},
    tempo_shop::{network, node, signing_key},
};

/// What the stream says, a word a unit.
pub const WORDS: [&str; 6] = ["one", "two", "three", "four", "five", "six"];

/// A running shop; it ends when this is dropped.
#[derive(Debug)]
pub struct SessionShop {
    /// Where it listens: `http://127.0.0.1:40001`.
    pub url: String,
    /// What it is paid by.
    pub gate: Gate,
    server: JoinHandle<()>,
    /// Watches the chain and settles.
    keeper: JoinHandle<()>,
}

impl SessionShop {
    /// Opens one with the routes of `tools/mppx/session-shop.mjs`.
    ///
    /// # Panics
    /// When it cannot be opened: then nothing else can be tested.
    pub async fn open(rig: &Rig, protocol: Protocol) -> Self {
        farthing_testkit::trace::start();
        let gate = gate(rig, protocol).await;
        let advised = "$0.01";
        let page = || Metering::per_request("$0.002").expect("a price");
        let words = Metering::by_use("$0.0001", "word").expect("a price");
        let terms = |fee_payer: bool| match json!({ "feePayer": fee_payer }) {
            serde_json::Value::Object(map) => map,
            _ => unreachable!("terms are an object"),
        };
        let priced = |metering: Metering, fee_payer| {
            let metering = metering.suggested_deposit(advised).expect("a price");
            let metering = metering.terms("tempo", terms(fee_payer));
            let route = Route::metered(metering.expect("a method's name"));
            PaymentLayer::new(&gate, route).expect("the route is right")
        };
        let on_socket = words.clone().suggested_deposit(advised).expect("a price");
        let on_socket = on_socket.terms("tempo", terms(false));
        let on_socket = Route::metered(on_socket.expect("a method's name"));
        let talk = PaidSocket::new(&gate, on_socket, talk).expect("the route is right");
        let bought = |_: Paid| async { "bought" };
        let app = Router::new()
            .merge(part("/page", get(bought), priced(page(), false)))
            .merge(part("/words", get(say), priced(words, false)))
            .merge(part("/sponsored", get(bought), priced(page(), true)))
            .route_service("/talk", talk)
            .into_make_service_with_connect_info::<SocketAddr>();
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let server = tokio::spawn(async move {
            let served = axum::serve(listener, app).await;
            served.expect("serving ends with the test");
        });
        let till = gate.sessions().expect("it takes sessions").till().clone();
        let keeper = tokio::spawn(async move { till.keep().await });
        Self {
            url: format!("http://{address}"),
            gate,
            server,
            keeper,
        }
    }
}

impl Drop for SessionShop {
    fn drop(&mut self) {
        self.server.abort();
        self.keeper.abort();
    }
}

fn part(path: &str, route: axum::routing::MethodRouter, price: PaymentLayer) -> Router {
    Router::new().route(path, route).layer(price)
}

async fn say(meter: Meter) -> Response {
    let pieces = WORDS.map(|word| Ok::<_, Infallible>(Piece::new(1, Event::data(word))));
    meter
        .stream()
        .sse(futures_util::stream::iter(pieces))
        .into_response()
}

fn talk(_: Heard) -> impl Stream<Item = Result<Piece<String>, Infallible>> {
    futures_util::stream::iter(WORDS.map(|word| Ok(Piece::new(1, word.to_owned()))))
}

/// Where channels of a protocol are kept on a rig's chain.
fn escrow(rig: &Rig, protocol: Protocol) -> Escrow {
    let chain = network(rig).chain();
    match protocol {
        Protocol::V1 => Escrow {
            chain,
            contract: rig.escrow().parse().expect("an address"),
            protocol,
        },
        Protocol::V2 => Escrow::reserve(chain),
    }
}

async fn gate(rig: &Rig, protocol: Protocol) -> Gate {
    let store = Arc::new(MemoryBackend::new());
    let clock = Arc::new(SystemClock);
    let key = AccountKey::from(signing_key(PAYEE));
    let payee = PAYEE.address.parse().expect("an address");
    let options = TempoSessionOptions {
        tokens: vec![known::PATH_USD],
        escrows: vec![escrow(rig, protocol)],
        sponsor: Some(Sponsor::new(signing_key(SPONSOR), known::PATH_USD)),
        ..TempoSessionOptions::new(network(rig), payee, key)
    };
    let outbox = Outbox::new(store.clone());
    let session = TempoSession::new(node(rig).await, outbox, clock.clone(), options);
    Gate::builder()
        .realm("127.0.0.1")
        .secret(Secret::new([7; 32]))
        .store(store)
        .clock(clock)
        .session(Arc::new(session.expect("the method is configured rightly")))
        .build()
        .expect("the shop is configured rightly")
}

/// A client of ours with the buyer's key, which may lock a dollar.
///
/// # Panics
/// When it cannot be made.
pub async fn client(rig: &Rig) -> Client {
    let (store, clock) = (Arc::new(MemoryBackend::new()), Arc::new(SystemClock));
    let key = AccountKey::from(signing_key(BUYER));
    let with = (Outbox::new(store.clone()), clock.clone() as Arc<_>);
    let options = SessionPayerOptions {
        escrows: vec![escrow(rig, Protocol::V1)],
        ..SessionPayerOptions::default()
    };
    let payer = TempoSessionPayer::new(key, network(rig), node(rig).await, with, options);
    let price = |text: &str| text.parse::<Price>().expect("a price");
    let policy = Policy::new()
        .max_per_request(price("$0.01"))
        .max_deposit(price("$1"))
        .max_fee(price("$0.10"));
    Client::builder()
        .session_payer(Arc::new(payer.expect("the payer is configured rightly")))
        .policy(policy)
        .backend(store)
        .clock(clock)
        .build()
        .expect("nothing is missing")
}
