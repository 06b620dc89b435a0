//! Behind proxies that end TLS: whose word counts, and for what.

use crate::{
    Lines, OK,
    rig::{Rig, Upstream},
};

fn rules(proxies: &str) -> String {
    format!(
        "behind_tls = true\ntrusted_proxies = [\"{proxies}\"]\n[limits]\nper_peer = 1\npeer_burst = 2\n\
         [routes]\n\"GET /paid\" = \"$0.002\"\n\"GET /free\" = \"free\"\n"
    )
}

const HTTPS: (&str, &str) = ("X-Forwarded-Proto", "https");

#[tokio::test]
async fn a_trusted_proxy_says_who_asks_and_how_they_came() {
    let upstream = Upstream::says(OK).await;
    let log = Lines::default();
    let rig = Rig::open_with(&upstream.url(), &rules("127.0.0.0/8"), log.sink()).await;
    for headers in [
        &[][..],
        &[("X-Forwarded-Proto", "http")],
        &[
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Proto", "http"),
        ],
    ] {
        let answer = rig.ask("GET", "/paid", headers).await;
        answer.is_problem(400, "bad-request", Some(false));
        let free = rig.ask("GET", "/free", headers).await;
        assert_eq!(free.status, 200);
    }
    // Each client has a limit of its own, and cannot hide behind names it made up.
    let from = |client: &'static str| [("X-Forwarded-For", client), HTTPS];
    for _ in 0..2 {
        let answer = rig.ask("GET", "/paid", &from("192.0.2.1, 127.0.0.9")).await;
        assert_eq!(answer.status, 402);
    }
    let answer = rig
        .ask("GET", "/paid", &from("203.0.113.5, 192.0.2.1"))
        .await;
    assert_eq!(answer.status, 429, "{answer:?}");
    let answer = rig.ask("GET", "/paid", &from("192.0.2.2")).await;
    assert_eq!(answer.status, 402);
    rig.gateway.stop().await;
    let text = log.text();
    assert_eq!(text.matches(" 192.0.2.1 GET /paid ").count(), 3, "{text}");
    assert_eq!(text.matches(" 192.0.2.2 GET /paid ").count(), 1, "{text}");
    let told = &upstream.asked()[0];
    assert_eq!(told.all("x-forwarded-proto"), ["http"]);
}

#[tokio::test]
async fn nobody_elses_word_is_taken() {
    let upstream = Upstream::says(OK).await;
    let rig = Rig::open(&upstream.url(), &rules("10.0.0.0/8")).await;
    let says = [("X-Forwarded-For", "10.0.0.1"), HTTPS];
    let answer = rig.ask("GET", "/paid", &says).await;
    answer.is_problem(400, "bad-request", Some(false));
    assert_eq!(rig.ask("GET", "/free", &says).await.status, 200);
    let told = &upstream.asked()[0];
    assert_eq!(told.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(told.all("x-forwarded-proto"), ["http"]);
}
