//! Charge for an API, or pay for one, over HTTP 402.
//!
//! Farthing speaks the `Payment` scheme of HTTP authentication: a server answers 402 with offers, a
//! client pays one of them and asks again, and the answer carries a receipt. This crate gathers the
//! parts; the features say which.
//!
//! | feature | what it brings |
//! |---|---|
//! | `server` | [`server`]: the gate, a tower layer, axum extractors; [`secret`]: the challenge secret's file |
//! | `client` | [`client`]: a client that pays within a policy |
//! | `ledger` | [`ledger`]: the embedded rail, accounts in the seller's store |
//! | `sqlite` | [`store`]: a durable store in one file |
//! | `tempo` | [`tempo`]: the rail of stablecoins on Tempo, and [`evm`], what every rail on a chain stands on |
//!
//! All five are on by default.
//!
//! # Selling
//!
//! A gate is made once a process. A layer then puts a price on a route; a handler that takes a
//! [`Paid`](server::Paid) can be reached only by a request that was paid for.
//!
//! ```
//! # #[cfg(all(feature = "server", feature = "ledger", feature = "sqlite"))]
//! # mod shop {
//! use std::{error::Error, path::Path, sync::Arc};
//!
//! use axum::{Router, routing::get};
//! use farthing::{
//!     clock::SystemClock,
//!     ledger::{Account, Ledger},
//!     secret,
//!     server::{Gate, Paid, Route, layer::PaymentLayer},
//!     store::{SqliteBackend, SqliteOptions},
//! };
//!
//! async fn weather(paid: Paid) -> String {
//!     format!("sunny; you paid {} {}", paid.amount, paid.currency)
//! }
//!
//! fn gate(folder: &Path, account: Account) -> Result<Gate, Box<dyn Error>> {
//!     let store = SqliteBackend::open(SqliteOptions::new(folder.join("store.db")))?;
//!     Ok(Gate::builder()
//!         .realm("api.example.com")
//!         .secret(secret::load_or_create(folder.join("challenge-secret"))?)
//!         .store(Arc::new(store))
//!         .clock(Arc::new(SystemClock))
//!         .method(Arc::new(Ledger::new(account)))
//!         .build()?)
//! }
//!
//! fn app(gate: &Gate) -> Result<Router, Box<dyn Error>> {
//!     let price = PaymentLayer::new(gate, Route::priced("$0.002")?)?;
//!     Ok(Router::new()
//!         .route("/weather", get(weather).route_layer(price))
//!         .route("/health", get(|| async { "fine" })))
//! }
//! # #[tokio::main]
//! # pub async fn main() -> Result<(), Box<dyn Error>> {
//! #     use farthing::ledger::{AccountKey, KeyType};
//! #     let folder = tempfile::tempdir()?;
//! #     let shop = AccountKey::from_seed(KeyType::Ed25519, [1; 32])?;
//! #     let gate = gate(folder.path(), shop.account().clone())?;
//! #     let _router = app(&gate)?;
//! #     Ok(())
//! # }
//! # }
//! # #[cfg(all(feature = "server", feature = "ledger", feature = "sqlite"))]
//! # shop::main().map_err(|error| error.to_string())?;
//! # Ok::<(), String>(())
//! ```
//!
//! `route_layer` rather than `layer`: nobody is asked to pay for a method that the route does not
//! have.
//!
//! Serve it with `into_make_service_with_connect_info::<SocketAddr>()`, so that the limits on how
//! often one peer asks see the peer. Spawn [`keep_reconciling`](server::Gate::keep_reconciling)
//! beside it, and call [`drain`](server::Gate::drain) before the process ends.
//!
//! # Buying
//!
//! A client needs something to pay with, a store for what it signed, a clock, and a policy that
//! says what it may spend.
//!
//! ```
//! # #[cfg(all(feature = "server", feature = "client", feature = "ledger"))]
//! # mod purchase {
//! use std::sync::Arc;
//!
//! use farthing::{
//!     client::{Client, Limit, Policy},
//!     clock::SystemClock,
//!     core::memory::MemoryBackend,
//!     ledger::{AccountKey, KeyType, LedgerPayer},
//! };
//!
//! # type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;
//! async fn buy(url: &str, wallet: AccountKey) -> Result<String> {
//!     let client = Client::builder()
//!         .payer(LedgerPayer::new(wallet))
//!         .policy(
//!             Policy::new()
//!                 .max_per_request("$0.01".parse()?)
//!                 .budget(Limit::per_day("$1".parse()?)),
//!         )
//!         // A program that may be restarted keeps this in a file.
//!         .backend(Arc::new(MemoryBackend::new()))
//!         .clock(Arc::new(SystemClock))
//!         .build()?;
//!     let response = client.get(url).send().await?;
//!     let paid = response.paid().map(|outlay| outlay.price());
//!     assert_eq!(paid.as_deref(), Some("0.002 USD"));
//!     Ok(response.text().await?)
//! }
//! # #[tokio::main]
//! # pub async fn main() -> Result<()> {
//! #     use axum::{Router, routing::get};
//! #     use farthing::{core::value::{Amount, CurrencyCode, Secret, Timestamp}, ledger, server};
//! #     let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! #     let at = listener.local_addr()?.to_string();
//! #     let store = Arc::new(MemoryBackend::new());
//! #     let shop = AccountKey::from_seed(KeyType::Ed25519, [1; 32])?;
//! #     let wallet = AccountKey::from_seed(KeyType::Ed25519, [2; 32])?;
//! #     let gate = server::Gate::builder()
//! #         .realm(&at)
//! #         .secret(Secret::new([7; 32]))
//! #         .store(store.clone())
//! #         .clock(Arc::new(SystemClock))
//! #         .method(Arc::new(ledger::Ledger::new(shop.account().clone())))
//! #         .build()?;
//! #     let price = server::layer::PaymentLayer::new(&gate, server::Route::priced("$0.002")?)?;
//! #     let app = Router::new().route("/weather", get(|| async { "sunny" }).layer(price));
//! #     let accounts = ledger::Accounts::new(store, ledger::Currencies::default());
//! #     accounts
//! #         .deposit(&ledger::Funding {
//! #             id: ledger::TransferId::new("first")?,
//! #             account: wallet.account().clone(),
//! #             currency: CurrencyCode::new("usd6")?,
//! #             amount: Amount::new(5_000),
//! #             at: Timestamp::from_secs(1_800_000_000),
//! #         })
//! #         .await?;
//! #     let account = wallet.account().clone();
//! #     tokio::spawn(async move { axum::serve(listener, app).await });
//! #     assert_eq!(buy(&format!("http://{at}/weather"), wallet).await?, "sunny");
//! #     let left = accounts.balance(&account, &CurrencyCode::new("usd6")?).await?;
//! #     assert_eq!(left.available, Amount::new(3_000));
//! #     Ok(())
//! # }
//! # }
//! # #[cfg(all(feature = "server", feature = "client", feature = "ledger"))]
//! # purchase::main().map_err(|error| error.to_string())?;
//! # Ok::<(), String>(())
//! ```
//!
//! # Many requests out of one channel
//!
//! A buyer that comes back locks a deposit once and then pays by signing how much of it was spent: a
//! session. The gate takes a method's channels with
//! [`session`](server::GateBuilder::session), a route is priced with
//! [`Route::session`](server::Route::session) or by what it uses,
//! [`Route::metered`](server::Route::metered), and a handler that takes a
//! [`Meter`](server::session::Meter) charges while it streams. A client keeps its channels when it is
//! built with a [`session_payer`](client::ClientBuilder::session_payer). On the ledger the two are
//! [`LedgerSessions`](ledger::LedgerSessions) and
//! [`LedgerSessionPayer`](ledger::LedgerSessionPayer). The examples `paid_by_the_word` and
//! `paying_by_the_word` are both sides of a stream.
//!
//! # What it does not do
//!
//! It does not terminate TLS, and it does not hold anybody's money but what an operator enters into
//! a ledger's books.

pub mod clock;
#[cfg(feature = "server")]
pub mod file;
#[cfg(feature = "server")]
pub mod secret;

#[cfg(feature = "client")]
pub use farthing_client as client;
pub use farthing_core as core;
#[cfg(feature = "tempo")]
pub use farthing_evm as evm;
#[cfg(feature = "ledger")]
pub use farthing_ledger as ledger;
#[cfg(feature = "server")]
pub use farthing_server as server;
#[cfg(feature = "sqlite")]
pub use farthing_store as store;
#[cfg(feature = "tempo")]
pub use farthing_tempo as tempo;

/// The page's examples, compiled with the others.
#[cfg(all(doctest, feature = "server", feature = "tempo"))]
#[doc = include_str!("../../../docs/tempo.md")]
mod on_tempo {}
