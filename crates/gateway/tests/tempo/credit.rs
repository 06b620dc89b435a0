//! Served before the block, so far and no farther.

use farthing::tempo::Mode;
use farthing_testkit::chain::Mining;

use crate::{
    rig::until,
    world::{PATH_USD, World, seller},
};

#[tokio::test(flavor = "multi_thread")]
async fn credit_is_given_up_to_its_bound_and_told() {
    let Some(world) = World::with("gateway: credit", Mining::Manual).await else {
        return;
    };
    let rule = "\"GET /a\" = { price = \"$0.01\", credit = { per_payer = \"$0.01\", in_total = \"$0.02\" } }";
    let shop = world.gateway("", rule).await;
    let payer = world.payer(1, Mode::Pull);
    let first = shop.pay("/a", &payer).await;
    assert_eq!((first.status, first.text()), (200, "ok"), "{first:?}");
    assert_eq!(first.receipt(), None, "nothing was confirmed yet");
    assert_eq!(world.has(PATH_USD, seller()).await, 0);
    let credit = "farthing_credit_units{unit=\"USD\"}";
    assert!((shop.sample(credit).await - 0.01).abs() < 1e-9);

    // This payer has no more, and waits for the block.
    let credential = shop.credential("/a", &payer).await;
    let second = shop.present("/a", &credential).await;
    assert_eq!(second.status, 503, "{second:?}");
    assert_eq!(world.upstream.asked().len(), 1);

    world.chain.mine(1).await;
    until("both are paid", async || {
        world.has(PATH_USD, seller()).await == 20_000
    })
    .await;
    until("the credit is paid back", async || {
        shop.sample(credit).await.abs() < 1e-9
    })
    .await;
    until("served", async || {
        shop.present("/a", &credential).await.status == 200
    })
    .await;
    assert_eq!(world.upstream.asked().len(), 2);
    assert!(shop.sample("farthing_defaulted_payments").await.abs() < 0.5);
}
