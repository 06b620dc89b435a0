//! Paying out of channels, against a seller whose books and rail are looked into.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test fails by panicking, and its modules are its own"
)]

#[path = "../common/mod.rs"]
mod common;

mod closing;
mod crash;
mod full;
mod gate;
mod hostile;
mod kill;
mod locked;
mod paying;
mod shop;
mod streams;

use std::sync::Arc;

use common::{StillClock, hasty, price};
use farthing_client::{Client, Error, Limit, Options, Policy, Purse, Response, SessionFault};
use farthing_core::{
    intent::session::Protocol,
    memory::MemoryBackend,
    port::{backend::Backend, session_payer::SessionPayer},
    value::Currency,
};
use farthing_testkit::method::{self, FakeReserve, FakeSessionPayer};
use shop::Shop;

/// What a buyer has to lose in every test, in base units: ten dollars.
const WEALTH: u128 = 10_000_000;

struct World {
    reserve: Arc<FakeReserve>,
    clock: Arc<StillClock>,
    backend: Arc<dyn Backend>,
    payer: Arc<FakeSessionPayer>,
    client: Client,
    shop: Shop,
}

fn generous() -> Policy {
    Policy::new()
        .max_per_request(price("$0.10"))
        .budget(Limit::total(price("$5")))
}

/// Whether it is a session that failed, and so.
fn is(error: &Error, what: impl Fn(&SessionFault) -> bool) -> bool {
    matches!(error, Error::Session(fault) if what(fault))
}

/// What is spent of the budgets of a currency, in base units.
async fn used(client: &Client, currency: &Currency) -> u128 {
    let uses = client.budgets(currency, None).await.unwrap();
    let used = uses.iter().map(|budget| budget.used.units());
    used.max().unwrap_or_default()
}

fn client(
    payer: Arc<dyn SessionPayer>,
    backend: &Arc<dyn Backend>,
    clock: &Arc<StillClock>,
    policy: Policy,
    options: Options,
) -> Client {
    Client::builder()
        .session_payer(payer)
        .policy(policy)
        .backend(Arc::clone(backend))
        .clock(clock.clone())
        .options(options)
        .build()
        .unwrap()
}

impl World {
    async fn new(protocol: Protocol) -> Self {
        Self::with(protocol, generous(), Arc::new(MemoryBackend::new())).await
    }

    async fn with(protocol: Protocol, policy: Policy, backend: Arc<dyn Backend>) -> Self {
        farthing_testkit::trace::start();
        let clock = StillClock::new();
        let reserve = Arc::new(FakeReserve::new(clock.clone()));
        let account = method::account("buyer");
        reserve.deposit(&account, WEALTH);
        let payer = Arc::new(FakeSessionPayer::new(Arc::clone(&reserve), &account));
        let shop = Shop::open(&reserve, &clock, protocol).await;
        let client = client(payer.clone(), &backend, &clock, policy, hasty());
        Self {
            reserve,
            clock,
            backend,
            payer,
            client,
            shop,
        }
    }

    /// The same store in another process.
    fn again(&self) -> Client {
        self.process("again", generous())
    }

    fn process(&self, run: &str, policy: Policy) -> Client {
        let account = method::account("buyer");
        let payer = FakeSessionPayer::new(Arc::clone(&self.reserve), &account).in_run(run);
        client(Arc::new(payer), &self.backend, &self.clock, policy, hasty())
    }

    async fn get(&self, path: &str) -> Response {
        self.client.get(self.shop.url(path)).send().await.unwrap()
    }

    /// The one purse in which money may be locked.
    async fn purse(&self) -> Purse {
        let all = self.client.sessions().list(None, 10).await.unwrap();
        assert_eq!(all.len(), 1, "{all:?}");
        all.into_iter().next().unwrap()
    }

    /// What an account has on the rail.
    fn has(&self, account: &str) -> u128 {
        let account = method::account(account);
        self.reserve.truth().balance(account.as_str())
    }

    fn buyer_has(&self) -> u128 {
        self.has("buyer")
    }

    fn seller_has(&self) -> u128 {
        self.has("shop")
    }

    /// What is spent of the budget, in base units.
    async fn used(&self) -> u128 {
        used(&self.client, &method::currency()).await
    }

    /// Signed, owed and unsure.
    async fn counts(&self) -> (u128, u128, u128) {
        let purse = self.purse().await;
        (
            purse.signed.units(),
            purse.owed.units(),
            purse.unsure.units(),
        )
    }
}
