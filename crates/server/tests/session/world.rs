//! A shop on loopback that is paid out of channels on a fake reserve, and a buyer with one.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, routing::any};
use farthing_core::{
    domain::channels::Channels,
    header::{authorization, payment_receipt, www_authenticate},
    intent::session::{Balance, ChannelId, Protocol, SESSION},
    memory::MemoryBackend,
    noun::{Challenge, Credential, problem::Problem, session::SessionReceipt},
    port::backend::Backend,
    value::{Amount, Did, Secret, Timestamp},
};
use farthing_server::{Gate, GateBuilder, Route, layer::PaymentLayer, session::SessionOptions};
use farthing_testkit::{
    clock::FakeClock,
    method::{FakeDescriptor, FakeReserve, FakeSession, FakeSessionPayload, account},
};
use serde_json::value::RawValue;

/// What a request costs, in base units.
pub(crate) const PRICE: u128 = 100;
/// What a buyer locks.
pub(crate) const DEPOSIT: u128 = 10_000;
pub(crate) const START: Timestamp = Timestamp::from_secs(1_800_000_000);

pub(crate) struct Shop {
    pub(crate) address: SocketAddr,
    pub(crate) gate: Gate,
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) clock: FakeClock,
    pub(crate) reserve: Arc<FakeReserve>,
    pub(crate) runs: Arc<AtomicUsize>,
    pub(crate) http: reqwest::Client,
    pub(crate) protocol: Protocol,
}

/// Somebody with a channel, and a challenge to use it with.
#[derive(Clone)]
pub(crate) struct Buyer {
    pub(crate) channel: FakeDescriptor,
    pub(crate) challenge: Challenge,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn payee() -> Did {
    account("shop")
}

pub(crate) fn route() -> Route {
    Route::session("$0.0001").unwrap()
}

/// The parts that a test may want to be other than usual.
pub(crate) struct Parts {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) reserve: Option<Arc<FakeReserve>>,
    pub(crate) clock: FakeClock,
    pub(crate) options: SessionOptions,
    pub(crate) protocol: Protocol,
    pub(crate) configure: Box<dyn FnOnce(GateBuilder) -> GateBuilder>,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            backend: Arc::new(MemoryBackend::new()),
            reserve: None,
            clock: FakeClock::at(START),
            options: SessionOptions::default(),
            protocol: Protocol::V2,
            configure: Box::new(|gate| gate),
        }
    }
}

impl Shop {
    /// A shop with one route, `/paid`, whose handler answers "sunny".
    pub(crate) async fn open() -> Self {
        Self::selling(route()).await
    }

    pub(crate) async fn selling(route: Route) -> Self {
        Self::with(Parts::default(), route).await
    }

    pub(crate) async fn with(parts: Parts, route: Route) -> Self {
        Self::made(parts, |gate, runs| {
            let handler = move || async move {
                runs.fetch_add(1, Ordering::SeqCst);
                "sunny"
            };
            let price = PaymentLayer::new(gate, route).unwrap();
            Router::new().route("/paid", any(handler).layer(price))
        })
        .await
    }

    pub(crate) async fn made(
        parts: Parts,
        app: impl FnOnce(&Gate, Arc<AtomicUsize>) -> Router,
    ) -> Self {
        farthing_testkit::trace::start();
        let clock = parts.clock;
        let reserve = parts
            .reserve
            .unwrap_or_else(|| Arc::new(FakeReserve::new(Arc::new(clock.clone()))));
        let session = FakeSession::new(Arc::clone(&reserve), &payee(), parts.protocol);
        let builder = Gate::builder()
            .realm("127.0.0.1")
            .secret(Secret::new(vec![7; 32]))
            .store(Arc::clone(&parts.backend))
            .clock(Arc::new(clock.clone()))
            .session(Arc::new(session))
            .sessions(parts.options);
        let gate = (parts.configure)(builder).build().unwrap();
        let runs = Arc::new(AtomicUsize::new(0));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = app(&gate, Arc::clone(&runs)).into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        Self {
            address,
            gate,
            backend: parts.backend,
            clock,
            reserve,
            runs,
            http,
            protocol: parts.protocol,
        }
    }

    pub(crate) fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The challenge of a session that `/paid` asks for.
    pub(crate) async fn challenge(&self, path: &str) -> Challenge {
        let answer = self.ask(self.http.get(self.url(path))).await;
        assert_eq!(answer.status, 402);
        answer.challenge()
    }

    pub(crate) async fn ask(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.bytes().await.unwrap().to_vec(),
        }
    }

    /// A buyer whose channel is open, and holds the deposit.
    pub(crate) async fn buyer(&self, name: &str) -> Buyer {
        self.buyer_with(name, DEPOSIT).await
    }

    pub(crate) async fn buyer_with(&self, name: &str, deposit: u128) -> Buyer {
        let buyer = self.stranger(name).await;
        self.reserve.deposit(&buyer.channel.payer, deposit);
        let lock = buyer.channel.opening(Amount::new(deposit), Timestamp::FAR);
        let open = FakeSessionPayload::open(&buyer.channel, &lock, Amount::ZERO);
        let answer = self.manage(&buyer, &open.raw()).await;
        assert_eq!(answer.status, 204, "{answer:?}");
        buyer
    }

    /// One who has no channel yet.
    pub(crate) async fn stranger(&self, name: &str) -> Buyer {
        Buyer {
            channel: FakeDescriptor::new(&account(name), &payee(), self.protocol, name),
            challenge: self.challenge("/paid").await,
        }
    }

    /// Presents a payload with a POST that asks for nothing.
    pub(crate) async fn manage(&self, buyer: &Buyer, payload: &RawValue) -> Answer {
        let request = self.http.post(self.url("/paid"));
        self.ask(request.header("authorization", buyer.credential(payload)))
            .await
    }

    /// Buys with a voucher that says so much in all.
    pub(crate) async fn buy(&self, buyer: &Buyer, cumulative: u128) -> Answer {
        self.present(buyer, &buyer.voucher(cumulative)).await
    }

    pub(crate) async fn present(&self, buyer: &Buyer, payload: &RawValue) -> Answer {
        let request = self.http.get(self.url("/paid"));
        self.ask(request.header("authorization", buyer.credential(payload)))
            .await
    }

    /// Lets the gate hear what is new on the rail.
    pub(crate) async fn look_around(&self) {
        self.reserve.mine();
        let till = self.gate.sessions().unwrap().till();
        let method = farthing_testkit::method::method();
        till.look_around(&method).await.unwrap();
    }

    /// Waits until so much is spent of a channel: what ends a stream goes on behind its answer.
    pub(crate) async fn until_spent(&self, buyer: &Buyer, spent: u128) {
        let there = async {
            while self.balance(&buyer.id()).await.spent != Amount::new(spent) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), there).await;
        assert!(waited.is_ok(), "{:?}", self.balance(&buyer.id()).await);
    }

    /// What the store says of a channel.
    pub(crate) async fn balance(&self, channel: &ChannelId) -> Balance {
        let channels = Channels::new(Arc::clone(&self.backend));
        let held = channels.load(channel).await.unwrap().unwrap();
        held.channel().balance()
    }
}

impl Buyer {
    pub(crate) fn id(&self) -> ChannelId {
        self.channel.id()
    }

    pub(crate) fn voucher(&self, cumulative: u128) -> Box<RawValue> {
        FakeSessionPayload::voucher(&self.channel, Amount::new(cumulative)).raw()
    }

    pub(crate) fn credential(&self, payload: &RawValue) -> String {
        authorization::format(&Credential {
            challenge: self.challenge.clone(),
            payload: payload.to_owned(),
            source: None,
        })
    }
}

impl Answer {
    /// The session that is asked for.
    pub(crate) fn challenge(&self) -> Challenge {
        let lines = self.headers.get_all("www-authenticate").iter();
        www_authenticate::parse(lines.map(|line| line.as_bytes()))
            .into_iter()
            .filter_map(Result::ok)
            .find(|challenge| challenge.intent.as_str() == SESSION)
            .expect("a session is asked for")
    }

    pub(crate) fn asks_for_a_session(&self) -> bool {
        let lines = self.headers.get_all("www-authenticate").iter();
        www_authenticate::parse(lines.map(|line| line.as_bytes()))
            .into_iter()
            .filter_map(Result::ok)
            .any(|challenge| challenge.intent.as_str() == SESSION)
    }

    pub(crate) fn problem(&self) -> Problem {
        Problem::parse(&self.body, self.status).unwrap()
    }

    /// The last part of the problem's type.
    pub(crate) fn kind(&self) -> String {
        let problem = self.problem();
        let uri = problem.uri().to_owned();
        let (_, name) = uri
            .split_once("problems/")
            .or_else(|| uri.split_once("problem:"))
            .unwrap_or(("", &uri));
        name.to_owned()
    }

    pub(crate) fn receipt(&self) -> SessionReceipt {
        let header = self.headers.get("payment-receipt").expect("a receipt");
        SessionReceipt::read(&payment_receipt::parse(header.as_bytes()).unwrap()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}
