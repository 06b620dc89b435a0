//! What happened on the chain while nobody looked.

use std::time::Duration;

use farthing_core::{
    intent::session::{ChannelId, OnChain, Protocol},
    port::session::{News, Session},
    value::Timestamp,
};

use crate::{
    buyer::Buyer,
    world::{BOTH, PAYER, World},
};

async fn all_since(world: &World, session: &impl Session, since: u64) -> (Vec<ChannelId>, News) {
    let mut named = Vec::new();
    let mut at = since;
    loop {
        let news = session.news(Some(at)).await.unwrap();
        named.extend(news.channels.clone());
        let latest = session.news(None).await.unwrap().block;
        assert!(news.block >= at, "what was looked through stays so");
        if news.block == latest {
            named.sort();
            named.dedup();
            assert_eq!(news.at, Timestamp::from_secs(world.chain.time().await));
            return (named, news);
        }
        at = news.block;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_payer_does_is_heard_of_also_after_a_long_silence() {
    let Some(world) = World::new("news").await else {
        return;
    };
    let buyer = Buyer::number(PAYER);
    let begin = world.session.news(None).await.unwrap();
    assert_eq!(begin.at, Timestamp::from_secs(world.chain.time().await));
    assert!(begin.channels.is_empty());
    let mut opened = Vec::new();
    for protocol in BOTH {
        opened.push(world.open(protocol, 5_000).await);
    }
    let mut ids: Vec<_> = opened.iter().map(|it| it.id.clone()).collect();
    ids.sort();
    let (named, _) = all_since(&world, &world.session, begin.block).await;
    assert_eq!(named, ids);
    world.blocks(20).await;
    let heard = world.session.news(None).await.unwrap();
    // The server is away. Many blocks later one of them is asked to be closed.
    world.blocks(60).await;
    buyer.send(&world, opened[0].channel.request_close()).await;
    world.blocks(60).await;
    let (named, later) = all_since(&world, &world.session, heard.block).await;
    assert_eq!(named, [opened[0].id.clone()]);
    let state = world.state(&opened[0]).await;
    assert!(matches!(
        state,
        OnChain::Open {
            close_requested_at: Some(_),
            ..
        }
    ));
    // In small steps, it is the same.
    let narrow = world.another(&world.node, |options| options.blocks = 10);
    let (named, _) = all_since(&world, &narrow, heard.block).await;
    assert_eq!(named, [opened[0].id.clone()]);
    let first = narrow.news(Some(heard.block)).await.unwrap();
    assert!(first.block < later.block);
    // A node that is behind takes back nothing.
    let ahead = world.session.news(Some(later.block + 5)).await.unwrap();
    assert_eq!(ahead.block, later.block + 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_of_others_are_no_news() {
    let Some(world) = World::new("other people's channels").await else {
        return;
    };
    let begin = world.session.news(None).await.unwrap();
    let buyer = Buyer::number(PAYER);
    let mut what = buyer.open(&world, Protocol::V1, 5_000);
    what.payee = crate::world::account(3);
    let opening = buyer.opening_of(&world, &world.escrow(Protocol::V1), &what);
    let bytes = serde_json::json!([opening.received.encode()]).to_string();
    let hash = world.chain.rpc("eth_sendRawTransaction", &bytes).await;
    let receipt = world.chain.receipt(hash.as_str().unwrap()).await;
    assert_eq!(receipt["status"], "0x1");
    let (named, _) = all_since(&world, &world.session, begin.block).await;
    assert!(named.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_looked_at_as_of_one_block_and_one_that_is_not_there_may_still_come() {
    let Some(world) = World::new("looking").await else {
        return;
    };
    let buyer = Buyer::number(PAYER);
    for protocol in BOTH {
        let opening = buyer.opening(&world, protocol, 5_000);
        world.tell(&opening.identity).await;
        let checked = world.check(protocol, &opening.payload, None).await.unwrap();
        let id = opening.channel.channel_id();
        let asked = [(id, checked.terms.clone())];
        assert_eq!(world.session.look(&asked).await.unwrap(), [None]);
        // Its opening never came, and cannot come any more.
        world.later(Duration::from_secs(60)).await;
        let seen = world.session.look(&asked).await.unwrap()[0];
        match protocol {
            Protocol::V1 => assert_eq!(seen, None),
            Protocol::V2 => {
                assert_eq!(seen.unwrap().state, OnChain::Finalized { settled: None });
            }
        }
    }
    let first = world.open(Protocol::V1, 5_000).await;
    let second = world.open(Protocol::V2, 6_000).await;
    let asked = [(second.id, second.terms), (first.id, first.terms)];
    let seen = world.session.look(&asked).await.unwrap();
    assert_eq!(seen[0].unwrap().block, seen[1].unwrap().block);
    let deposits = seen.iter().map(|seen| match seen.unwrap().state {
        OnChain::Open { deposit, .. } => deposit.units(),
        OnChain::Finalized { .. } => 0,
    });
    assert_eq!(deposits.collect::<Vec<_>>(), [6_000, 5_000]);
    // Terms of another channel are not believed.
    let swapped = [(asked[0].0.clone(), asked[1].1.clone())];
    assert!(world.session.look(&swapped).await.is_err());
}
