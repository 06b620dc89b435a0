//! A client that pays within a policy.
//!
//! ```console
//! $ cargo run -p farthing-examples --bin paying_client
//! did:key:z6Mk…
//! $ cargo run -p farthing-examples --bin paying_client -- http://127.0.0.1:PORT/weather
//! sunny; you paid 2000 usd6
//! ```

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
    ledger::{AccountKey, KeyType, LedgerPayer},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A real wallet keeps its key encrypted; `farthing wallet create` makes one.
    let key = AccountKey::from_seed(KeyType::Ed25519, [1; 32])?;
    let Some(url) = std::env::args().nth(1) else {
        println!("{}", key.account().did());
        return Ok(());
    };
    let client = Client::builder()
        .payer(LedgerPayer::new(key))
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
            eprintln!("paid {}, reference {}", paid.price(), receipt.reference())
        }
        _ => eprintln!("free of charge"),
    }
    print!("{}", answer.text().await?);
    Ok(())
}
