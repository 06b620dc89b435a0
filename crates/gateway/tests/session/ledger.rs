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
async fn what_the_service_does_not_serve_costs_nothing() {
    let broken = "HTTP/1.1 500 Broken\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let upstream = Upstream::says(broken).await;
    let rest = "[routes]\n\"GET /a\" = { session = \"$0.0001\" }\n\
                \"GET /b\" = { session = { price = \"$0.001\", usage = \"events\" } }";
    let world = World::open(upstream, rest).await;
    for path in ["/a", "/b"] {
        let answer = world.get(path).await;
        assert_eq!(answer.status().as_u16(), 500);
        assert_eq!(answer.headers()["money-moved"], "false");
    }
    world.closes_with(0).await;
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
async fn what_the_service_says_it_used_is_what_is_charged() {
    let upstream = Upstream::start(|number, mut conn| {
        Box::pin(async move {
            if number == 0 {
                begins(&mut conn).await;
                sends(&mut conn, "data: {\"text\":\"a\",\"usage\":null}\n\n").await;
                sends(&mut conn, "data: {\"text\":\"b\"}\n\n").await;
                sends(&mut conn, "data: {\"usage\":{\"total\":50}}\n\ndata: [DONE]\n\n").await;
                ends(&mut conn).await;
            } else {
                let body = "{\"usage\":{\"total\":42}}";
                conn.say(format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-used: 7\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())).await;
            }
        })
    })
    .await;
    let rest = "[routes]\n\
        \"GET /json\" = { session = { price = \"$0.0001\", unit = \"token\", usage = { json = \"$.usage.total\" }, estimate = 60 } }\n\
        \"GET /header\" = { session = { price = \"$0.0001\", unit = \"token\", usage = { header = \"x-used\" }, estimate = 10 } }\n\
        \"GET /least\" = { session = { price = \"$0.0001\", usage = { header = \"x-used\" }, least = 9 } }\n\
        \"GET /untold\" = { session = { price = \"$0.0001\", usage = { header = \"x-other\" } } }";
    let world = World::open(upstream, rest).await;
    let streamed = world.get("/json").await;
    let bill = streamed.bill().unwrap().clone();
    let text = streamed.text().await.unwrap();
    assert!(
        text.ends_with("data: {\"usage\":{\"total\":50}}\n\ndata: [DONE]\n\n"),
        "{text}"
    );
    assert_eq!(bill.receipt().unwrap().units, Some(50));
    for (path, units) in [("/json", 42), ("/header", 7), ("/least", 9)] {
        let answer = world.get(path).await;
        assert_eq!(answer.status().as_u16(), 200, "{path}");
        let bill = answer.bill().unwrap().clone();
        assert_eq!(answer.text().await.unwrap(), "{\"usage\":{\"total\":42}}");
        assert_eq!(bill.receipt().unwrap().units, Some(units), "{path}");
    }
    // A rule that asks for what the service does not say sells nothing, and gives nothing away.
    let answer = world.get("/untold").await;
    assert_eq!(answer.status().as_u16(), 502);
    assert_eq!(answer.headers()["money-moved"], "false");
    world.closes_with((50 + 42 + 7 + 9) * 100).await;
}

#[tokio::test]
async fn bytes_are_paid_by_the_kib_that_was_begun() {
    let upstream = Upstream::start(|_, mut conn| {
        Box::pin(async move {
            let body = "x".repeat(2_500);
            conn.say(format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2500\r\nConnection: close\r\n\r\n{body}")).await;
        })
    })
    .await;
    let rest = "[routes]\n\"GET /file\" = { session = { price = \"$0.001\", usage = \"bytes\", estimate = 3 } }";
    let world = World::open(upstream, rest).await;
    let answer = world.get("/file").await;
    assert_eq!(answer.headers()["content-length"], "2500");
    assert_eq!(answer.text().await.unwrap().len(), 2_500);
    world.closes_with(3_000).await;
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

/// Nobody hears anything while an answer is held, so one that costs more than the balance goes to nobody:
/// its buyer is told what is missing, and the service is asked anew.
#[tokio::test]
async fn an_answer_that_costs_more_than_was_covered_is_asked_for_once_more_and_charged_once() {
    let upstream = Upstream::start(|_, mut conn| {
        Box::pin(async move {
            let body = "{\"usage\":{\"total\":900}}";
            conn.say(format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())).await;
        })
    })
    .await;
    let rest = "[routes]\n\"GET /json\" = { session = { price = \"$0.00001\", usage = { json = \"$.usage.total\" } } }";
    let world = World::open(upstream, rest).await;
    let answer = world.get("/json").await;
    assert_eq!(answer.status().as_u16(), 200);
    let bill = answer.bill().unwrap().clone();
    answer.text().await.unwrap();
    assert_eq!(bill.receipt().unwrap().units, Some(900));
    assert_eq!(world.upstream.asked().len(), 2);
    world.closes_with(9_000).await;
}

#[tokio::test]
async fn what_a_stream_was_charged_ahead_and_did_not_use_is_given_back() {
    let upstream = Upstream::start(|_, mut conn| {
        Box::pin(async move {
            begins(&mut conn).await;
            sends(&mut conn, &words(&WORDS)).await;
            ends(&mut conn).await;
        })
    })
    .await;
    let rest = "[routes]\n\"GET /words\" = { session = { price = \"$0.001\", usage = \"events\", ahead = 3, estimate = 20 } }";
    let world = World::open(upstream, rest).await;
    for _ in 0..2 {
        let answer = world.get("/words").await;
        let bill = answer.bill().unwrap().clone();
        assert_eq!(answer.text().await.unwrap(), words(&WORDS));
        assert_eq!(bill.receipt().unwrap().units, Some(5));
    }
    world.closes_with(10_000).await;
}

/// What was charged for an answer that cannot be had again is paid for, also where the balance is out: who
/// repeats the request with its key gets it, and signs nothing more.
#[tokio::test]
async fn a_request_that_is_repeated_with_its_key_is_not_asked_for_what_it_paid() {
    let upstream = Upstream::start(|_, mut conn| {
        Box::pin(async move {
            conn.say("HTTP/1.1 200 OK\r\nx-used: 7\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n").await;
            sends(&mut conn, "text").await;
            ends(&mut conn).await;
        })
    })
    .await;
    let rest = "[routes]\n\
        \"GET /a\" = { session = { price = \"$0.0001\", unit = \"token\", usage = { header = \"x-used\" }, estimate = 7 } }";
    let world = World::open(upstream, rest).await;
    for run in 0..2 {
        let asked = world.client.get(world.url("/a"));
        let answer = asked
            .header("idempotency-key", "once")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{run}");
        assert_eq!(answer.text().await.unwrap(), "text");
    }
    let purse = &world.client.sessions().list(None, 9).await.unwrap()[0];
    // Its voucher is for one unit more, as that of any request is.
    assert_eq!((purse.spent.units(), purse.accepted.units()), (700, 800));
    world.closes_with(700).await;
}

/// What is counted is asked for as it is: a stream whose events nobody can see goes to nobody, and a KiB
/// is the same to a buyer that takes compressed answers.
#[tokio::test]
async fn what_is_counted_is_asked_for_without_compression() {
    let upstream = Upstream::start(|_, mut conn| {
        Box::pin(async move {
            let body = "data: {\"used\":2}\n\n";
            conn.say(format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nx-used: 2\r\n\
                 Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ))
            .await;
        })
    })
    .await;
    let rest = "[routes]\n\
        \"GET /requests\" = { session = \"$0.001\" }\n\
        \"GET /events\" = { session = { price = \"$0.001\", usage = \"events\" } }\n\
        \"GET /bytes\" = { session = { price = \"$0.001\", usage = \"bytes\" } }\n\
        \"GET /header\" = { session = { price = \"$0.001\", usage = { header = \"x-used\" } } }\n\
        \"GET /json\" = { session = { price = \"$0.001\", usage = { json = \"$.used\" } } }";
    let world = World::open(upstream, rest).await;
    for (path, coding) in [
        ("/requests", "gzip"),
        ("/events", "identity"),
        ("/bytes", "identity"),
        ("/header", "identity"),
        ("/json", "identity"),
    ] {
        let asking = world.client.get(world.url(path));
        let asking = asking.header("accept-encoding", "gzip");
        let answer = asking.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{path}");
        answer.text().await.unwrap();
        let asked = world.upstream.asked();
        let last = asked.last().unwrap();
        assert_eq!(last.all("accept-encoding"), [coding], "{path}");
    }
    // A request, an event, a KiB, and twice what the service says.
    world
        .closes_with(1_000 + 1_000 + 1_000 + 2_000 + 2_000)
        .await;
}
