//! The shop, in a process of its own.

use std::{
    env,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    extract::{Path as Named, State},
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use farthing_core::{
    encoding::sse::Event,
    intent::session::{ChannelId, Protocol},
    port::backend::Backend,
    value::{Secret, Timestamp},
};
use farthing_evm::{Address, ChainId, Node, Outbox, SigningKey};
use farthing_server::{
    Gate, Route,
    layer::PaymentLayer,
    session::{Meter, Metering, Piece, SessionOptions},
};
use farthing_store::{SqliteBackend, SqliteOptions};
use farthing_tempo::{
    Network, Sponsor,
    session::{Escrow, TempoSession, TempoSessionOptions},
    token::known,
};
use farthing_testkit::{
    chain::ACCOUNTS,
    clock::FakeClock,
    process::{self, Mortal},
};

const DIR: &str = "FARTHING_PROOF_DIR";
const NODE: &str = "FARTHING_PROOF_NODE";
const ESCROW: &str = "FARTHING_PROOF_ESCROW";
const NOW: &str = "FARTHING_PROOF_NOW";
const PORT: &str = "FARTHING_PROOF_PORT";

pub(crate) const CHAIN: ChainId = match ChainId::new(1337) {
    Ok(chain) => chain,
    Err(_) => unreachable!(),
};

/// What a request costs, and a word, in base units.
pub(crate) const PRICE: u128 = 100;
pub(crate) const WORD: u128 = 25;
pub(crate) const WORDS: usize = 40;

/// Who is who among the accounts that the chain starts with.
pub(crate) const PAYEE: usize = 1;
const SPONSOR: usize = 4;

pub(crate) fn key(account: usize) -> SigningKey {
    SigningKey::from_bytes(ACCOUNTS[account].secret()).unwrap()
}

/// Where channels of a protocol are kept; the escrow of the first one was deployed.
pub(crate) fn escrow(protocol: Protocol, deployed: Address) -> Escrow {
    match protocol {
        Protocol::V1 => Escrow {
            chain: CHAIN,
            contract: deployed,
            protocol,
        },
        Protocol::V2 => Escrow::reserve(CHAIN),
    }
}

/// What a process is told.
pub(crate) struct Told<'a> {
    pub(crate) dir: &'a Path,
    pub(crate) node: &'a str,
    pub(crate) escrow: Escrow,
    pub(crate) now: u64,
    /// Where it listens; anywhere where this is zero.
    pub(crate) port: u16,
}

pub(crate) fn start(told: &Told<'_>) -> Mortal {
    Mortal::start("the_shop", |command| {
        let escrow = match told.escrow.protocol {
            Protocol::V1 => told.escrow.contract.to_string(),
            Protocol::V2 => String::new(),
        };
        command
            .env(DIR, told.dir)
            .env(NODE, told.node)
            .env(ESCROW, escrow)
            .env(NOW, told.now.to_string())
            .env(PORT, told.port.to_string());
    })
}

pub(crate) fn store(path: &Path) -> Arc<dyn Backend> {
    Arc::new(SqliteBackend::open(SqliteOptions::new(path)).unwrap())
}

/// In the process that was started for it: opens the shop, and ends when it is told to.
pub(crate) fn serve_if_asked() {
    let Some(dir) = env::var_os(DIR) else {
        return;
    };
    let threads = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    threads.block_on(serve(dir.into()));
}

fn told(name: &str) -> String {
    env::var(name).unwrap()
}

async fn session(store: &Arc<dyn Backend>, clock: &FakeClock) -> TempoSession {
    let network = Network::dev(CHAIN, told(NODE).parse().unwrap());
    let escrow = match told(ESCROW).as_str() {
        "" => escrow(Protocol::V2, Address::ZERO),
        deployed => escrow(Protocol::V1, deployed.parse().unwrap()),
    };
    let mut reached = network.node();
    reached.block_time = Duration::from_millis(100);
    let node = Node::connect(reached).await.unwrap();
    let payee = key(PAYEE).address();
    let options = TempoSessionOptions {
        escrows: vec![escrow],
        tokens: vec![known::ALPHA_USD],
        sponsor: Some(Sponsor::new(key(SPONSOR), known::PATH_USD)),
        patience: Duration::from_secs(5),
        ..TempoSessionOptions::new(network, payee, key(PAYEE).into())
    };
    let outbox = Outbox::new(Arc::clone(store));
    let session = TempoSession::new(node, outbox, Arc::new(clock.clone()), options).unwrap();
    session.check_contracts().await.unwrap();
    session
}

fn gate(store: Arc<dyn Backend>, clock: &FakeClock, session: TempoSession) -> Gate {
    let mut options = SessionOptions::default();
    options.settle.amount = "$0.01".parse().unwrap();
    options.settle.every = Duration::from_secs(1);
    options.settle.serve_within = Duration::from_secs(20);
    options.settle.close_patience = Duration::from_secs(3);
    Gate::builder()
        .realm("127.0.0.1")
        .secret(Secret::new([7; 32]))
        .store(store)
        .clock(Arc::new(clock.clone()))
        .session(Arc::new(session))
        .sessions(options)
        .build()
        .unwrap()
}

/// A price of which the seller pays the fees.
fn priced(gate: &Gate, metering: Metering) -> PaymentLayer {
    let terms = serde_json::json!({ "feePayer": true });
    let metering = metering
        .terms("tempo", terms.as_object().unwrap().clone())
        .unwrap()
        .suggested_deposit("$0.02")
        .unwrap();
    PaymentLayer::new(gate, Route::metered(metering)).unwrap()
}

#[derive(Clone)]
struct Shop {
    gate: Gate,
    clock: FakeClock,
}

impl Shop {
    async fn later(State(shop): State<Self>, Named(secs): Named<u64>) {
        shop.clock.advance(Duration::from_secs(secs));
    }

    /// The seller closes a channel.
    async fn close(State(shop): State<Self>, Named(id): Named<String>) -> String {
        let till = shop.gate.sessions().unwrap().till();
        let end = till.close_as_seller(&ChannelId::new(id).unwrap()).await;
        end.map_or_else(|error| error.to_string(), |_| "closed".to_owned())
    }
}

async fn say(meter: Meter) -> Response {
    let pieces = (0..WORDS)
        .map(|at| Ok::<_, std::convert::Infallible>(Piece::new(1, Event::data(at.to_string()))));
    let pieces = futures_util::stream::iter(pieces.collect::<Vec<_>>());
    meter.stream().sse(pieces).into_response()
}

#[expect(
    clippy::print_stdout,
    reason = "the test that started this process reads it"
)]
async fn serve(dir: PathBuf) {
    let clock = FakeClock::going(Timestamp::from_secs(told(NOW).parse().unwrap()));
    let store = store(&dir.join("store.db"));
    let session = session(&store, &clock).await;
    let gate = gate(store, &clock, session);
    tokio::spawn(gate.clone().keep_reconciling(Duration::from_secs(1)));
    let handler = move || async move {
        process::note_run(&dir);
        "sunny"
    };
    let page = priced(&gate, Metering::per_request("$0.0001").unwrap());
    let words = priced(&gate, Metering::by_use("$0.000025", "word").unwrap());
    let (done, mut ended) = tokio::sync::watch::channel(false);
    let drain = move || async move {
        done.send_replace(true);
    };
    let app = Router::new()
        .route("/paid", any(handler).layer(page))
        .route("/words", get(say).layer(words))
        .route("/later/{secs}", post(Shop::later))
        .route("/close/{id}", post(Shop::close))
        .route("/drain", post(drain))
        .with_state(Shop {
            gate: gate.clone(),
            clock,
        });
    let at = format!("127.0.0.1:{}", told(PORT));
    let listener = tokio::net::TcpListener::bind(at).await.unwrap();
    // The harness writes the name of the test without ending its line.
    println!("\nlistening {}", listener.local_addr().unwrap());
    let app = app.into_make_service_with_connect_info::<std::net::SocketAddr>();
    let serving = axum::serve(listener, app).with_graceful_shutdown(async move {
        ended.wait_for(|done| *done).await.unwrap();
    });
    serving.await.unwrap();
    gate.drain().await;
}
