//! The shop, in a process of its own.

use std::{env, path::Path, path::PathBuf, sync::Arc, time::Duration};

use axum::{
    Router,
    routing::{any, post},
};
use farthing_core::{
    payment::SettlePolicy,
    port::backend::Backend,
    value::{Secret, Timestamp},
};
use farthing_evm::{Address, ChainId, Node};
use farthing_server::{Gate, Options, Route, layer::PaymentLayer};
use farthing_store::{SqliteBackend, SqliteOptions};
use farthing_tempo::{Network, Sponsor, Tempo, TempoOptions, token::known};
use farthing_testkit::{clock::FakeClock, process::note_run};

use crate::buyer::account;

pub(crate) const DIR: &str = "FARTHING_CRASH_DIR";
pub(crate) const NODE: &str = "FARTHING_CRASH_NODE";
pub(crate) const POLICY: &str = "FARTHING_CRASH_POLICY";
pub(crate) const SPONSORED: &str = "FARTHING_CRASH_SPONSORED";
pub(crate) const RERUNNABLE: &str = "FARTHING_CRASH_RERUNNABLE";
pub(crate) const NOW: &str = "FARTHING_CRASH_NOW";

pub(crate) const CHAIN: ChainId = match ChainId::new(42_431) {
    Ok(chain) => chain,
    Err(_) => unreachable!(),
};

/// Who is paid.
pub(crate) const PAYEE: Address = Address::repeat_byte(0x42);

/// What a request costs, in base units.
pub(crate) const PRICE: u64 = 2_000;

/// How a payment is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    Transaction,
    Sponsored,
    Hash,
}

/// What is sold, and how it is paid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) policy: SettlePolicy,
    pub(crate) payload: Payload,
    pub(crate) rerunnable: bool,
}

pub(crate) fn store(dir: &Path) -> Arc<dyn Backend> {
    let options = SqliteOptions::new(dir.join("store.db"));
    Arc::new(SqliteBackend::open(options).unwrap())
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

async fn tempo() -> Tempo {
    let network = Network::dev(CHAIN, told(NODE).parse().unwrap());
    let mut options = TempoOptions::new(network.clone(), PAYEE);
    options.patience = Duration::from_secs(2);
    if told(SPONSORED) == "true" {
        options.sponsor = Some(Sponsor::new(account(4), known::PATH_USD));
    }
    let mut reached = network.node();
    reached.block_time = Duration::from_millis(100);
    Tempo::new(Node::connect(reached).await.unwrap(), options).unwrap()
}

#[expect(
    clippy::print_stdout,
    reason = "the test that started this process reads it"
)]
async fn serve(dir: PathBuf) {
    let now = Timestamp::from_secs(told(NOW).parse().unwrap());
    let clock = FakeClock::going(now);
    let mut options = Options::default();
    options.lease = Duration::from_secs(5);
    options.rail_deadline = Duration::from_secs(4);
    let gate = Gate::builder()
        .realm("127.0.0.1")
        .secret(Secret::new([7; 32]))
        .store(store(&dir))
        .clock(Arc::new(clock.clone()))
        .method(Arc::new(tempo().await))
        .options(options)
        .build()
        .unwrap();
    let policy = match told(POLICY).as_str() {
        "first" => SettlePolicy::First,
        _ => SettlePolicy::After,
    };
    let route = Route::priced("$0.002")
        .unwrap()
        .settle(policy)
        .retryable(told(RERUNNABLE) == "true");
    let handler = move || async move {
        note_run(&dir);
        "sunny"
    };
    let paid = any(handler).layer(PaymentLayer::new(&gate, route).unwrap());
    let reconcile = {
        let gate = gate.clone();
        move || async move { format!("{:?}", gate.reconcile().await.unwrap()) }
    };
    let (done, mut ended) = tokio::sync::watch::channel(false);
    let app = Router::new()
        .route("/paid", paid)
        .route("/reconcile", post(reconcile))
        .route(
            "/later",
            post(move || async move { clock.advance(Duration::from_secs(1)) }),
        )
        .route(
            "/drain",
            post(move || async move {
                done.send_replace(true);
            }),
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    // The harness writes the name of the test without ending its line.
    println!("\nlistening {}", listener.local_addr().unwrap());
    let serving = axum::serve(listener, app).with_graceful_shutdown(async move {
        ended.wait_for(|done| *done).await.unwrap();
    });
    serving.await.unwrap();
    gate.drain().await;
}
