//! WebSockets that are paid for out of channels: against the real gate, and against sellers that lie.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test fails by panicking, and its modules are its own"
)]

#[path = "../common/mod.rs"]
mod common;

mod gate;
mod hostile;
mod rogue;

use std::sync::Arc;

use common::{StillClock, hasty, price};
use farthing_client::{Client, CloseHow, Closing, Limit, Policy, Purse, Socket};
use farthing_core::port::{backend::Backend, session_payer::SessionPayer};
use farthing_testkit::method;

/// What a buyer has to lose in every test, in base units: ten dollars.
const WEALTH: u128 = 10_000_000;

/// What a word costs, in base units: a tenth of a cent.
const WORD: u128 = 1_000;

fn generous() -> Policy {
    Policy::new()
        .max_per_request(price("$0.10"))
        .budget(Limit::total(price("$5")))
}

fn client(
    payer: Arc<dyn SessionPayer>,
    backend: &Arc<dyn Backend>,
    clock: &Arc<StillClock>,
    policy: Policy,
) -> Client {
    Client::builder()
        .session_payer(payer)
        .policy(policy)
        .backend(Arc::clone(backend))
        .clock(clock.clone())
        .options(hasty())
        .build()
        .unwrap()
}

/// The one purse in which money may be locked.
async fn purse(client: &Client) -> Purse {
    let all = client.sessions().list(None, 10).await.unwrap();
    assert_eq!(all.len(), 1, "{all:?}");
    all.into_iter().next().unwrap()
}

/// Signed, owed and unsure.
async fn counts(client: &Client) -> (u128, u128, u128) {
    let purse = purse(client).await;
    let all = [purse.signed, purse.owed, purse.unsure];
    let [signed, owed, unsure] = all.map(|amount| amount.units());
    (signed, owed, unsure)
}

/// What is spent of the budget.
async fn used(client: &Client) -> u128 {
    let budgets = client.budgets(&method::currency(), None).await.unwrap();
    let used = budgets.iter().map(|budget| budget.used.units());
    used.max().unwrap_or_default()
}

/// Closes the one channel together: how much was paid out of it.
async fn close(client: &Client) -> u128 {
    let id = purse(client).await.id;
    let closed = client.sessions().close(id, CloseHow::Together).await;
    let Ok(Closing::Closed(purse)) = closed else {
        panic!("{closed:?}")
    };
    purse.paid_out.unwrap().units()
}

/// All that comes until the end, and how that came.
async fn rest(socket: &mut Socket) -> (Vec<String>, Option<farthing_client::Error>) {
    let mut words = Vec::new();
    loop {
        match socket.message().await {
            Ok(Some(word)) => words.push(word),
            Ok(None) => return (words, None),
            Err(error) => return (words, Some(error)),
        }
    }
}
