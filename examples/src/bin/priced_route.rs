//! An axum server with a price on one route.
//!
//! ```console
//! $ cargo run -p farthing-examples --bin priced_route -- did:key:z6Mk…
//! ```
//!
//! The argument is the account of a buyer, who gets a dollar to spend; `paying_client` prints its
//! own when it is run without an argument. The server prints its address and stays up.

#![expect(clippy::print_stdout, reason = "a program talks to its user")]

use std::{error::Error, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, routing::get};
use farthing::{
    clock::SystemClock,
    core::{
        port::clock::Clock,
        value::{Amount, CurrencyCode},
    },
    ledger::{Account, AccountKey, Accounts, Currencies, Funding, KeyType, Ledger, TransferId},
    secret,
    server::{Gate, Paid, Route, layer::PaymentLayer},
    store::{SqliteBackend, SqliteOptions},
};

async fn weather(paid: Paid) -> String {
    format!("sunny; you paid {} {}\n", paid.amount, paid.currency)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let buyer = std::env::args()
        .nth(1)
        .ok_or("give the account of the buyer: did:key:…")?;
    let folder = std::env::temp_dir().join(format!("farthing-priced-route-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let store = Arc::new(SqliteBackend::open(SqliteOptions::new(
        folder.join("store.db"),
    ))?);

    // The seller's account. A real one keeps its key elsewhere; only the name is needed here.
    let seller = AccountKey::from_seed(KeyType::Ed25519, [2; 32])?;
    let accounts = Accounts::new(store.clone(), Currencies::default());
    accounts.deposit(&opening_balance(&buyer)?).await?;

    let gate = Gate::builder()
        .realm("127.0.0.1")
        .secret(secret::load_or_create(folder.join("challenge-secret"))?)
        .store(store)
        .clock(Arc::new(SystemClock))
        .method(Arc::new(Ledger::new(seller.account().clone())))
        .build()?;
    gate.start().await?;
    tokio::spawn(gate.clone().keep_reconciling(Duration::from_secs(5)));

    let app = Router::new()
        .route(
            "/weather",
            get(weather).route_layer(PaymentLayer::new(&gate, Route::priced("$0.002")?)?),
        )
        .route("/health", get(|| async { "fine\n" }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}/weather", listener.local_addr()?);
    axum::serve(
        listener,
        app.into_make_service_with_connect_info::<SocketAddr>(),
    )
    .with_graceful_shutdown(async {
        // Without the signal there is nothing to wait for, and the server stays up.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
    .await?;
    gate.drain().await;
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

fn opening_balance(buyer: &str) -> Result<Funding, Box<dyn Error>> {
    Ok(Funding {
        id: TransferId::new("opening-balance")?,
        account: Account::parse(buyer)?,
        currency: CurrencyCode::new("usd6")?,
        amount: Amount::new(1_000_000),
        at: SystemClock.now(),
    })
}
