//! Nothing secret is in the log, the numbers, or the trace.

use farthing_testkit::trace;

use crate::{
    Lines,
    rig::{Rig, Upstream},
};

const BEARER: &str = "planted-bearer-3f9a41c7";
const QUERY: &str = "planted-query-77d10b2e";
const BODY: &str = "planted-body-5c08ee19";
const COOKIE: &str = "planted-cookie-b4417f02";
const ANSWER: &str = "HTTP/1.1 200 OK\r\nSet-Cookie: a=planted-cookie-b4417f02\r\nContent-Length: 22\r\n\
                      Connection: close\r\n\r\nplanted-answer-1b6d93f";

#[tokio::test]
async fn no_secret_is_told() {
    trace::start();
    let log = Lines::default();
    let upstream = Upstream::says(ANSWER).await;
    let rules = "[log]\nformat = \"json\"\n[upstream.set_headers]\nx-api-key = { file = \"key\" }\n\
                 [routes]\n\"* /*\" = \"$0.002\"\n\"GET /free\" = \"free\"\n";
    let rig = Rig::open_with(&upstream.url(), rules, log.sink()).await;
    for secret in [BEARER, QUERY, BODY, COOKIE] {
        trace::plant(secret);
    }
    let mut planted: Vec<String> = [BEARER, QUERY, BODY, COOKIE, "planted-answer"]
        .map(str::to_owned)
        .to_vec();
    let bearer = format!("Bearer {BEARER}");
    let headers = [("Authorization", &*bearer), ("Cookie", COOKIE)];
    rig.ask("GET", &format!("/free?token={QUERY}"), &headers)
        .await;
    let path = format!("/paid?token={QUERY}");
    let (credential, answer) = rig.pay("POST", &path, BODY.as_bytes()).await;
    assert_eq!(answer.status, 200);
    let token = credential.strip_prefix("Payment ").unwrap();
    trace::plant(token);
    planted.push(token.to_owned());
    rig.present("POST", &path, &format!("{credential}x"), BODY.as_bytes())
        .await;
    rig.ask("GET", &format!("//free?token={QUERY}"), &headers)
        .await;
    assert_eq!(upstream.asked()[0].all("x-api-key"), ["ours"]);
    let metrics = rig.gateway.metrics().await;
    let shown = format!("{:?} {:?}", rig.gateway, rig.gateway.config());
    rig.gateway.stop().await;
    let text = log.text();
    assert_eq!(text.lines().count(), 5, "{text}");
    for secret in planted {
        assert!(!text.contains(&secret), "{secret} in {text}");
        assert!(!metrics.contains(&secret), "{secret} in {metrics}");
        assert!(!shown.contains(&secret), "{secret} in {shown}");
    }
    assert!(!shown.contains("ours"), "{shown}");
}
