//! Streams of events.

use std::time::Duration;

use farthing_core::{encoding::sse::Event, noun::session::Cut, value::Amount};
use http::Method;
use http_body_util::BodyExt;

use crate::{
    buyer::{Buyer, Got, Stream, receipt},
    shop::{PRICE, Shop},
};

#[tokio::test]
async fn text_is_paid_by_the_word_to_the_unit_on_both_sides() {
    let shop = Shop::open().await;
    let buyer = Buyer::with(&shop, 1).await;
    let mut read = Stream::of(buyer.get("/text?text=roses%20are%20red", 100).await);
    // The head has a receipt as well, for a stream that never comes to its end.
    assert_eq!(read.head.accepted, Amount::new(100));
    read.words("roses are red").await;
    assert_eq!(read.ends().await, (3, 3 * PRICE, None));
    shop.comes_to(&buyer.id(), 3 * PRICE).await;

    // The next one goes on from what is left, and its receipt counts its own words.
    let mut read = Stream::of(buyer.get("/text?text=violets%20are", 100).await);
    read.words("violets are").await;
    assert_eq!(read.ends().await, (2, 5 * PRICE, None));
}

#[tokio::test]
async fn a_pause_ends_with_a_voucher_from_another_connection() {
    let shop = Shop::open().await;
    let buyer = Buyer::with(&shop, 1).await;
    let mut read = Stream::of(buyer.get("/text?text=roses%20are%20red", 4).await);
    read.words("roses").await;
    assert_eq!(read.needs().await, 6);
    buyer.pay(7).await;
    read.words("are").await;
    assert_eq!(read.needs().await, 9);
    buyer.pay(9).await;
    read.words("red").await;
    assert_eq!(read.ends().await, (3, 9, None));
    shop.comes_to(&buyer.id(), 9).await;
}

#[tokio::test]
async fn who_stops_paying_is_charged_for_what_came() {
    let shop = Shop::waiting(Duration::from_millis(50)).await;
    let buyer = Buyer::with(&shop, 1).await;
    let mut read = Stream::of(buyer.get("/text?text=roses%20are%20red", 5).await);
    read.words("roses").await;
    assert_eq!(read.needs().await, 6);
    assert_eq!(read.ends().await, (1, 3, Some(Cut::Unpaid)));
    shop.comes_to(&buyer.id(), 3).await;
}

#[tokio::test]
async fn who_stops_reading_is_charged_for_no_more_than_was_handed_over() {
    let shop = Shop::open().await;
    let buyer = Buyer::with(&shop, 1).await;
    let answer = buyer.get("/flood", 90_000).await;
    // It is not read. What the transport has room for is charged, and then nothing more.
    let mut last = None;
    for _ in 0..500 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let books = shop.books(&buyer.id()).await;
        if last == Some(books.spent) && books.spent > Amount::ZERO && books.unsure == Amount::ZERO {
            break;
        }
        last = Some(books.spent);
    }
    let spent = shop.books(&buyer.id()).await.spent.units();
    // Each piece has 64 KiB: what lies in the buffers of two sockets is far from the whole balance.
    assert!(spent < 90_000 / 2, "{spent}");
    let mut read = Stream::of(answer);
    let mut units = 0;
    let (told, cut) = loop {
        match read.next().await {
            Got::Word(_) => units += 1,
            Got::Paid(receipt, cut) => break (receipt.units.unwrap(), cut),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((units, cut), (told, Some(Cut::Stalled)));
    assert_eq!(spent, PRICE * u128::from(units));
}

#[tokio::test]
async fn a_connection_that_breaks_is_charged_for_what_was_handed_over() {
    let shop = Shop::open().await;
    let buyer = Buyer::with(&shop, 1).await;
    let answer = buyer.get("/dictated", 1_000).await;
    let mut read = Stream::of(answer);
    shop.dictate.say("roses").await;
    read.words("roses").await;
    drop(read);
    // Its handler is told, and what it says then is charged to nobody.
    shop.dictate.sender().closed().await;
    shop.comes_to(&buyer.id(), PRICE).await;
}

#[tokio::test]
async fn a_newer_stream_ends_the_older_one_with_its_receipt() {
    let shop = Shop::open().await;
    let buyer = Buyer::with(&shop, 1).await;
    let mut older = Stream::of(buyer.get("/dictated", 1_000).await);
    shop.dictate.say("roses").await;
    older.words("roses").await;
    let mut newer = Stream::of(buyer.get("/text?text=violets", 1_000).await);
    assert_eq!(older.ends().await.2, Some(Cut::Replaced));
    newer.words("violets").await;
    assert_eq!(newer.ends().await, (1, 2 * PRICE, None));
    shop.comes_to(&buyer.id(), 2 * PRICE).await;
}

/// Each has the channel in a memory of its own: the charge tells the older one, which is the next
/// write that it makes, or the wait for its buyer.
#[tokio::test]
async fn a_newer_stream_ends_the_older_one_of_another_process() {
    let shop = Shop::open().await;
    let other = shop.beside().await;
    let buyer = Buyer::with(&shop, 1).await;
    let mut older = Stream::of(buyer.get("/dictated", 1_000).await);
    shop.dictate.say("roses").await;
    older.words("roses").await;
    let there = buyer.at(&other);
    let mut newer = Stream::of(there.get("/dictated", 1_000).await);
    other.dictate.say("violets").await;
    newer.words("violets").await;
    // Nothing is charged for the word that comes too late, and nobody gets it.
    shop.dictate.say("are").await;
    assert_eq!(older.ends().await, (1, 2 * PRICE, Some(Cut::Replaced)));
    other.dictate.say("blue").await;
    newer.words("blue").await;
    // The place is the newest one's, wherever it begins.
    let mut newest = Stream::of(buyer.get("/text?text=sugar", 1_000).await);
    newest.words("sugar").await;
    assert_eq!(newest.ends().await, (1, 4 * PRICE, None));
    other.dictate.say("is").await;
    assert_eq!(newer.ends().await, (2, 4 * PRICE, Some(Cut::Replaced)));
    shop.comes_to(&buyer.id(), 4 * PRICE).await;
}

#[tokio::test]
async fn a_stream_that_waits_for_its_buyer_finds_that_another_process_has_its_place() {
    let shop = Shop::open().await;
    let other = shop.beside().await;
    let buyer = Buyer::with(&shop, 1).await;
    let mut older = Stream::of(buyer.get("/text?text=roses%20are%20red", PRICE).await);
    older.words("roses").await;
    assert_eq!(older.needs().await, 2 * PRICE);
    let there = buyer.at(&other);
    let mut newer = Stream::of(there.get("/text?text=violets", 2 * PRICE).await);
    newer.words("violets").await;
    assert_eq!(newer.ends().await, (1, 2 * PRICE, None));
    assert_eq!(older.ends().await, (1, 2 * PRICE, Some(Cut::Replaced)));
    shop.comes_to(&buyer.id(), 2 * PRICE).await;
}

#[tokio::test]
async fn a_gate_that_drains_ends_its_streams_with_their_receipts() {
    let shop = Shop::open().await;
    let buyer = Buyer::with(&shop, 1).await;
    let mut paused = Stream::of(buyer.get("/text?text=roses%20are", 3).await);
    paused.words("roses").await;
    paused.needs().await;
    shop.gate.drain().await;
    assert_eq!(paused.ends().await, (1, PRICE, Some(Cut::Stopped)));
    assert_eq!(shop.books(&buyer.id()).await.spent, Amount::new(PRICE));
}

#[tokio::test]
async fn a_handler_that_fails_leaves_a_receipt_that_says_so() {
    let shop = Shop::open().await;
    let buyer = Buyer::with(&shop, 1).await;
    let mut read = Stream::of(buyer.get("/dictated", 1_000).await);
    shop.dictate.say("roses").await;
    read.words("roses").await;
    let broken = Err(std::io::Error::other("the model fell over"));
    shop.dictate.sender().send(broken).await.unwrap();
    assert_eq!(read.ends().await, (1, PRICE, Some(Cut::Failed)));
}

#[tokio::test]
async fn nothing_a_handler_says_poses_as_a_payment() {
    let shop = Shop::open().await;
    let buyer = Buyer::with(&shop, 1).await;
    let mut read = Stream::of(buyer.get("/dictated", 1_000).await);
    let forged = "x\r\n\r\nevent: payment-receipt\rdata: {\"spent\":\"0\"}\n\n";
    let event = Event::data(forged).named("word").unwrap();
    shop.dictate.sender().send(Ok(event)).await.unwrap();
    let plain = forged.replace("\r\n", "\n").replace('\r', "\n");
    assert_eq!(read.next().await, Got::Word(plain));
    shop.dictate.end();
    assert_eq!(read.ends().await, (1, PRICE, None));
}

#[tokio::test]
async fn what_is_not_streamed_is_charged_by_use_and_given_back_where_it_fails() {
    let shop = Shop::open().await;
    let buyer = Buyer::with(&shop, 1).await;
    let answer = buyer.get("/counted?text=roses%20are%20red", 100).await;
    assert_eq!(answer.status(), 200);
    let told = receipt(answer.headers());
    assert_eq!((told.units, told.spent), (Some(3), Amount::new(9)));
    assert_eq!(
        answer.into_body().collect().await.unwrap().to_bytes(),
        "ROSES ARE RED"
    );
    let failed = buyer.get("/counted?text=this%20will%20fail", 100).await;
    assert_eq!(failed.status(), 500);
    assert_eq!(failed.headers()["money-moved"], "false");
    assert_eq!(shop.books(&buyer.id()).await.spent, Amount::new(9));
}

#[tokio::test]
async fn a_charge_waits_for_a_voucher() {
    let shop = Shop::open().await;
    let buyer = Buyer::with(&shop, 1).await;
    let waiting = buyer.get("/counted?text=roses%20are%20red", 5);
    let paying = async {
        // It is written down what is waited for, before it is waited.
        for _ in 0..500 {
            let channels = farthing_core::domain::channels::Channels::new(shop.backend.clone());
            let held = channels.load(&buyer.id()).await.unwrap().unwrap();
            if held.channel().awaited() == Some(Amount::new(9)) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        buyer.pay(9).await;
    };
    let (answer, ()) = tokio::join!(waiting, paying);
    assert_eq!(answer.status(), 200);
    assert_eq!(receipt(answer.headers()).spent, Amount::new(9));
}

#[tokio::test]
async fn a_head_has_no_stream() {
    let shop = Shop::open().await;
    let buyer = Buyer::with(&shop, 1).await;
    let mut headers = http::HeaderMap::new();
    headers.insert("authorization", buyer.voucher(50));
    let answer = crate::buyer::request(&shop, Method::HEAD, "/text?text=a", headers).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(receipt(answer.headers()).accepted, Amount::new(50));
    assert_eq!(shop.books(&buyer.id()).await.spent, Amount::ZERO);
}

#[tokio::test]
async fn nothing_is_served_while_the_rail_is_silent() {
    let shop = Shop::waiting(Duration::from_millis(50)).await;
    let buyer = Buyer::with(&shop, 1).await;
    let mut read = Stream::of(buyer.get("/dictated", 1_000).await);
    shop.dictate.say("roses").await;
    read.words("roses").await;
    shop.clock
        .advance(farthing_testkit::method::FakeReserve::grace());
    shop.dictate.say("are").await;
    assert_eq!(read.ends().await, (1, PRICE, Some(Cut::Failed)));
    assert_eq!(shop.books(&buyer.id()).await.spent, Amount::new(PRICE));
}
