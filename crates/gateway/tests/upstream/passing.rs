//! What passes through as it is, and what does not.

use crate::rig::{Rig, Upstream};

const RULES: &str = r#"
[log]
format = "off"
[routes]
"* /free" = "free"
"GET /rpc" = { price = "$0.002", settle = "after", served = { not_json = ["$.error"] } }
"GET /paid" = { price = "$0.002", settle = "first" }
"#;

#[tokio::test]
async fn answers_without_a_body_have_none() {
    for (method, says, status, length) in [
        (
            "HEAD",
            "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n",
            200,
            Some("7"),
        ),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, None),
        (
            "GET",
            "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n",
            304,
            None,
        ),
        (
            "GET",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            200,
            Some("0"),
        ),
        (
            "GET",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
            204,
            None,
        ),
    ] {
        let upstream = Upstream::says(says).await;
        let rig = Rig::open(&upstream.url(), RULES).await;
        let head = format!("{method} /free HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let all = crate::rig::exchange(rig.address, head.as_bytes()).await;
        let text = String::from_utf8(all).unwrap().to_ascii_lowercase();
        assert!(text.starts_with(&format!("http/1.1 {status} ")), "{text}");
        assert!(text.ends_with("\r\n\r\n"), "{text}");
        let told = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        assert_eq!(told, length, "{says}");
    }
}

/// Chunks decide where both are told, and the other length would be read by whoever comes next: as
/// an answer that does not end, or as one that swallows the one behind it.
#[tokio::test]
async fn an_answer_of_two_lengths_has_the_one_it_was_read_by() {
    for says in [
        "HTTP/1.1 200 OK\r\nContent-Length: 200\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ] {
        let upstream = Upstream::says(says).await;
        let rig = Rig::open(&upstream.url(), RULES).await;
        let free = rig.ask("GET", "/free", &[]).await;
        assert_eq!((free.status, free.text(), free.whole), (200, "ok", true));
        for path in ["/paid", "/rpc"] {
            let (_, paid) = rig.pay("GET", path, b"").await;
            assert_eq!((paid.status, paid.text(), paid.whole), (200, "ok", true));
            assert!(paid.receipt().is_some());
        }
        rig.assert_moved(4_000).await;
    }
}

#[tokio::test]
async fn what_an_upstream_says_of_payment_is_not_passed_on() {
    let says = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close, x-hop\r\nX-Hop: 1\r\n\
        Keep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nAlt-Svc: h3=\":443\"\r\n\
        Payment-Receipt: forged\r\nPAYMENT-REQUIRED: e30=\r\nPayment-Response: e30=\r\n\
        X-Payment-Response: e30=\r\nX-PAYMENT: x\r\nWWW-Authenticate: Payment id=\"x\", Basic realm=\"y\"\r\n\
        X-Theirs: kept\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\nok";
    let upstream = Upstream::says(says).await;
    let rig = Rig::open(&upstream.url(), RULES).await;
    let free = rig.ask("GET", "/free", &[]).await;
    let (_, paid) = rig.pay("GET", "/paid", b"").await;
    for answer in [&free, &paid] {
        assert_eq!((answer.status, answer.text()), (200, "ok"));
        for name in [
            "x-hop",
            "keep-alive",
            "proxy-authenticate",
            "alt-svc",
            "payment-required",
            "payment-response",
            "x-payment-response",
            "x-payment",
        ] {
            assert_eq!(answer.all(name), [""; 0], "{name}");
        }
        assert_eq!(answer.all("www-authenticate"), ["Basic realm=\"y\""]);
        assert_eq!(answer.all("x-theirs"), ["kept"]);
        assert_eq!(answer.all("set-cookie"), ["a=1", "b=2"]);
    }
    assert_eq!(free.all("payment-receipt"), [""; 0]);
    // The one there is, is the gate's.
    assert_eq!(paid.all("payment-receipt").len(), 1);
    assert_eq!(paid.receipt().unwrap().method().as_str(), "ledger");
}

#[tokio::test]
async fn trailers_pass_but_for_those_of_payment() {
    let says = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, Payment-Receipt\r\n\r\n\
        2\r\nok\r\n0\r\nX-Sum: 7\r\nPayment-Receipt: forged\r\n\r\n";
    let upstream = Upstream::says(says).await;
    let rig = Rig::open(&upstream.url(), RULES).await;
    let answer = rig
        .ask("GET", "/free", &[("TE", "trailers, deflate")])
        .await;
    assert_eq!((answer.text(), answer.whole), ("ok", true));
    assert_eq!(answer.trailers, [("x-sum".to_owned(), "7".to_owned())]);
    assert_eq!(upstream.asked()[0].all("te"), ["trailers"]);
    assert_eq!(upstream.asked()[0].all("connection"), ["te"]);
}

#[tokio::test]
async fn redirects_to_the_upstream_itself_stay_on_this_site() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let cases = [
        (
            format!("http://{at}/base/new?a=b#c"),
            "/new?a=b#c".to_owned(),
        ),
        (format!("http://{at}/else"), "/else".to_owned()),
        (format!("http://{at}"), "/".to_owned()),
        (
            format!("http://{at}//evil.example/"),
            format!("http://{at}//evil.example/"),
        ),
        (format!("https://{at}/new"), format!("https://{at}/new")),
        (
            "http://other.example/new".to_owned(),
            "http://other.example/new".to_owned(),
        ),
        ("/new".to_owned(), "/new".to_owned()),
        ("new".to_owned(), "new".to_owned()),
    ];
    let says: Vec<_> = cases.iter().map(|(from, _)| from.clone()).collect();
    let upstream = Upstream::on(listener, move |number, mut conn| {
        let location = says[number].clone();
        Box::pin(async move {
            let answer = format!(
                "HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            conn.say(answer).await;
        })
    });
    let rig = Rig::open(&format!("{}/base", upstream.url()), RULES).await;
    for (from, to) in cases {
        let answer = rig.ask("GET", "/free", &[]).await;
        assert_eq!(answer.all("location"), [to], "{from}");
    }
    assert_eq!(upstream.asked()[0].target(), "/base/free");
}

#[tokio::test]
async fn an_error_inside_a_200_is_not_charged() {
    let json = |body: &str| {
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let [large, large_error] =
        ["result", "error"].map(|name| format!(r#"{{"{name}":"{}"}}"#, "x".repeat(100_000)));
    let bodies = [
        r#"{"error":{"code":-32601}}"#,
        "",
        r#"{"result":1,"error":null}"#,
        large.as_str(),
        large_error.as_str(),
    ];
    let says: Vec<_> = bodies.iter().map(|body| json(body)).collect();
    let upstream = Upstream::start(move |number, mut conn| {
        let answer = says[number].clone();
        Box::pin(async move { conn.say(answer).await })
    })
    .await;
    let rig = Rig::open(&upstream.url(), RULES).await;
    // What is larger than is stored is looked at as well: it would be a way to get it for nothing.
    for (body, paid, all) in [
        (bodies[0], false, 0),
        (bodies[1], true, 2_000),
        (bodies[2], true, 4_000),
        (bodies[3], true, 6_000),
        (bodies[4], false, 6_000),
    ] {
        let credential = rig.credential("GET", "/rpc", b"").await;
        let headers = [
            ("Authorization", credential.as_str()),
            ("Accept-Encoding", "gzip"),
        ];
        let answer = rig.ask("GET", "/rpc", &headers).await;
        assert_eq!((answer.status, answer.text()), (200, body));
        assert_eq!(answer.receipt().is_some(), paid);
        rig.assert_moved(all).await;
    }
    assert_eq!(upstream.asked()[0].all("accept-encoding"), ["identity"]);
}

#[tokio::test]
async fn what_is_compressed_against_the_rule_is_not_given_away() {
    for (coding, status, moved) in [("gzip", 502, 0), ("identity", 200, 2_000)] {
        let says = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: {coding}\r\n\
             Connection: close\r\nContent-Length: 2\r\n\r\n{{}}"
        );
        let upstream = Upstream::start(move |_, mut conn| {
            let says = says.clone();
            Box::pin(async move { conn.say(says).await })
        })
        .await;
        let rig = Rig::open(&upstream.url(), RULES).await;
        let (_, answer) = rig.pay("GET", "/rpc", b"").await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.text() == "{}", moved > 0, "{answer:?}");
        rig.assert_moved(moved).await;
    }
}

/// Whoever reads it may well find what was paid for: the first line, what stands behind the prefix.
#[tokio::test]
async fn what_is_called_json_and_is_not_goes_to_nobody() {
    const BODIES: [&str; 4] = [
        "{\"result\":1}\n{\"result\":2}\n",
        ")]}',\n{\"result\":1}",
        "{\"result\":1,}",
        "{\"result\":1",
    ];
    let upstream = Upstream::start(|number, mut conn| {
        Box::pin(async move {
            let body = BODIES[number % BODIES.len()];
            conn.say(format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            ))
            .await;
        })
    })
    .await;
    let rig = Rig::open(&upstream.url(), RULES).await;
    for _ in BODIES {
        let (_, answer) = rig.pay("GET", "/rpc", b"").await;
        answer.is_problem(502, "not-served", Some(false));
        assert!(!answer.text().contains("result"), "{answer:?}");
        rig.assert_moved(0).await;
    }
}

/// Under `first` the buyer has paid: an answer that has to be looked at is held for it, however
/// large, and whether or not it says how large.
#[tokio::test]
async fn what_settles_first_is_looked_at_beyond_what_is_stored() {
    const FIRST: &str = r#"
[routes]
"POST /rpc" = { price = "$0.002", settle = "first", hold_up_to = "200KiB", served = { not_json = ["$.error"] } }
"#;
    let plain = |body: &str| {
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let chunked = |media: &str, body: &str| {
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {media}\r\nConnection: close\r\n\
             Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        )
    };
    let large = |name: &str, size| format!(r#"{{"{name}":"{}"}}"#, "x".repeat(size));
    let (result, error) = (large("result", 100_000), large("error", 100_000));
    let cases = [
        (plain(&result), Some(result.clone())),
        (chunked("application/json", &result), Some(result.clone())),
        (chunked("application/json", "{}"), Some("{}".into())),
        (
            chunked("text/event-stream", "data: 1\n\n"),
            Some("data: 1\n\n".into()),
        ),
        (plain(&error), None),
        (chunked("application/json", &error), None),
        (chunked("application/json", "{}\n{}"), None),
        (plain(&large("result", 300_000)), None),
    ];
    let says: Vec<_> = cases.iter().map(|(says, _)| says.clone()).collect();
    let upstream = Upstream::start(move |number, mut conn| {
        let answer = says[number].clone();
        Box::pin(async move { conn.say(answer).await })
    })
    .await;
    let rig = Rig::open(&upstream.url(), FIRST).await;
    for (number, (_, expect)) in cases.iter().enumerate() {
        let (_, answer) = rig.pay("POST", "/rpc", b"{}").await;
        match expect {
            Some(body) => {
                assert_eq!(
                    (answer.status, answer.text()),
                    (200, body.as_str()),
                    "{number}"
                );
                assert!(answer.receipt().is_some(), "{number}");
            }
            None => {
                assert!(answer.status >= 500, "{number}: {answer:?}");
                assert_eq!(answer.problem()["moneyMoved"], true, "{number}");
            }
        }
        rig.assert_moved(2_000 * (number as u128 + 1)).await;
    }
}
