//! A shop on loopback that sells streams.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, extract::Query, routing::get};
use bytes::Bytes;
use farthing_core::{
    domain::channels::Channels,
    encoding::sse::Event,
    intent::session::{Balance, ChannelId, Protocol},
    memory::MemoryBackend,
    port::backend::Backend,
    value::{Did, Secret, Timestamp},
};
use farthing_server::{
    Gate, Route,
    layer::PaymentLayer,
    session::{Meter, Metering, Piece, StreamBody},
};
use farthing_testkit::{
    clock::FakeClock,
    method::{self, FakeReserve, FakeSession},
};
use futures_util::{Stream, StreamExt, stream};
use http::Response;
use tokio::{sync::mpsc, task::JoinHandle};

/// What a word costs.
pub(crate) const PRICE: u128 = 3;

pub(crate) struct Shop {
    pub(crate) address: SocketAddr,
    pub(crate) gate: Gate,
    pub(crate) reserve: Arc<FakeReserve>,
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) payee: Did,
    pub(crate) clock: FakeClock,
    /// Says a word of `/dictated`.
    pub(crate) dictate: Dictation,
    serving: JoinHandle<()>,
}

/// Where a test says what a stream says next.
#[derive(Clone, Default)]
pub(crate) struct Dictation(Arc<Mutex<Option<Saying>>>);

type Saying = mpsc::Sender<Result<Event, std::io::Error>>;

impl Dictation {
    fn begin(&self) -> impl Stream<Item = Result<Piece<Event>, std::io::Error>> + use<> {
        let (send, said) = mpsc::channel(1);
        *self.0.lock().unwrap() = Some(send);
        stream::unfold(said, |mut said| async {
            let event = said.recv().await?;
            Some((event.map(|event| Piece::new(1, event)), said))
        })
    }

    pub(crate) fn sender(&self) -> Saying {
        self.0.lock().unwrap().clone().unwrap()
    }

    pub(crate) async fn say(&self, word: &str) {
        self.sender().send(Ok(Event::data(word))).await.unwrap();
    }

    /// No word comes any more.
    pub(crate) fn end(&self) {
        self.0.lock().unwrap().take();
    }
}

#[derive(serde::Deserialize)]
struct Asked {
    text: String,
}

/// Any text, by the word.
async fn text(meter: Meter, Query(asked): Query<Asked>) -> Response<StreamBody> {
    let words: Vec<String> = asked.text.split(' ').map(str::to_owned).collect();
    let pieces = words
        .into_iter()
        .map(|word| Ok::<_, Infallible>(Piece::new(1, Event::data(word))));
    meter.stream().sse(stream::iter(pieces))
}

/// More than any reader reads: each piece has 64 KiB.
async fn flood(meter: Meter) -> Response<StreamBody> {
    let piece = || Ok::<_, Infallible>(Piece::new(1, Event::data("x".repeat(64 * 1024))));
    let stream = meter.stream().patience(Duration::from_millis(200));
    stream.sse(stream::repeat_with(piece))
}

async fn plain(meter: Meter, Query(asked): Query<Asked>) -> Response<StreamBody> {
    let pieces = asked.text.into_bytes().into_iter();
    let pieces = pieces.map(|byte| Ok::<_, Infallible>(Piece::new(1, Bytes::from(vec![byte]))));
    meter.stream().bytes(stream::iter(pieces))
}

/// What is not streamed and charged all the same.
async fn counted(meter: Meter, Query(asked): Query<Asked>) -> Result<String, http::StatusCode> {
    let words = asked.text.split(' ').count() as u64;
    let charged = meter.charge(words).await;
    charged.map_err(|_| http::StatusCode::SERVICE_UNAVAILABLE)?;
    match asked.text.contains("fail") {
        true => Err(http::StatusCode::INTERNAL_SERVER_ERROR),
        false => Ok(asked.text.to_uppercase()),
    }
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::waiting(Duration::from_secs(60)).await
    }

    /// One whose streams wait so long for a voucher.
    pub(crate) async fn waiting(voucher_within: Duration) -> Self {
        farthing_testkit::trace::start();
        let clock = FakeClock::at(Timestamp::from_secs(1_800_000_000));
        let reserve = Arc::new(FakeReserve::new(Arc::new(clock.clone())));
        let backend = Arc::new(MemoryBackend::new());
        Self::on(voucher_within, clock, backend, reserve).await
    }

    /// Another process on the same store and the same rail.
    pub(crate) async fn beside(&self) -> Self {
        let (clock, within) = (self.clock.clone(), Duration::from_secs(60));
        Self::on(within, clock, self.backend.clone(), self.reserve.clone()).await
    }

    async fn on(
        voucher_within: Duration,
        clock: FakeClock,
        backend: Arc<dyn Backend>,
        reserve: Arc<FakeReserve>,
    ) -> Self {
        let payee = method::account("shop");
        let rail = FakeSession::new(reserve.clone(), &payee, Protocol::V2);
        let gate = Gate::builder()
            .realm("127.0.0.1")
            .secret(Secret::new(vec![7; 32]))
            .store(backend.clone())
            .clock(Arc::new(clock.clone()))
            .session(Arc::new(rail))
            .build()
            .unwrap();
        let dictate = Dictation::default();
        let dictated = {
            let dictate = dictate.clone();
            move |meter: Meter| async move { meter.stream().sse(dictate.begin()) }
        };
        let price = PaymentLayer::new(&gate, route(voucher_within)).unwrap();
        let app = Router::new()
            .route("/text", get(text))
            .route("/dictated", get(dictated))
            .route("/flood", get(flood))
            .route("/plain", get(plain))
            .route("/counted", get(counted))
            .layer(price);
        #[cfg(feature = "websocket")]
        let app = app.route_service("/echo", echo(&gate, voucher_within));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            address,
            gate,
            reserve,
            backend,
            payee,
            clock,
            dictate,
            serving,
        }
    }

    /// What was charged on a channel for good, once all that is under way has ended.
    pub(crate) async fn books(&self, id: &ChannelId) -> Balance {
        let channels = Channels::new(self.backend.clone());
        channels
            .load(id)
            .await
            .unwrap()
            .unwrap()
            .channel()
            .balance()
    }

    /// Waits until so much is charged: what is given back is given back after the last word.
    pub(crate) async fn comes_to(&self, id: &ChannelId, spent: u128) {
        for _ in 0..500 {
            if self.books(id).await.spent.units() == spent {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(self.books(id).await.spent.units(), spent);
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn route(voucher_within: Duration) -> Route {
    let price = format!("$0.00000{PRICE}");
    let metering = Metering::by_use(&price, "word").unwrap();
    // Nothing is looked for beforehand: what is missing is told while it streams.
    Route::metered(metering.estimate(0).voucher_within(voucher_within))
}

/// Says again what it hears.
#[cfg(feature = "websocket")]
fn echo(
    gate: &Gate,
    voucher_within: Duration,
) -> farthing_server::session::socket::PaidSocket<
    impl Fn(
        farthing_server::session::socket::Heard,
    ) -> stream::BoxStream<'static, Result<Piece<String>, Infallible>>
    + Send
    + Sync
    + 'static,
> {
    use farthing_server::session::socket::{Heard, PaidSocket, SocketOptions};
    let mut options = SocketOptions::default();
    options.challenge_after = Duration::from_millis(50);
    let handler = |heard: Heard| {
        heard
            .take_while(|said| std::future::ready(said != "bye"))
            .map(|said| {
                let said = said
                    .as_str()
                    .map_or_else(|| said.to_string(), str::to_owned);
                Ok(Piece::new(1, said))
            })
            .boxed()
    };
    PaidSocket::tuned(gate, route(voucher_within), handler, options).unwrap()
}
