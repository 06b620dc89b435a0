//! Fees of openings and top-ups that the seller pays.

use farthing_core::{
    intent::session::{OnChain, Protocol},
    port::method::{Fault, Outcome},
    value::Amount,
};
use farthing_tempo::{Sponsor, session::TempoSessionOptions, tip20, token::known};

use crate::{
    buyer::Buyer,
    world::{BOTH, PATH, PAYER, STRANGER, World, account, key},
};

fn sponsored(options: &mut TempoSessionOptions) {
    options.sponsor = Some(Sponsor::new(key(STRANGER), known::PATH_USD));
}

async fn fees(world: &World, of: usize) -> u128 {
    tip20::balance(&world.node, PATH, account(of))
        .await
        .unwrap()
        .units()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_seller_pays_for_openings_and_top_ups_within_its_bounds() {
    let Some(world) = World::with("a sponsor", sponsored).await else {
        return;
    };
    let buyer = Buyer::number(PAYER).sponsored();
    for protocol in BOTH {
        let [payer, sponsor] = [fees(&world, PAYER).await, fees(&world, STRANGER).await];
        let opening = buyer.opening(&world, protocol, 5_000);
        assert!(opening.received.clone().whole().is_none());
        world.tell(&opening.identity).await;
        let checked = world.check(protocol, &opening.payload, None).await.unwrap();
        let counters: Vec<_> = checked
            .verified
            .debits
            .iter()
            .map(|it| it.counter.to_string())
            .collect();
        assert_eq!(counters.len(), 4, "{counters:?}");
        let account_of = format!("{:#x}", account(STRANGER));
        assert!(
            counters.iter().all(|counter| counter.contains(&account_of)),
            "{counters:?}"
        );
        let id = opening.channel.channel_id();
        let funded = world.fund(&id, &checked).await;
        assert!(matches!(funded, Outcome::Settled { .. }), "{funded:?}");
        assert_eq!(fees(&world, PAYER).await, payer, "the payer pays no fee");
        assert!(fees(&world, STRANGER).await < sponsor);
        let channel = crate::buyer::Locked {
            id,
            terms: checked.terms,
            channel: opening.channel,
        };
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
        assert_eq!(fees(&world, PAYER).await, payer);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_sponsor_would_pay_too_much_for_is_refused_before_it_signs() {
    let Some(world) = World::with("a sponsor's bounds", sponsored).await else {
        return;
    };
    let protocol = Protocol::V2;
    let buyer = Buyer::number(PAYER).sponsored();
    let escrow = world.escrow(protocol);
    let what = buyer.open(&world, protocol, 5_000);
    let forged = |change: &dyn Fn(&mut farthing_tempo::Transaction)| {
        let calls = vec![farthing_tempo::session::open(&escrow, &what).unwrap()];
        let mut transaction = buyer.transaction(&world, calls);
        change(&mut transaction);
        buyer.opening_with(&world, &escrow, &what, transaction)
    };
    let bad = [
        forged(&|t| t.gas_limit = 2_000_001),
        forged(&|t| t.max_fee_per_gas = 99_000_000_000),
        forged(&|t| t.nonce_key = farthing_evm::U256::from(7)),
        // The buyer's own fee, where the seller said that it pays.
        forged(&|t| {
            t.sponsored = false;
            t.fee_token = Some(PATH);
        }),
    ];
    for opening in bad {
        let refused = world
            .check(protocol, &opening.payload, None)
            .await
            .unwrap_err();
        assert_eq!(refused.fault, Fault::Invalid, "{refused:?}");
    }
    // Nobody else's money is lent without a challenge that says so.
    let plain = world.another(&world.node, |_| {});
    let opening = forged(&|_| {});
    let refused = world
        .check_by(&plain, protocol, &opening.payload, None)
        .await;
    assert_eq!(refused.unwrap_err().fault, Fault::Invalid);
}
