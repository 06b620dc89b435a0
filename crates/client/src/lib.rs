//! The buyer's side of Farthing: choose an offer, stay within the policy, pay once.
//!
//! A [`Client`] fetches like any HTTP client. When a server answers 402, it chooses among the
//! offers its payers can pay, checks the [`Policy`], reserves the amount on every budget, signs,
//! keeps the signed bytes, and sends the request again with them. It does so once: until the
//! outcome of those bytes is known, they are what is sent for this request.
//!
//! ```
//! use std::sync::Arc;
//! use farthing_client::{Client, Limit, Policy};
//! # use axum::{Router, routing::get};
//! # use farthing_core::{memory::MemoryBackend, value::{Amount, CurrencyCode, Secret, Timestamp}};
//! # use farthing_ledger::{
//! #     AccountKey, Accounts, Currencies, Funding, KeyType, Ledger, LedgerPayer, TransferId,
//! # };
//! # use farthing_server::{Gate, Route, layer::PaymentLayer};
//! # use farthing_testkit::clock::FakeClock;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let clock = Arc::new(FakeClock::at(Timestamp::from_secs(1_800_000_000)));
//! # let key = AccountKey::from_seed(KeyType::Ed25519, [1; 32])?;
//! # let seller = AccountKey::from_seed(KeyType::Ed25519, [2; 32])?;
//! # let shop = Arc::new(MemoryBackend::new());
//! # Accounts::new(shop.clone(), Currencies::default())
//! #     .deposit(&Funding {
//! #         id: TransferId::new("opening")?,
//! #         account: key.account().clone(),
//! #         currency: CurrencyCode::new("usd6")?,
//! #         amount: Amount::new(5_000_000),
//! #         at: Timestamp::from_secs(1_800_000_000),
//! #     })
//! #     .await?;
//! # let gate = Gate::builder()
//! #     .realm("127.0.0.1")
//! #     .secret(Secret::new(vec![7; 32]))
//! #     .store(shop)
//! #     .clock(clock.clone())
//! #     .method(Arc::new(Ledger::new(seller.account().clone())))
//! #     .build()?;
//! # let layer = PaymentLayer::new(&gate, Route::priced("$0.002")?)?;
//! # let app = Router::new().route("/weather", get(|| async { "sunny" }).route_layer(layer));
//! # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let url = format!("http://{}/weather", listener.local_addr()?);
//! # let app = app.into_make_service_with_connect_info::<std::net::SocketAddr>();
//! # tokio::spawn(async move { axum::serve(listener, app).await });
//! # let store = Arc::new(MemoryBackend::new());
//! let client = Client::builder()
//!     .payer(LedgerPayer::new(key))
//!     .policy(Policy::new().max_per_request("$0.01".parse()?).budget(Limit::per_day("$1".parse()?)))
//!     .backend(store)
//!     .clock(clock)
//!     .build()?;
//! // What an earlier run left open is finished first.
//! client.resume().await?;
//!
//! let answer = client.get(&url).send().await?;
//! assert_eq!(answer.paid().map(|paid| paid.price()).as_deref(), Some("0.002 USD"));
//! assert_eq!(answer.text().await?, "sunny");
//! # Ok(()) }
//! ```
//!
//! An [`Error`] tells by [`moved`](Error::moved) whether money moved, and by
//! [`hint`](Error::hint) what to do.
//!
//! [`PaymentMiddleware`] is the same for the `reqwest-middleware` crate, and [`Client::offers`],
//! [`Client::credential`] and [`Client::settle`] are its steps for those who bring their own HTTP.
//!
//! # What holds
//! - Nothing is signed that the policy forbids, and no budget is exceeded, whatever the number of
//!   tasks and processes on one store. A budget counts in its unit, over all rails and tokens, and
//!   what a rail may take for itself counts with it.
//! - Nothing is sent before it is kept, and what is kept is sent as it is. [`Standing`] tells
//!   where a payment is, and [`Outgoing`] what is known of it.
//! - A reservation is released on evidence: nothing was signed, or the rail says that the proof
//!   is dead. A server's word that nothing moved is none, for the proof is still in its hands.
//! - A credential stays within the origin it was made for, and goes over TLS or loopback only.
//!
//! # What does not
//! - That an answer was worth its price is nobody's to check.
//! - A server that takes payments and refuses them can tie up a budget up to its limit, and gets
//!   no more than that.
//! - A payer whose signing itself moves money has to keep a journal of its own: here, what fails
//!   to sign counts as unsigned. One that moves it in an errand after that needs none.

mod approve;
mod carry;
mod client;
mod dial;
mod errand;
mod error;
mod fetch;
mod flow;
mod judge;
mod legacy;
mod listing;
mod middleware;
mod offers;
mod options;
mod outgoing;
mod pay;
mod policy;
mod present;
mod redirect;
mod response;
mod resume;
mod session;
mod steps;
mod target;
mod work;
mod write_off;

pub use approve::{Approve, Ask};
pub use client::{Client, ClientBuilder};
pub use dial::{http_builder, provide_crypto};
pub use error::{
    BuildError, Error, PayerFault, Refused, RequestFault, Said, ServerFault, TransportError,
    Unresolved,
};
pub use fetch::RequestBuilder;
pub use listing::BudgetUse;
pub use middleware::PaymentMiddleware;
pub use offers::Choice;
pub use options::Options;
pub use outgoing::{Claimed, Outgoing, Standing, Toll};
pub use pay::Ticket;
pub use policy::{
    DEFAULT_DEPOSITS, DEFAULT_MAX_DEPOSIT, DEFAULT_MAX_FEE, DEFAULT_MAX_PER_REQUEST, DEFAULT_TOTAL,
    Limit, Policy, UseSessions,
};
pub use response::{Outlay, Response};
pub use resume::Resumed;
pub use session::{
    Bill, CloseHow, Closing, Flying, Found, LockBound, Purse, SessionChoice, SessionFault,
    Sessions, Stage, Synced,
};
#[cfg(feature = "websocket")]
pub use session::{Goodbye, Socket, SocketFault, SocketRequest};
pub use steps::Step;
pub use target::Target;
pub use write_off::WriteOffError;

/// The page on sessions, both sides of it, whose examples are tried out with the others.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/sessions.md")]
struct SessionsPage;
