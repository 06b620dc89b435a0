//! Ending a channel without its seller.

use std::time::Duration;

use farthing_core::{
    intent::session::{OnChain, Protocol},
    port::{
        method::Outcome,
        session_payer::{Keeping, SessionPayer},
    },
    value::{Amount, Reference},
};
use farthing_evm::TxHash;
use farthing_tempo::session::TempoSessionPayer;
use serde_json::json;

use crate::world::{BOTH, World, account, amount, fee, payer_key};

fn settled(outcome: Outcome) -> (Reference, u128) {
    match outcome {
        Outcome::Settled {
            reference, details, ..
        } => {
            let fee = details["fee"].as_str().unwrap();
            (reference, fee.parse::<Amount>().unwrap().units())
        }
        other => unreachable!("{other:?}"),
    }
}

async fn requested(world: &World, payer: &TempoSessionPayer, channel: &Keeping) -> bool {
    match world.state(payer, channel).await {
        Some(OnChain::Open {
            close_requested_at, ..
        }) => close_requested_at.is_some(),
        other => unreachable!("{other:?}"),
    }
}

#[tokio::test]
async fn what_was_not_paid_out_comes_back_after_the_grace() {
    let Some(world) = World::new("alone").await else {
        return;
    };
    for protocol in BOTH {
        let job = |number: u8| [number, protocol as u8].repeat(8).try_into().unwrap();
        let payer = world.payer(payer_key());
        let mine = world.has(account()).await;
        let (channel, receipt) = world.opened(&payer, protocol, 1_000).await;
        let voucher = payer.voucher(&channel, amount(250), false).unwrap();
        assert_eq!(world.settled(&channel, &voucher).await, 250);

        assert!(!requested(&world, &payer, &channel).await);
        let (first, asking) = settled(payer.request_close(&channel, job(1)).await);
        assert!(requested(&world, &payer, &channel).await);
        // The same job is done once, also by another process over the same store.
        for again in [&payer, &world.payer(payer_key())] {
            assert_eq!(
                settled(again.request_close(&channel, job(1)).await).0,
                first
            );
        }

        // Before the grace is over, nothing is sent.
        let early = payer.withdraw(&channel, job(2)).await;
        assert!(
            matches!(&early, Outcome::Refused(refusal) if !refusal.at_cost),
            "{early:?}"
        );
        assert!(payer.grace() > Duration::from_secs(15 * 60));
        world.chain.advance(payer.grace()).await;
        world.clock.advance(payer.grace());
        let (second, taking) = settled(payer.withdraw(&channel, job(2)).await);
        assert_eq!(settled(payer.withdraw(&channel, job(2)).await).0, second);
        assert_ne!(first, second);

        let fees = fee(&receipt) + asking + taking;
        assert_eq!(
            mine - world.has(account()).await,
            250 + fees,
            "{protocol:?}"
        );
        let hash: TxHash = second.as_str().parse().unwrap();
        assert_eq!(
            world.chain.receipt(&hash.to_string()).await["status"],
            "0x1"
        );
        // Of the second protocol the contract keeps nothing, and the event of the end says it.
        let ended = OnChain::Finalized {
            settled: Some(amount(250)),
        };
        assert_eq!(world.state(&payer, &channel).await, Some(ended));
        // What is over cannot be ended again.
        let over = payer.request_close(&channel, job(3)).await;
        assert!(matches!(over, Outcome::Refused(_)), "{over:?}");
    }
}

#[tokio::test]
async fn a_job_is_of_one_channel_and_a_channel_of_one_account() {
    let Some(world) = World::new("jobs").await else {
        return;
    };
    let payer = world.payer(payer_key());
    let [one, other] = [
        world.opened(&payer, Protocol::V2, 10).await.0,
        world.opened(&payer, Protocol::V2, 10).await.0,
    ];
    settled(payer.request_close(&one, [1; 16]).await);
    let taken = payer.request_close(&other, [1; 16]).await;
    assert!(matches!(taken, Outcome::Refused(_)), "{taken:?}");
    assert!(!requested(&world, &payer, &other).await);

    let stranger = world.payer(crate::world::signing(3));
    let refused = stranger.request_close(&other, [2; 16]).await;
    assert!(matches!(refused, Outcome::Refused(_)), "{refused:?}");
    let mut forged = other.clone();
    forged.id = one.id.clone();
    assert!(payer.look(&forged).await.is_err());
    assert!(payer.voucher(&forged, amount(1), false).is_err());
}

#[tokio::test]
async fn a_top_up_takes_the_request_back() {
    let Some(world) = World::new("a request taken back").await else {
        return;
    };
    for protocol in BOTH {
        let payer = world.payer(payer_key());
        let (channel, _) = world.opened(&payer, protocol, 10).await;
        let job = [protocol as u8; 16];
        settled(payer.request_close(&channel, job).await);
        let offer = world.offer_with(protocol, json!({}));
        let top_up = payer.top_up(&offer, &channel, amount(1), world.now());
        world.hand_in(&top_up.await.unwrap()).await;
        assert!(!requested(&world, &payer, &channel).await);
    }
}

#[tokio::test]
async fn an_errand_that_died_is_done_anew_and_only_then() {
    let Some(world) = World::new("an errand that died").await else {
        return;
    };
    let payer = world.payer(payer_key());
    let (channel, _) = world.opened(&payer, Protocol::V2, 10).await;
    // From here on the chain takes transactions and makes no blocks.
    world.chain.rpc("evm_setAutomine", "[false]").await;
    let sent = tokio::select! {
        early = payer.request_close(&channel, [1; 16]) => unreachable!("no block is made: {early:?}"),
        sent = waiting(&world) => sent,
    };
    // The process died. Whoever asks again sends the same, and waits for it.
    let again = tokio::time::timeout(
        Duration::from_secs(2),
        payer.request_close(&channel, [1; 16]),
    );
    let _ = again.await;
    assert_eq!(waiting(&world).await, sent);

    world.chain.rpc("anvil_dropAllTransactions", "[]").await;
    world.chain.rpc("evm_setAutomine", "[true]").await;
    world.chain.advance(Duration::from_secs(60)).await;
    world.clock.advance(Duration::from_secs(60));
    let (reference, _) = settled(payer.request_close(&channel, [1; 16]).await);
    assert_ne!(reference.as_str(), sent);
    assert!(requested(&world, &payer, &channel).await);
}

/// The one transaction that waits for a block, once there is one.
async fn waiting(world: &World) -> String {
    loop {
        let pool = world.chain.rpc("txpool_content", "[]").await;
        let senders = pool["pending"].as_object().unwrap().values();
        let all: Vec<_> = senders
            .flat_map(|sent| sent.as_object().unwrap().values())
            .collect();
        match all[..] {
            [] => tokio::time::sleep(Duration::from_millis(10)).await,
            [sent] => return sent["hash"].as_str().unwrap().to_owned(),
            _ => unreachable!("one errand is one transaction: {pool}"),
        }
    }
}
