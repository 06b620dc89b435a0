//! Reloads: what changes, when, and what does not notice.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use farthing_gateway::serve::ReloadError;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    OK, holding, read_until,
    rig::{Answer, Rig, Upstream, exchange},
};

fn rules(price: &str) -> String {
    format!("[routes]\n\"GET /paid\" = \"{price}\"\n\"GET /free\" = \"free\"\n")
}

fn amount(offered: &Answer) -> String {
    assert_eq!(offered.status, 402, "{offered:?}");
    offered.problem()["amount"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_price_changes_at_once_and_what_was_promised_holds() {
    let upstream = Upstream::says(OK).await;
    let rig = Rig::open(&upstream.url(), &rules("$0.002")).await;
    let old = rig.ask("GET", "/paid", &[]).await;
    assert_eq!(amount(&old), "2000");
    let credential = rig.sign(&old).await;
    let changes = rig.reload(&upstream.url(), &rules("$0.003")).await.unwrap();
    assert_eq!(changes.to_string(), "1 rule changed");
    assert_eq!(amount(&rig.ask("GET", "/paid", &[]).await), "3000");
    let answer = rig.present("GET", "/paid", &credential, b"").await;
    assert_eq!(answer.status, 200, "the old price was promised: {answer:?}");
    rig.assert_moved(2_000).await;
    rig.pay("GET", "/paid", b"").await;
    rig.assert_moved(5_000).await;
}

#[tokio::test]
async fn the_same_again_changes_nothing() {
    let upstream = Upstream::says(OK).await;
    let rig = Rig::open(&upstream.url(), &rules("$0.002")).await;
    let changes = rig.reload(&upstream.url(), &rules("$0.002")).await.unwrap();
    assert!(changes.is_empty(), "{changes}");
    let moved = format!("# a line more\n{}", rules("$0.002"));
    let changes = rig.reload(&upstream.url(), &moved).await.unwrap();
    assert!(
        changes.is_empty(),
        "where a rule stands is no change: {changes}"
    );
}

#[tokio::test]
async fn rules_come_and_go() {
    let upstream = Upstream::says(OK).await;
    let rig = Rig::open(&upstream.url(), &rules("$0.002")).await;
    let next = "[routes]\n\"GET /paid\" = \"$0.002\"\n\"POST /new\" = \"free\"\n";
    let changes = rig.reload(&upstream.url(), next).await.unwrap();
    assert_eq!(changes.to_string(), "1 rule added, 1 rule removed");
    assert_eq!(rig.ask("GET", "/free", &[]).await.status, 404);
    assert_eq!(rig.send("POST", "/new", &[], b"x").await.status, 200);
}

/// What was paid and not served is not denied because its rule is gone.
#[tokio::test]
async fn a_payment_under_a_rule_that_went_is_not_called_unmoved() {
    let upstream = Upstream::says("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n").await;
    let first = "[routes]\n\"GET /paid\" = { price = \"$0.002\", settle = \"first\" }\n";
    let rig = Rig::open(&upstream.url(), first).await;
    let (credential, answer) = rig.pay("GET", "/paid", b"").await;
    answer.is_problem(502, "not-served", Some(true));
    for (rules, status, kind) in [
        ("\"GET /free\" = \"free\"", 404, "not-found"),
        ("\"POST /paid\" = \"free\"", 405, "method-not-allowed"),
    ] {
        let rules = format!("[routes]\n{rules}\n");
        rig.reload(&upstream.url(), &rules).await.unwrap();
        let answer = rig.present("GET", "/paid", &credential, b"").await;
        let problem = answer.problem();
        assert_eq!(answer.status, status, "{problem}");
        assert!(
            problem["type"].as_str().unwrap().ends_with(kind),
            "{problem}"
        );
        assert!(
            problem
                .get("moneyMoved")
                .is_some_and(serde_json::Value::is_null),
            "{problem}"
        );
        // Whoever presents nothing has paid nothing.
        let answer = rig.ask("GET", "/paid", &[]).await;
        answer.is_problem(status, kind, Some(false));
    }
    rig.assert_moved(2_000).await;
}

#[tokio::test]
async fn a_bad_file_changes_nothing_and_is_told() {
    let upstream = Upstream::says(OK).await;
    let rig = Rig::open(&upstream.url(), &rules("$0.002")).await;
    let error = rig.reload(&upstream.url(), &rules("two cents")).await;
    let Err(ReloadError::File(findings)) = error else {
        panic!("{error:?}")
    };
    assert_eq!(findings.len(), 1, "{findings:?}");
    for (rest, what) in [
        ("store = \"other.db\"\n", "`store`"),
        ("[admin]\nlisten = \"127.0.0.1:0\"\n", "`admin.listen`"),
        (
            "behind_tls = true\ntrusted_proxies = [\"10.0.0.0/8\"]\n",
            "whether TLS",
        ),
    ] {
        let text = format!("{rest}{}", rules("$9"));
        let error = rig.reload(&upstream.url(), &text).await.unwrap_err();
        assert!(
            matches!(&error, ReloadError::NeedsRestart(it) if it.starts_with(what)),
            "{rest}: {error}"
        );
    }
    assert_eq!(amount(&rig.ask("GET", "/paid", &[]).await), "2000");
    let metrics = rig.gateway.metrics().await;
    assert_eq!(
        crate::sample(&metrics, "farthing_reloads_total{result=\"refused\"}"),
        4
    );
    assert_eq!(
        crate::sample(&metrics, "farthing_reloads_total{result=\"done\"}"),
        0
    );
}

/// A new secret signs from now on; what was signed with the old one is taken until it is over.
#[tokio::test]
async fn a_new_secret_does_not_break_what_was_promised() {
    let upstream = Upstream::says(OK).await;
    let rig = Rig::open(&upstream.url(), &rules("$0.002")).await;
    let credential = rig.credential("GET", "/paid", b"").await;
    let path = rig.path("secret");
    std::fs::write(&path, "A".repeat(43)).unwrap();
    let mode = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o600);
    std::fs::set_permissions(&path, mode).unwrap();
    let text = format!("secret = {{ file = \"secret\" }}\n{}", rules("$0.002"));
    let changes = rig.reload(&upstream.url(), &text).await.unwrap();
    assert!(!changes.is_empty());
    let later = rig.credential("GET", "/paid", b"").await;
    std::fs::write(&path, "B".repeat(42) + "A").unwrap();
    let changes = rig.reload(&upstream.url(), &text).await.unwrap();
    assert_eq!(changes.settings, ["the challenge secret"]);
    for (credential, moved) in [(credential, 2_000), (later, 4_000)] {
        let answer = rig.present("GET", "/paid", &credential, b"").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        rig.assert_moved(moved).await;
    }
    let old = rig.credential("GET", "/paid", b"").await;
    rig.clock.advance(std::time::Duration::from_secs(3600));
    let answer = rig.present("GET", "/paid", &old, b"").await;
    assert_eq!(answer.status, 402, "{answer:?}");
    assert!(
        rig.gateway.stop().await.settled,
        "former gates come to an end, too"
    );
}

/// What the file names is part of what it says.
#[tokio::test]
async fn a_document_that_changes_is_read_again() {
    let upstream = Upstream::says(OK).await;
    let spec = |summary: &str| {
        format!(
            r#"{{"openapi":"3.1.0","info":{{"title":"T","version":"1"}},"paths":{{"/paid":{{"get":{{"summary":"{summary}","responses":{{}}}}}}}}}}"#
        )
    };
    let text = format!(
        "[service]\nopenapi = {{ file = \"spec.json\" }}\n{}",
        rules("$0.002")
    );
    let files = [("spec.json", &*spec("first words"))];
    let rig = Rig::open_beside(&upstream.url(), &text, &files).await;
    let told = async || rig.ask("GET", "/openapi.json", &[]).await.text().to_owned();
    assert!(told().await.contains("first words"));
    let path = rig.path("spec.json");
    assert!(
        rig.gateway.files().contains(&path),
        "{:?}",
        rig.gateway.files()
    );
    std::fs::write(&path, spec("other words")).unwrap();
    let changes = rig.reload(&upstream.url(), &text).await.unwrap();
    assert_eq!(changes.settings, ["the service's own document"]);
    assert!(told().await.contains("other words"));
    std::fs::write(&path, "no document").unwrap();
    rig.reload(&upstream.url(), &text).await.unwrap_err();
    assert!(told().await.contains("other words"));
}

/// Nobody writes into it, so whoever opened it would wait for ever, and hear no signal either.
#[tokio::test]
async fn a_pipe_in_the_place_of_a_file_holds_nothing_up() {
    let upstream = Upstream::says(OK).await;
    let text = format!(
        "[service]\nopenapi = {{ file = \"spec.json\" }}\n[upstream]\n\
         set_headers = {{ x-api-key = {{ file = \"key\" }} }}\n{}",
        rules("$0.002")
    );
    let document = r#"{"openapi":"3.1.0","info":{"title":"a","version":"1"},"paths":{}}"#;
    let rig = Rig::open_beside(&upstream.url(), &text, &[("spec.json", document)]).await;
    let config = rig.gateway.config();
    for name in ["spec.json", "key"] {
        let path = rig.path(name);
        let content = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let refused = rig.reload(&upstream.url(), &text).await;
        assert!(
            matches!(refused, Err(ReloadError::File(_))),
            "{name}: {refused:?}"
        );
        if name == "spec.json" {
            // What was looked at as a file may be a pipe by the time it is opened.
            let refused = rig.gateway.reload(config.clone()).await;
            assert!(matches!(refused, Err(ReloadError::Setup(_))), "{refused:?}");
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, content).unwrap();
        let closed = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&path, closed).unwrap();
        rig.reload(&upstream.url(), &text).await.unwrap();
    }
    assert_eq!(rig.ask("GET", "/paid", &[]).await.status, 402);
}

/// Limits are part of a gate: a new one takes over, and what was claimed with the old one is
/// delivered by it.
#[tokio::test]
async fn a_paid_stream_outlives_its_gate() {
    let (upstream, end) = holding().await;
    let text = |rate: u32| {
        format!(
            "[limits]\nper_peer = {rate}\n[routes]\n\"GET /stream\" = {{ price = \"$0.03\", settle = \"first\" }}\n"
        )
    };
    let rig = Rig::open(&upstream.url(), &text(100)).await;
    let credential = rig.credential("GET", "/stream", b"").await;
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    let head =
        format!("GET /stream HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {credential}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    read_until(&mut stream, "first").await;
    let changes = rig.reload(&upstream.url(), &text(99)).await.unwrap();
    assert_eq!(changes.settings, ["limits"]);
    end.send_replace(true);
    let rest = read_until(&mut stream, "0\r\n\r\n").await;
    assert!(rest.contains("last"), "{rest}");
    let again = rig.present("GET", "/stream", &credential, b"").await;
    assert_eq!(
        again.status, 402,
        "it was delivered, and the new gate knows: {again:?}"
    );
    rig.assert_moved(30_000).await;
    assert!(rig.gateway.stop().await.settled);
}

/// A hundred reloads while others ask, pay and stream: nothing fails and nothing is cut.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_reloads_under_load() {
    let (streaming, end) = holding().await;
    let upstream = Upstream::says(OK).await;
    let (to, from) = (upstream.url(), streaming.url());
    let text = move |price: &str, rate: u32| {
        format!(
            "[limits]\nper_peer = {rate}\npeer_burst = 1000000\n[log]\nformat = \"off\"\n[routes]\n\
             \"GET /paid\" = \"{price}\"\n\"GET /free\" = \"free\"\n\
             \"GET /stream\" = {{ price = \"free\", to = \"{from}\" }}\n"
        )
    };
    let rig = Arc::new(Rig::open(&to, &text("$0.002", 100_000)).await);
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    stream
        .write_all(b"GET /stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        .await
        .unwrap();
    read_until(&mut stream, "first").await;

    let over = Arc::new(AtomicBool::new(false));
    let asked = Arc::new(AtomicU32::new(0));
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (rig, over, asked) = (Arc::clone(&rig), Arc::clone(&over), Arc::clone(&asked));
            tokio::spawn(async move {
                let (mut paid, mut seen) = (0, BTreeSet::new());
                while !over.load(Ordering::Relaxed) {
                    let bytes = b"GET /free HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n\
                                  GET /free HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
                    let answers = Answer::read_all(&exchange(rig.address, bytes).await);
                    let good = |answer: &Answer| (answer.status, answer.whole) == (200, true);
                    assert!(answers.len() == 2 && answers.iter().all(good), "{answers:?}");
                    let offered = rig.ask("GET", "/paid", &[]).await;
                    let price: u128 = amount(&offered).parse().unwrap();
                    let credential = rig.sign(&offered).await;
                    let answer = rig.present("GET", "/paid", &credential, b"").await;
                    assert_eq!((answer.status, answer.text()), (200, "ok"), "{answer:?}");
                    paid += price;
                    seen.insert(price);
                    asked.fetch_add(4, Ordering::Relaxed);
                }
                (paid, seen)
            })
        })
        .collect();
    for n in 0..100_u32 {
        // Every fifth one changes the limits as well, and with them the gate.
        let price = if n % 2 == 0 { "$0.003" } else { "$0.002" };
        let text = text(price, 100_000 - n / 5);
        let before = asked.load(Ordering::Relaxed);
        rig.reload(&to, &text).await.unwrap();
        let next = rig.ask("GET", "/paid", &[]).await;
        assert_eq!(amount(&next), if n % 2 == 0 { "3000" } else { "2000" });
        while asked.load(Ordering::Relaxed) == before && load.iter().all(|it| !it.is_finished()) {
            tokio::task::yield_now().await;
        }
    }
    over.store(true, Ordering::Relaxed);
    let (mut paid, mut seen) = (0, BTreeSet::new());
    for load in load {
        let (more, prices) = load.await.unwrap();
        paid += more;
        seen.extend(prices);
    }
    assert_eq!(seen, BTreeSet::from([2_000, 3_000]));
    end.send_replace(true);
    let rest = read_until(&mut stream, "0\r\n\r\n").await;
    assert!(rest.contains("last"), "{rest}");
    rig.assert_moved(paid).await;
    let metrics = rig.gateway.metrics().await;
    assert_eq!(
        crate::sample(&metrics, "farthing_reloads_total{result=\"done\"}"),
        100
    );
    assert!(rig.gateway.stop().await.settled);
}
