//! The client against the real gate: both sides' books and the rail agree to the unit.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Bytes, routing::get};
use farthing_client::{Client, CloseHow, Closing, SessionFault, Stage, Standing};
use farthing_core::{
    domain::channels::Channels,
    encoding::sse::Event,
    header::www_authenticate,
    intent::session::{Balance, ChannelId, Protocol, SessionRequest},
    memory::MemoryBackend,
    noun::{Challenge, Expires, Request as ChallengeRequest},
    payment::Moved,
    port::{backend::Backend, clock::Clock as _, session::Session, session_payer::SessionPayer},
    value::{Amount, Currency, Secret},
};
use farthing_ledger::{
    AccountKey, Accounts, ChannelDescriptor, Currencies, Funding, KeyType, Ledger, LedgerPayer,
    LedgerSessionPayer, LedgerSessions, Salt, TransferId,
};
use farthing_server::{
    Gate, Route,
    layer::PaymentLayer,
    session::{Meter, Metering, Piece},
};
use farthing_testkit::method::{
    self, FakeCharge, FakePayer, FakeRail, FakeReserve, FakeSession, FakeSessionPayer,
};
use futures_util::stream;
use tokio::task::JoinHandle;

use super::{
    common::{StillClock, hasty},
    generous, is,
    shop::WORDS,
    used,
};

struct Market {
    address: SocketAddr,
    books: Arc<dyn Backend>,
    client: Client,
    runs: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl Drop for Market {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn layer(gate: &Gate, route: Route) -> PaymentLayer {
    PaymentLayer::new(gate, route).unwrap()
}

async fn words(meter: Meter) -> axum::response::Response {
    let pieces = WORDS.map(|word| Ok::<_, Infallible>(Piece::new(1, Event::data(word))));
    let response = meter.stream().sse(stream::iter(pieces));
    response.map(axum::body::Body::new)
}

/// The same as bytes, among which nobody can say what they cost.
async fn bytes(meter: Meter) -> axum::response::Response {
    let pieces = WORDS.map(|word| Ok::<_, Infallible>(Piece::new(1, Bytes::from(word))));
    let response = meter.stream().bytes(stream::iter(pieces));
    response.map(axum::body::Body::new)
}

/// What a page costs that is charged by use.
const PAGE: u64 = 3;

async fn page(meter: Meter) -> &'static str {
    meter.charge(PAGE).await.unwrap();
    "page"
}

fn by_word(estimate: u64) -> Route {
    Route::metered(
        Metering::by_use("$0.001", "word")
            .unwrap()
            .estimate(estimate),
    )
}

impl Market {
    async fn open(
        rail: Arc<dyn Session>,
        payer: Arc<dyn SessionPayer>,
        (books, clock): (Arc<dyn Backend>, Arc<StillClock>),
        configure: impl FnOnce(farthing_server::GateBuilder) -> farthing_server::GateBuilder,
        also: impl FnOnce(farthing_client::ClientBuilder) -> farthing_client::ClientBuilder,
    ) -> Self {
        farthing_testkit::trace::start();
        let gate = Gate::builder()
            .realm("127.0.0.1")
            .secret(Secret::new(vec![7; 32]))
            .store(Arc::clone(&books))
            .clock(clock.clone())
            .session(rail);
        let gate = configure(gate).build().unwrap();
        let runs: Arc<AtomicUsize> = Arc::default();
        let count = Arc::clone(&runs);
        let handler = move || async move {
            count.fetch_add(1, Ordering::SeqCst);
            "goods"
        };
        let fails = || async { http::StatusCode::INTERNAL_SERVER_ERROR };
        let either = Metering::per_request("$0.001").unwrap();
        let paid = || Route::session("$0.001").unwrap();
        let mut app = Router::new()
            .route("/goods", get(handler.clone()).layer(layer(&gate, paid())))
            .route("/fails", get(fails).layer(layer(&gate, paid())))
            .route("/words", get(words).layer(layer(&gate, by_word(1))))
            .route("/page", get(page).layer(layer(&gate, by_word(20))))
            .route("/text", get(words).layer(layer(&gate, by_word(20))))
            .route("/bytes", get(bytes).layer(layer(&gate, by_word(1))))
            .route("/file", get(bytes).layer(layer(&gate, by_word(20))))
            .route("/costly", get(page).layer(layer(&gate, by_word(101))));
        if let Ok(route) =
            PaymentLayer::new(&gate, Route::priced("$0.002").unwrap().with_session(either))
        {
            app = app.route("/either", get(handler).layer(route));
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = app.into_make_service_with_connect_info::<SocketAddr>();
        let serving = tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        let builder = Client::builder()
            .session_payer(payer)
            .policy(generous())
            .backend(Arc::new(MemoryBackend::new()))
            .clock(clock)
            .options(hasty());
        Self {
            address,
            books,
            client: also(builder).build().unwrap(),
            runs,
            serving,
        }
    }

    async fn fake(protocol: Protocol) -> (Self, Arc<FakeReserve>) {
        let clock = StillClock::new();
        let reserve = Arc::new(FakeReserve::new(clock.clone()));
        let (buyer, shop) = (method::account("buyer"), method::account("shop"));
        reserve.deposit(&buyer, super::WEALTH);
        let rail = Arc::new(FakeSession::new(Arc::clone(&reserve), &shop, protocol));
        let payer = Arc::new(FakeSessionPayer::new(Arc::clone(&reserve), &buyer));
        let books: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        let market = Self::open(rail, payer, (books, clock), |gate| gate, |client| client).await;
        (market, reserve)
    }

    /// Whose rail is the seller's own books: nobody else can look into it.
    async fn ledger() -> Self {
        let clock = StillClock::new();
        let store: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        let accounts = Accounts::new(Arc::clone(&store), Currencies::default());
        pay_in(&accounts, super::WEALTH, &clock).await;
        let ledger = Ledger::new(key(2).account().clone());
        let rail = LedgerSessions::new(ledger, Arc::clone(&store), clock.clone());
        let payer = LedgerSessionPayer::new(key(1));
        Self::open(
            Arc::new(rail),
            Arc::new(payer),
            (store, clock),
            |gate| gate,
            |client| client,
        )
        .await
    }

    async fn each() -> [Self; 3] {
        [
            Self::fake(Protocol::V1).await.0,
            Self::fake(Protocol::V2).await.0,
            Self::ledger().await,
        ]
    }

    /// Closes the one channel together: how much was paid out of it.
    async fn close(&self) -> u128 {
        let (purse, _) = self.channel().await;
        let sessions = self.client.sessions();
        let closed = sessions.close(purse.id, CloseHow::Together).await.unwrap();
        let Closing::Closed(purse) = closed else {
            panic!("{closed:?}")
        };
        purse.paid_out.unwrap().units()
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn get(&self, path: &str) -> farthing_client::Response {
        self.client.get(self.url(path)).send().await.unwrap()
    }

    async fn channel(&self) -> (farthing_client::Purse, ChannelId) {
        let purses = self.client.sessions().list(None, 9).await.unwrap();
        assert_eq!(purses.len(), 1);
        let channel = purses[0].channel.clone().unwrap();
        (purses[0].clone(), channel)
    }

    /// The seller's books of the one channel.
    async fn balance(&self) -> Balance {
        let (_, id) = self.channel().await;
        let channels = Channels::new(Arc::clone(&self.books));
        channels
            .load(&id)
            .await
            .unwrap()
            .unwrap()
            .channel()
            .balance()
    }

    /// Waits until the seller has charged so much, once what is under way has ended.
    async fn comes_to(&self, spent: u128) {
        for _ in 0..300 {
            if self.balance().await.spent.units() == spent {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(self.balance().await.spent.units(), spent);
    }
}

#[tokio::test]
async fn requests_one_by_one_and_sixty_four_at_once_and_then_the_close() {
    for protocol in [Protocol::V1, Protocol::V2] {
        let (market, reserve) = Market::fake(protocol).await;
        for _ in 0..3 {
            let answer = market.get("/goods").await;
            assert_eq!(answer.paid().unwrap().standing, Standing::Paid);
        }
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..64 {
            let call = market.client.get(market.url("/goods")).send();
            calls.spawn(async move { call.await.unwrap().text().await.unwrap() });
        }
        while let Some(done) = calls.join_next().await {
            assert_eq!(done.unwrap(), "goods");
        }
        assert_eq!(market.runs.load(Ordering::SeqCst), 67, "{protocol:?}");
        let balance = market.balance().await;
        assert_eq!(
            (balance.accepted.units(), balance.spent.units()),
            (67_000, 67_000)
        );
        let (purse, _) = market.channel().await;
        assert_eq!((purse.signed.units(), purse.owed.units()), (67_000, 67_000));
        let closed = market
            .client
            .sessions()
            .close(purse.id, CloseHow::Together)
            .await
            .unwrap();
        assert!(matches!(closed, Closing::Closed(_)), "{closed:?}");
        let truth = reserve.truth();
        assert_eq!(truth.balance(method::account("shop").as_str()), 67_000);
        assert_eq!(
            truth.balance(method::account("buyer").as_str()),
            super::WEALTH - 67_000
        );
    }
}

#[tokio::test]
async fn a_stream_is_paid_by_the_word() {
    for protocol in [Protocol::V1, Protocol::V2] {
        let (market, _) = Market::fake(protocol).await;
        let answer = market.get("/words").await;
        let bill = answer.bill().unwrap().clone();
        let text = answer.text().await.unwrap();
        let want: String = WORDS
            .iter()
            .map(|word| format!("data: {word}\n\n"))
            .collect();
        assert_eq!(text, want);
        assert_eq!((bill.cost(), bill.trouble()), (Amount::new(5_000), None));
        market.comes_to(5_000).await;
        market.get("/goods").await;
        let (purse, _) = market.channel().await;
        assert_eq!((purse.owed.units(), purse.dispute), (6_000, None));
    }
}

#[tokio::test]
async fn plain_bytes_are_owed_though_their_receipt_was_written_before_them() {
    for market in Market::each().await {
        // Its receipt shows that this seller's speak of the request they come with.
        market.get("/goods").await;
        // What the seller wants covered is signed for them, and they use a part of it.
        assert_eq!(
            market.get("/file").await.text().await.unwrap(),
            WORDS.concat()
        );
        market.comes_to(6_000).await;
        let (purse, _) = market.channel().await;
        assert!(purse.owed.units() >= 6_000, "{purse:?}");
        // They use what is left of it, beyond the unit that is counted for them.
        assert_eq!(
            market.get("/bytes").await.text().await.unwrap(),
            WORDS.concat()
        );
        market.comes_to(11_000).await;
        // The next one tells the truth, to whoever signed for no more.
        market.get("/goods").await;
        market.comes_to(12_000).await;
        let (purse, _) = market.channel().await;
        assert_eq!(
            (purse.owed.units(), purse.unsure.units(), purse.dispute),
            (12_000, 0, None)
        );
        assert_eq!(purse.signed.units(), 21_000);
        assert_eq!(market.close().await, 12_000);
    }
}

#[tokio::test]
async fn what_is_not_served_is_not_charged_and_pays_for_the_next() {
    let (market, _) = Market::fake(Protocol::V1).await;
    market.get("/goods").await;
    // It is the service's own answer, and its seller says beside it that it cost nothing.
    let answer = market.get("/fails").await;
    assert_eq!((answer.status().as_u16(), answer.paid()), (500, None));
    market.comes_to(1_000).await;
    market.get("/goods").await;
    market.comes_to(2_000).await;
    let (purse, _) = market.channel().await;
    assert_eq!(
        (
            purse.signed.units(),
            purse.owed.units(),
            purse.unsure.units()
        ),
        (2_000, 2_000, 0)
    );
}

#[tokio::test]
async fn a_request_by_use_signs_for_what_it_may_cost_and_owes_what_it_did() {
    for market in Market::each().await {
        // What opens the channel signs for one unit, and the seller wants twenty covered.
        for count in 1..=3 {
            let answer = market.get("/page").await;
            let (paid, bill) = (
                answer.paid().unwrap().clone(),
                answer.bill().unwrap().clone(),
            );
            assert_eq!(answer.text().await.unwrap(), "page");
            assert_eq!(
                (paid.standing, paid.amount.units()),
                (Standing::Paid, 3_000)
            );
            assert_eq!(bill.cost().units(), 3_000);
            let balance = market.balance().await;
            let (purse, _) = market.channel().await;
            // Of what was signed for the request before, all that it did not use is there for this one.
            let (signed, spent) = (17_000 + 3_000 * count, 3_000 * count);
            assert_eq!(
                (balance.accepted.units(), balance.spent.units()),
                (signed, spent)
            );
            assert_eq!(
                (
                    purse.signed.units(),
                    purse.owed.units(),
                    purse.unsure.units()
                ),
                (signed, spent, 0)
            );
            assert_eq!(purse.dispute, None);
        }
        // A request that costs a unit takes it from what is signed.
        market.get("/goods").await;
        market.comes_to(10_000).await;
        assert_eq!(market.balance().await.accepted.units(), 26_000);
        assert_eq!(market.close().await, 10_000);
    }
}

#[tokio::test]
async fn a_stream_by_use_begins_with_what_the_seller_wants_covered() {
    for market in Market::each().await {
        let answer = market.get("/text").await;
        let bill = answer.bill().unwrap().clone();
        answer.text().await.unwrap();
        assert_eq!((bill.cost(), bill.trouble()), (Amount::new(5_000), None));
        market.comes_to(5_000).await;
        assert_eq!(market.balance().await.accepted.units(), 20_000);
        let (purse, _) = market.channel().await;
        assert_eq!((purse.signed.units(), purse.owed.units()), (20_000, 5_000));
        assert_eq!(market.close().await, 5_000);
    }
}

#[tokio::test]
async fn a_seller_that_wants_more_covered_than_a_request_may_cost_gets_one_unit_signed() {
    for market in Market::each().await {
        for _ in 0..2 {
            let asked = market.client.get(market.url("/costly")).send();
            let error = asked.await.unwrap_err();
            assert_eq!(error.moved(), Moved::No);
            assert!(
                is(&error, |fault| matches!(fault, SessionFault::Cap { .. })),
                "{error:?}"
            );
            let (purse, _) = market.channel().await;
            assert_eq!(
                (purse.stage, purse.signed.units(), purse.owed.units()),
                (Stage::Open, 1_000, 0)
            );
            let balance = market.balance().await;
            assert_eq!(
                (balance.accepted.units(), balance.spent.units()),
                (1_000, 0)
            );
        }
        // What was signed pays for something else.
        market.get("/goods").await;
        market.comes_to(1_000).await;
        assert_eq!(market.balance().await.accepted.units(), 1_000);
        assert_eq!(market.close().await, 1_000);
    }
}

#[tokio::test]
async fn a_channel_whose_first_request_was_not_served_pays_for_the_next() {
    for market in Market::each().await {
        let answer = market.get("/fails").await;
        assert_eq!((answer.status().as_u16(), answer.paid()), (500, None));
        let (purse, first) = market.channel().await;
        assert_eq!((purse.stage, purse.signed.units()), (Stage::Open, 1_000));
        assert_eq!((purse.owed, purse.unsure), (Amount::ZERO, Amount::ZERO));
        market.comes_to(0).await;
        for spent in [1_000, 2_000] {
            let answer = market.get("/goods").await;
            assert_eq!(answer.paid().unwrap().standing, Standing::Paid);
            market.comes_to(spent).await;
        }
        assert_eq!(market.channel().await.1, first);
        // Nothing is signed for what was not served, and the close pays what was, to the unit.
        assert_eq!(market.channel().await.0.signed.units(), 2_000);
        assert_eq!(market.close().await, 2_000);
    }
}

#[tokio::test]
async fn a_payer_that_lost_its_books_proves_its_account_and_is_told_of_its_channel() {
    let clock = StillClock::new();
    let reserve = Arc::new(FakeReserve::new(clock.clone()));
    let money = Arc::new(FakeRail::new(clock.clone()));
    let (buyer, shop) = (method::account("buyer"), method::account("shop"));
    reserve.deposit(&buyer, super::WEALTH);
    let rail = FakeSession::new(Arc::clone(&reserve), &shop, Protocol::V2);
    let payer = |name: &str| {
        let account = method::account(name);
        Arc::new(FakeSessionPayer::new(Arc::clone(&reserve), &account).in_run("new"))
    };
    let charges = FakeCharge::new(Arc::clone(&money), &shop);
    let books: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    let market = Market::open(
        Arc::new(rail),
        payer("buyer"),
        (books, clock.clone()),
        |gate| gate.method(Arc::new(charges)),
        |client| client,
    )
    .await;
    market.get("/goods").await;
    let (known, _) = market.channel().await;

    let new = |name: &str, proves: bool| {
        let builder = Client::builder()
            .session_payer(payer(name))
            .policy(generous())
            .backend(Arc::new(MemoryBackend::new()))
            .clock(clock.clone())
            .options(hasty());
        let proof = FakePayer::new(Arc::clone(&money), method::account(name));
        let builder = match proves {
            true => builder.payer(proof),
            false => builder,
        };
        builder.build().unwrap()
    };
    let url = market.url("/goods");
    // Nobody is told who proves nothing, or is somebody else.
    for stranger in [new("buyer", false), new("mallory", true)] {
        assert!(stranger.sessions().recover(&url).await.unwrap().is_empty());
    }
    let client = new("buyer", true);
    let found = client.sessions().recover(&url).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    let purse = &found[0].purse;
    assert_eq!(
        (&purse.channel, &purse.realm),
        (&known.channel, &known.realm)
    );
    assert_eq!(
        (purse.stage, purse.deposit),
        (Stage::Closing, known.deposit)
    );
    assert_eq!(found[0].spent, Amount::new(1_000));
    assert!(client.sessions().recover(&url).await.unwrap().is_empty());
    // Proving it moved nothing, and is no payment.
    assert_eq!(money.truth().moved.len(), 0);
    assert!(client.pending(None, 9).await.unwrap().is_empty());
}

fn key(seed: u8) -> AccountKey {
    AccountKey::from_seed(KeyType::Ed25519, [seed; 32]).unwrap()
}

async fn pay_in(accounts: &Accounts, amount: u128, clock: &StillClock) {
    let deposit = Funding {
        id: TransferId::new("opening").unwrap(),
        account: key(1).account().clone(),
        currency: "usd6".parse().unwrap(),
        amount: Amount::new(amount),
        at: clock.now(),
    };
    accounts.deposit(&deposit).await.unwrap();
}

#[tokio::test]
async fn a_ledger_that_refuses_an_opening_for_good_is_shown_it_until_it_is_too_old() {
    let clock = StillClock::new();
    let store: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    let ledger = Ledger::new(key(2).account().clone());
    let rail = LedgerSessions::new(ledger, Arc::clone(&store), clock.clone());
    let market = Market::open(
        Arc::new(rail),
        Arc::new(LedgerSessionPayer::new(key(1))),
        (Arc::clone(&store), clock.clone()),
        |gate| gate,
        |client| client,
    )
    .await;
    let buy = || {
        market
            .client
            .get(format!("http://{}/goods", market.address))
    };
    let refused = async || {
        let error = buy().send().await.unwrap_err();
        assert_eq!(error.moved(), Moved::No, "{error:?}");
        assert!(
            is(&error, |fault| matches!(fault, SessionFault::Refused(_))),
            "{error:?}"
        );
    };
    let sessions = market.client.sessions();
    // There is no money. As long as it could be booked, what was signed is shown as it is, and counted.
    refused().await;
    let first = sessions.list(None, 9).await.unwrap()[0].clone();
    refused().await;
    let again = sessions.list(None, 9).await.unwrap()[0].clone();
    assert_eq!(
        (first.stage, &first.channel),
        (Stage::Opening, &again.channel)
    );
    assert_eq!(again.owed, Amount::ZERO);
    assert_eq!(used(&market.client, &usd()).await, 1_000);
    // Then it is given up with everything that was reserved for it, and the next is another one.
    clock.advance(Duration::from_secs(200));
    refused().await;
    let ended = sessions.ended(None, 9).await.unwrap();
    assert_eq!((ended.len(), ended[0].stage), (1, Stage::Lost));
    assert_eq!(ended[0].channel, first.channel);
    let second = sessions.list(None, 9).await.unwrap()[0].clone();
    assert_ne!(second.channel, first.channel);
    assert_eq!(used(&market.client, &usd()).await, 1_000);
    // With money the same is taken.
    let accounts = Accounts::new(store, Currencies::default());
    pay_in(&accounts, super::WEALTH, &clock).await;
    let answer = buy().send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "goods");
    let (purse, _) = market.channel().await;
    assert_eq!((purse.channel, purse.owed.units()), (second.channel, 1_000));
    market.comes_to(1_000).await;
}

/// A ledger is its seller's own books, so what one tells of a channel that we forgot is its word alone: it
/// locks nothing of what may be locked elsewhere.
#[tokio::test]
async fn a_seller_that_tells_of_a_channel_that_never_was_leaves_room_for_others() {
    let clock = StillClock::new();
    let store: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    let ledger = Ledger::new(key(2).account().clone());
    let accounts = Accounts::new(Arc::clone(&store), Currencies::default());
    pay_in(&accounts, super::WEALTH, &clock).await;
    let market = Market::open(
        Arc::new(LedgerSessions::new(
            ledger,
            Arc::clone(&store),
            clock.clone(),
        )),
        Arc::new(LedgerSessionPayer::new(key(1))),
        (store, clock.clone()),
        |gate| gate,
        |client| client,
    )
    .await;

    let channel = ChannelDescriptor {
        payer: key(1).account().clone(),
        payee: key(3).account().clone(),
        currency: "usd6".parse().unwrap(),
        signer: key(1).account().clone(),
        salt: Salt::made_at(clock.now(), [7; 16]),
        realm: "127.0.0.1".parse().unwrap(),
    };
    let (code, payee) = (channel.currency.clone(), channel.payee.recipient());
    let mut request = SessionRequest::new(Amount::new(1_000), code, payee);
    let snapshot = serde_json::json!({
        "channelId": channel.id(), "descriptor": channel, "acceptedCumulative": "0",
        "spent": "0", "deposit": ((1_u128 << 96) - 1).to_string(),
    });
    let details = &mut request.method_details;
    details.insert("sessionProtocol".to_owned(), "v2".into());
    details.insert("sessionSnapshot".to_owned(), snapshot);
    let mut challenge = Challenge::new(
        "told".parse().unwrap(),
        "127.0.0.1".parse().unwrap(),
        farthing_ledger::method(),
        farthing_core::intent::session::id(),
        ChallengeRequest::new(&request).unwrap(),
    );
    let end = clock.now().saturating_add(Duration::from_secs(600));
    challenge.expires = Some(Expires::new(end));
    let line = www_authenticate::format(&challenge);
    let app = Router::new().fallback(move || {
        let asks = [(http::header::WWW_AUTHENTICATE, line.clone())];
        async move { (http::StatusCode::PAYMENT_REQUIRED, asks) }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });

    let found = market.client.sessions().recover(&url).await.unwrap();
    assert_eq!(found.len(), 1);
    let answer = market.get("/goods").await;
    assert_eq!(answer.text().await.unwrap(), "goods");
    serving.abort();
}

/// The currency of the ledger.
fn usd() -> Currency {
    let code = "usd6".parse().unwrap();
    Currency {
        code,
        ..method::currency()
    }
}

#[tokio::test]
async fn where_both_are_offered_a_session_is_used_once_one_is_open() {
    let clock = StillClock::new();
    let store: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    let ledger = Ledger::new(key(2).account().clone());
    let accounts = Accounts::new(Arc::clone(&store), Currencies::default());
    pay_in(&accounts, super::WEALTH, &clock).await;
    let rail = LedgerSessions::new(ledger.clone(), Arc::clone(&store), clock.clone());
    let payer = Arc::new(LedgerSessionPayer::new(key(1)));
    let market = Market::open(
        Arc::new(rail),
        payer,
        (store, clock),
        |gate| gate.method(Arc::new(ledger)),
        |client| client.payer(LedgerPayer::new(key(1))),
    )
    .await;
    // No channel is open, and a charge can be paid.
    let answer = market.get("/either").await;
    assert_eq!(
        (
            answer.paid().unwrap().amount.units(),
            answer.bill().is_none()
        ),
        (2_000, true)
    );
    market.get("/goods").await;
    let answer = market.get("/either").await;
    assert_eq!(
        (
            answer.paid().unwrap().amount.units(),
            answer.bill().is_some()
        ),
        (1_000, true)
    );
    market.comes_to(2_000).await;
    // A look at such a rail tells nothing, and is no error; its seller's word closes.
    let synced = market.client.sessions().sync().await.unwrap();
    assert!(!synced[0].changed && synced[0].error.is_none());
    let (purse, _) = market.channel().await;
    let closed = market
        .client
        .sessions()
        .close(purse.id, CloseHow::Together)
        .await
        .unwrap();
    let Closing::Closed(purse) = closed else {
        panic!("{closed:?}")
    };
    assert_eq!(
        (purse.stage, purse.paid_out),
        (Stage::Closed, Some(Amount::new(2_000)))
    );
    let left = accounts
        .balance(key(1).account(), &"usd6".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(left.available, Amount::new(super::WEALTH - 4_000));
}
