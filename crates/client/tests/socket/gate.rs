//! Against the real gate: both sides' books and the rail agree to the unit.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use farthing_client::{Client, Error, Policy, SessionFault, SocketFault, Standing};
use farthing_core::{
    domain::channels::Channels,
    intent::session::{Balance, Protocol},
    memory::MemoryBackend,
    noun::{session::Cut, socket::Form},
    port::backend::Backend,
    value::Secret,
};
use farthing_server::{
    Gate, Route,
    session::{
        Metering, Piece,
        socket::{Heard, PaidSocket},
    },
};
use farthing_testkit::method::{self, FakeReserve, FakeSession, FakeSessionPayer};
use futures_util::{Stream, StreamExt, stream};
use tokio::task::JoinHandle;

use super::{
    WEALTH, WORD, client, close,
    common::{StillClock, price},
    counts, generous, purse, rest, used,
};

const WORDS: [&str; 5] = ["the", "quick", "brown", "fox", "jumps"];

/// A seller of words on sockets, and a buyer.
struct Market {
    address: SocketAddr,
    reserve: Arc<FakeReserve>,
    books: Arc<dyn Backend>,
    kept: Arc<dyn Backend>,
    clock: Arc<StillClock>,
    gate: Gate,
    client: Client,
    serving: JoinHandle<()>,
}

impl Drop for Market {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

type Said = Result<Piece<String>, Infallible>;

fn piece(text: impl Into<String>) -> Said {
    Ok(Piece::new(1, text.into()))
}

fn echo(heard: Heard) -> impl Stream<Item = Said> {
    heard.map(|value| match value {
        serde_json::Value::String(text) => piece(text),
        other => piece(other.to_string()),
    })
}

fn words(_: Heard) -> impl Stream<Item = Said> {
    stream::iter(WORDS.map(piece))
}

/// As many words as anybody pays for, and some air between them.
fn ticks(_: Heard) -> impl Stream<Item = Said> {
    stream::unfold(0_u32, |count| async move {
        tokio::time::sleep(Duration::from_millis(1)).await;
        Some((piece(count.to_string()), count + 1))
    })
}

impl Market {
    async fn open(protocol: Protocol, policy: Policy) -> Self {
        farthing_testkit::trace::start();
        let clock = StillClock::new();
        let reserve = Arc::new(FakeReserve::new(clock.clone()));
        let (buyer, shop) = (method::account("buyer"), method::account("shop"));
        reserve.deposit(&buyer, WEALTH);
        let books: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        let rail = FakeSession::new(Arc::clone(&reserve), &shop, protocol);
        let gate = Gate::builder()
            .realm("127.0.0.1")
            .secret(Secret::new(vec![7; 32]))
            .store(Arc::clone(&books))
            .clock(clock.clone())
            .session(Arc::new(rail))
            .build()
            .unwrap();
        let route = || {
            let metering = Metering::by_use("$0.001", "word").unwrap();
            Route::metered(metering.voucher_within(Duration::from_secs(5)))
        };
        let short = Metering::by_use("$0.001", "word").unwrap();
        let short = Route::metered(short.suggested_deposit("$0.002").unwrap());
        let app = Router::new()
            .route_service("/short", PaidSocket::new(&gate, short, words).unwrap())
            .route_service("/echo", PaidSocket::new(&gate, route(), echo).unwrap())
            .route_service("/words", PaidSocket::new(&gate, route(), words).unwrap())
            .route_service("/ticks", PaidSocket::new(&gate, route(), ticks).unwrap());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = app.into_make_service_with_connect_info::<SocketAddr>();
        let serving = tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        let kept: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        let payer = Arc::new(FakeSessionPayer::new(Arc::clone(&reserve), &buyer));
        let client = client(payer, &kept, &clock, policy);
        Self {
            address,
            reserve,
            books,
            kept,
            clock,
            gate,
            client,
            serving,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    /// The buyer's store in another process.
    fn again(&self) -> Client {
        let account = method::account("buyer");
        let payer = FakeSessionPayer::new(Arc::clone(&self.reserve), &account).in_run("again");
        client(Arc::new(payer), &self.kept, &self.clock, generous())
    }

    async fn balance(&self) -> Balance {
        let id = purse(&self.client).await.channel.unwrap();
        let channels = Channels::new(Arc::clone(&self.books));
        let held = channels.load(&id).await.unwrap().unwrap();
        held.channel().balance()
    }

    /// Waits until nothing is under way at the seller's any more: what it charged, and for what it has
    /// vouchers.
    async fn settles(&self) -> (u128, u128) {
        let mut before = self.balance().await.spent;
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let balance = self.balance().await;
            if balance.spent == before {
                return (balance.spent.units(), balance.accepted.units());
            }
            before = balance.spent;
        }
    }

    /// The rail after the close: the seller has so much, and the buyer all the rest.
    fn paid_out(&self, amount: u128) {
        let truth = self.reserve.truth();
        let has = |name| truth.balance(method::account(name).as_str());
        assert_eq!((has("shop"), has("buyer")), (amount, WEALTH - amount));
    }
}

/// In each protocol and each form.
async fn each() -> Vec<(Market, Form)> {
    let mut all = Vec::new();
    for protocol in [Protocol::V1, Protocol::V2] {
        for form in [Form::Mpp, Form::Type] {
            all.push((Market::open(protocol, generous()).await, form));
        }
    }
    all
}

#[tokio::test]
async fn a_socket_is_paid_by_the_word_and_closed_to_the_unit() {
    for (market, form) in each().await {
        let opened = market.client.socket(market.url("/words")).form(form).await;
        let mut socket = opened.unwrap();
        assert_eq!(socket.form(), form);
        assert_eq!(socket.paid().standing, Standing::Paid);
        let (words, error) = rest(&mut socket).await;
        assert!(error.is_none(), "{error:?}");
        assert_eq!(words, WORDS);
        let bill = socket.close().await;
        assert_eq!((bill.cost().units(), bill.cut()), (5 * WORD, None));
        assert_eq!(
            (bill.trouble(), bill.receipt().unwrap().units),
            (None, Some(5))
        );
        assert_eq!(counts(&market.client).await, (5 * WORD, 5 * WORD, 0));
        assert_eq!(used(&market.client).await, 5 * WORD);
        assert_eq!(market.settles().await, (5 * WORD, 5 * WORD));
        assert_eq!(close(&market.client).await, 5 * WORD);
        market.paid_out(5 * WORD);
    }
}

#[tokio::test]
async fn what_is_said_is_heard_and_answered_and_one_channel_does() {
    for (market, form) in each().await {
        for round in 1..=2 {
            let opened = market.client.socket(market.url("/echo")).form(form).await;
            let mut socket = opened.unwrap();
            for word in ["roses", "are", "red"] {
                socket.send(word).await.unwrap();
                assert_eq!(socket.message().await.unwrap().as_deref(), Some(word));
            }
            assert_eq!(socket.bill().cost().units(), 3 * WORD);
            socket.close().await;
            assert_eq!(market.settles().await.0, round * 3 * WORD);
        }
        let (signed, owed, _) = counts(&market.client).await;
        assert_eq!((signed, owed), (6 * WORD, 6 * WORD), "{form:?}");
        assert_eq!(close(&market.client).await, 6 * WORD);
        market.paid_out(6 * WORD);
    }
}

#[tokio::test]
async fn the_form_is_found_out() {
    let market = Market::open(Protocol::V2, generous()).await;
    let mut socket = market.client.socket(market.url("/words")).await.unwrap();
    assert_eq!(socket.form(), Form::Mpp);
    assert_eq!(rest(&mut socket).await.0, WORDS);
    // An address of HTTP is one as well.
    let http = market.url("/words").replace("ws://", "http://");
    let mut socket = market.client.socket(http).await.unwrap();
    assert_eq!(rest(&mut socket).await.0, WORDS);
}

#[tokio::test]
async fn who_leaves_pays_for_what_was_delivered() {
    for protocol in [Protocol::V1, Protocol::V2] {
        let market = Market::open(protocol, generous()).await;
        let mut socket = market.client.socket(market.url("/ticks")).await.unwrap();
        for count in 0..7 {
            assert_eq!(socket.message().await.unwrap(), Some(count.to_string()));
        }
        let bill = socket.close().await;
        // Its last receipt says what it cost; some words were on their way.
        let (spent, accepted) = market.settles().await;
        assert!(spent >= 7 * WORD, "{spent}");
        assert_eq!(bill.cost().units(), spent);
        let (signed, owed, unsure) = counts(&market.client).await;
        assert_eq!((owed, unsure), (spent, 0));
        assert_eq!(signed, accepted);
        assert_eq!(close(&market.client).await, spent);
        market.paid_out(spent);
    }
}

#[tokio::test]
async fn a_buyer_that_dies_leaves_books_that_the_next_receipt_rights() {
    for (market, form) in each().await {
        // All that it has under way dies with its runtime, in the middle of whatever it does.
        let dying = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (client, url) = (market.client.clone(), market.url("/ticks"));
        let (told, read) = tokio::sync::oneshot::channel();
        dying.spawn(async move {
            let mut socket = client.socket(url).form(form).await.unwrap();
            for _ in 0..5 {
                socket.message().await.unwrap().unwrap();
            }
            told.send(()).unwrap();
            std::future::pending::<()>().await;
        });
        read.await.unwrap();
        dying.shutdown_background();

        let again = market.again();
        let (spent, accepted) = market.settles().await;
        let (signed, owed, _) = counts(&again).await;
        assert!(spent >= 5 * WORD && spent <= owed && owed <= signed);
        assert!(accepted <= signed);
        let mut socket = again.socket(market.url("/words")).form(form).await.unwrap();
        assert_eq!(rest(&mut socket).await.0, WORDS);
        socket.close().await;
        let (after, _) = market.settles().await;
        assert_eq!(after, spent + 5 * WORD);
        // What was signed last and not charged is the most that it is out of pocket, by the first protocol.
        let paid = close(&again).await;
        assert!(
            after <= paid && paid <= after + WORD,
            "{form:?}: {after} {paid}"
        );
        market.paid_out(paid);
    }
}

#[tokio::test]
async fn a_socket_ends_where_it_costs_more_than_one_request_may() {
    for form in [Form::Mpp, Form::Type] {
        let policy = generous().max_per_request(price("$0.003"));
        let market = Market::open(Protocol::V2, policy).await;
        let opened = market.client.socket(market.url("/words")).form(form).await;
        let mut socket = opened.unwrap();
        let (words, error) = rest(&mut socket).await;
        assert_eq!(words, WORDS[..3]);
        let Some(Error::Session(fault)) = error else {
            panic!("{error:?}")
        };
        assert!(matches!(*fault, SessionFault::Cap { .. }), "{fault:?}");
        let bill = socket.close().await;
        assert!(bill.trouble().unwrap().contains("0.004 USD"));
        assert_eq!(market.settles().await, (3 * WORD, 3 * WORD));
        assert_eq!(used(&market.client).await, 3 * WORD);
        assert_eq!(close(&market.client).await, 3 * WORD);
        market.paid_out(3 * WORD);
    }
}

#[tokio::test]
async fn a_deposit_that_is_out_is_topped_up_while_the_socket_waits() {
    for (market, form) in each().await {
        let opened = market.client.socket(market.url("/short")).form(form).await;
        let mut socket = opened.unwrap();
        let locked = purse(&market.client).await.deposit.units();
        assert!(locked < 5 * WORD, "{locked}");
        let (words, error) = rest(&mut socket).await;
        assert!(error.is_none(), "{error:?}");
        assert_eq!(words, WORDS);
        assert_eq!(socket.close().await.cost().units(), 5 * WORD);
        let locked = purse(&market.client).await.deposit.units();
        assert!(locked >= 5 * WORD, "{locked}");
        assert_eq!(close(&market.client).await, 5 * WORD);
        market.paid_out(5 * WORD);
    }
}

#[tokio::test]
async fn a_second_socket_of_a_channel_ends_the_first_with_its_receipt() {
    let market = Market::open(Protocol::V2, generous()).await;
    let mut first = market.client.socket(market.url("/echo")).await.unwrap();
    first.send("one").await.unwrap();
    assert_eq!(first.message().await.unwrap().as_deref(), Some("one"));
    let mut second = market.client.socket(market.url("/echo")).await.unwrap();
    assert!(first.message().await.unwrap().is_none());
    assert_eq!(first.close().await.cut(), Some(Cut::Replaced));
    second.send("two").await.unwrap();
    assert_eq!(second.message().await.unwrap().as_deref(), Some("two"));
    second.close().await;
    let (spent, _) = market.settles().await;
    assert_eq!((spent, close(&market.client).await), (2 * WORD, 2 * WORD));
    market.paid_out(2 * WORD);
}

#[tokio::test]
async fn a_seller_that_shuts_down_says_so_and_is_paid_to_the_unit() {
    let market = Market::open(Protocol::V2, generous()).await;
    let mut socket = market.client.socket(market.url("/echo")).await.unwrap();
    socket.send("one").await.unwrap();
    assert_eq!(socket.message().await.unwrap().as_deref(), Some("one"));
    let (rest, ()) = tokio::join!(rest(&mut socket), market.gate.drain());
    assert!(rest.0.is_empty() && rest.1.is_none(), "{rest:?}");
    let bill = socket.close().await;
    assert_eq!(
        (bill.cut(), bill.cost().units()),
        (Some(Cut::Stopped), WORD)
    );
    assert_eq!(counts(&market.client).await, (WORD, WORD, 0));
    assert_eq!(market.settles().await, (WORD, WORD));
}

#[tokio::test]
async fn what_would_be_read_as_a_payment_is_not_said() {
    let market = Market::open(Protocol::V2, generous()).await;
    for form in [Form::Mpp, Form::Type] {
        let opened = market.client.socket(market.url("/echo")).form(form).await;
        let mut socket = opened.unwrap();
        let scheme = r#"{"mpp":"payment-close-request"}"#;
        match form {
            Form::Mpp => {
                let error = socket.send(scheme).await.unwrap_err();
                let Error::Session(fault) = error else {
                    panic!("{error:?}")
                };
                assert!(matches!(*fault, SessionFault::Socket(SocketFault::Scheme)));
            }
            // It is wrapped, and only a text.
            Form::Type => {
                socket.send(scheme).await.unwrap();
                assert_eq!(socket.message().await.unwrap().as_deref(), Some(scheme));
            }
        }
        let large = "x".repeat(64 * 1024 + 1);
        let error = socket.send(large).await.unwrap_err();
        assert!(error.to_string().contains("65536 bytes"), "{error}");
        socket.send("on it goes").await.unwrap();
        assert_eq!(
            socket.message().await.unwrap().as_deref(),
            Some("on it goes")
        );
    }
}

#[tokio::test]
async fn what_is_no_socket_is_told_and_nothing_is_locked() {
    let market = Market::open(Protocol::V2, generous()).await;
    let error = market.client.socket(market.url("/none")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the server opens no WebSocket there: it answered 404 Not Found"
    );
    let error = market.client.socket("ftp://127.0.0.1/x").await.unwrap_err();
    assert!(matches!(error, Error::Request(_)), "{error:?}");
    let error = market.client.socket("ws://shop.example/").await;
    assert!(matches!(error, Err(Error::Refused(_))), "{error:?}");
    let all = market.client.sessions().list(None, 10).await.unwrap();
    assert!(all.is_empty(), "{all:?}");
    let truth = market.reserve.truth();
    assert_eq!(truth.balance(method::account("buyer").as_str()), WEALTH);
}
