//! A shop that is paid on the testkit's fake rail, whose truth is asserted on both sides.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{
    Router,
    extract::Request,
    response::{IntoResponse as _, Response},
    routing::any,
};
use farthing_core::{memory::MemoryBackend, payment::SettlePolicy, port::backend::Backend};
use farthing_server::{Options, Route, layer::PaymentLayer};
use farthing_testkit::{
    clock::FakeClock,
    method::{FakeCharge, FakePayer, FakeRail, account},
};

use super::{PRICE, Shop, challenges, kind, problem, receipt, sign_with};

pub const FUNDS: u128 = 1_000_000;

/// A shop that is paid on the fake rail only.
pub struct FakeShop {
    pub shop: Shop,
    pub rail: Arc<FakeRail>,
    pub charge: Arc<FakeCharge>,
    pub payer: FakePayer,
}

impl FakeShop {
    pub async fn open(policy: SettlePolicy) -> Self {
        Self::open_limited(policy, None).await
    }

    pub async fn open_limited(policy: SettlePolicy, limit: Option<u128>) -> Self {
        Self::open_on(Arc::new(MemoryBackend::new()), policy, limit).await
    }

    pub async fn open_on(
        backend: Arc<dyn Backend>,
        policy: SettlePolicy,
        limit: Option<u128>,
    ) -> Self {
        let limited = |charge: FakeCharge| match limit {
            Some(limit) => charge.limited("in flight", limit, false),
            None => charge,
        };
        let route = Route::priced("$0.002").unwrap().settle(policy);
        Self::selling(backend, limited, route, |_| None).await
    }

    /// A shop with a method and a route of the test's own. What the handler does beside answering
    /// "sunny" is `handle`'s: it may answer in its place.
    pub async fn selling(
        backend: Arc<dyn Backend>,
        configure: impl FnOnce(FakeCharge) -> FakeCharge,
        route: Route,
        handle: impl Fn(&Request) -> Option<Response> + Clone + Send + Sync + 'static,
    ) -> Self {
        let clock = FakeClock::at(super::start_time());
        let rail = Arc::new(FakeRail::new(Arc::new(clock)));
        rail.deposit(&account("buyer"), FUNDS);
        let charge = FakeCharge::new(Arc::clone(&rail), &account("seller"));
        let charge = Arc::new(configure(charge));
        let method = Arc::clone(&charge);
        let mut options = Options::default();
        options.rail_deadline = Duration::from_millis(200);
        let shop = Shop::open_on(
            backend,
            |gate| gate.method(method).options(options),
            |shop| {
                let runs = Arc::clone(&shop.runs);
                let handler = move |request: Request| async move {
                    runs.fetch_add(1, Ordering::SeqCst);
                    handle(&request).unwrap_or_else(|| "sunny".into_response())
                };
                Router::new().route(
                    "/paid",
                    any(handler).layer(PaymentLayer::new(&shop.gate, route).unwrap()),
                )
            },
        )
        .await;
        let payer = FakePayer::new(Arc::clone(&rail), account("buyer"));
        Self {
            shop,
            rail,
            charge,
            payer,
        }
    }

    /// A credential of the fake method for the route.
    pub async fn credential(&self) -> String {
        let response = self
            .shop
            .get("/paid")
            .header("accept-payment", "fake/charge")
            .send()
            .await
            .unwrap();
        let challenge = challenges(&response).remove(0);
        assert_eq!(challenge.method.as_str(), "fake");
        sign_with(&self.payer, &challenge, self.shop.clock_now()).await
    }

    pub async fn present(&self, credential: &str) -> reqwest::Response {
        self.shop
            .get("/paid")
            .header("authorization", credential)
            .send()
            .await
            .unwrap()
    }

    /// Asserts what moved on the rail, to the unit on both sides.
    pub fn assert_moved(&self, times: u128) {
        let truth = self.rail.truth();
        let balances = (
            truth.balance("did:fake:buyer"),
            truth.balance("did:fake:seller"),
        );
        assert_eq!(balances, (FUNDS - times * PRICE, times * PRICE));
    }

    /// Presents a credential and expects a problem: its kind and what it says of the money.
    pub async fn refused(&self, credential: &str, status: u16, expect: &str, moved: Option<bool>) {
        let response = self.present(credential).await;
        assert_eq!(response.status(), status);
        let retry = response.headers().contains_key("retry-after");
        let problem = problem(response).await;
        assert_eq!(kind(&problem), expect, "{problem}");
        assert_eq!(problem["moneyMoved"].as_bool(), moved, "{problem}");
        assert_eq!(retry, status == 503, "{problem}");
    }

    pub async fn served(&self, credential: &str) {
        let response = self.present(credential).await;
        assert_eq!(response.status(), 200);
        assert!(receipt(&response).is_some());
        assert_eq!(response.text().await.unwrap(), "sunny");
        assert_eq!(self.shop.runs(), 1);
        self.assert_moved(1);
    }
}
