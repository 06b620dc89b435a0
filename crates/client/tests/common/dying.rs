//! A client that dies at a write of its store, and the one that goes on.

use std::time::Duration;

use farthing_client::{Client, Standing};
use farthing_testkit::faulty::{Faults, When};

use super::{Buyer, Seen, Server, challenge, generous, paid, unpaid};

/// A server that sells one thing.
pub async fn selling() -> Server {
    Server::start(|seen: Seen| match seen.payment() {
        Some(_) => paid(&seen, "goods"),
        None => unpaid(&[challenge(1_000)]),
    })
    .await
}

/// The client dies at a write; the same request is made by a new process, which then cleans up. The
/// goods were paid for, and arrived. What comes back is the one that went on.
pub async fn dies_and_buys_again(
    dying: &Buyer,
    faults: &Faults,
    server: &Server,
    write: u64,
    when: When,
) -> Client {
    let held = faults.hold_commit(write, when);
    let call = tokio::spawn(dying.client.get(server.url("/")).send());
    held.reached().await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());

    let restarted = dying.restarted(generous());
    let response = restarted.get(server.url("/")).send().await.unwrap();
    assert_eq!(response.paid().unwrap().standing, Standing::Paid);
    assert_eq!(response.text().await.unwrap(), "goods");
    dying.clock.advance(Duration::from_secs(10));
    restarted.resume().await.unwrap();
    restarted
}
