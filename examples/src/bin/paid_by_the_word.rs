//! An axum server that is paid for each word while it streams them.
//!
//! ```console
//! $ cargo run -p farthing-examples --bin paid_by_the_word -- did:key:z6Mk…
//! ```
//!
//! The argument is the account of a buyer, who gets a dollar to spend; `paying_by_the_word` prints its
//! own when it is run without an argument. The server prints its address and stays up.

#![expect(clippy::print_stdout, reason = "a program talks to its user")]

use std::{convert::Infallible, error::Error, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, response::Response, routing::get};
use farthing::{
    clock::SystemClock,
    core::{
        encoding::sse::Event,
        port::{backend::Backend, clock::Clock},
        value::{Amount, CurrencyCode},
    },
    ledger::{
        Account, AccountKey, Accounts, Currencies, Funding, KeyType, Ledger, LedgerSessions,
        TransferId,
    },
    secret,
    server::{
        Gate, Route,
        layer::PaymentLayer,
        session::{Meter, Metering, Piece, StreamBody},
    },
    store::{SqliteBackend, SqliteOptions},
};
use futures_util::stream;

const RHYME: &str = "Oranges and lemons, say the bells of St Clement's. \
                     You owe me five farthings, say the bells of St Martin's.";

/// Each word is charged before it goes out. Where the channel has no balance left, the stream waits for
/// the next voucher.
async fn rhyme(meter: Meter) -> Response<StreamBody> {
    let words = RHYME.split_whitespace();
    let pieces = words.map(|word| Ok::<_, Infallible>(Piece::new(1, Event::data(word))));
    meter.stream().sse(stream::iter(pieces))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let buyer = std::env::args()
        .nth(1)
        .ok_or("give the account of the buyer: did:key:…")?;
    let folder = std::env::temp_dir().join(format!("farthing-by-the-word-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let store: Arc<dyn Backend> = Arc::new(SqliteBackend::open(SqliteOptions::new(
        folder.join("store.db"),
    ))?);

    // The seller's account. A real one keeps its key elsewhere; only the name is needed here.
    let seller = AccountKey::from_seed(KeyType::Ed25519, [2; 32])?;
    let ledger = Ledger::new(seller.account().clone());
    let accounts = Accounts::new(store.clone(), Currencies::default());
    accounts.deposit(&opening_balance(&buyer)?).await?;

    let clock = Arc::new(SystemClock);
    let gate = Gate::builder()
        .realm("127.0.0.1")
        .secret(secret::load_or_create(folder.join("challenge-secret"))?)
        .store(store.clone())
        .clock(clock.clone())
        .session(Arc::new(LedgerSessions::new(ledger, store, clock)))
        .build()?;
    gate.start().await?;
    tokio::spawn(gate.clone().keep_reconciling(Duration::from_secs(5)));

    let words = Metering::by_use("$0.0001", "word")?.suggested_deposit("$0.01")?;
    let price = PaymentLayer::new(&gate, Route::metered(words))?;
    // `layer` and not `route_layer`: vouchers come with any method.
    let app = Router::new().route("/rhyme", get(rhyme).layer(price));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}/rhyme", listener.local_addr()?);
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
