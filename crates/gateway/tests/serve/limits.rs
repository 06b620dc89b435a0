//! Limits that come before everything: connections, heads, time.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    OK, read_until,
    rig::{Answer, Rig, Upstream, exchange, until},
};

const ROUTES: &str = "[routes]\n\"GET /free\" = \"free\"\n\"POST /paid\" = \"$0.002\"\n";
const ASKS: &[u8] = b"GET /free HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

#[tokio::test]
async fn a_connection_too_many_waits_until_there_is_room() {
    let upstream = Upstream::says(OK).await;
    let rig = Rig::open(
        &upstream.url(),
        &format!("[limits]\nconnections = 2\n{ROUTES}"),
    )
    .await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(rig.address).await.unwrap();
        stream.write_all(ASKS).await.unwrap();
        read_until(&mut stream, "\r\n\r\nok").await;
        held.push(stream);
    }
    let mut waiting = TcpStream::connect(rig.address).await.unwrap();
    waiting.write_all(ASKS).await.unwrap();
    let metrics = rig.gateway.metrics().await;
    assert_eq!(crate::sample(&metrics, "farthing_connections_total"), 2);
    assert_eq!(crate::sample(&metrics, "farthing_connections"), 2);
    drop(held.pop());
    read_until(&mut waiting, "\r\n\r\nok").await;
    // Room that a reload makes is there at once.
    let more = format!("[limits]\nconnections = 3\n{ROUTES}");
    let mut third = TcpStream::connect(rig.address).await.unwrap();
    third.write_all(ASKS).await.unwrap();
    rig.reload(&upstream.url(), &more).await.unwrap();
    read_until(&mut third, "\r\n\r\nok").await;
}

#[tokio::test]
async fn one_peer_does_not_take_every_connection() {
    let upstream = Upstream::says(OK).await;
    let rig = Rig::open(
        &upstream.url(),
        &format!("[limits]\nconnections = 8\nconnections_per_peer = 2\n{ROUTES}"),
    )
    .await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(rig.address).await.unwrap();
        stream.write_all(ASKS).await.unwrap();
        read_until(&mut stream, "\r\n\r\nok").await;
        held.push(stream);
    }
    // Far more than there is room for: each is turned away, and none waits.
    for _ in 0..20 {
        assert_eq!(exchange(rig.address, ASKS).await, b"");
    }
    let metrics = rig.gateway.metrics().await;
    let refused = "farthing_connections_refused_total";
    assert_eq!(crate::sample(&metrics, refused), 20);
    assert_eq!(crate::sample(&metrics, "farthing_connections"), 2);
    drop(held);
    until("its places are free again", async || {
        let closing = [b"GET /free HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"];
        exchange(rig.address, closing[0]).await.ends_with(b"ok")
    })
    .await;
}

/// Whoever sends a head drop by drop, or nothing at all, is sent away.
#[tokio::test]
async fn a_head_has_to_come_in_time() {
    let upstream = Upstream::says(OK).await;
    let rig = Rig::open(
        &upstream.url(),
        &format!("[limits]\nhead_within = \"1s\"\n{ROUTES}"),
    )
    .await;
    for begin in [
        &b""[..],
        b"GET /fr",
        b"GET /free HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: b",
    ] {
        let mut stream = TcpStream::connect(rig.address).await.unwrap();
        stream.write_all(begin).await.unwrap();
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(
            std::time::Duration::from_secs(20),
            stream.read_to_end(&mut rest),
        );
        let _ = ended.await.unwrap_or_else(|_| panic!("kept: {begin:?}"));
        assert!(!rest.starts_with(b"HTTP/1.1 200"), "{rest:?}");
    }
    assert_eq!(upstream.asked(), []);
}

/// Requests that are taken back as soon as they are sent, over and over, keep nothing busy and
/// nobody out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_are_reset_over_and_over_leave_nothing_behind() {
    let upstream =
        Upstream::start(|_, mut conn| Box::pin(async move { conn.is_left().await })).await;
    let routes = format!("[log]\nformat = \"off\"\n{ROUTES}");
    let rig = Rig::open(&upstream.url(), &routes).await;
    let _ = rustls::crypto::ring::default_provider().install_default();
    for _ in 0..4 {
        let client = reqwest::Client::builder()
            .no_proxy()
            .http2_prior_knowledge();
        let client = client.build().unwrap();
        let url = format!("http://{}/free", rig.address);
        let rushing: Vec<_> = (0..500)
            .map(|_| {
                let request = client.get(&url).send();
                tokio::spawn(async move {
                    let _ =
                        tokio::time::timeout(std::time::Duration::from_millis(5), request).await;
                })
            })
            .collect();
        for one in rushing {
            one.await.unwrap();
        }
    }
    until("nothing is under way any more", async || {
        crate::sample(&rig.gateway.metrics().await, "farthing_in_flight") == 0
    })
    .await;
    assert_eq!(rig.send("POST", "/paid", &[], b"x").await.status, 402);
}

#[tokio::test]
async fn a_head_has_a_size_and_a_body_too() {
    let upstream = Upstream::says(OK).await;
    let limits = "[limits]\nhead = \"40KiB\"\nbody = \"1KiB\"\n";
    let rig = Rig::open(&upstream.url(), &format!("{limits}{ROUTES}")).await;
    let long = "x".repeat(120 * 1024);
    let many: String = (0..150).map(|n| format!("X-{n}: 1\r\n")).collect();
    for fields in [format!("X-Long: {long}\r\n"), many] {
        let head =
            format!("GET /free HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}Connection: close\r\n\r\n");
        let answers = Answer::read_all(&exchange(rig.address, head.as_bytes()).await);
        assert_eq!(answers.len(), 1, "{answers:?}");
        assert_eq!(answers[0].status, 431, "{answers:?}");
    }
    let answer = rig.send("POST", "/paid", &[], &[b'x'; 1025]).await;
    answer.is_problem(413, "body-too-large", Some(false));
    let answer = rig.send("POST", "/paid", &[], &[b'x'; 1024]).await;
    assert_eq!(answer.status, 402);
    assert_eq!(upstream.asked(), []);
}
