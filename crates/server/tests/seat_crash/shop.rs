//! The shop, in a process of its own.

use std::{
    env,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::{Router, http::StatusCode, routing::any};
use farthing_core::{
    intent::session::Protocol,
    port::backend::Backend,
    value::{Secret, Timestamp},
};
use farthing_server::{Gate, Route, layer::PaymentLayer, session::SessionOptions};
use farthing_store::{SqliteBackend, SqliteOptions};
use farthing_testkit::{
    clock::FakeClock,
    method::{FakeDescriptor, FakeReserve, FakeSession, account},
    process::{Mortal, note_run, runtime},
};

const DIR: &str = "FARTHING_SEAT_DIR";
const LATER: &str = "FARTHING_SEAT_LATER";

/// What a request costs, and what the buyer locks.
pub(crate) const PRICE: u128 = 100;
pub(crate) const DEPOSIT: u128 = 10_000;
pub(crate) const START: Timestamp = Timestamp::from_secs(1_800_000_000);

pub(crate) fn store(dir: &Path) -> Arc<dyn Backend> {
    let options = SqliteOptions::new(dir.join("store.db"));
    Arc::new(SqliteBackend::open(options).unwrap())
}

pub(crate) fn reserve(dir: &Path, clock: &FakeClock) -> Arc<FakeReserve> {
    let path = dir.join("rail.json");
    Arc::new(FakeReserve::in_file(path, Arc::new(clock.clone())))
}

pub(crate) fn channel() -> FakeDescriptor {
    let (buyer, shop) = (account("buyer"), account("shop"));
    FakeDescriptor::new(&buyer, &shop, Protocol::V2, "salt")
}

/// Starts a shop so much later than the first, which dies at a point if one is named.
pub(crate) fn start(dir: &Path, later: u64, point: Option<&str>) -> Mortal {
    Mortal::start_until("the_shop", point, |command| {
        command.env(DIR, dir).env(LATER, later.to_string());
    })
}

/// In the process that was started for it: opens the shop, until it is killed.
#[expect(
    clippy::print_stdout,
    reason = "the test that started this process reads it"
)]
pub(crate) fn serve_if_asked() {
    let Some(dir) = env::var_os(DIR) else {
        return;
    };
    let dir = PathBuf::from(dir);
    let later: u64 = env::var(LATER).unwrap().parse().unwrap();
    runtime().block_on(async move {
        let clock = FakeClock::going(START.saturating_add(Duration::from_secs(later)));
        let reserve = reserve(&dir, &clock);
        if reserve.truth().accounts.is_empty() {
            reserve.deposit(&account("buyer"), DEPOSIT);
        }
        let session = FakeSession::new(reserve, &account("shop"), Protocol::V2);
        let mut options = SessionOptions::default();
        // What a process left behind that died is not waited for.
        options.settle.close_patience = Duration::from_millis(1);
        let gate = Gate::builder()
            .realm("127.0.0.1")
            .secret(Secret::new(vec![7; 32]))
            .store(store(&dir))
            .clock(Arc::new(clock))
            .session(Arc::new(session))
            .sessions(options)
            .build()
            .unwrap();
        let price = |gate: &Gate| PaymentLayer::new(gate, Route::session("$0.0001").unwrap());
        let good = move || async move {
            note_run(&dir);
            "sunny"
        };
        let bad = || async { StatusCode::INTERNAL_SERVER_ERROR };
        let app = Router::new()
            .route("/paid", any(good).layer(price(&gate).unwrap()))
            .route("/bad", any(bad).layer(price(&gate).unwrap()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("listening {}", listener.local_addr().unwrap());
        axum::serve(listener, app).await.unwrap();
    });
}
