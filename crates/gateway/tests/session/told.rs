//! What is told of channels: in the log, and to buyers beforehand.

use crate::{
    rig::Upstream,
    world::{WORDS, World, begins, ends, sends, words},
};

/// A channel can be followed through the log: by the requests and streams that it paid for, and by what
/// was done to it.
#[tokio::test]
async fn the_log_says_which_channel_paid() {
    let upstream = Upstream::start(|_, mut conn| {
        Box::pin(async move {
            begins(&mut conn).await;
            sends(&mut conn, &words(&WORDS)).await;
            ends(&mut conn).await;
        })
    })
    .await;
    let rest = "[routes]\n\"GET /a\" = { session = \"$0.0001\" }\n\"GET /free\" = \"free\"\n\
                \"GET /words\" = { session = { price = \"$0.001\", usage = \"events\" } }";
    let world = World::open(upstream, rest).await;
    for path in ["/a", "/words", "/free"] {
        assert_eq!(world.get(path).await.text().await.unwrap(), words(&WORDS));
    }
    let purses = world.client.sessions().list(None, 9).await.unwrap();
    let channel = purses[0].channel.clone().unwrap();
    world.closes_with(5_100).await;
    let lines = world.logged().await;
    let paid = format!(" paid by {channel}");
    for done in ["GET /a 200", "GET /words 200", "/words 204"] {
        // The last of them closed it, and was answered with nothing but a receipt.
        let found: Vec<_> = lines.iter().filter(|line| line.contains(done)).collect();
        assert_eq!(found.len(), 1, "{done}: {lines:?}");
        assert!(found[0].ends_with(&paid), "{found:?}");
    }
    // Who was only asked for money did not pay.
    let asked = lines.iter().filter(|line| line.contains(" 402 "));
    assert!(asked.clone().count() > 0);
    for line in asked {
        assert!(line.ends_with(']'), "{line}");
    }
    let free = lines.iter().find(|line| line.contains("/free")).unwrap();
    assert!(free.ends_with("[GET /free]"), "{free}");
}

#[tokio::test]
async fn the_discovery_documents_tell_what_a_unit_costs() {
    let upstream = Upstream::says("").await;
    let rest = "[routes]\n\"GET /a\" = { price = \"$0.002\", session = \"$0.0001\" }\n\
                \"GET /tokens\" = { session = { price = \"$0.00003\", unit = \"token\", usage = { header = \"x-used\" } } }";
    let world = World::open(upstream, rest).await;
    let document = world.get("/openapi.json").await.text().await.unwrap();
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    let offers = |path: &str| {
        let info = &document["paths"][path]["get"]["x-payment-info"];
        let offers = info["offers"].as_array().unwrap().iter();
        offers
            .map(|offer| {
                let text = |name: &str| offer[name].as_str().unwrap_or_default().to_owned();
                [text("intent"), text("amount")]
            })
            .collect::<Vec<_>>()
    };
    let offer = |intent: &str, amount: &str| [intent.to_owned(), amount.to_owned()];
    assert_eq!(
        offers("/a"),
        [offer("charge", "2000"), offer("session", "100")]
    );
    assert_eq!(offers("/tokens"), [offer("session", "30")]);
    let page = world.get("/llms.txt").await.text().await.unwrap();
    assert!(
        page.contains("($0.002 or $0.0001 for each request)"),
        "{page}"
    );
    assert!(page.contains("($0.00003 for each token)"), "{page}");
    assert_eq!(
        world.upstream.asked().len(),
        0,
        "they are the gateway's own"
    );
}
