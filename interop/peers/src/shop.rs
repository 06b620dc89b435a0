//! A Farthing server that others talk to.

use std::{net::SocketAddr, sync::Arc};

use farthing::{
    clock::SystemClock,
    core::{
        memory::MemoryBackend,
        value::{Amount, CurrencyCode, Secret, Timestamp},
    },
    ledger::{Account, AccountKey, Accounts, Currencies, Funding, KeyType, Ledger, TransferId},
    server::{
        Gate, Paid, Route,
        discovery::{Discovery, PricedRouter, Service},
    },
};
use tokio::{net::TcpListener, task::JoinHandle};

/// What one request costs, in millionths of a dollar.
pub const PRICE: u128 = 2_000;

/// What the buyer has at first.
pub const OPENING: u128 = 1_000_000;

/// A running shop; it ends when this is dropped.
#[derive(Debug)]
pub struct Shop {
    /// Where it listens: `http://127.0.0.1:40001`.
    pub url: String,
    /// The name of its realm.
    pub realm: String,
    accounts: Accounts,
    server: JoinHandle<()>,
}

impl Shop {
    /// Opens one on a free port of loopback. `GET /weather` costs [`PRICE`], `GET /health` nothing,
    /// and `/openapi.json` tells of both.
    ///
    /// # Panics
    /// When it cannot be opened: then nothing else can be tested.
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("loopback has a free port");
        let realm = listener.local_addr().expect("it is bound").to_string();
        let store = Arc::new(MemoryBackend::new());
        let accounts = books(store.clone()).await;
        let gate = Gate::builder()
            .realm("127.0.0.1")
            .secret(Secret::new([7; 32]))
            .store(store)
            .clock(Arc::new(SystemClock))
            .method(Arc::new(Ledger::new(seller())))
            .build()
            .expect("the shop is configured rightly");
        let weather =
            |paid: Paid| async move { format!("sunny for {} {}", paid.amount, paid.currency) };
        let price = Route::priced("$0.002").expect("a price");
        let app = PricedRouter::new(&gate)
            .priced(
                "GET /weather",
                price.described("The weather, today"),
                weather,
            )
            .and_then(|app| app.free("GET /health", || async { "fine" }))
            .and_then(|app| app.discovered(Discovery::new(service())))
            .expect("the routes are right");
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        let server = tokio::spawn(async move {
            let served = axum::serve(listener, app).await;
            served.expect("serving ends with the test");
        });
        Self {
            url: format!("http://{realm}"),
            realm,
            accounts,
            server,
        }
    }

    /// What an account has, in millionths of a dollar.
    ///
    /// # Panics
    /// When the books cannot be read.
    pub async fn balance(&self, account: &Account) -> u128 {
        balance(&self.accounts, account).await
    }
}

/// What the shop says of itself in `/openapi.json`.
fn service() -> Service {
    Service::new("Weather", "1.0.0").expect("a title and a version")
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The seed of the buyer's key.
const BUYER: [u8; 32] = [1; 32];

/// The seed of the buyer's key in hexadecimal, for those who sign in another language.
#[must_use]
pub fn buyer_seed() -> String {
    BUYER.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The key of whoever buys.
#[must_use]
pub fn buyer() -> AccountKey {
    AccountKey::from_seed(KeyType::Ed25519, BUYER).expect("any 32 bytes are an Ed25519 seed")
}

/// The account of whoever sells.
#[must_use]
pub fn seller() -> Account {
    let key = AccountKey::from_seed(KeyType::Ed25519, [2; 32]);
    key.expect("any 32 bytes are an Ed25519 seed")
        .account()
        .clone()
}

/// The ledger's dollar.
#[must_use]
pub fn dollar() -> CurrencyCode {
    CurrencyCode::new("usd6").expect("a code")
}

/// Books in which the buyer has [`OPENING`].
///
/// # Panics
/// When they cannot be written.
pub async fn books(store: Arc<MemoryBackend>) -> Accounts {
    let accounts = Accounts::new(store, Currencies::default());
    let opening = funding("opening", buyer().account(), OPENING);
    accounts
        .deposit(&opening)
        .await
        .expect("the books take a deposit");
    accounts
}

/// An entry of the operator's.
#[must_use]
pub fn funding(id: &str, account: &Account, amount: u128) -> Funding {
    Funding {
        id: TransferId::new(id).expect("an id"),
        account: account.clone(),
        currency: dollar(),
        amount: Amount::new(amount),
        at: Timestamp::from_secs(1_800_000_000),
    }
}

/// What an account has, in millionths of a dollar.
///
/// # Panics
/// When the books cannot be read.
pub async fn balance(accounts: &Accounts, account: &Account) -> u128 {
    let balance = accounts.balance(account, &dollar()).await;
    balance.expect("the books can be read").available.units()
}
