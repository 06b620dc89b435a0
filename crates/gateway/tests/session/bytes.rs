//! Answers that are counted by their bytes: of a length that is said before, and of one that nobody knows.

use crate::{
    rig::Upstream,
    world::{World, ends, sends},
};

const KIB: usize = 1024;

fn rule(also: &str) -> String {
    format!(
        "[routes]\n\"* /file\" = {{ session = {{ price = \"$0.001\", usage = \"bytes\", {also} }} }}"
    )
}

/// A service that answers with so many bytes, and says so.
async fn says_its_length(length: usize) -> Upstream {
    Upstream::start(move |_, mut conn| {
        Box::pin(async move {
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\
                 Connection: close\r\n\r\n"
            );
            conn.say(head + &"x".repeat(length)).await;
        })
    })
    .await
}

/// Nobody waits: what it costs is asked for before the first byte, and paid once.
#[tokio::test]
async fn an_answer_that_says_its_length_is_paid_whole_before_it_goes_out() {
    for (length, units, asked) in [
        (1, 1, 1),
        (KIB, 1, 1),
        (KIB + 1, 2, 2),
        (50 * KIB - 7, 50, 2),
    ] {
        let world = World::open(
            says_its_length(length).await,
            &rule("voucher_wait = \"60s\""),
        )
        .await;
        let answer = world.get("/file").await;
        assert_eq!(answer.status().as_u16(), 200, "{length}");
        assert_eq!(answer.headers()["content-length"], length.to_string());
        let bill = answer.bill().unwrap().clone();
        assert_eq!(answer.text().await.unwrap().len(), length);
        assert_eq!(bill.receipt().unwrap().units, Some(units), "{length}");
        assert_eq!(world.upstream.asked().len(), asked, "{length}");
        world.closes_with(u128::from(units) * 1_000).await;
    }
}

/// What has no bytes costs nothing, whatever its head says of them.
#[tokio::test]
async fn an_answer_without_a_body_costs_nothing_and_a_part_of_one_what_it_is() {
    let upstream = Upstream::start(|number, mut conn| {
        Box::pin(async move {
            let says = match number {
                0 => "204 No Content",
                1 => "304 Not Modified\r\nContent-Length: 900000",
                2 => "200 OK\r\nContent-Length: 0",
                4 => "200 OK\r\nContent-Length: 900000",
                _ => "206 Partial Content\r\nContent-Range: bytes 0-1499/900000\r\nContent-Length: 1500",
            };
            let body = if number == 3 { "x".repeat(1_500) } else { String::new() };
            conn.say(format!("HTTP/1.1 {says}\r\nConnection: close\r\n\r\n{body}"))
                .await;
        })
    })
    .await;
    let world = World::open(upstream, &rule("estimate = 2")).await;
    for (method, status, length) in [
        (http::Method::GET, 204, 0),
        (http::Method::GET, 304, 0),
        (http::Method::GET, 200, 0),
        (http::Method::GET, 206, 1_500),
        (http::Method::HEAD, 200, 0),
    ] {
        let asking = world.client.request(method.clone(), world.url("/file"));
        let answer = asking.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{method}");
        assert_eq!(
            answer.text().await.unwrap().len(),
            length,
            "{method} {status}"
        );
    }
    world.closes_with(2_000).await;
}

/// Where no length is said, it is paid for as far as it came.
#[tokio::test]
async fn an_answer_of_no_length_flows_as_far_as_it_is_covered() {
    let upstream = || {
        Upstream::start(|_, mut conn| {
            Box::pin(async move {
                conn.say(
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
                )
                .await;
                for _ in 0..4 {
                    sends(&mut conn, &"x".repeat(KIB)).await;
                }
                ends(&mut conn).await;
            })
        })
    };
    let world = World::open(upstream().await, &rule("estimate = 4")).await;
    let answer = world.get("/file").await;
    assert_eq!(answer.text().await.unwrap().len(), 4 * KIB);
    world.closes_with(4_000).await;

    let also = "voucher_wait = \"100ms\"";
    let world = World::open(upstream().await, &rule(also)).await;
    let answer = world.get("/file").await;
    let bill = answer.bill().unwrap().clone();
    assert!(answer.text().await.is_err());
    bill.closed().await;
    assert!(bill.cost().units() <= 1_000, "{}", bill.cost());
    let spent = world.client.sessions().list(None, 9).await.unwrap()[0].signed;
    world.closes_with(spent.units()).await;
}
