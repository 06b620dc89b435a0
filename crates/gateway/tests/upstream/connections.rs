//! Connections: which are used again, what is sent a second time, and who ends what.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

use crate::rig::{self, Rig, Upstream};

const RULES: &str = r#"
[log]
format = "off"
[upstream]
first_byte = "500ms"
idle = "500ms"
[limits]
body = "100KiB"
[routes]
"* /free" = "free"
"GET /paid" = { price = "$0.002", settle = "first" }
"POST /paid" = { price = "$0.002", settle = "first" }
"#;

const KEPT: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Answers on one connection as often as it is asked.
fn keeps(
    counted: &Arc<AtomicUsize>,
    most: usize,
) -> impl Fn(usize, rig::Conn) -> Answering + use<> {
    let counted = Arc::clone(counted);
    move |_, mut conn| {
        counted.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            for _ in 0..most {
                conn.say(KEPT).await;
                if conn.read().await.is_none() {
                    return;
                }
            }
        })
    }
}

type Answering = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

#[tokio::test]
async fn a_connection_is_used_again() {
    let connections = Arc::new(AtomicUsize::new(0));
    let upstream = Upstream::start(keeps(&connections, usize::MAX)).await;
    let rig = Rig::open(&upstream.url(), RULES).await;
    for _ in 0..5 {
        assert_eq!(rig.ask("GET", "/free", &[]).await.text(), "ok");
    }
    assert_eq!(upstream.asked().len(), 5);
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_was_sent_is_not_sent_again() {
    // The second request on a connection is read, and the connection closed without an answer:
    // whether it ran nobody knows.
    let connections = Arc::new(AtomicUsize::new(0));
    let upstream = Upstream::start(keeps(&connections, 1)).await;
    let rig = Rig::open(&upstream.url(), RULES).await;
    assert_eq!(rig.ask("GET", "/free", &[]).await.text(), "ok");
    let answer = rig.ask("GET", "/free", &[]).await;
    answer.is_problem(502, "upstream-broken", None);
    assert_eq!(upstream.asked().len(), 2);
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_connection_that_closed_in_the_meantime_costs_nothing() {
    let upstream =
        Upstream::start(|_, mut conn| Box::pin(async move { conn.say(KEPT).await })).await;
    let rig = Rig::open(&upstream.url(), RULES).await;
    for number in 1..=10 {
        let answer = rig.send("POST", "/free", &[], b"x").await;
        assert_eq!(answer.text(), "ok");
        assert_eq!(upstream.asked().len(), number);
        // The end of a connection takes a moment to arrive.
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_free_request_along() {
    let (asked, left) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell_asked, tell_left) = (Arc::clone(&asked), Arc::clone(&left));
    let upstream = Upstream::start(move |_, mut conn| {
        let (asked, left) = (Arc::clone(&tell_asked), Arc::clone(&tell_left));
        Box::pin(async move {
            conn.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
                .await;
            asked.notify_one();
            conn.is_left().await;
            left.notify_one();
        })
    })
    .await;
    let rules = RULES.replace("\"500ms\"", "\"60s\"");
    let rig = Rig::open(&upstream.url(), &rules).await;
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    stream
        .write_all(b"GET /free HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    asked.notified().await;
    drop(stream);
    tokio::time::timeout(std::time::Duration::from_secs(20), left.notified())
        .await
        .expect("the upstream is left as well");
}

#[tokio::test]
async fn a_client_that_leaves_does_not_take_its_payment_along() {
    let (asked, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell_asked, told_go) = (Arc::clone(&asked), Arc::clone(&go));
    let upstream = Upstream::start(move |_, mut conn| {
        let (asked, go) = (Arc::clone(&tell_asked), Arc::clone(&told_go));
        Box::pin(async move {
            asked.notify_one();
            go.notified().await;
            conn.say(KEPT).await;
        })
    })
    .await;
    let rules = RULES.replace("\"500ms\"", "\"60s\"");
    let rig = Rig::open(&upstream.url(), &rules).await;
    let credential = rig.credential("POST", "/paid", b"x").await;
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    let head = format!(
        "POST /paid HTTP/1.1\r\nHost: x\r\nAuthorization: {credential}\r\nContent-Length: 1\r\n\r\nx"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    asked.notified().await;
    drop(stream);
    go.notify_one();
    rig::until("the answer is kept for its buyer", async || {
        let answer = rig.present("POST", "/paid", &credential, b"x").await;
        (answer.status, answer.body.as_slice()) == (200, b"ok")
    })
    .await;
    assert_eq!(upstream.asked().len(), 1, "it ran once");
    rig.assert_moved(2_000).await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_stopped() {
    let upstream = Upstream::says(KEPT).await;
    let rig = Rig::open(&upstream.url(), RULES).await;
    let large = vec![b'x'; 200 * 1024];
    for path in ["/free", "/paid"] {
        let answer = rig.send("POST", path, &[], &large).await;
        assert_eq!(answer.status, 413, "{answer:?}");
    }
    assert_eq!(upstream.asked(), []);
    // One that says nothing of its size goes up until it is.
    let mut chunked =
        b"POST /free HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
            .to_vec();
    for _ in 0..200 {
        chunked.extend_from_slice(b"400\r\n");
        chunked.extend_from_slice(&[b'x'; 0x400]);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    let answer = rig.raw(&chunked).await.remove(0);
    answer.is_problem(413, "body-too-large", None);
    assert_eq!(upstream.asked(), [], "it never came to its end");
}

#[tokio::test]
async fn a_body_that_stops_is_the_clients_fault_and_no_waiting() {
    let upstream = Upstream::says(KEPT).await;
    let rig = Rig::open(&upstream.url(), RULES).await;
    let half =
        b"POST /free HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 10\r\n\r\nhalf";
    let answer = rig.raw(half).await.remove(0);
    answer.is_problem(400, "bad-request", None);
    assert_eq!(upstream.asked(), []);
}

/// An upstream that reads a request's head and nothing of its body.
async fn reads_heads_only(says: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 64];
            stream.read_exact(&mut head).await.unwrap();
            stream.write_all(says.as_bytes()).await.unwrap();
            open.push(stream);
        }
    });
    url
}

#[tokio::test]
async fn an_upstream_that_stops_reading_has_its_time() {
    let to = reads_heads_only("").await;
    let rules = RULES.replace("100KiB", "64MiB");
    let rig = Rig::open(&to, &rules).await;
    let large = vec![b'x'; 30 * 1024 * 1024];
    let answer = rig.send("POST", "/free", &[], &large).await;
    answer.is_problem(504, "upstream-timeout", None);
}

#[tokio::test]
async fn an_answer_may_come_before_the_request_is_read() {
    let to = reads_heads_only("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await;
    let rules = RULES.replace("100KiB", "64MiB");
    let rig = Rig::open(&to, &rules).await;
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    let head = b"POST /free HTTP/1.1\r\nHost: x\r\nContent-Length: 30000000\r\n\r\nfirst";
    stream.write_all(head).await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"no") {
        assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0, "{seen:?}");
    }
    assert!(seen.starts_with(b"HTTP/1.1 403 "));
}

#[tokio::test]
async fn a_reload_that_changes_something_else_keeps_the_connections() {
    let connections = Arc::new(AtomicUsize::new(0));
    let upstream = Upstream::start(keeps(&connections, usize::MAX)).await;
    let rig = Rig::open(&upstream.url(), RULES).await;
    assert_eq!(rig.ask("GET", "/free", &[]).await.text(), "ok");
    let dearer = RULES.replace("$0.002", "$0.003");
    rig.reload(&upstream.url(), &dearer).await.unwrap();
    assert_eq!(rig.ask("GET", "/free", &[]).await.text(), "ok");
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    // Another word about the upstream is another way to it.
    let slower = dearer.replace("\"500ms\"", "\"600ms\"");
    rig.reload(&upstream.url(), &slower).await.unwrap();
    assert_eq!(rig.ask("GET", "/free", &[]).await.text(), "ok");
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn an_answer_goes_no_faster_than_it_is_taken() {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let upstream = Upstream::start(move |_, mut conn| {
        let count = Arc::clone(&count);
        Box::pin(async move {
            conn.say("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
                .await;
            let piece = vec![b'x'; 64 * 1024];
            while conn.stream.write_all(&piece).await.is_ok() {
                count.fetch_add(piece.len(), Ordering::SeqCst);
            }
        })
    })
    .await;
    let rules = RULES.replace("\"500ms\"", "\"60s\"");
    let rig = Rig::open(&upstream.url(), &rules).await;
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    stream
        .write_all(b"GET /free HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut first = [0; 16];
    stream.read_exact(&mut first).await.unwrap();
    // It stands still once every buffer on the way is full: the system's, and a few of ours.
    let mut last = usize::MAX;
    rig::until("the upstream is held back", async || {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        let now = sent.load(Ordering::SeqCst);
        std::mem::replace(&mut last, now) == now
    })
    .await;
    assert!(last < 32 * 1024 * 1024, "{last}");
    drop(stream);
}
