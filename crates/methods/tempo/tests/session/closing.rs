//! The whole life of a channel, with the balances of both sides to the unit.

use std::time::Duration;

use farthing_core::{
    intent::session::{OnChain, Protocol},
    port::{
        method::Outcome,
        session::{Handing, Session},
    },
    value::{Amount, Timestamp},
};

use crate::{
    buyer::Buyer,
    world::{BOTH, PAYEE, PAYER, World, account, done, item, job},
};

async fn both(world: &World) -> [u128; 2] {
    [
        world.balance(account(PAYER)).await,
        world.balance(account(PAYEE)).await,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_opened_settled_topped_up_and_closed() {
    let Some(world) = World::new("a channel's life").await else {
        return;
    };
    let buyer = Buyer::number(PAYER);
    for protocol in BOTH {
        let number = if protocol == Protocol::V1 { 1 } else { 2 };
        let [payer, payee] = both(&world).await;
        let channel = world.open(protocol, 5_000).await;
        assert_eq!(both(&world).await, [payer - 5_000, payee]);
        let settling = item(
            &channel,
            Handing::Settle(world.voucher(&buyer, &channel, 1_200)),
        );
        done(&world.settle(&job(number, vec![settling])).await);
        assert_eq!(both(&world).await, [payer - 5_000, payee + 1_200]);
        let (payload, _) = buyer.topping_up(&world, &channel, 800);
        let checked = world
            .check(protocol, &payload, Some(&channel.terms))
            .await
            .unwrap();
        let funded = world.fund(&channel.id, &checked).await;
        assert!(matches!(funded, Outcome::Settled { .. }), "{funded:?}");
        assert_eq!(both(&world).await, [payer - 5_800, payee + 1_200]);
        let state = OnChain::Open {
            deposit: Amount::new(5_800),
            settled: Amount::new(1_200),
            close_requested_at: None,
        };
        assert_eq!(world.state(&channel).await, state);
        // By the first protocol a close moves what its voucher says; by the second, what is captured.
        let (said, capture) = match protocol {
            Protocol::V1 => (5_555, 5_555),
            Protocol::V2 => (5_800, 5_555),
        };
        let voucher = Some(world.voucher(&buyer, &channel, said));
        let capture = Amount::new(capture);
        let closing = item(&channel, Handing::Close { capture, voucher });
        done(&world.settle(&job(number + 10, vec![closing])).await);
        assert_eq!(both(&world).await, [payer - 5_555, payee + 5_555]);
        world.later(Duration::from_secs(60)).await;
        let over = OnChain::Finalized {
            settled: Some(capture),
        };
        assert_eq!(world.state(&channel).await, over);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_nothing_was_spent_of_is_given_back() {
    let Some(world) = World::new("closing for nothing").await else {
        return;
    };
    let buyer = Buyer::number(PAYER);
    for protocol in BOTH {
        let before = both(&world).await;
        let channel = world.open(protocol, 5_000).await;
        // The first protocol always wants a voucher: that over nothing, which came with the opening.
        let voucher = match protocol {
            Protocol::V1 => Some(world.voucher(&buyer, &channel, 0)),
            Protocol::V2 => None,
        };
        let capture = Amount::ZERO;
        let closing = item(&channel, Handing::Close { capture, voucher });
        let number = if protocol == Protocol::V1 { 1 } else { 2 };
        done(&world.settle(&job(number, vec![closing])).await);
        assert_eq!(both(&world).await, before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forced_close_leaves_time_to_settle_and_then_gives_the_rest_back() {
    let Some(world) = World::new("forced close").await else {
        return;
    };
    let buyer = Buyer::number(PAYER);
    for protocol in BOTH {
        let number = if protocol == Protocol::V1 { 1 } else { 2 };
        let [payer, payee] = both(&world).await;
        let channel = world.open(protocol, 5_000).await;
        let asked = buyer.send(&world, channel.channel.request_close()).await;
        assert_eq!(asked["status"], "0x1");
        let at = Timestamp::from_secs(world.chain.time().await);
        let state = world.state(&channel).await;
        let requested = OnChain::Open {
            deposit: Amount::new(5_000),
            settled: Amount::ZERO,
            close_requested_at: Some(at),
        };
        assert_eq!(state, requested);
        // Within the grace, nobody withdraws and the seller settles.
        let early = buyer.send(&world, channel.channel.withdraw()).await;
        assert_eq!(early["status"], "0x0");
        let settling = item(
            &channel,
            Handing::Settle(world.voucher(&buyer, &channel, 2_345)),
        );
        done(&world.settle(&job(number, vec![settling])).await);
        let grace = world.session.grace();
        world.later(grace + Duration::from_secs(1)).await;
        let withdrawn = buyer.send(&world, channel.channel.withdraw()).await;
        assert_eq!(withdrawn["status"], "0x1");
        assert_eq!(both(&world).await, [payer - 2_345, payee + 2_345]);
        let over = OnChain::Finalized {
            settled: Some(Amount::new(2_345)),
        };
        assert_eq!(world.state(&channel).await, over);
        // What comes too late is refused, and moves nothing.
        let late = item(
            &channel,
            Handing::Settle(world.voucher(&buyer, &channel, 3_000)),
        );
        let refused = world.settle(&job(number + 10, vec![late])).await;
        assert!(
            matches!(&refused, farthing_core::port::session::Settled::Refused { culprits, .. } if *culprits == [0]),
            "{refused:?}"
        );
        assert_eq!(both(&world).await, [payer - 2_345, payee + 2_345]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_top_up_takes_a_request_to_close_back() {
    let Some(world) = World::new("a close taken back").await else {
        return;
    };
    let buyer = Buyer::number(PAYER);
    for protocol in BOTH {
        let channel = world.open(protocol, 5_000).await;
        buyer.send(&world, channel.channel.request_close()).await;
        let (payload, _) = buyer.topping_up(&world, &channel, 100);
        let checked = world
            .check(protocol, &payload, Some(&channel.terms))
            .await
            .unwrap();
        let funded = world.fund(&channel.id, &checked).await;
        assert!(matches!(funded, Outcome::Settled { .. }), "{funded:?}");
        assert_eq!(
            world.state(&channel).await,
            OnChain::open(Amount::new(5_100))
        );
    }
}
