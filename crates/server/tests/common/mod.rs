//! A shop on loopback: a gate over the ledger, an axum router behind it, and a buyer with money.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test file uses its part of it"
)]

pub mod fake;

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::Router;
use farthing_core::{
    header::{authorization, www_authenticate},
    memory::MemoryBackend,
    noun::{Challenge, Credential, Receipt, Source},
    payment::State,
    port::{
        backend::Backend,
        payer::{Offer, Payer, Proof},
    },
    value::{Amount, CurrencyCode, Secret, Timestamp},
};
use farthing_ledger::{
    AccountKey, Accounts, Currencies, Funding, KeyType, Ledger, LedgerPayer, TransferId,
};
use farthing_server::{Event, Gate, GateBuilder, Route, layer::PaymentLayer};
use farthing_testkit::clock::FakeClock;

pub const PRICE: u128 = 2_000;
pub const FUNDS: u128 = 10_000_000;

/// What a test sells, and what it can see of it.
pub struct Shop {
    pub address: SocketAddr,
    pub gate: Gate,
    pub backend: Arc<dyn Backend>,
    pub clock: FakeClock,
    pub accounts: Accounts,
    pub buyer: Arc<LedgerPayer>,
    pub buyer_key: AccountKey,
    pub seller_key: AccountKey,
    pub runs: Arc<AtomicUsize>,
    pub events: Arc<Mutex<Vec<Event>>>,
    pub http: reqwest::Client,
}

/// Another package of this workspace may turn TLS on for all: it then wants its cryptography.
pub fn http_client() -> reqwest::ClientBuilder {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
}

pub fn dollar() -> CurrencyCode {
    CurrencyCode::new("usd6").unwrap()
}

pub fn key(seed: u8) -> AccountKey {
    AccountKey::from_seed(KeyType::Ed25519, [seed; 32]).unwrap()
}

pub fn start_time() -> Timestamp {
    Timestamp::from_secs(1_800_000_000)
}

impl Shop {
    /// A shop with one route, `/paid`, whose handler answers "sunny".
    pub async fn open(route: Route) -> Self {
        Self::open_with(|shop| {
            let runs = Arc::clone(&shop.runs);
            let handler = move || async move {
                runs.fetch_add(1, Ordering::SeqCst);
                "sunny"
            };
            Router::new().route(
                "/paid",
                axum::routing::any(handler).layer(PaymentLayer::new(&shop.gate, route).unwrap()),
            )
        })
        .await
    }

    /// A shop with a router of the test's own.
    pub async fn open_with(app: impl FnOnce(&Self) -> Router) -> Self {
        Self::open_on(Arc::new(MemoryBackend::new()), |gate| gate, app).await
    }

    pub async fn open_on(
        backend: Arc<dyn Backend>,
        configure: impl FnOnce(GateBuilder) -> GateBuilder,
        app: impl FnOnce(&Self) -> Router,
    ) -> Self {
        farthing_testkit::trace::start();
        let (buyer_key, seller_key) = (key(1), key(2));
        let clock = FakeClock::at(start_time());
        let events = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&events);
        let builder = Gate::builder()
            .realm("127.0.0.1")
            .secret(Secret::new(vec![7; 32]))
            .store(Arc::clone(&backend))
            .clock(Arc::new(clock.clone()))
            .method(Arc::new(Ledger::new(seller_key.account().clone())))
            .observer(move |event| seen.lock().unwrap().push(event.clone()));
        let gate = configure(builder).build().unwrap();
        let accounts = Accounts::new(Arc::clone(&backend), Currencies::default());
        let deposit = Funding {
            id: TransferId::new("opening").unwrap(),
            account: buyer_key.account().clone(),
            currency: dollar(),
            amount: Amount::new(FUNDS),
            at: start_time(),
        };
        accounts.deposit(&deposit).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shop = Self {
            address: listener.local_addr().unwrap(),
            gate,
            backend,
            clock,
            accounts,
            buyer: Arc::new(LedgerPayer::new(key(1))),
            buyer_key,
            seller_key,
            runs: Arc::default(),
            events,
            http: http_client()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap(),
        };
        let app = app(&shop).into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        shop
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }

    /// Pays for a request: asks, signs, asks again.
    pub async fn pay(&self, request: impl Fn() -> reqwest::RequestBuilder) -> reqwest::Response {
        let credential = self.sign_for(request()).await;
        request()
            .header("authorization", credential)
            .send()
            .await
            .unwrap()
    }

    /// The states the gate reported, oldest first.
    pub fn states(&self) -> Vec<State> {
        let events = self.events.lock().unwrap();
        events
            .iter()
            .filter_map(|event| {
                if let Event::Payment(p) = event {
                    Some(p.state)
                } else {
                    None
                }
            })
            .collect()
    }

    /// Waits until a payment came into a state; what happens after a response went out happens
    /// in a task of the gate's.
    pub async fn reached(&self, state: State) {
        for _ in 0..500 {
            if self.states().contains(&state) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never {state:?}: {:?}", self.states());
    }

    pub fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.http.get(self.url(path))
    }

    /// Asks without paying and signs what is offered first.
    pub async fn sign_for(&self, request: reqwest::RequestBuilder) -> String {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 402);
        let challenge = challenges(&response).remove(0);
        self.sign(&challenge).await
    }

    /// Signs a challenge with the buyer's key.
    pub async fn sign(&self, challenge: &Challenge) -> String {
        sign_with(&*self.buyer, challenge, self.clock_now()).await
    }

    pub fn clock_now(&self) -> Timestamp {
        use farthing_core::port::clock::Clock;
        self.clock.now()
    }

    /// What buyer and seller have, and what of the buyer's is held.
    pub async fn balances(&self) -> (u128, u128, u128) {
        let of = |key: &AccountKey| {
            let account = key.account().clone();
            async move { self.accounts.balance(&account, &dollar()).await.unwrap() }
        };
        let (buyer, seller) = (of(&self.buyer_key).await, of(&self.seller_key).await);
        (
            buyer.available.units(),
            seller.available.units(),
            buyer.held.units(),
        )
    }

    /// Asserts that so many payments of the usual price moved, to the unit on both sides.
    pub async fn assert_paid(&self, times: u128) {
        self.assert_moved(times * PRICE).await;
    }

    pub async fn assert_moved(&self, amount: u128) {
        assert_eq!(self.balances().await, (FUNDS - amount, amount, 0));
    }
}

pub async fn sign_with(payer: &dyn Payer, challenge: &Challenge, now: Timestamp) -> String {
    let request = challenge.request.decode().unwrap();
    let offer = Offer {
        challenge: challenge.clone(),
        request,
    };
    let Proof {
        payload, source, ..
    } = payer.sign(&offer, now).await.unwrap();
    let source = source.map(|did| Source::new(did.as_str()).unwrap());
    farthing_testkit::trace::plant(payload.get());
    let credential = authorization::format(&Credential {
        challenge: challenge.clone(),
        source,
        payload,
    });
    farthing_testkit::trace::plant(credential.trim_start_matches("Payment "));
    credential
}

/// The challenges of a response. All of them have to be readable.
pub fn challenges(response: &reqwest::Response) -> Vec<Challenge> {
    let lines = response.headers().get_all("www-authenticate").iter();
    www_authenticate::parse(lines.map(|line| line.as_bytes()))
        .into_iter()
        .map(Result::unwrap)
        .collect()
}

pub fn receipt(response: &reqwest::Response) -> Option<Receipt> {
    let line = response.headers().get("payment-receipt")?;
    Some(farthing_core::header::payment_receipt::parse(line.as_bytes()).unwrap())
}

/// The problem of a response, as JSON.
pub async fn problem(response: reqwest::Response) -> serde_json::Value {
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert!(receipt(&response).is_none(), "a receipt goes only on a 2xx");
    let status = response.status().as_u16();
    let problem: serde_json::Value =
        serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    assert_eq!(problem["status"], status);
    problem
}

pub fn kind(problem: &serde_json::Value) -> &str {
    problem["type"]
        .as_str()
        .unwrap()
        .rsplit(['/', ':'])
        .next()
        .unwrap()
}
