//! What each kind of rule charges, to the unit.

use farthing::core::value::Amount;

use crate::{
    rig::{Answer, Upstream, exchange},
    world::{WORDS, World, begins, ends, sends, words},
};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

#[tokio::test]
async fn each_request_costs_its_price_and_the_service_sees_nothing_of_it() {
    let upstream = Upstream::says(OK).await;
    let world = World::open(upstream, "[routes]\n\"GET /a\" = { session = \"$0.0001\" }").await;
    for _ in 0..3 {
        let answer = world.get("/a").await;
        assert_eq!(
            (answer.status().as_u16(), answer.receipt().is_some()),
            (200, true)
        );
        assert_eq!(answer.text().await.unwrap(), "ok");
    }
    let asked = world.upstream.asked();
    assert_eq!(asked.len(), 3);
    for (name, _) in asked.iter().flat_map(|asked| &asked.headers) {
        assert!(
            !name.starts_with("payment-") && name != "authorization",
            "{name}"
        );
    }
    let of = "{method=\"ledger\",currency=\"usd6\"}";
    assert_eq!(
        world
            .sample(&format!("farthing_channels_spent_units{of}"))
            .await,
        300.0
    );
    assert_eq!(world.sample("farthing_channels_in_memory").await, 1.0);
    assert_eq!(
        world
            .sample("farthing_session_events_total{what=\"opened\"}")
            .await,
        1.0
    );
    assert_eq!(
        world
            .sample("farthing_session_rail_heard{method=\"ledger\"}")
            .await,
        1.0
    );
    world.closes_with(300).await;
}

#[tokio::test]
async fn a_stream_is_paid_by_the_event_and_what_it_says_of_payments_is_left_out() {
    let upstream = Upstream::start(|_, mut conn| {
        Box::pin(async move {
            begins(&mut conn).await;
            for word in WORDS {
                sends(&mut conn, &format!("data: {word}\n\n")).await;
            }
            sends(
                &mut conn,
                "event: payment-receipt\ndata: {\"spent\":\"9\"}\n\n",
            )
            .await;
            sends(&mut conn, "event: payment-need-voucher\ndata: {}\n\n").await;
            ends(&mut conn).await;
        })
    })
    .await;
    let rest =
        "[routes]\n\"GET /words\" = { session = { price = \"$0.001\", usage = \"events\" } }";
    let world = World::open(upstream, rest).await;
    let answer = world.get("/words").await;
    let bill = answer.bill().unwrap().clone();
    assert_eq!(answer.text().await.unwrap(), words(&WORDS));
    assert_eq!(bill.cost(), Amount::new(5_000));
    assert_eq!(
        (bill.receipt().unwrap().units, bill.trouble()),
        (Some(5), None)
    );
    assert_eq!(world.sample("farthing_streams").await, 0.0);
    world.closes_with(5_000).await;
}

#[tokio::test]
async fn a_voucher_is_handed_in_by_a_bare_post_and_by_nothing_else() {
    let upstream = Upstream::says(OK).await;
    let rest = "[routes]\n\"GET /a\" = { session = \"$0.0001\" }\n\"POST /*\" = \"free\"";
    let world = World::open(upstream, rest).await;
    let at = world.gateway.address();
    let post = |headers: &str, query: &str| {
        let text = format!(
            "POST /a{query} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n"
        );
        async move {
            let all = exchange(at, text.as_bytes()).await;
            Answer::read_all(&all).remove(0).status
        }
    };
    // Without a payment it is as any other request; with one it never goes to the service.
    assert_eq!(post("", "").await, 200);
    assert_eq!(world.upstream.asked().len(), 1);
    assert_eq!(post("Authorization: Payment x\r\n", "").await, 402);
    assert_eq!(world.upstream.asked().len(), 1);
}
