//! The shop, in a process of its own.

use std::{
    env,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    routing::{any, post},
};
use farthing_core::{
    payment::SettlePolicy,
    port::{backend::Backend, method::Charge},
    value::{Amount, CurrencyCode, Secret, Timestamp},
};
use farthing_ledger::{AccountKey, Accounts, Currencies, Funding, KeyType, Ledger, TransferId};
use farthing_server::{Gate, Route, layer::PaymentLayer};
use farthing_store::{SqliteBackend, SqliteOptions};
use farthing_testkit::{
    clock::FakeClock,
    method::{Answer, FakeCharge, FakeRail, account},
    process::{Mortal, note_run},
};

const DIR: &str = "FARTHING_CRASH_DIR";
const POLICY: &str = "FARTHING_CRASH_POLICY";
const RAIL: &str = "FARTHING_CRASH_RAIL";
const CREDIT: &str = "FARTHING_CRASH_CREDIT";
const RERUNNABLE: &str = "FARTHING_CRASH_RERUNNABLE";
const LATER: &str = "FARTHING_CRASH_LATER";

/// What every buyer starts with, in base units, and what a request costs.
pub(crate) const FUNDS: u128 = 1_000_000;
pub(crate) const PRICE: u128 = 2_000;

/// When the first process runs.
pub(crate) const START: Timestamp = Timestamp::from_secs(1_800_000_000);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RailKind {
    Books,
    Outside,
}

/// What is sold, and how it is paid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) policy: SettlePolicy,
    pub(crate) rail: RailKind,
    pub(crate) rerunnable: bool,
    /// Whether it is served on credit, before the next block of a rail that is elsewhere.
    pub(crate) credit: bool,
}

pub(crate) fn key(seed: u8) -> AccountKey {
    AccountKey::from_seed(KeyType::Ed25519, [seed; 32]).unwrap()
}

pub(crate) fn store(dir: &Path) -> Arc<dyn Backend> {
    let options = SqliteOptions::new(dir.join("store.db"));
    Arc::new(SqliteBackend::open(options).unwrap())
}

pub(crate) fn fake_rail(dir: &Path, clock: &FakeClock) -> Arc<FakeRail> {
    let path = dir.join("rail.json");
    Arc::new(FakeRail::in_file(path, Arc::new(clock.clone())))
}

/// Starts a shop, which dies at a point if one is named.
pub(crate) fn start(dir: &Path, setup: &Setup, abort: Option<&str>, later: u64) -> Mortal {
    let first = setup.policy == SettlePolicy::First;
    let books = setup.rail == RailKind::Books;
    Mortal::start_until("the_shop", abort, |command| {
        command
            .env(DIR, dir)
            .env(POLICY, if first { "first" } else { "after" })
            .env(RAIL, if books { "books" } else { "outside" })
            .env(RERUNNABLE, setup.rerunnable.to_string())
            .env(CREDIT, setup.credit.to_string())
            .env(LATER, later.to_string());
    })
}

/// In the process that was started for it: opens the shop, and ends when it is told to.
pub(crate) fn serve_if_asked() {
    let Some(dir) = env::var_os(DIR) else {
        return;
    };
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    let setup = Setup {
        policy: if is(POLICY, "first") {
            SettlePolicy::First
        } else {
            SettlePolicy::After
        },
        rail: if is(RAIL, "books") {
            RailKind::Books
        } else {
            RailKind::Outside
        },
        rerunnable: is(RERUNNABLE, "true"),
        credit: is(CREDIT, "true"),
    };
    let later = env::var(LATER).ok().and_then(|secs| secs.parse().ok());
    let later = Duration::from_secs(later.unwrap_or_default());
    let threads = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    threads.block_on(serve(dir.into(), setup, START.saturating_add(later)));
}

async fn method(
    dir: &Path,
    setup: &Setup,
    clock: &FakeClock,
    store: &Arc<dyn Backend>,
) -> Arc<dyn Charge> {
    match setup.rail {
        RailKind::Books => {
            let accounts = Accounts::new(Arc::clone(store), Currencies::default());
            let deposit = Funding {
                id: TransferId::new("opening").unwrap(),
                account: key(1).account().clone(),
                currency: CurrencyCode::new("usd6").unwrap(),
                amount: Amount::new(FUNDS),
                at: START,
            };
            accounts.deposit(&deposit).await.unwrap();
            Arc::new(Ledger::new(key(2).account().clone()))
        }
        RailKind::Outside => {
            let rail = fake_rail(dir, clock);
            if rail.truth().accounts.is_empty() {
                rail.deposit(&account("buyer"), FUNDS);
            }
            if setup.credit {
                rail.script([Answer::Block]);
            }
            Arc::new(FakeCharge::new(rail, &account("seller")))
        }
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the test that started this process reads it"
)]
async fn serve(dir: PathBuf, setup: Setup, now: Timestamp) {
    let (clock, store) = (FakeClock::at(now), store(&dir));
    let gate = Gate::builder()
        .realm("127.0.0.1")
        .secret(Secret::new([7; 32]))
        .store(Arc::clone(&store))
        .clock(Arc::new(clock.clone()))
        .method(method(&dir, &setup, &clock, &store).await)
        .build()
        .unwrap();
    let mut route = Route::priced("$0.002")
        .unwrap()
        .settle(setup.policy)
        .retryable(setup.rerunnable);
    if setup.credit {
        route = route.credit("$0.002", "$0.002").unwrap();
    }
    let handler = move || async move {
        note_run(&dir);
        "sunny"
    };
    let paid = any(handler).layer(PaymentLayer::new(&gate, route).unwrap());
    let reconcile = {
        let gate = gate.clone();
        move || async move { format!("{:?}", gate.reconcile().await.unwrap()) }
    };
    let (done, ended) = tokio::sync::watch::channel(false);
    let app = Router::new()
        .route("/paid", paid)
        .route("/reconcile", post(reconcile))
        .route(
            "/drain",
            post(move || async move {
                done.send_replace(true);
            }),
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // The harness writes the name of the test without ending its line.
    println!("\nlistening {address}");
    let mut told = ended;
    let serving = axum::serve(listener, app).with_graceful_shutdown(async move {
        told.wait_for(|done| *done).await.unwrap();
    });
    serving.await.unwrap();
    gate.drain().await;
}
