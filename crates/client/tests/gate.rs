//! The client against the real gate, over the ledger: both sides' books agree to the unit.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, routing::any};
use common::{StillClock, hasty, price};
use farthing_client::{Client, Error, Limit, Policy, Refused, Standing, WriteOffError};
use farthing_core::{
    memory::MemoryBackend,
    noun::problem::ProblemKind,
    payment::Moved,
    port::{backend::Backend, clock::Clock as _},
    value::{Amount, CurrencyCode, Secret},
};
use farthing_ledger::{
    AccountKey, Accounts, Currencies, Funding, KeyType, Ledger, LedgerPayer, TransferId,
};
use farthing_server::{Gate, Route, layer::PaymentLayer};

const PRICE: u128 = 2_000;

/// A seller with one priced route, and a buyer with an account there.
struct Market {
    address: SocketAddr,
    accounts: Accounts,
    runs: Arc<AtomicUsize>,
    client: Client,
    clock: Arc<StillClock>,
}

fn key(seed: u8) -> AccountKey {
    AccountKey::from_seed(KeyType::Ed25519, [seed; 32]).unwrap()
}

fn dollar() -> CurrencyCode {
    CurrencyCode::new("usd6").unwrap()
}

async fn market(funds: u128, policy: Policy) -> Market {
    let clock = StillClock::new();
    let store: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    let gate = Gate::builder()
        .realm("127.0.0.1")
        .secret(Secret::new(vec![7; 32]))
        .store(Arc::clone(&store))
        .clock(clock.clone())
        .method(Arc::new(Ledger::new(key(2).account().clone())))
        .build()
        .unwrap();
    let accounts = Accounts::new(store, Currencies::default());
    let deposit = Funding {
        id: TransferId::new("opening").unwrap(),
        account: key(1).account().clone(),
        currency: dollar(),
        amount: Amount::new(funds),
        at: clock.now(),
    };
    accounts.deposit(&deposit).await.unwrap();
    let runs: Arc<AtomicUsize> = Arc::default();
    let count = Arc::clone(&runs);
    let handler = move || async move {
        count.fetch_add(1, Ordering::SeqCst);
        "sunny"
    };
    let layer = PaymentLayer::new(&gate, Route::priced("$0.002").unwrap()).unwrap();
    let app = Router::new().route("/weather", any(handler).layer(layer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    let client = Client::builder()
        .payer(LedgerPayer::new(key(1)))
        .policy(policy)
        .backend(Arc::new(MemoryBackend::new()))
        .clock(clock.clone())
        .options(hasty())
        .build()
        .unwrap();
    Market {
        address,
        accounts,
        runs,
        clock,
        client,
    }
}

impl Market {
    fn url(&self) -> String {
        format!("http://{}/weather", self.address)
    }

    async fn balance(&self, seed: u8) -> u128 {
        let balance = self
            .accounts
            .balance(key(seed).account(), &dollar())
            .await
            .unwrap();
        balance.available.units()
    }
}

#[tokio::test]
async fn a_purchase_is_in_both_books() {
    let market = market(10_000, Policy::new()).await;
    let response = market.client.get(market.url()).send().await.unwrap();
    let outlay = response.paid().unwrap().clone();
    assert_eq!(
        (outlay.amount.units(), outlay.standing),
        (PRICE, Standing::Paid)
    );
    assert_eq!(outlay.price(), "0.002 USD");
    assert_eq!(response.text().await.unwrap(), "sunny");
    assert_eq!(
        (market.balance(1).await, market.balance(2).await),
        (8_000, 2_000)
    );
    let kept = market
        .client
        .receipts()
        .get(outlay.payment)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(Some(kept.receipt.reference()), outlay.reference.as_ref());
}

#[tokio::test]
async fn fifty_tasks_spend_the_budget_and_not_a_unit_more() {
    let policy = Policy::new()
        .max_per_request(price("$0.002"))
        .budget(Limit::total(price("$0.035")));
    let market = market(1_000_000, policy).await;
    let tasks: Vec<_> = (0..50)
        .map(|_| tokio::spawn(market.client.get(market.url()).send()))
        .collect();
    let (mut served, mut refused) = (0, 0);
    for task in tasks {
        match task.await.unwrap() {
            Ok(response) => {
                assert_eq!(response.text().await.unwrap(), "sunny");
                served += 1;
            }
            Err(Error::Refused(Refused::Budget { .. })) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    // 17 × 2,000 = 34,000 of 35,000.
    assert_eq!(
        (served, refused, market.runs.load(Ordering::SeqCst)),
        (17, 33, 17)
    );
    assert_eq!(
        (market.balance(1).await, market.balance(2).await),
        (966_000, 34_000)
    );
    assert_eq!(
        market
            .client
            .receipts()
            .list(None, 100)
            .await
            .unwrap()
            .len(),
        17
    );
}

#[tokio::test]
async fn an_empty_account_is_refused_and_the_reservation_stays_until_the_rail_tells() {
    let market = market(1_999, Policy::new()).await;
    let error = market.client.get(market.url()).send().await.unwrap_err();
    let Error::Unresolved(unresolved) = &error else {
        panic!("{error:?}")
    };
    let problem = unresolved.said.problem.as_ref().unwrap();
    assert_eq!(problem.kind(), Some(ProblemKind::PaymentInsufficient));
    assert_eq!(
        (problem.moved, error.moved()),
        (Some(Moved::No), Moved::Unknown)
    );
    assert_eq!(
        (market.balance(1).await, market.balance(2).await),
        (1_999, 0)
    );
    let pending = market.client.pending(None, 10).await.unwrap();
    assert_eq!(
        (pending.len(), pending[0].standing),
        (1, Standing::Doubtful)
    );
    // The owner may decide that nothing will come of it, once what was signed has run out.
    let id = pending[0].id;
    let early = market.client.write_off(id).await;
    assert!(
        matches!(early, Err(WriteOffError::StillGood(_))),
        "{early:?}"
    );
    let currency = pending[0].currency();
    let used = || async {
        market.client.budgets(&currency, None).await.unwrap()[0]
            .used
            .units()
    };
    assert_eq!(used().await, 2_000);
    market.clock.advance(Duration::from_secs(5 * 60));
    assert_eq!(
        market.client.write_off(id).await.unwrap().standing,
        Standing::Void
    );
    assert_eq!(used().await, 0);
    let again = market.client.write_off(id).await;
    assert!(
        matches!(again, Err(WriteOffError::Decided(Standing::Void))),
        "{again:?}"
    );
}
