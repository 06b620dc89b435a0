//! WebSockets, in both forms of messages.

use std::time::Duration;

use farthing_core::{
    noun::{
        session::{Cut, SessionReceipt},
        socket::{Form, FromBuyer, FromSeller},
    },
    value::{Amount, Secret},
};
use farthing_testkit::method::FakeSessionPayload;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, HeaderValue, Method};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

use crate::{
    buyer::{Buyer, request},
    shop::{PRICE, Shop},
};

fn upgrade() -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("upgrade", "websocket"),
        ("connection", "upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
}

/// A socket, as a buyer has it.
struct Socket {
    stream: WebSocketStream<TokioIo<Upgraded>>,
    form: Form,
}

impl Socket {
    async fn open(shop: &Shop, form: Form) -> Self {
        let answer = request(shop, Method::GET, "/echo", upgrade()).await;
        assert_eq!(answer.status(), 101);
        let connection = TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
        let stream = WebSocketStream::from_raw_socket(connection, Role::Client, None).await;
        Self { stream, form }
    }

    async fn say(&mut self, said: FromBuyer) {
        self.text(&said.to_text(self.form)).await;
    }

    async fn text(&mut self, text: &str) {
        self.stream.send(Message::text(text)).await.unwrap();
    }

    async fn credential(&mut self, value: &HeaderValue) {
        let secret = Secret::new(value.as_bytes());
        self.say(FromBuyer::Credential(secret)).await;
    }

    async fn next(&mut self) -> FromSeller {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => {
                    let (form, said) = FromSeller::read(text.as_str()).unwrap();
                    assert_eq!(form, self.form);
                    return said;
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn word(&mut self, expect: &str) {
        assert_eq!(self.next().await, FromSeller::Message(expect.to_owned()));
    }

    /// Says something, and hears it again.
    async fn echo(&mut self, word: &str) {
        self.say(FromBuyer::Own(word.into())).await;
        self.word(word).await;
    }

    /// Hears the goodbye, and answers it.
    async fn closed(&mut self) -> u16 {
        let mut code = None;
        while let Some(Ok(said)) = self.stream.next().await {
            if let Message::Close(Some(frame)) = said {
                code = Some(frame.code.into());
            }
        }
        code.unwrap()
    }
}

fn receipt(said: FromSeller) -> (SessionReceipt, Option<Cut>) {
    let (FromSeller::Receipt(receipt) | FromSeller::CloseReady(receipt)) = said else {
        panic!("{said:?} is no receipt");
    };
    (SessionReceipt::read(&receipt).unwrap(), Cut::of(&receipt))
}

#[tokio::test]
async fn a_socket_is_paid_on_itself_and_its_channel_closed_there() {
    let shop = Shop::open().await;
    let buyer = Buyer::with(&shop, 1).await;
    let mut socket = Socket::open(&shop, Form::Mpp).await;
    socket.credential(&buyer.voucher(4)).await;
    assert_eq!(receipt(socket.next().await).0.accepted, Amount::new(4));
    socket.echo("roses").await;
    socket.say(FromBuyer::Own("are".into())).await;
    let FromSeller::NeedVoucher(need) = socket.next().await else {
        panic!("the balance is out");
    };
    assert_eq!((need.channel, need.required), (buyer.id(), Amount::new(6)));
    socket.credential(&buyer.voucher(20)).await;
    // Which of the two comes first is nobody's promise.
    let mut both = [socket.next().await, socket.next().await];
    both.sort_by_key(|said| matches!(said, FromSeller::Message(_)));
    let [paid, word] = both;
    assert_eq!(word, FromSeller::Message("are".into()));
    assert_eq!(receipt(paid).0.accepted, Amount::new(20));

    socket.say(FromBuyer::Close).await;
    let ready = socket.next().await;
    assert!(matches!(ready, FromSeller::CloseReady(_)));
    let (ready, cut) = receipt(ready);
    assert_eq!(
        (ready.units, ready.spent, cut),
        (Some(2), Amount::new(6), None)
    );
    let close = FakeSessionPayload::close(&buyer.channel, Amount::new(6));
    socket.credential(&buyer.credential(&close)).await;
    let (closed, _) = receipt(socket.next().await);
    assert_eq!(closed.spent, Amount::new(6));
    assert_eq!(socket.closed().await, 1000);
    assert_eq!(shop.books(&buyer.id()).await.spent, Amount::new(2 * PRICE));
}

#[tokio::test]
async fn the_other_form_is_asked_to_pay_and_ends_with_a_receipt() {
    let shop = Shop::open().await;
    let mut buyer = Buyer::with(&shop, 1).await;
    let mut socket = Socket::open(&shop, Form::Type).await;
    let FromSeller::Challenge { challenge, error } = socket.next().await else {
        panic!("it asks to be paid");
    };
    assert_eq!((challenge.intent.as_str(), error), ("session", None));
    buyer.challenge = *challenge;
    socket.credential(&buyer.voucher(100)).await;
    assert_eq!(receipt(socket.next().await).0.accepted, Amount::new(100));
    socket.echo("roses").await;
    socket.say(FromBuyer::Own(json!({"a": 1}))).await;
    socket.word(r#"{"a":1}"#).await;
    socket.say(FromBuyer::Own("bye".into())).await;
    let (last, cut) = receipt(socket.next().await);
    assert_eq!(
        (last.units, last.spent, cut),
        (Some(2), Amount::new(6), None)
    );
    assert_eq!(last.challenge, buyer.challenge.id);
    assert_eq!(socket.closed().await, 1000);
}

#[tokio::test]
async fn what_is_said_unpaid_is_said_to_nobody() {
    let shop = Shop::open().await;
    let buyer = Buyer::with(&shop, 1).await;
    let mut socket = Socket::open(&shop, Form::Mpp).await;
    socket.say(FromBuyer::Own("free".into())).await;
    socket.credential(&buyer.voucher(10)).await;
    receipt(socket.next().await);
    socket.echo("paid").await;
}

#[tokio::test]
async fn a_payment_that_is_not_taken_is_told_and_bounded() {
    let shop = Shop::open().await;
    let buyer = Buyer::with(&shop, 1).await;
    let forged = FakeSessionPayload::voucher(&buyer.channel, Amount::new(50))
        .with_signature(&buyer.channel.sign(Amount::new(51)));
    let forged = buyer.credential(&forged);

    let mut socket = Socket::open(&shop, Form::Mpp).await;
    socket.credential(&forged).await;
    let FromSeller::Error { status, .. } = socket.next().await else {
        panic!("it was not taken");
    };
    assert_eq!(status, Some(402));
    assert_eq!(socket.closed().await, 1008);

    // The other form may try again, but not for ever.
    let mut socket = Socket::open(&shop, Form::Type).await;
    let asked = socket.next().await;
    assert!(matches!(asked, FromSeller::Challenge { error: None, .. }));
    for _ in 0..7 {
        socket.credential(&forged).await;
        let again = socket.next().await;
        assert!(matches!(
            again,
            FromSeller::Challenge { error: Some(_), .. }
        ));
    }
    socket.credential(&forged).await;
    assert!(matches!(socket.next().await, FromSeller::Error { .. }));
    assert_eq!(socket.closed().await, 1008);
    assert_eq!(shop.books(&buyer.id()).await.accepted, Amount::new(1));
}

#[tokio::test]
async fn bad_messages_close_the_socket() {
    let shop = Shop::open().await;
    let mut socket = Socket::open(&shop, Form::Mpp).await;
    socket.text(r#"{"mpp":"authorization"}"#).await;
    assert_eq!(socket.closed().await, 1008);

    let mut socket = Socket::open(&shop, Form::Mpp).await;
    let binary = Message::binary(vec![0, 1]);
    socket.stream.send(binary).await.unwrap();
    assert_eq!(socket.closed().await, 1003);

    let mut socket = Socket::open(&shop, Form::Mpp).await;
    socket.text(&"x".repeat(64 * 1024 + 1)).await;
    assert_eq!(socket.closed().await, 1002);
}

#[tokio::test]
async fn who_says_more_than_is_listened_to_is_disconnected() {
    let shop = Shop::open().await;
    let buyer = Buyer::with(&shop, 1).await;
    let mut socket = Socket::open(&shop, Form::Mpp).await;
    socket.credential(&buyer.voucher(2)).await;
    receipt(socket.next().await);
    // The service waits for a voucher, and hears nothing meanwhile.
    for _ in 0..32 {
        let said = Message::text("more");
        if socket.stream.feed(said).await.is_err() {
            break;
        }
    }
    let _ = socket.stream.flush().await;
    assert_eq!(socket.closed().await, 1008);
    shop.comes_to(&buyer.id(), 0).await;
}

#[tokio::test]
async fn a_socket_that_breaks_is_charged_for_what_was_written() {
    let shop = Shop::open().await;
    let buyer = Buyer::with(&shop, 1).await;
    let mut socket = Socket::open(&shop, Form::Mpp).await;
    socket.credential(&buyer.voucher(100)).await;
    receipt(socket.next().await);
    socket.echo("roses").await;
    drop(socket);
    shop.comes_to(&buyer.id(), PRICE).await;
}

#[tokio::test]
async fn who_stops_paying_or_is_replaced_is_told_so() {
    let shop = Shop::waiting(Duration::from_millis(50)).await;
    let buyer = Buyer::with(&shop, 1).await;
    let mut socket = Socket::open(&shop, Form::Mpp).await;
    socket.credential(&buyer.voucher(2)).await;
    receipt(socket.next().await);
    socket.say(FromBuyer::Own("roses".into())).await;
    assert!(matches!(socket.next().await, FromSeller::NeedVoucher(_)));
    assert_eq!(receipt(socket.next().await).1, Some(Cut::Unpaid));

    let mut older = Socket::open(&shop, Form::Mpp).await;
    older.credential(&buyer.voucher(100)).await;
    receipt(older.next().await);
    older.echo("roses").await;
    let mut newer = Socket::open(&shop, Form::Mpp).await;
    newer.credential(&buyer.voucher(100)).await;
    receipt(newer.next().await);
    assert_eq!(receipt(older.next().await).1, Some(Cut::Replaced));
    newer.echo("violets").await;
}

#[tokio::test]
async fn who_pays_nothing_for_half_a_minute_is_told_goodbye() {
    let shop = Shop::open().await;
    let mut socket = Socket::open(&shop, Form::Type).await;
    assert!(matches!(socket.next().await, FromSeller::Challenge { .. }));
    let asked = tokio::time::Instant::now();
    // From here on time goes as fast as nothing happens.
    tokio::time::pause();
    assert_eq!(socket.closed().await, 1008);
    assert!(asked.elapsed() >= Duration::from_secs(29));
}

#[tokio::test]
async fn who_answers_pings_stays_and_who_does_not_is_gone() {
    let shop = Shop::open().await;
    let buyer = Buyer::with(&shop, 1).await;
    let mut socket = Socket::open(&shop, Form::Mpp).await;
    socket.credential(&buyer.voucher(100)).await;
    receipt(socket.next().await);
    socket.echo("roses").await;
    // While this waits, time goes on by a word alone.
    let (go_on, held) = std::sync::mpsc::channel::<()>();
    let holds = tokio::task::spawn_blocking(move || held.recv());
    tokio::time::pause();
    for _ in 0..6 {
        over_half_a_minute().await;
        let said = socket.stream.next().await;
        assert!(matches!(said, Some(Ok(Message::Ping(_)))), "{said:?}");
        // Whoever reads answers.
        socket.stream.flush().await.unwrap();
    }
    socket.echo("are").await;

    for _ in 0..3 {
        over_half_a_minute().await;
    }
    let mut pings = 0;
    while let Some(Ok(said)) = socket.stream.next().await {
        assert!(matches!(said, Message::Ping(_)), "{said:?}");
        pings += 1;
    }
    assert_eq!(pings, 2, "it was asked twice, and then given up");
    drop(go_on);
    assert!(holds.await.unwrap().is_err());
    tokio::time::resume();
    shop.comes_to(&buyer.id(), 2 * PRICE).await;
}

/// Lets it be later, and what is on its way arrive.
async fn over_half_a_minute() {
    for wait in [0, 31] {
        tokio::time::advance(Duration::from_secs(wait)).await;
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_gate_that_drains_says_goodbye() {
    let shop = Shop::open().await;
    let buyer = Buyer::with(&shop, 1).await;
    let mut socket = Socket::open(&shop, Form::Mpp).await;
    socket.credential(&buyer.voucher(100)).await;
    receipt(socket.next().await);
    socket.echo("roses").await;
    let drained = shop.gate.drain();
    let told = async {
        assert_eq!(receipt(socket.next().await).1, Some(Cut::Stopped));
        assert_eq!(socket.closed().await, 1001);
    };
    tokio::join!(drained, told);
}

#[tokio::test]
async fn without_an_upgrade_it_is_a_priced_address_that_sells_nothing() {
    let shop = Shop::open().await;
    let buyer = Buyer::with(&shop, 1).await;
    let unpaid = request(&shop, Method::GET, "/echo", HeaderMap::new()).await;
    assert_eq!(unpaid.status(), 402);
    assert_eq!(buyer.get("/echo", 100).await.status(), 400);
    assert_eq!(shop.books(&buyer.id()).await.spent, Amount::ZERO);

    let mut other = upgrade();
    other.insert("sec-websocket-version", HeaderValue::from_static("8"));
    let refused = request(&shop, Method::GET, "/echo", other).await;
    assert_eq!(refused.status(), 400);
}
