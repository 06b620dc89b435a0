//! A client that pays for a stream while it reads it, out of one channel, and closes the channel.
//!
//! ```console
//! $ cargo run -p farthing-examples --bin paying_by_the_word
//! did:key:z6Mk…
//! $ cargo run -p farthing-examples --bin paying_by_the_word -- http://127.0.0.1:PORT/rhyme
//! Oranges and lemons, …
//! ```

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program talks to its user"
)]

use std::{
    error::Error,
    io::{Write, stdout},
    sync::Arc,
};

use farthing::{
    client::{Client, CloseHow, Closing, Limit, Policy},
    clock::SystemClock,
    core::{encoding::sse::Reader, memory::MemoryBackend},
    ledger::{AccountKey, KeyType, LedgerSessionPayer},
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
        .session_payer(Arc::new(LedgerSessionPayer::new(key)))
        .policy(
            Policy::new()
                .max_per_request("$0.01".parse()?)
                .max_deposit("$0.05".parse()?)
                .budget(Limit::per_day("$1".parse()?)),
        )
        // A program that may be restarted keeps its channels in a file: `SqliteBackend`.
        .backend(Arc::new(MemoryBackend::new()))
        .clock(Arc::new(SystemClock))
        .build()?;

    // Twice: the second time the channel is there, and nothing is opened.
    for _ in 0..2 {
        let mut answer = client.get(&url).send().await?;
        let bill = answer.bill().cloned();
        let mut reader = Reader::default();
        let mut line = stdout();
        while let Some(bytes) = answer.chunk().await? {
            for word in reader.push(&bytes)? {
                write!(line, "{} ", word.data)?;
                line.flush()?;
            }
        }
        println!();
        if let Some(bill) = bill {
            eprintln!("it cost {} base units", bill.cost());
        }
    }
    for purse in client.sessions().list(None, 10).await? {
        match client
            .sessions()
            .close(purse.id, CloseHow::Together)
            .await?
        {
            Closing::Closed(purse) | Closing::Asked(purse) => {
                eprintln!("closed; {} was spent out of {}", purse.owed, purse.deposit);
            }
            Closing::Waits { until, .. } => eprintln!("the rest can be had from {until} on"),
            _ => eprintln!("the seller has not closed the channel"),
        }
    }
    Ok(())
}
