//! Upstreams that were not written here: what comes through the gateway is what comes without it.

use std::net::SocketAddr;

use farthing_testkit::peer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::rig::{Answer, Rig, exchange};

const RULES: &str = r#"
[log]
format = "off"
[routes]
"GET /*" = "$0.002"
"* /posts" = "free"
"* /posts/{id}" = "free"
"GET /events" = { price = "$0.01", settle = "first" }
"POST /events" = "free"
"#;

fn address(url: &str) -> SocketAddr {
    url.strip_prefix("http://").unwrap().parse().unwrap()
}

async fn direct(
    url: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let at = address(url);
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    let all = exchange(at, &[head.as_bytes(), body].concat()).await;
    Answer::read_all(&all).remove(0)
}

/// The same bytes, and the same headers but for those of the connection and of the payment.
#[track_caller]
fn same(through: &Answer, direct: &Answer) {
    assert_eq!(through.status, direct.status);
    assert_eq!(through.body, direct.body);
    assert!(through.whole && direct.whole);
    let theirs = |answer: &Answer| {
        let mut headers = answer.headers.clone();
        headers.retain(|(name, _)| {
            !matches!(
                name.as_str(),
                "connection"
                    | "keep-alive"
                    | "date"
                    | "transfer-encoding"
                    | "content-length"
                    | "payment-receipt"
                    | "money-moved"
                    | "cache-control"
            )
        });
        headers.sort();
        headers
    };
    assert_eq!(theirs(through), theirs(direct));
}

#[tokio::test]
async fn a_static_file_server() {
    let folder = tempfile::tempdir().unwrap();
    let large: Vec<u8> = (0..300_000u32)
        .map(|n| n.to_le_bytes()[n as usize % 3])
        .collect();
    std::fs::write(folder.path().join("small.txt"), "small\n").unwrap();
    std::fs::write(folder.path().join("large.bin"), &large).unwrap();
    std::fs::create_dir(folder.path().join("a folder")).unwrap();
    std::fs::write(folder.path().join("a folder/é.html"), "<p>é").unwrap();
    let found = peer::files(folder.path());
    let Some(files) = peer::or_skip("the gateway over a file server", found) else {
        return;
    };
    let rig = Rig::open(files.url(), RULES).await;
    let mut paid = 0;
    for path in [
        "/small.txt",
        "/large.bin",
        "/a%20folder/%C3%A9.html",
        "/a%20folder/",
    ] {
        let (_, through) = rig.pay("GET", path, b"").await;
        same(&through, &direct(files.url(), "GET", path, &[], b"").await);
        assert!(through.receipt().is_some());
        paid += 2_000;
        rig.assert_moved(paid).await;
    }
    // What is not there costs nothing.
    let (_, none) = rig.pay("GET", "/none", b"").await;
    same(&none, &direct(files.url(), "GET", "/none", &[], b"").await);
    assert_eq!(none.status, 404);
    assert_eq!(none.get("money-moved"), Some("false"));
    rig.assert_moved(paid).await;
    // A part is asked for, or only what changed.
    let changed = direct(files.url(), "GET", "/small.txt", &[], b"").await;
    let since = changed.get("last-modified").unwrap();
    for headers in [[("Range", "bytes=2-5")], [("If-Modified-Since", since)]] {
        let offered = rig.send("GET", "/small.txt", &headers, b"").await;
        assert_eq!(offered.status, 402);
        let credential = rig.sign(&offered).await;
        let both = [headers[0], ("Authorization", credential.as_str())];
        let through = rig.ask("GET", "/small.txt", &both).await;
        same(
            &through,
            &direct(files.url(), "GET", "/small.txt", &headers, b"").await,
        );
    }
}

#[tokio::test]
async fn a_json_api() {
    let data = r#"{"posts":[{"id":"1","title":"one"},{"id":"2","title":"two"}]}"#;
    let Some(api) = peer::or_skip("the gateway over a JSON API", peer::json_api(data)) else {
        return;
    };
    let rig = Rig::open(api.url(), RULES).await;
    let json = [("Content-Type", "application/json")];
    for (method, path, headers, body) in [
        ("GET", "/posts", &[][..], &b""[..]),
        ("GET", "/posts/1", &[], b""),
        ("GET", "/posts/9", &[], b""),
        ("GET", "/posts?title=two", &[], b""),
        ("GET", "/posts", &[("Accept-Encoding", "gzip")], b""),
        ("PUT", "/posts/2", &json, br#"{"title":"changed"}"#),
        ("PATCH", "/posts/2", &json, br#"{"title":"again"}"#),
        ("OPTIONS", "/posts", &[], b""),
    ] {
        let through = rig.send(method, path, headers, body).await;
        let direct = direct(api.url(), method, path, headers, body).await;
        same(&through, &direct);
    }
    let made = rig.send("POST", "/posts", &json, br#"{"id":"3"}"#).await;
    assert_eq!(made.status, 201, "{made:?}");
    let there = direct(api.url(), "GET", "/posts/3", &[], b"").await;
    assert_eq!(there.status, 200);
    let gone = rig.ask("DELETE", "/posts/3", &[]).await;
    assert_eq!(gone.status, 200, "{gone:?}");
    assert_eq!(
        direct(api.url(), "GET", "/posts/3", &[], b"").await.status,
        404
    );
}

#[tokio::test]
async fn a_stream_of_events() {
    let found = peer::event_stream();
    let Some(events) = peer::or_skip("the gateway over a stream of events", found) else {
        return;
    };
    let rig = Rig::open(events.url(), RULES).await;
    let (_, through) = rig.pay("GET", "/events?count=3", b"").await;
    let plainly = direct(events.url(), "GET", "/events?count=3", &[], b"").await;
    same(&through, &plainly);
    assert!(through.receipt().is_some());
    rig.assert_moved(10_000).await;

    // One that stays open: its first event arrives while it does.
    let credential = rig.credential("GET", "/events", b"").await;
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    let head = format!("GET /events HTTP/1.1\r\nHost: x\r\nAuthorization: {credential}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    for text in ["one", "two"] {
        // Whoever listens hears it; the stream's own head may still be on its way.
        crate::rig::until("somebody listens", async || {
            rig.send("POST", "/events", &[], text.as_bytes())
                .await
                .text()
                == "1\n"
        })
        .await;
        while !String::from_utf8_lossy(&seen).contains(text) {
            let read = tokio::time::timeout(
                std::time::Duration::from_secs(20),
                stream.read_buf(&mut seen),
            );
            assert_ne!(read.await.expect("the event arrives").unwrap(), 0);
        }
    }
    let text = String::from_utf8_lossy(&seen).to_ascii_lowercase();
    assert!(text.starts_with("http/1.1 200 "), "{text}");
    assert!(text.contains("payment-receipt: "), "{text}");
    rig.assert_moved(20_000).await;
}
