//! One table of failures, under both policies, for a request that may run again and one that may not.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::rig::{Answer, Conn, Rig, Upstream};

const RULES: &str = r#"
[log]
format = "off"
[upstream]
connect = "1s"
first_byte = "300ms"
idle = "300ms"
[routes]
"GET /first" = { price = "$0.002", settle = "first" }
"POST /first" = { price = "$0.002", settle = "first" }
"GET /after" = { price = "$0.002", settle = "after" }
"POST /after" = { price = "$0.002", settle = "after" }
"GET /free" = "free"
"POST /free" = "free"
"#;

const PRICE: u128 = 2_000;

/// What an upstream does in the place of an answer.
#[derive(Clone, Copy, Debug)]
enum Does {
    /// Says this, and closes.
    Says(&'static str),
    /// Says this, and then nothing.
    Stalls(&'static str),
    /// Says this, and resets the connection.
    Resets(&'static str),
    /// Resets before it read the request.
    ResetsAtOnce,
}

/// What the buyer is told where nothing had moved, or there was nothing to pay.
#[derive(Clone, Copy, Debug)]
enum Told {
    /// This problem of the gateway's.
    Problem(u16, &'static str),
    /// The upstream's own answer.
    Own(u16, &'static str),
    /// This before there is a body, and a broken body where it is streamed.
    Half,
}

const FAILURES: &[(&str, Does, Told)] = {
    use Does::{Resets, ResetsAtOnce, Says, Stalls};
    use Told::{Half, Own, Problem};
    const BROKEN: Told = Problem(502, "upstream-broken");
    const LATE: Told = Problem(504, "upstream-timeout");
    &[
        ("silent", Stalls(""), LATE),
        (
            "slow in its head",
            Stalls("HTTP/1.1 200 OK\r\nContent-Le"),
            LATE,
        ),
        ("gone at once", Says(""), BROKEN),
        ("reset at once", ResetsAtOnce, BROKEN),
        ("reset after the request", Resets(""), BROKEN),
        ("half a head", Says("HTTP/1.1 200 OK\r\nContent-"), BROKEN),
        ("no HTTP", Says("hello\r\n\r\n"), BROKEN),
        (
            "two lengths",
            Says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!"),
            BROKEN,
        ),
        (
            "another protocol",
            Says(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            ),
            BROKEN,
        ),
        (
            "its own 402",
            Says(
                "HTTP/1.1 402 Payment Required\r\nWWW-Authenticate: Payment id=\"x\", realm=\"r\", method=\"m\", intent=\"charge\", request=\"e30\"\r\nContent-Length: 3\r\n\r\npay",
            ),
            BROKEN,
        ),
        (
            "its own 401",
            Says(
                "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\", Payment id=\"y\"\r\nContent-Length: 2\r\n\r\nno",
            ),
            Own(401, "no"),
        ),
        (
            "its own 404",
            Says("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone"),
            Own(404, "none"),
        ),
        (
            "its own 500",
            Says("HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\noh"),
            Own(500, "oh"),
        ),
        (
            "its own 503",
            Says("HTTP/1.1 503 Later\r\nRetry-After: 7\r\nContent-Length: 5\r\n\r\nlater"),
            Own(503, "later"),
        ),
        (
            "a redirect",
            Says("HTTP/1.1 302 Found\r\nLocation: /else\r\nContent-Length: 0\r\n\r\n"),
            Own(302, ""),
        ),
        (
            "half a body",
            Says("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
            Half,
        ),
        (
            "half a body, then slow",
            Stalls("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
            Half,
        ),
        (
            "reset after the head",
            Resets("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"),
            Half,
        ),
        (
            "reset in the body",
            Resets("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
            Half,
        ),
    ]
};

const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ngood";

/// An upstream that fails until it is healed.
struct Patient {
    upstream: Upstream,
    ill: Arc<AtomicBool>,
}

impl Patient {
    async fn with(does: Does) -> Self {
        let ill = Arc::new(AtomicBool::new(true));
        let is_ill = Arc::clone(&ill);
        let upstream = Upstream::start(move |_, conn| {
            let does = is_ill.load(Ordering::SeqCst).then_some(does);
            Box::pin(answer(does, conn))
        })
        .await;
        Self { upstream, ill }
    }

    fn heals(&self) {
        self.ill.store(false, Ordering::SeqCst);
    }
}

async fn answer(does: Option<Does>, mut conn: Conn) {
    match does {
        None => conn.say(GOOD).await,
        Some(Does::Says(text)) => conn.say(text).await,
        Some(Does::Stalls(text)) => {
            conn.say(text).await;
            conn.is_left().await;
        }
        Some(Does::Resets(text)) => {
            conn.say(text).await;
            // Let what was said arrive before the reset takes it back.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            conn.reset();
        }
        Some(Does::ResetsAtOnce) => conn.reset(),
    }
}

fn body(method: &str) -> &'static [u8] {
    if method == "POST" { b"question" } else { b"" }
}

#[track_caller]
fn check(name: &str, answer: &Answer, told: Told, moved: Option<bool>) {
    match told {
        Told::Problem(status, kind) => answer.is_problem(status, kind, moved),
        Told::Own(status, body) => {
            assert_eq!((answer.status, answer.text()), (status, body), "{name}");
            assert!(answer.receipt().is_none());
            let schemes = answer.all("www-authenticate").join(", ");
            assert!(!schemes.contains("Payment"), "{name}: {schemes}");
        }
        Told::Half => answer.is_problem(502, "not-served", moved),
    }
}

#[tokio::test]
async fn after_costs_nothing_that_was_not_served() {
    for (name, does, told) in FAILURES {
        for method in ["GET", "POST"] {
            let patient = Patient::with(*does).await;
            let rig = Rig::open(&patient.upstream.url(), RULES).await;
            let (credential, answer) = rig.pay(method, "/after", body(method)).await;
            check(name, &answer, *told, Some(false));
            rig.assert_moved(0).await;
            assert_eq!(patient.upstream.asked().len(), 1, "{name}: asked once");

            // The credential was for one run, and is given up with it: a new one is paid.
            patient.heals();
            let again = rig
                .present(method, "/after", &credential, body(method))
                .await;
            again.is_problem(402, "invalid-challenge", Some(false));
            let (_, answer) = rig.pay(method, "/after", body(method)).await;
            assert_eq!((answer.status, answer.text()), (200, "good"), "{name}");
            rig.assert_moved(PRICE).await;
        }
    }
}

#[tokio::test]
async fn first_keeps_what_was_paid_for() {
    for (name, does, _) in FAILURES {
        for method in ["GET", "POST"] {
            let patient = Patient::with(*does).await;
            let rig = Rig::open(&patient.upstream.url(), RULES).await;
            let (credential, answer) = rig.pay(method, "/first", body(method)).await;
            let problem = answer.problem();
            assert_eq!(problem["moneyMoved"], true, "{name}: {problem}");
            assert!(problem["reference"].is_string(), "{name}: {problem}");
            rig.assert_moved(PRICE).await;
            assert_eq!(patient.upstream.asked().len(), 1, "{name}: asked once");

            patient.heals();
            let again = rig
                .present(method, "/first", &credential, body(method))
                .await;
            if method == "GET" {
                answer.is_problem(502, "not-served", Some(true));
                assert!(problem["owedUntil"].is_string(), "{name}: {problem}");
                assert_eq!((again.status, again.text()), (200, "good"), "{name}");
                assert!(again.receipt().is_some());
            } else {
                // It must not run twice: it is owed.
                again.is_problem(410, "payment-owed", Some(true));
            }
            rig.assert_moved(PRICE).await;
        }
    }
}

#[tokio::test]
async fn on_a_free_route_nobody_talks_of_money() {
    for (name, does, told) in FAILURES {
        let patient = Patient::with(*does).await;
        let rig = Rig::open(&patient.upstream.url(), RULES).await;
        for method in ["GET", "POST"] {
            let answer = rig.send(method, "/free", &[], body(method)).await;
            match told {
                Told::Half => {
                    // The head is out: what is left is not to look whole.
                    assert_eq!((answer.status, answer.whole), (200, false), "{name}");
                    assert!(b"half".starts_with(&answer.body));
                }
                told => check(name, &answer, *told, None),
            }
        }
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_does_not_look_whole() {
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";
    for does in [
        Does::Says(chunks),
        Does::Resets(chunks),
        Does::Stalls(chunks),
    ] {
        let patient = Patient::with(does).await;
        let rig = Rig::open(&patient.upstream.url(), RULES).await;
        let free = rig.ask("GET", "/free", &[]).await;
        assert_eq!((free.status, free.text(), free.whole), (200, "half", false));

        // Held until it is whole, it never was.
        let (_, answer) = rig.pay("GET", "/after", b"").await;
        answer.is_problem(502, "not-served", Some(false));
        rig.assert_moved(0).await;

        // Streamed, it counts from its first byte.
        let (credential, answer) = rig.pay("GET", "/first", b"").await;
        assert_eq!(
            (answer.status, answer.text(), answer.whole),
            (200, "half", false)
        );
        assert!(answer.receipt().is_some());
        rig.assert_moved(PRICE).await;
        let again = rig.present("GET", "/first", &credential, b"").await;
        again.is_problem(402, "invalid-challenge", Some(true));
        rig.assert_moved(PRICE).await;
    }
}

#[tokio::test]
async fn nothing_is_sold_while_the_upstream_is_down() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let rig = Rig::open(&format!("http://{address}"), RULES).await;
    // Nobody accepts: but a queue of the system's would. So it is closed.
    let credential = rig.credential("GET", "/first", b"").await;
    let before = rig.credential("GET", "/after", b"").await;
    drop(listener);

    // A few payments find out that it is down.
    let answer = rig.present("GET", "/after", &before, b"").await;
    answer.is_problem(503, "upstream-unavailable", Some(false));
    assert_eq!(answer.get("retry-after"), Some("1"));
    rig.assert_moved(0).await;
    for _ in 0..2 {
        let free = rig.ask("GET", "/free", &[]).await;
        free.is_problem(503, "upstream-unavailable", None);
    }

    // From now on none is taken, and none is asked for.
    let unpaid = rig.ask("GET", "/first", &[]).await;
    unpaid.is_problem(503, "upstream-unavailable", Some(false));
    assert_eq!(unpaid.all("www-authenticate"), [""; 0]);
    assert_eq!(unpaid.get("retry-after"), Some("1"));
    let answer = rig.present("GET", "/first", &credential, b"").await;
    answer.is_problem(503, "upstream-unavailable", Some(false));
    rig.assert_moved(0).await;

    // It is back, and what was signed before is as good as it was.
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let _upstream = Upstream::on(listener, |_, mut conn| {
        Box::pin(async move { conn.say(GOOD).await })
    });
    crate::rig::until("the upstream is seen to be back", async || {
        rig.ask("GET", "/first", &[]).await.status == 402
    })
    .await;
    let answer = rig.present("GET", "/first", &credential, b"").await;
    assert_eq!((answer.status, answer.text()), (200, "good"));
    rig.assert_moved(PRICE).await;
}

#[tokio::test]
async fn what_is_paid_keeps_its_attempts_while_the_upstream_is_down() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let upstream = Upstream::on(listener, |_, conn| {
        Box::pin(answer(Some(Does::Says("")), conn))
    });
    let rig = Rig::open(&upstream.url(), RULES).await;
    let (credential, answer) = rig.pay("GET", "/first", b"").await;
    answer.is_problem(502, "not-served", Some(true));
    drop(upstream);
    for _ in 0..3 {
        crate::rig::until("the upstream is gone", async || {
            rig.ask("GET", "/free", &[]).await.status == 503
        })
        .await;
    }
    for _ in 0..5 {
        let answer = rig.present("GET", "/first", &credential, b"").await;
        answer.is_problem(503, "upstream-unavailable", Some(true));
        assert!(answer.problem()["reference"].is_string());
    }
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let _upstream = Upstream::on(listener, |_, mut conn| {
        Box::pin(async move { conn.say(GOOD).await })
    });
    crate::rig::until("the upstream is seen to be back", async || {
        rig.ask("GET", "/after", &[]).await.status == 402
    })
    .await;
    let answer = rig.present("GET", "/first", &credential, b"").await;
    assert_eq!((answer.status, answer.text()), (200, "good"));
    rig.assert_moved(PRICE).await;
}
