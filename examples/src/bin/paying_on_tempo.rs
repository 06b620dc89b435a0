//! A client that pays on Tempo, within a policy.
//!
//! ```console
//! $ PAYER_KEY=0x… cargo run -p farthing-examples --bin paying_on_tempo -- http://127.0.0.1:PORT/weather
//! sunny; you paid 2000 of 0x20c0…
//! ```
//!
//! The key is that of an account with test money on Moderato. With a second argument the network is a
//! development chain (number 1337) that answers there.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program talks to its user"
)]

use std::{error::Error, sync::Arc};

use farthing::{
    client::{Client, Limit, Policy},
    clock::SystemClock,
    core::memory::MemoryBackend,
    evm::{B256, ChainId, Node, SigningKey},
    tempo::{AccountKey, Network, PayerOptions, TempoPayer},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("give the URL to pay for")?;
    // Who is asked about the chain is our choice; a seller's word dials nobody.
    let network = match arguments.next() {
        Some(endpoint) => Network::dev(ChainId::new(1337)?, endpoint.parse()?),
        None => Network::moderato(),
    };
    let node = Node::connect(network.node()).await?;
    // A real wallet keeps its key encrypted; `farthing wallet create` makes one.
    let key: B256 = std::env::var("PAYER_KEY")?.parse()?;
    let key = AccountKey::from(SigningKey::from_bytes(key.0)?);
    let payer = TempoPayer::new(key, network, node, PayerOptions::default())?;

    let client = Client::builder()
        .payer(payer)
        .policy(
            Policy::new()
                .max_per_request("$0.01".parse()?)
                .budget(Limit::per_day("$1".parse()?)),
        )
        // A program that may be restarted keeps what it signed in a file: `SqliteBackend`.
        .backend(Arc::new(MemoryBackend::new()))
        .clock(Arc::new(SystemClock))
        .build()?;
    let answer = client.get(&url).send().await?;
    match (answer.paid(), answer.receipt()) {
        (Some(paid), Some(receipt)) => {
            eprintln!("paid {}, in {}", paid.price(), receipt.reference())
        }
        _ => eprintln!("free of charge"),
    }
    print!("{}", answer.text().await?);
    Ok(())
}
