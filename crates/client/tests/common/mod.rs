//! What the client's tests share: a wallet that can be watched, a clock that stands still, and
//! servers that answer whatever a test wants them to.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "each test file uses another part of this module"
)]

mod dying;
mod server;
mod wallet;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use farthing_client::{Client, ClientBuilder, Limit, Options, Policy};
use farthing_core::{
    memory::MemoryBackend,
    port::{backend::Backend, clock::Clock},
    value::{Price, Timestamp},
};

pub use dying::{dies_and_buys_again, selling};
pub use server::{Reply, Seen, Server, bare, challenge, challenge_in, paid, problem, text, unpaid};
pub use wallet::{Wallet, cents, coin, dollar};

/// The start of every test: a moment within a day of UTC.
pub const START: u64 = 1_769_688_000;

/// A clock that moves only when it is told to.
#[derive(Debug)]
pub struct StillClock(AtomicU64);

impl StillClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(START * 1000)))
    }

    pub fn advance(&self, by: Duration) {
        self.0
            .fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// A buyer: everything a test wants to look at afterwards.
pub struct Buyer {
    pub client: Client,
    pub wallet: Wallet,
    pub clock: Arc<StillClock>,
    pub backend: Arc<dyn Backend>,
}

pub fn price(text: &str) -> Price {
    text.parse().unwrap()
}

/// A dollar a request, ten in total.
pub fn generous() -> Policy {
    Policy::new()
        .max_per_request(price("$1"))
        .budget(Limit::total(price("$10")))
}

/// Waits that do not slow a test down.
pub fn hasty() -> Options {
    Options {
        backoff: Duration::from_millis(1),
        lease: Duration::from_millis(60),
        sends: 3,
        ..Options::default()
    }
}

pub fn buyer(policy: Policy) -> Buyer {
    buyer_with(policy, |builder| builder)
}

pub fn buyer_with(policy: Policy, also: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Buyer {
    buyer_on(
        Arc::new(MemoryBackend::new()),
        StillClock::new(),
        policy,
        also,
    )
}

pub fn buyer_on(
    backend: Arc<dyn Backend>,
    clock: Arc<StillClock>,
    policy: Policy,
    also: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> Buyer {
    buyer_as(Wallet::new(), backend, clock, policy, also)
}

pub fn buyer_as(
    wallet: Wallet,
    backend: Arc<dyn Backend>,
    clock: Arc<StillClock>,
    policy: Policy,
    also: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> Buyer {
    farthing_testkit::trace::start();
    let builder = Client::builder()
        .payer(wallet.clone())
        .policy(policy)
        .backend(Arc::clone(&backend))
        .clock(clock.clone())
        .options(hasty());
    Buyer {
        client: also(builder).build().unwrap(),
        wallet,
        clock,
        backend,
    }
}

impl Buyer {
    /// What is spent or reserved in total, in base units.
    pub async fn used(&self) -> u128 {
        let uses = self.client.budgets(&dollar(), None).await.unwrap();
        uses.iter()
            .map(|budget| budget.used.units())
            .max()
            .unwrap_or_default()
    }

    /// The same store, clock and wallet in a new process.
    pub fn restarted(&self, policy: Policy) -> Client {
        Client::builder()
            .payer(self.wallet.clone())
            .policy(policy)
            .backend(Arc::clone(&self.backend))
            .clock(self.clock.clone())
            .options(hasty())
            .build()
            .unwrap()
    }
}
