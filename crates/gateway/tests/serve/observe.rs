//! What the operator is told is what happened.

use serde_json::Value;

use crate::{
    Lines, OK, holding,
    rig::{Answer, Rig, Upstream, exchange, until},
    sample,
};

const RULES: &str = r#"
[admin]
listen = "127.0.0.1:0"
[routes]
"GET /free" = "free"
"GET /paid" = "$0.002"
"GET /broken" = { price = "$0.01", settle = "after" }
"#;

async fn admin(rig: &Rig, path: &str) -> Answer {
    let at = rig.gateway.admin_address().unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    Answer::read_all(&exchange(at, head.as_bytes()).await).remove(0)
}

#[tokio::test]
async fn the_numbers_are_what_happened() {
    let upstream = Upstream::start(|_, mut conn| {
        Box::pin(async move {
            conn.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
                .await;
        })
    })
    .await;
    let rig = Rig::open(&upstream.url(), RULES).await;
    for _ in 0..3 {
        rig.ask("GET", "/free", &[]).await;
    }
    rig.ask("GET", "/nowhere", &[]).await;
    rig.ask("GET", "/free/../paid", &[]).await;
    rig.ask("GET", "/llms.txt", &[]).await;
    let (credential, _) = rig.pay("GET", "/paid", b"").await;
    rig.pay("GET", "/paid", b"").await;
    rig.present("GET", "/paid", &credential, b"").await;
    drop(upstream);
    let (_, broken) = rig.pay("GET", "/broken", b"").await;
    broken.is_problem(503, "upstream-unavailable", Some(false));

    until("everything is delivered", async || {
        let text = rig.gateway.metrics().await;
        sample(&text, "farthing_payments_total{state=\"delivered\"}") == 2
    })
    .await;
    let text = admin(&rig, "/metrics").await;
    assert_eq!(
        text.get("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let text = text.text();
    for (name, value) in [
        (
            "farthing_requests_total{route=\"GET /free\",status=\"2xx\"}",
            3,
        ),
        (
            "farthing_requests_total{route=\"GET /paid\",status=\"2xx\"}",
            2,
        ),
        (
            "farthing_requests_total{route=\"GET /paid\",status=\"4xx\"}",
            3,
        ),
        (
            "farthing_requests_total{route=\"GET /broken\",status=\"4xx\"}",
            1,
        ),
        (
            "farthing_requests_total{route=\"GET /broken\",status=\"5xx\"}",
            1,
        ),
        (
            "farthing_requests_total{route=\"(none)\",status=\"4xx\"}",
            1,
        ),
        (
            "farthing_requests_total{route=\"(door)\",status=\"4xx\"}",
            1,
        ),
        (
            "farthing_requests_total{route=\"(discovery)\",status=\"2xx\"}",
            1,
        ),
        ("farthing_request_seconds_count{route=\"GET /paid\"}", 5),
        ("farthing_offers_total{route=\"GET /paid\"}", 3),
        ("farthing_offers_total{route=\"GET /broken\"}", 1),
        ("farthing_payments_total{state=\"delivered\"}", 2),
        ("farthing_payments_total{state=\"voided\"}", 1),
        ("farthing_payments_total{state=\"owed\"}", 0),
        ("farthing_presented_again_total", 1),
        ("farthing_refused_total{problem=\"not-found\"}", 1),
        ("farthing_refused_total{problem=\"bad-request\"}", 1),
        ("farthing_earned_units_total{currency=\"usd6\"}", 4_000),
        ("farthing_refunded_units_total{currency=\"usd6\"}", 0),
        ("farthing_owed_payments", 0),
        ("farthing_in_flight", 0),
        ("farthing_log_lines_dropped_total", 0),
        ("farthing_build_info{version=\"0.1.0\"}", 1),
    ] {
        assert_eq!(sample(text, name), value, "{name}\n{text}");
    }
    let failures = format!(
        "farthing_upstream_failures_total{{upstream=\"{}\"}}",
        rig.upstream()
    );
    assert_eq!(sample(text, &failures), 1, "{text}");
    rig.assert_moved(4_000).await;
}

#[tokio::test]
async fn what_is_owed_is_told() {
    let upstream =
        Upstream::says("HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
    let rules = RULES
        .replace("after", "first")
        .replace("settle", "redeliver = \"1s\", settle");
    let rig = Rig::open(&upstream.url(), &rules).await;
    let (credential, _) = rig.pay("GET", "/broken", b"").await;
    rig.clock.advance(std::time::Duration::from_secs(3600));
    rig.present("GET", "/broken", &credential, b"").await;
    until("it is owed", async || {
        let text = rig.gateway.metrics().await;
        sample(&text, "farthing_owed_payments") == 1
    })
    .await;
    let text = rig.gateway.metrics().await;
    assert_eq!(
        sample(&text, "farthing_owed_units{currency=\"usd6\"}"),
        10_000
    );
    assert_eq!(
        sample(&text, "farthing_earned_units_total{currency=\"usd6\"}"),
        10_000
    );
}

#[tokio::test]
async fn it_is_ready_while_it_can_serve_what_it_sells() {
    let (upstream, end) = holding().await;
    let rig = Rig::open(&upstream.url(), RULES).await;
    let ready = admin(&rig, "/readyz").await;
    let body: Value = serde_json::from_slice(&ready.body).unwrap();
    assert_eq!(
        (ready.status, &body["ready"]),
        (200, &Value::Bool(true)),
        "{body}"
    );
    assert_eq!(admin(&rig, "/healthz").await.text(), "alive\n");
    assert_eq!(admin(&rig, "/other").await.status, 404);
    let buyers = rig.ask("GET", "/metrics", &[]).await;
    assert_eq!(buyers.status, 404, "buyers are not told");

    rig.reload(&upstream.url(), "[routes]\n\"GET /free\" = 7\n")
        .await
        .unwrap_err();
    let mut stream = tokio::net::TcpStream::connect(rig.address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"GET /free HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    crate::read_until(&mut stream, "first").await;
    let stopping = rig.gateway.stop();
    let asking = async {
        until("it says that it is leaving", async || {
            let ready = admin(&rig, "/readyz").await;
            let body: Value = serde_json::from_slice(&ready.body).unwrap();
            let told = body["reasons"][0]["what"] == "draining";
            told && ready.status == 503 && body["refusedReload"].is_string()
        })
        .await;
        assert_eq!(
            admin(&rig, "/healthz").await.status,
            200,
            "it is alive all the same"
        );
        end.send_replace(true);
    };
    tokio::join!(stopping, asking);
}

#[tokio::test]
async fn it_is_not_ready_without_its_upstream() {
    let upstream = Upstream::says(OK).await;
    let rig = Rig::open(&upstream.url(), RULES).await;
    drop(upstream);
    until("it says what is missing", async || {
        let ready = admin(&rig, "/readyz").await;
        let body: Value = serde_json::from_slice(&ready.body).unwrap();
        ready.status == 503 && body["reasons"][0]["what"] == "upstream"
    })
    .await;
}

#[tokio::test]
async fn a_line_a_request_in_the_form_that_is_wanted() {
    let upstream = Upstream::says(OK).await;
    let log = Lines::default();
    let rules = format!("[log]\nformat = \"json\"\n{RULES}");
    let rig = Rig::open_with(&upstream.url(), &rules, log.sink()).await;
    rig.pay("GET", "/paid?city=oslo", b"").await;
    let lines = format!("[log]\nformat = \"lines\"\n{RULES}");
    until("both are written", async || log.text().lines().count() == 2).await;
    rig.reload(&upstream.url(), &lines).await.unwrap();
    rig.ask("GET", "/free", &[]).await;
    until("it is written", async || log.text().lines().count() == 3).await;
    rig.reload(
        &upstream.url(),
        &format!("[log]\nformat = \"off\"\n{RULES}"),
    )
    .await
    .unwrap();
    rig.ask("GET", "/free", &[]).await;
    rig.gateway.stop().await;
    let text = log.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    let read = |line: &str| serde_json::from_str::<Value>(line).unwrap();
    let (offered, paid) = (read(lines[0]), read(lines[1]));
    assert_eq!(
        (&offered["status"], &offered["paid"]),
        (&402.into(), &false.into())
    );
    for (name, value) in [
        ("client", Value::from("127.0.0.1")),
        ("method", "GET".into()),
        ("path", "/paid".into()),
        ("status", 200.into()),
        ("bytes", 2.into()),
        ("route", "GET /paid".into()),
        ("paid", true.into()),
        ("whole", true.into()),
    ] {
        assert_eq!(paid[name], value, "{paid}");
    }
    assert!(lines[2].contains(" 127.0.0.1 GET /free 200 2B "), "{text}");
    assert!(lines[2].ends_with("ms [GET /free]"), "{text}");
}
