//! Whether what was signed can still come.

use std::time::Duration;

use farthing_core::port::session_payer::{Locking, SessionPayer};
use farthing_tempo::session::TempoSessionPayer;
use serde_json::json;

use crate::world::{BOTH, World, amount, payer_key, whole};

/// Longer than anything signed here is valid.
const OVER: Duration = Duration::from_secs(60);

async fn may_come(world: &World, payer: &TempoSessionPayer, locking: &Locking) -> bool {
    let can = payer.may_come(&locking.transaction, world.now()).await;
    can.unwrap()
}

#[tokio::test]
async fn what_was_never_sent_can_come_until_its_time_is_over() {
    let Some(world) = World::new("never sent").await else {
        return;
    };
    let payer = world.payer(payer_key());
    let mut all = Vec::new();
    for protocol in BOTH {
        for fee_payer in [false, true] {
            let offer = world.offer_with(protocol, json!({ "feePayer": fee_payer }));
            let opening = payer.open(&offer, amount(10), world.now()).await;
            let opening = opening.unwrap();
            let top_up = payer.top_up(&offer, &opening.channel, amount(1), world.now());
            all.extend([top_up.await.unwrap(), opening.locking]);
        }
    }
    for locking in &all {
        assert!(may_come(&world, &payer, locking).await);
    }
    world.chain.advance(OVER).await;
    for locking in &all {
        assert!(!may_come(&world, &payer, locking).await);
    }
}

#[tokio::test]
async fn what_came_is_never_called_dead() {
    let Some(world) = World::new("what came").await else {
        return;
    };
    let payer = world.payer(payer_key());
    let mut all = Vec::new();
    for protocol in BOTH {
        for fee_payer in [false, true] {
            let offer = world.offer_with(protocol, json!({ "feePayer": fee_payer }));
            let opening = payer.open(&offer, amount(10), world.now()).await;
            let opening = opening.unwrap();
            // Two of the same kind: the one that was not sent is not taken for the other.
            let top_ups = [
                payer
                    .top_up(&offer, &opening.channel, amount(1), world.now())
                    .await,
                payer
                    .top_up(&offer, &opening.channel, amount(1), world.now())
                    .await,
            ];
            let [sent, unsent] = top_ups.map(Result::unwrap);
            for locking in [&opening.locking, &sent] {
                let receipt = if fee_payer {
                    world.sponsor(locking).await
                } else {
                    world.hand_in(locking).await
                };
                assert!(receipt.succeeded());
            }
            all.extend([(opening.locking, true), (sent, true), (unsent, false)]);
        }
    }
    world.chain.advance(OVER).await;
    for (locking, came) in &all {
        assert_eq!(may_come(&world, &payer, locking).await, *came);
    }
}

#[tokio::test]
async fn what_failed_in_a_block_will_never_come() {
    let Some(world) = World::new("what failed").await else {
        return;
    };
    let payer = world.payer(payer_key());
    for protocol in BOTH {
        let offer = world.offer(protocol);
        let opening = payer.open(&offer, amount(10), world.now()).await.unwrap();
        // The channel is not there yet.
        let top_up = payer.top_up(&offer, &opening.channel, amount(1), world.now());
        let top_up = top_up.await.unwrap();
        let receipt = world.send(&whole(&top_up.transaction)).await;
        assert!(!receipt.succeeded(), "{receipt:?}");
        assert!(!may_come(&world, &payer, &top_up).await);
        assert!(may_come(&world, &payer, &opening.locking).await);
    }
}
