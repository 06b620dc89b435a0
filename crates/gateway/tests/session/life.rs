//! Streams over reloads, ends and failures.

use farthing::core::value::Amount;

use crate::{
    rig::{Upstream, until},
    world::{WORDS, World, begins, ends, sends, words},
};

const RULE: &str =
    "[routes]\n\"GET /words\" = { session = { price = \"$0.001\", usage = \"events\" } }";

/// Says the first two words, and the others once it is let.
pub(crate) async fn pausing() -> (Upstream, tokio::sync::watch::Sender<bool>) {
    let (go, may) = tokio::sync::watch::channel(false);
    let upstream = Upstream::start(move |_, mut conn| {
        let mut may = may.clone();
        Box::pin(async move {
            begins(&mut conn).await;
            sends(&mut conn, &words(&WORDS[..2])).await;
            if may.wait_for(|may| *may).await.is_ok() {
                sends(&mut conn, &words(&WORDS[2..])).await;
                ends(&mut conn).await;
            }
        })
    })
    .await;
    (upstream, go)
}

/// Reads so many events.
pub(crate) async fn reads(answer: &mut farthing::client::Response, events: usize) -> String {
    let mut text = String::new();
    while text.matches("\n\n").count() < events {
        let chunk = answer.chunk().await.unwrap().expect("more is to come");
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    text
}

#[tokio::test]
async fn a_reload_of_prices_and_of_the_gate_itself_keeps_streams_and_channels() {
    for (from, to) in [
        ("$0.001", "$0.002"),
        (
            "[routes]",
            "[pay.session]\nsettle = { age = \"2h\" }\n[routes]",
        ),
    ] {
        let (upstream, go) = pausing().await;
        let world = World::open(upstream, RULE).await;
        let mut answer = world.get("/words").await;
        let bill = answer.bill().unwrap().clone();
        let mut text = reads(&mut answer, 2).await;
        let changes = world.reload(from, to).await.unwrap();
        assert!(!changes.is_empty());
        go.send_replace(true);
        text.push_str(&answer.text().await.unwrap());
        assert_eq!(text, words(&WORDS));
        // A stream goes on at the price that it was begun at.
        assert_eq!(bill.cost(), Amount::new(5_000));
        // And what was begun before pays for what comes after.
        let answer = world.get("/words").await;
        let cost = if to == "$0.002" { 10_000 } else { 5_000 };
        assert_eq!(answer.text().await.unwrap(), words(&WORDS));
        world.closes_with(5_000 + cost).await;
    }
}

#[tokio::test]
async fn the_end_lets_streams_say_their_last_word() {
    let (upstream, _go) = pausing().await;
    let rest = format!("[limits]\ndrain = \"200ms\"\n{RULE}");
    let world = World::open(upstream, &rest).await;
    let mut answer = world.get("/words").await;
    let bill = answer.bill().unwrap().clone();
    assert_eq!(reads(&mut answer, 2).await, words(&WORDS[..2]));
    let (stopped, rest) = tokio::join!(world.gateway.stop(), answer.text());
    assert_eq!((stopped.cut, stopped.settled), (0, true));
    let receipt = bill.receipt().unwrap();
    assert_eq!(
        (receipt.units, receipt.spent),
        (Some(2), Amount::new(2_000))
    );
    drop(rest);
}

#[tokio::test]
async fn a_service_that_breaks_off_is_paid_for_what_came() {
    let upstream = Upstream::start(|_, mut conn| {
        Box::pin(async move {
            begins(&mut conn).await;
            sends(&mut conn, &words(&WORDS[..3])).await;
            conn.reset();
        })
    })
    .await;
    let world = World::open(upstream, RULE).await;
    let mut answer = world.get("/words").await;
    let bill = answer.bill().unwrap().clone();
    assert_eq!(reads(&mut answer, 3).await, words(&WORDS[..3]));
    while let Ok(Some(_)) = answer.chunk().await {}
    assert_eq!(bill.receipt().unwrap().units, Some(3));
    world.closes_with(3_000).await;
}

#[tokio::test]
async fn who_goes_away_pays_for_what_was_taken_and_the_service_is_let_go() {
    let (left, mut is_left) = tokio::sync::watch::channel(false);
    let upstream = Upstream::start(move |_, mut conn| {
        let left = left.clone();
        Box::pin(async move {
            begins(&mut conn).await;
            sends(&mut conn, &words(&WORDS[..2])).await;
            conn.is_left().await;
            left.send_replace(true);
        })
    })
    .await;
    let world = World::open(upstream, RULE).await;
    let mut answer = world.get("/words").await;
    assert_eq!(reads(&mut answer, 2).await, words(&WORDS[..2]));
    assert_eq!(world.sample("farthing_streams").await, 1.0);
    drop(answer);
    is_left.wait_for(|left| *left).await.unwrap();
    until("the stream is over", async || {
        world.sample("farthing_streams").await == 0.0
    })
    .await;
    world.closes_with(2_000).await;
}
