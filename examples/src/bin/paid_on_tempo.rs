//! An axum server that is paid in stablecoins on Tempo.
//!
//! ```console
//! $ cargo run -p farthing-examples --bin paid_on_tempo -- 0xf39F…
//! ```
//!
//! The argument is the address that the money goes to; nothing of its key is needed. The network is
//! Moderato, whose money is for tests; with a second argument it is a development chain (number 1337)
//! that answers there, such as the one of `farthing dev --chain tempo`. The server prints its address and
//! stays up; `farthing pay` pays it.

#![expect(clippy::print_stdout, reason = "a program talks to its user")]

use std::{error::Error, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, routing::get};
use farthing::{
    clock::SystemClock,
    evm::{ChainId, Node},
    secret,
    server::{Gate, Paid, Route, layer::PaymentLayer},
    store::{SqliteBackend, SqliteOptions},
    tempo::{Network, Tempo, TempoOptions},
};

async fn weather(paid: Paid) -> String {
    format!("sunny; you paid {} of {}\n", paid.amount, paid.currency)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let recipient = arguments.next().ok_or("give the address to pay to: 0x…")?;
    let network = match arguments.next() {
        Some(endpoint) => Network::dev(ChainId::new(1337)?, endpoint.parse()?),
        None => Network::moderato(),
    };
    // A node of another chain is found here, and not with the first payment.
    let node = Node::connect(network.node()).await?;
    let tempo = Tempo::new(node, TempoOptions::new(network, recipient.parse()?))?;

    let folder = std::env::temp_dir().join(format!("farthing-on-tempo-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let gate = Gate::builder()
        .realm("127.0.0.1")
        .secret(secret::load_or_create(folder.join("challenge-secret"))?)
        .store(Arc::new(SqliteBackend::open(SqliteOptions::new(
            folder.join("store.db"),
        ))?))
        .clock(Arc::new(SystemClock))
        .method(Arc::new(tempo))
        .build()?;
    gate.start().await?;
    // It finishes what the chain had not decided yet when a buyer went away.
    tokio::spawn(gate.clone().keep_reconciling(Duration::from_secs(5)));

    let price = PaymentLayer::new(&gate, Route::priced("$0.002")?)?;
    let app = Router::new().route("/weather", get(weather).route_layer(price));
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
