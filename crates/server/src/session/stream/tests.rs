//! Streams over a channel in memory, without a door in front.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use bytes::Bytes;
use farthing_core::{
    domain::channels::{Caps, Channels, Opened, Purchase, Step},
    encoding::sse::{Event, Message, Payment, Reader},
    header::{PAYMENT_RECEIPT, payment_receipt},
    intent::session::{Balance, Channel, OnChain, Protocol, Rule, Seen},
    memory::MemoryBackend,
    noun::{
        Receipt,
        session::{Cut, NeedVoucher, SessionReceipt},
    },
    port::{clock::Clock, session::Said},
    value::{Amount, Price, Realm, Timestamp},
};
use farthing_testkit::{
    clock::FakeClock,
    method::{self, FakeDescriptor, FakeReserve, FakeSession},
};
use futures_util::{Stream, StreamExt, stream};
use http::Response;
use http_body_util::BodyExt;
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Piece, StreamBody, StreamCut};
use crate::{
    event::Events,
    limits::Allowance,
    session::{Live, Making, Meter, MeterError, meter::Tariff},
};

/// What a unit costs.
const PRICE: u128 = 3;
const DEPOSIT: u128 = 1_000;

struct Stage {
    live: Arc<Live>,
    channel: FakeDescriptor,
    making: Making,
    work: TaskTracker,
    closing: CancellationToken,
    clock: Arc<FakeClock>,
}

impl Stage {
    async fn new() -> Self {
        Self::with_cap("$10").await
    }

    async fn with_cap(cap: &str) -> Self {
        let clock = Arc::new(FakeClock::at(Timestamp::from_secs(1_800_000_000)));
        let (alice, shop) = (method::account("alice"), method::account("shop"));
        let reserve = Arc::new(FakeReserve::new(clock.clone()));
        reserve.deposit(&alice, DEPOSIT);
        let channel = FakeDescriptor::new(&alice, &shop, Protocol::V2, "salt");
        let rail = FakeSession::new(reserve, &shop, Protocol::V2);
        let worth = |price: &str| price.parse::<Price>().unwrap().worth().unwrap();
        let channels = Channels::new(Arc::new(MemoryBackend::new()));
        let seen = Seen {
            block: 1,
            state: OnChain::open(Amount::new(DEPOSIT)),
        };
        let terms = channel.terms(&Realm::new("api.example.com").unwrap());
        let opened = Channel::open(Protocol::V2, seen).unwrap();
        let opened = channels
            .open(&channel.id(), &terms, opened, clock.now())
            .await;
        let Ok(Opened::New(held)) = opened else {
            panic!("the channel is new");
        };
        let many = NonZeroU32::new(1_000).unwrap();
        let making = Making {
            rail: Arc::new(rail),
            caps: Caps {
                payer: alice,
                currency: method::currency(),
                per_payer: worth(cap),
                in_total: worth("$1000"),
                slice: Amount::ZERO,
            },
            channels,
            clock: clock.clone(),
            allowance: Allowance::new(many, many),
            events: Events::default(),
        };
        Self {
            live: Arc::new(Live::new(held, terms, making.clone()).unwrap()),
            channel,
            making,
            work: TaskTracker::new(),
            closing: CancellationToken::new(),
            clock,
        }
    }

    /// The same channel, as another process on the same store has it.
    async fn in_another_process(&self) -> Self {
        let channels = self.making.channels.clone();
        let held = channels.load(&self.channel.id()).await.unwrap().unwrap();
        let live = Live::new(held, self.live.terms().clone(), self.making.clone());
        Self {
            live: Arc::new(live.unwrap()),
            channel: self.channel.clone(),
            making: self.making.clone(),
            work: TaskTracker::new(),
            closing: CancellationToken::new(),
            clock: self.clock.clone(),
        }
    }

    fn meter(&self) -> Meter {
        self.meter_with(false)
    }

    fn meter_with(&self, takes_trailers: bool) -> Meter {
        Meter::new(Tariff {
            live: Arc::clone(&self.live),
            price: Amount::new(PRICE),
            challenge: "c1".parse().unwrap(),
            paid: 0,
            credit: Amount::ZERO,
            row: None,
            within: Duration::from_secs(30),
            takes_trailers,
            till: None,
            closing: self.closing.clone(),
            work: self.work.clone(),
            clock: self.clock.clone(),
        })
    }

    /// Takes a voucher, as any request of the channel brings it.
    async fn voucher(&self, cumulative: u128) {
        self.pay(cumulative, 0).await;
    }

    async fn pay(&self, cumulative: u128, price: u128) {
        let cumulative = Amount::new(cumulative);
        let said = Said {
            channel: self.channel.id(),
            cumulative,
            signature: self.channel.sign(cumulative),
        };
        let purchase = Purchase {
            voucher: Some(self.live.check(&said).unwrap()),
            rule: Rule::ANY,
            price: Amount::new(price),
            guards: Vec::new(),
            writes: Vec::new(),
        };
        self.live.pay(purchase).await.unwrap().charge.unwrap();
    }

    /// What is there once everything that was begun has ended.
    async fn books(&self) -> Balance {
        self.work.close();
        self.work.wait().await;
        self.work.reopen();
        self.read().await
    }

    /// What the store has.
    async fn read(&self) -> Balance {
        let read = self.live.step(|channel| Ok(Step::to(channel.balance())));
        read.await.unwrap()
    }

    /// What was spent for good: nothing of it is left open.
    async fn spent(&self) -> u128 {
        let books = self.books().await;
        assert_eq!(books.unsure, Amount::ZERO, "nothing is left unsure");
        assert_eq!(books.reserved, Amount::ZERO, "nothing is left held");
        books.spent.units()
    }
}

fn words(text: &'static str) -> impl Stream<Item = Result<Piece<Event>, std::io::Error>> {
    stream::iter(
        text.split(' ')
            .map(|word| Ok(Piece::new(1, Event::data(word)))),
    )
}

/// A stream's end, read as a buyer reads it.
struct Read {
    body: StreamBody,
    reader: Reader,
    ready: std::collections::VecDeque<Message>,
}

#[derive(Debug, PartialEq)]
enum Got {
    Word(String),
    Need(NeedVoucher),
    Paid(SessionReceipt, Option<Cut>),
    End,
}

impl Read {
    fn new(response: Response<StreamBody>) -> Self {
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            body: response.into_body(),
            reader: Reader::default(),
            ready: Default::default(),
        }
    }

    async fn next(&mut self) -> Got {
        while self.ready.is_empty() {
            let Some(frame) = self.body.frame().await else {
                return Got::End;
            };
            let data = frame.unwrap().into_data().unwrap();
            self.ready.extend(self.reader.push(&data).unwrap());
        }
        let message = self.ready.pop_front().unwrap();
        match message.payment() {
            None => Got::Word(message.data),
            Some(Payment::NeedVoucher) => Got::Need(NeedVoucher::parse(&message.data).unwrap()),
            Some(Payment::Receipt) => {
                let receipt = Receipt::from_json(&message.data).unwrap();
                Got::Paid(SessionReceipt::read(&receipt).unwrap(), Cut::of(&receipt))
            }
        }
    }

    async fn words(&mut self, expect: &str) {
        for word in expect.split(' ') {
            assert_eq!(self.next().await, Got::Word(word.to_owned()));
        }
    }

    /// The last receipt: units, spent, and why it was cut.
    async fn ends(&mut self) -> (u64, u128, Option<Cut>) {
        let Got::Paid(receipt, cut) = self.next().await else {
            panic!("a stream ends with a receipt");
        };
        assert_eq!(self.next().await, Got::End);
        (receipt.units.unwrap(), receipt.spent.units(), cut)
    }
}

#[tokio::test(start_paused = true)]
async fn text_is_paid_by_the_word_to_the_unit() {
    let stage = Stage::new().await;
    stage.voucher(100).await;
    let mut read = Read::new(stage.meter().stream().sse(words("roses are red")));
    read.words("roses are red").await;
    assert_eq!(read.ends().await, (3, 9, None));
    assert_eq!(stage.books().await.spent, Amount::new(9));
}

#[tokio::test(start_paused = true)]
async fn a_stream_pauses_and_goes_on_with_a_voucher_from_elsewhere() {
    let stage = Stage::new().await;
    stage.voucher(5).await;
    let mut read = Read::new(stage.meter().stream().sse(words("roses are red")));
    read.words("roses").await;
    let Got::Need(need) = read.next().await else {
        panic!("the balance is out");
    };
    assert_eq!(
        (need.accepted, need.required, need.deposit),
        (Amount::new(5), Amount::new(6), Amount::new(DEPOSIT))
    );
    assert_eq!(stage.live.last().awaited, Some(Amount::new(6)));
    stage.voucher(6).await;
    read.words("are").await;
    let Got::Need(need) = read.next().await else {
        panic!("the balance is out again");
    };
    assert_eq!(need.required, Amount::new(9));
    stage.voucher(50).await;
    read.words("red").await;
    assert_eq!(read.ends().await, (3, 9, None));
    assert_eq!(stage.books().await.spent, Amount::new(9));
    assert_eq!(stage.live.last().awaited, None);
}

#[tokio::test(start_paused = true)]
async fn a_voucher_that_is_not_enough_is_not_asked_for_again() {
    let stage = Stage::new().await;
    let mut read = Read::new(stage.meter().stream().sse(words("roses")));
    assert!(matches!(read.next().await, Got::Need(need) if need.required == Amount::new(3)));
    stage.voucher(2).await;
    stage.voucher(3).await;
    read.words("roses").await;
    assert_eq!(read.ends().await, (1, 3, None));
}

#[tokio::test(start_paused = true)]
async fn who_stops_paying_is_told_so_after_a_while_and_charged_for_what_came() {
    let stage = Stage::new().await;
    stage.voucher(3).await;
    let mut read = Read::new(stage.meter().stream().sse(words("roses are red")));
    read.words("roses").await;
    assert!(matches!(read.next().await, Got::Need(_)));
    assert_eq!(read.ends().await, (1, 3, Some(Cut::Unpaid)));
    assert_eq!(stage.spent().await, 3);
    assert_eq!(stage.live.last().awaited, None);
}

#[tokio::test(start_paused = true)]
async fn who_stops_reading_is_charged_for_what_was_taken() {
    let stage = Stage::new().await;
    stage.voucher(100).await;
    let patience = Duration::from_secs(5);
    let endless = stream::repeat_with(|| Ok::<_, StreamCut>(Piece::new(1, Event::data("more"))));
    let mut read = Read::new(stage.meter().stream().patience(patience).sse(endless));
    read.words("more more").await;
    // Two were taken. A third is charged, lies there for a while, and goes back.
    assert_eq!(stage.spent().await, 6);
    assert_eq!(read.ends().await, (2, 6, Some(Cut::Stalled)));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_connection_is_charged_for_what_was_taken() {
    for ahead in [0, 1, 10] {
        let stage = Stage::new().await;
        stage.voucher(100).await;
        let (send, pieces) = mpsc::channel::<&str>(1);
        let pieces = stream::unfold(pieces, |mut pieces| async {
            let word = pieces.recv().await?;
            Some((Ok::<_, StreamCut>(Piece::new(1, Event::data(word))), pieces))
        });
        let mut read = Read::new(stage.meter().stream().ahead(ahead).sse(pieces));
        send.send("roses").await.unwrap();
        read.words("roses").await;
        drop(read);
        // The stream of the handler is dropped, so it learns that nobody reads.
        send.closed().await;
        assert_eq!(stage.spent().await, 3, "{ahead}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_newer_stream_ends_the_older_one() {
    let stage = Stage::new().await;
    stage.voucher(100).await;
    let older = words("roses are red").chain(stream::pending());
    let mut older = Read::new(stage.meter().stream().sse(older));
    older.words("roses").await;
    let mut newer = Read::new(stage.meter().stream().sse(words("violets are")));
    // It may have one more word in its hand. Whether that was taken says its receipt.
    let mut taken = 1;
    let (units, _, cut) = loop {
        match older.next().await {
            Got::Word(_) => taken += 1,
            Got::Paid(receipt, cut) => break (receipt.units.unwrap(), receipt.spent, cut),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((units, cut), (taken, Some(Cut::Replaced)));
    newer.words("violets are").await;
    assert_eq!(newer.ends().await.2, None);
    assert_eq!(
        stage.books().await.spent.units(),
        PRICE * u128::from(taken + 2)
    );
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_closes_ends_its_streams_with_their_receipts() {
    let stage = Stage::new().await;
    stage.voucher(3).await;
    let mut read = Read::new(stage.meter().stream().sse(words("roses are red")));
    read.words("roses").await;
    assert!(matches!(read.next().await, Got::Need(_)));
    stage.closing.cancel();
    assert_eq!(read.ends().await, (1, 3, Some(Cut::Stopped)));
    assert_eq!(stage.spent().await, 3);
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_closes_ends_the_wait_at_once() {
    let stage = Stage::new().await;
    let mut read = Read::new(stage.meter().stream().sse(words("roses")));
    assert!(matches!(read.next().await, Got::Need(_)));
    let (closed, before) = (
        stage
            .live
            .step(|channel| Ok(Step::to(channel.close(None)?))),
        tokio::time::Instant::now(),
    );
    closed.await.unwrap();
    assert_eq!(read.ends().await, (0, 0, Some(Cut::Closed)));
    assert_eq!(before.elapsed(), Duration::ZERO, "nobody waited");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_fails_leaves_a_receipt_that_says_so() {
    let stage = Stage::new().await;
    stage.voucher(100).await;
    let broken = words("roses are").chain(stream::iter([Err(std::io::Error::other("gone"))]));
    let mut read = Read::new(stage.meter().stream().ahead(50).sse(broken));
    read.words("roses are").await;
    assert_eq!(read.ends().await, (2, 6, Some(Cut::Failed)));
    assert_eq!(stage.books().await.spent, Amount::new(6));

    let panicking = words("roses").chain(stream::once(async { panic!("a handler's bug") }));
    let mut read = Read::new(stage.meter().stream().sse(panicking));
    read.words("roses").await;
    assert_eq!(read.ends().await, (1, 9, Some(Cut::Failed)));
}

#[tokio::test(start_paused = true)]
async fn what_is_charged_ahead_and_not_used_goes_back() {
    let stage = Stage::new().await;
    stage.voucher(100).await;
    let response = stage.meter().stream().ahead(20).sse(words("roses are red"));
    let mut read = Read::new(response);
    read.words("roses").await;
    assert_eq!(stage.live.last().balance.spent, Amount::new(60));
    read.words("are red").await;
    assert_eq!(read.ends().await, (3, 9, None));
    assert_eq!(stage.books().await.spent, Amount::new(9));

    // Where the balance has no whole slice, it has still what the piece costs.
    let response = stage.meter().stream().ahead(1_000).sse(words("roses"));
    let mut read = Read::new(response);
    read.words("roses").await;
    assert_eq!(read.ends().await, (1, 12, None));
}

#[tokio::test(start_paused = true)]
async fn plain_bytes_end_with_a_trailer_or_with_an_error() {
    let stage = Stage::new().await;
    stage.voucher(6).await;
    let pieces = |count| {
        let pieces = (0..count).map(|_| Ok::<_, StreamCut>(Piece::new(1, Bytes::from("abc"))));
        stream::iter(pieces)
    };
    let whole = stage.meter_with(true).stream().bytes(pieces(2));
    assert_eq!(whole.headers()["trailer"], "payment-receipt");
    let whole = whole.into_body().collect().await.unwrap();
    let receipt = payment_receipt::parse(&whole.trailers().unwrap()[PAYMENT_RECEIPT]).unwrap();
    assert_eq!(SessionReceipt::read(&receipt).unwrap().units, Some(2));
    assert_eq!(whole.to_bytes(), "abcabc");

    let plain = stage.meter().stream().bytes(pieces(0));
    assert!(!plain.headers().contains_key("trailer"));
    assert!(
        plain
            .into_body()
            .collect()
            .await
            .unwrap()
            .trailers()
            .is_none()
    );

    // One that is cut never looks whole.
    let cut = stage.meter_with(true).stream().bytes(pieces(1));
    let cut = cut.into_body().collect().await;
    assert_eq!(cut.unwrap_err(), StreamCut(Cut::Unpaid));
    assert_eq!(stage.books().await.spent, Amount::new(6));
}

#[tokio::test(start_paused = true)]
async fn a_meter_charges_before_it_returns_and_gives_back_what_is_not_served() {
    let stage = Stage::new().await;
    stage.voucher(100).await;
    let meter = stage.meter();
    assert_eq!(meter.charge(4).await.unwrap().spent, Amount::new(12));
    assert_eq!(stage.read().await.spent, Amount::new(12));
    assert_eq!(meter.take_open(false), Amount::new(12));

    // What the meter is kept for after the answer ends as the answer did.
    for (served, spent) in [(true, 24), (false, 24)] {
        let meter = stage.meter();
        assert_eq!(meter.take_open(served), Amount::ZERO);
        meter.charge(4).await.unwrap();
        drop(meter);
        assert_eq!(stage.books().await.spent, Amount::new(spent), "{served}");
    }
    let meter = stage.meter();
    let too_many = meter.charge(u64::MAX).await;
    assert!(
        matches!(too_many, Err(MeterError::Unpaid(_))),
        "{too_many:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_given_up_charges_nothing_later() {
    let stage = Stage::new().await;
    let meter = stage.meter();
    let waiting = tokio::time::timeout(Duration::from_millis(2_500), meter.charge(1));
    assert!(waiting.await.is_err());
    stage.voucher(100).await;
    assert_eq!(stage.spent().await, 0);
    assert_eq!(stage.live.last().awaited, None);
}

#[tokio::test(start_paused = true)]
async fn an_estimate_is_held_drawn_and_corrected() {
    let stage = Stage::new().await;
    stage.voucher(30).await;
    let meter = stage.meter();
    let mut held = meter.reserve(10).await.unwrap();
    assert_eq!(stage.live.last().balance.available(), Amount::ZERO);
    let drawn = held.draw(4).await.unwrap();
    assert_eq!(
        (drawn.spent, drawn.reserved),
        (Amount::new(12), Amount::new(18))
    );
    let done = held.correct(1).await.unwrap();
    assert_eq!((done.spent, done.reserved), (Amount::new(15), Amount::ZERO));
    assert_eq!(meter.spent_units(), 5);

    drop(meter.reserve(5).await.unwrap());
    let books = stage.books().await;
    assert_eq!(
        (books.spent, books.reserved),
        (Amount::new(15), Amount::ZERO)
    );
    let none = tokio::time::timeout(Duration::from_secs(1), meter.reserve(6)).await;
    assert!(none.is_err(), "it waits for a voucher");
}

#[tokio::test(start_paused = true)]
async fn a_seller_who_is_full_is_waited_for_and_not_paid_for() {
    // Twelve base units of the fake dollar, which has six decimals.
    let stage = Stage::with_cap("$0.000012").await;
    stage.voucher(100).await;
    let mut read = Read::new(stage.meter().stream().sse(words("a b c d e f")));
    read.words("a b c d").await;
    // No voucher is asked for: there is balance. It is the seller who has to settle.
    assert_eq!(read.ends().await, (4, 12, Some(Cut::Failed)));
}

#[tokio::test(start_paused = true)]
async fn a_voucher_that_another_process_took_ends_the_pause() {
    let stage = Stage::new().await;
    let other = stage.in_another_process().await;
    let mut read = Read::new(stage.meter().stream().sse(words("roses are")));
    assert!(matches!(read.next().await, Got::Need(_)));
    other.voucher(3).await;
    read.words("roses").await;
    assert!(matches!(read.next().await, Got::Need(_)));
    other.voucher(6).await;
    read.words("are").await;
    assert_eq!(read.ends().await, (2, 6, None));
    assert_eq!(stage.spent().await, 6);
}

#[tokio::test(start_paused = true)]
async fn however_much_happens_on_a_channel_a_wait_has_its_end() {
    let stage = Stage::new().await;
    let meter = stage.meter();
    let charging = meter.charge(100);
    let busy = async {
        for cumulative in 1.. {
            stage.voucher(cumulative % 100 + 1).await;
            tokio::time::sleep(Duration::from_millis(900)).await;
            if cumulative == 99 {
                break;
            }
        }
    };
    let (charged, ()) = tokio::join!(charging, busy);
    assert!(matches!(charged, Err(MeterError::Unpaid(need)) if need.lacks >= Amount::new(200)));
}
