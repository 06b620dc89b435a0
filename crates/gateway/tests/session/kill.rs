//! A gateway that is killed in the middle of a stream, and the next one on its store.

use std::sync::Arc;

use farthing::ledger::LedgerSessionPayer;

use crate::{
    life::{pausing, reads},
    process::{Running, Shop, closes},
    world::{WORDS, buyer, key, port, words},
};

#[tokio::test]
async fn who_is_killed_over_a_stream_charged_what_was_sent_and_the_next_goes_on() {
    let shop = Shop::open().await;
    let at = port();
    let (upstream, go) = pausing().await;
    let rule = "\"GET /words\" = { session = { price = \"$0.001\", usage = \"events\" } }";
    let file = shop.file(at, at, &upstream.url(), rule);
    let client = buyer(Arc::new(LedgerSessionPayer::new(key(1))));
    let url = format!("http://{at}/words");

    let first = Running::start(&file, at).await;
    let mut answer = client.get(&url).send().await.unwrap();
    assert_eq!(reads(&mut answer, 2).await, words(&WORDS[..2]));
    drop(first);
    while let Ok(Some(_)) = answer.chunk().await {}
    drop(answer);

    let second = Running::start(&file, at).await;
    go.send_replace(true);
    let answer = client.get(&url).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), words(&WORDS));
    closes(&client).await;
    drop(second);
    shop.has_moved(7_000).await;
}
