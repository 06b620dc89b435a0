//! A start, payments, an end.

use std::{sync::Arc, time::Duration};

use farthing::{
    client::{Client, Policy},
    core::memory::MemoryBackend,
    ledger::{AccountKey, KeyType, LedgerPayer},
};
use farthing_gateway::serve::{Gateway, StartError};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    OK, holding, read_until,
    rig::{Rig, Upstream, until},
};

const RULES: &str = r#"
[routes]
"GET /free/*" = "free"
"GET /paid/*" = "$0.002"
"POST /paid/*" = { price = "$0.01", settle = "first" }
"GET /stream" = { price = "$0.03", settle = "first" }
"#;

#[tokio::test]
async fn what_is_priced_is_paid_and_what_is_free_is_not() {
    let upstream = Upstream::says(OK).await;
    let rig = Rig::open(&upstream.url(), RULES).await;
    assert_eq!(rig.ask("GET", "/free/a", &[]).await.status, 200);
    rig.assert_moved(0).await;
    let (_, answer) = rig.pay("GET", "/paid/a", b"").await;
    assert_eq!((answer.status, answer.text()), (200, "ok"));
    assert!(answer.receipt().is_some());
    rig.assert_moved(2_000).await;
    let (_, answer) = rig.pay("POST", "/paid/a", b"x").await;
    assert_eq!((answer.status, answer.text()), (200, "ok"));
    rig.assert_moved(12_000).await;
    assert_eq!(upstream.asked().len(), 3, "402s never reach the upstream");
    rig.gateway.stop().await;
}

#[tokio::test]
async fn the_client_pays_through_it() {
    let upstream = Upstream::says(OK).await;
    let rig = Rig::open(&upstream.url(), RULES).await;
    let client = Client::builder()
        .payer(LedgerPayer::new(
            AccountKey::from_seed(KeyType::Ed25519, [1; 32]).unwrap(),
        ))
        .policy(Policy::new().max_per_request("$0.01".parse().unwrap()))
        .backend(Arc::new(MemoryBackend::new()))
        .clock(Arc::new(rig.clock.clone()))
        .build()
        .unwrap();
    let answer = client
        .get(format!("http://{}/paid/a", rig.address))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.paid().unwrap().amount.units(), 2_000);
    assert_eq!(answer.text().await.unwrap(), "ok");
    rig.assert_moved(2_000).await;
}

#[tokio::test]
async fn what_no_rule_takes_is_not_there() {
    let upstream = Upstream::says(OK).await;
    let rig = Rig::open(&upstream.url(), RULES).await;
    let answer = rig.ask("GET", "/other", &[]).await;
    answer.is_problem(404, "not-found", Some(false));
    let answer = rig.ask("DELETE", "/paid/a", &[]).await;
    answer.is_problem(405, "method-not-allowed", Some(false));
    let mut allowed: Vec<_> = answer.get("allow").unwrap().split(", ").collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["GET", "HEAD", "POST"]);
    assert_eq!(upstream.asked(), []);
}

#[tokio::test]
async fn the_discovery_documents_tell_the_prices_of_the_rules() {
    let upstream = Upstream::says(OK).await;
    let rig = Rig::open(&upstream.url(), RULES).await;
    let answer = rig.ask("GET", "/openapi.json", &[]).await;
    assert_eq!(answer.status, 200);
    let document: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let told = document["paths"].to_string();
    for amount in ["2000", "10000", "30000"] {
        assert!(told.contains(&format!("\"amount\":\"{amount}\"")), "{told}");
    }
    let etag = answer.get("etag").unwrap().to_owned();
    let again = rig
        .ask("GET", "/openapi.json", &[("If-None-Match", &etag)])
        .await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    let page = rig.ask("GET", "/llms.txt", &[]).await;
    assert!(page.text().contains("$0.002"), "{}", page.text());
    assert_eq!(upstream.asked(), [], "they are the gateway's own");
}

#[tokio::test]
async fn an_upstreams_own_document_is_merged_once_it_can_be_had() {
    let (socket, at) = taken();
    let rules =
        "[service]\nopenapi = \"/spec.json\"\n[routes]\n\"GET /paid/{city}\" = \"$0.002\"\n";
    let rig = Rig::open(&format!("http://{at}"), rules).await;
    let document = rig.ask("GET", "/openapi.json", &[]).await;
    assert!(document.text().contains("/paid/{city}"));
    let body = r#"{"openapi":"3.0.0","info":{"title":"Theirs","version":"7"},"paths":{"/paid/{city}":{"get":{"summary":"their own words","responses":{}}},"/hidden":{"get":{"responses":{}}}}}"#;
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let listener = socket.listen(16).unwrap();
    let _upstream = Upstream::on(listener, move |_, mut conn| {
        let answer = answer.clone();
        Box::pin(async move { conn.say(answer).await })
    });
    until("their document is merged", async || {
        let document = rig.ask("GET", "/openapi.json", &[]).await;
        let text = document.text();
        text.contains("their own words") && text.contains("2000") && !text.contains("hidden")
    })
    .await;
}

/// What is under way when the end comes is finished, and paid for.
#[tokio::test]
async fn a_paid_stream_flows_to_its_end_while_the_gateway_leaves() {
    let (upstream, end) = holding().await;
    let rig = Rig::open(&upstream.url(), RULES).await;
    let credential = rig.credential("GET", "/stream", b"").await;
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    let head =
        format!("GET /stream HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {credential}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    read_until(&mut stream, "first").await;
    let mut idle = TcpStream::connect(rig.address).await.unwrap();
    idle.write_all(b"GET /free/a HTTP/1.1\r\n").await.unwrap();

    let address = rig.address;
    let mut stopping = std::pin::pin!(rig.gateway.stop());
    let refused = until("nobody listens any more", async || {
        TcpStream::connect(address).await.is_err()
    });
    tokio::select! {
        _ = &mut stopping => panic!("a stream was under way"),
        () = refused => {}
    }
    end.send_replace(true);
    let (stopped, rest) = tokio::join!(stopping, read_until(&mut stream, "0\r\n\r\n"));
    assert!(rest.contains("last"), "{rest}");
    assert!(stopped.settled);
    rig.assert_moved(30_000).await;
}

#[tokio::test]
async fn a_stream_without_an_end_does_not_hold_up_the_end() {
    let (upstream, _end) = holding().await;
    let rules = format!("[limits]\ndrain = \"1s\"\n{RULES}");
    let rig = Rig::open(&upstream.url(), &rules).await;
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    stream
        .write_all(b"GET /free/a HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        .await
        .unwrap();
    read_until(&mut stream, "first").await;
    let stopped = tokio::time::timeout(Duration::from_secs(20), rig.gateway.stop()).await;
    assert_eq!(stopped.unwrap().cut, 1);
    rig.assert_moved(0).await;
}

#[tokio::test]
async fn a_port_that_is_taken_stops_the_start() {
    let upstream = Upstream::says(OK).await;
    let rig = Rig::open(&upstream.url(), RULES).await;
    let mut config = rig.gateway.config();
    config.listen.address = rig.address;
    let deps = farthing_gateway::serve::Deps::new(Arc::new(rig.clock.clone()));
    let error = Gateway::start(config, deps).await.unwrap_err();
    assert!(
        matches!(error, StartError::Listen { at, .. } if at == rig.address),
        "{error}"
    );
}

/// While the upstream is down nothing is sold, and a payment that was made before it went is still
/// answered.
#[tokio::test]
async fn nothing_is_sold_while_the_upstream_is_down() {
    let (socket, at) = taken();
    let rig = Rig::open(&format!("http://{at}"), RULES).await;
    for _ in 0..3 {
        let answer = rig.ask("GET", "/free/a", &[]).await;
        answer.is_problem(503, "upstream-unavailable", None);
    }
    let answer = rig.ask("GET", "/paid/a", &[]).await;
    answer.is_problem(503, "upstream-unavailable", Some(false));
    let listener = socket.listen(16).unwrap();
    let _upstream = Upstream::on(listener, |_, mut conn| {
        Box::pin(async move { conn.say(OK).await })
    });
    until("it sells again", async || {
        rig.ask("GET", "/paid/a", &[]).await.status == 402
    })
    .await;
    let (_, answer) = rig.pay("GET", "/paid/a", b"").await;
    assert_eq!(answer.status, 200);
    rig.assert_moved(2_000).await;
}

/// An address that nobody else is given, and at which nobody listens yet.
fn taken() -> (tokio::net::TcpSocket, std::net::SocketAddr) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let at = socket.local_addr().unwrap();
    (socket, at)
}
