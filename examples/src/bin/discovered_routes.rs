//! An axum server that tells what it costs before anybody asks.
//!
//! ```console
//! $ cargo run -p farthing-examples --bin discovered_routes -- did:key:z6Mk…
//! ```
//!
//! The argument is the account of a buyer, who gets a dollar to spend; `paying_client` prints its
//! own when it is run without an argument. The server prints its address and stays up; its prices
//! are at `/openapi.json` and `/llms.txt`.

#![expect(clippy::print_stdout, reason = "a program talks to its user")]

use std::{error::Error, net::SocketAddr, sync::Arc};

use axum::{Json, extract::Path};
use farthing::{
    clock::SystemClock,
    core::{
        memory::MemoryBackend,
        port::clock::Clock,
        value::{Amount, CurrencyCode, Secret},
    },
    ledger::{Account, AccountKey, Accounts, Currencies, Funding, KeyType, Ledger, TransferId},
    server::{
        Dynamic, Gate, Paid, Route,
        discovery::{Discovery, PricedRouter, Service},
    },
};
use serde_json::{Value, json};

async fn weather(Path(city): Path<String>, paid: Paid) -> String {
    format!(
        "{city} is sunny; you paid {} {}\n",
        paid.amount, paid.currency
    )
}

async fn count(Json(asked): Json<Value>) -> String {
    let words = asked["text"].as_str().unwrap_or_default();
    format!("{} words\n", words.split_whitespace().count())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let buyer = std::env::args()
        .nth(1)
        .ok_or("give the account of the buyer: did:key:…")?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);

    // What is kept in memory is gone with the process; `priced_route` keeps it in a file.
    let store = Arc::new(MemoryBackend::new());
    let seller = AccountKey::from_seed(KeyType::Ed25519, [2; 32])?;
    let accounts = Accounts::new(store.clone(), Currencies::default());
    accounts.deposit(&opening_balance(&buyer)?).await?;
    let gate = Gate::builder()
        .realm("127.0.0.1")
        .secret(Secret::new([7; 32]))
        .store(store)
        .clock(Arc::new(SystemClock))
        .method(Arc::new(Ledger::new(seller.account().clone())))
        .build()?;
    gate.start().await?;

    // A tenth of a cent for each kilobyte that is begun, known from the length that is declared.
    let by_length = Dynamic::new(|inputs| async move {
        let length = inputs.headers.get("content-length");
        let bytes: u64 = length.ok_or("no content-length")?.to_str()?.parse()?;
        Ok(format!(
            "{} USD",
            Amount::new((bytes / 1024 + 1).into()).to_decimal(3)
        )
        .parse()?)
    })
    .header(http::header::CONTENT_LENGTH);
    let text = json!({
        "type": "object",
        "properties": { "text": { "type": "string" } },
        "required": ["text"],
    });
    let service = Service::new("Weather", "1.0.0")?
        .described("The weather of any city, and how many words a text has.")?
        .category("data")?;
    let app = PricedRouter::new(&gate)
        .priced(
            "GET /weather/{city}",
            Route::priced("$0.002")?.described("The weather of a city"),
            weather,
        )?
        .priced(
            "POST /count",
            Route::dynamic(by_length).described("How many words a text has"),
            count,
        )?
        .told(|operation| operation.accepts(text))
        .free("GET /health", || async { "fine\n" })?
        .discovered(Discovery::new(service).at(&url)?)?;

    println!("{url}/openapi.json");
    axum::serve(
        listener,
        app.into_make_service_with_connect_info::<SocketAddr>(),
    )
    .await?;
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
