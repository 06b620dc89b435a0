//! Settlements: many channels in one transaction, each job once.

use std::time::Duration;

use farthing_core::{
    intent::session::{OnChain, Protocol},
    port::session::{Handing, Session, Settled},
    value::Amount,
};
use farthing_testkit::chain::Mining;

use crate::{
    buyer::{Buyer, Locked},
    world::{BOTH, OPERATOR, PAYEE, PAYER, World, account, done, item, job, key},
};

async fn channels(world: &World, protocol: Protocol, count: u8) -> Vec<(Buyer, Locked)> {
    let mut all = Vec::new();
    for salt in 1..=count {
        let buyer = Buyer::number(PAYER).salted(salt);
        let locked = world.open_by(&buyer, protocol, 1_000).await;
        all.push((buyer, locked));
    }
    all
}

fn settled(state: OnChain) -> u128 {
    match state {
        OnChain::Open { settled, .. } => settled.units(),
        OnChain::Finalized { settled } => settled.unwrap().units(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_settles_once_however_often_it_is_asked_for() {
    let Some(world) = World::new("one settlement").await else {
        return;
    };
    for protocol in BOTH {
        let channel = world.open(protocol, 5_000).await;
        let buyer = Buyer::number(PAYER);
        let before = world.balance(account(PAYEE)).await;
        let voucher = world.voucher(&buyer, &channel, 300);
        let number = if protocol == Protocol::V1 { 1 } else { 2 };
        let first = job(number, vec![item(&channel, Handing::Settle(voucher))]);
        let (a, b) = tokio::join!(world.settle(&first), world.settle(&first));
        let (Settled::Done { reference: a, .. }, Settled::Done { reference: b, .. }) = (&a, &b)
        else {
            panic!("{a:?} {b:?}");
        };
        assert_eq!(a, b);
        let another = world.another(&world.node, |_| {});
        let again = another.settle(&first).await;
        assert!(
            matches!(&again, Settled::Done { reference, .. } if reference == a),
            "{again:?}"
        );
        assert_eq!(world.balance(account(PAYEE)).await - before, 300);
        // The same job for something else is no settlement of that.
        let more = world.voucher(&buyer, &channel, 400);
        let other = job(number, vec![item(&channel, Handing::Settle(more))]);
        let refused = world.settle(&other).await;
        assert!(
            matches!(refused, Settled::Unknown { refusal: Some(_) }),
            "{refused:?}"
        );
        assert_eq!(world.balance(account(PAYEE)).await - before, 300);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_channels_settle_in_one_transaction() {
    let Some(world) = World::new("fifty channels").await else {
        return;
    };
    assert_eq!(world.session.settlement_limit(), 50);
    for protocol in BOTH {
        let all = channels(&world, protocol, 50).await;
        let before = world.balance(account(PAYEE)).await;
        let hand_in = |cumulative: u128| {
            let items = all.iter().map(|(buyer, locked)| {
                let voucher = world.voucher(buyer, locked, cumulative);
                item(locked, Handing::Settle(voucher))
            });
            items.collect::<Vec<_>>()
        };
        let number = if protocol == Protocol::V1 { 1 } else { 2 };
        let one = hand_in(5).remove(0);
        let alone = done(&world.settle(&job(number + 40, vec![one])).await);
        let first = done(&world.settle(&job(number, hand_in(10))).await);
        assert_eq!(world.balance(account(PAYEE)).await - before, 500);
        // By the first settlement of a channel its slot changes from nothing; later ones are cheaper.
        let second = done(&world.settle(&job(number + 10, hand_in(30))).await);
        assert_eq!(world.balance(account(PAYEE)).await - before, 1_500);
        let closes = all.iter().map(|(buyer, locked)| {
            let voucher = Some(world.voucher(buyer, locked, 40));
            let capture = Amount::new(40);
            item(locked, Handing::Close { capture, voucher })
        });
        let third = done(&world.settle(&job(number + 20, closes.collect())).await);
        assert_eq!(world.balance(account(PAYEE)).await - before, 2_000);
        let asked: Vec<_> = all
            .iter()
            .map(|(_, it)| (it.id.clone(), it.terms.clone()))
            .collect();
        world.later(Duration::from_secs(60)).await;
        for seen in world.session.look(&asked).await.unwrap() {
            let state = seen.unwrap().state;
            assert_eq!(
                state,
                OnChain::Finalized {
                    settled: Some(Amount::new(40))
                }
            );
        }
        for gas in [first, second, third] {
            // No measurement: docs/tempo.md has the numbers.
            assert!(gas / 50 < alone / 2, "{protocol:?}: {gas} and {alone}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_protocols_settle_and_close_together() {
    let Some(world) = World::new("both protocols together").await else {
        return;
    };
    let buyer = Buyer::number(PAYER);
    let first = world.open(Protocol::V1, 5_000).await;
    let second = world.open(Protocol::V2, 5_000).await;
    let [payer, payee] = [
        world.balance(account(PAYER)).await,
        world.balance(account(PAYEE)).await,
    ];
    // By the second, less is captured than the voucher says.
    let voucher = Some(world.voucher(&buyer, &second, 400));
    let capture = Amount::new(250);
    let together = job(
        1,
        vec![
            item(&first, Handing::Settle(world.voucher(&buyer, &first, 100))),
            item(&second, Handing::Close { capture, voucher }),
        ],
    );
    done(&world.settle(&together).await);
    assert_eq!(world.balance(account(PAYEE)).await - payee, 350);
    assert_eq!(world.balance(account(PAYER)).await - payer, 4_750);
    assert_eq!(settled(world.state(&first).await), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_channel_that_would_be_refused_is_named_and_nothing_is_sent() {
    let Some(world) = World::new("culprits").await else {
        return;
    };
    for protocol in BOTH {
        let mut all = channels(&world, protocol, 3).await;
        let (_, second) = &all[1];
        let (_, third) = &all[2];
        // More than is locked; and a channel that was settled behind our back, by another process of ours.
        let number = if protocol == Protocol::V1 { 10 } else { 20 };
        let ahead = world.voucher(&all[2].0, third, 50);
        done(
            &world
                .settle(&job(number, vec![item(third, Handing::Settle(ahead))]))
                .await,
        );
        let before = world.balance(account(PAYEE)).await;
        let items = vec![
            item(
                &all[0].1,
                Handing::Settle(world.voucher(&all[0].0, &all[0].1, 10)),
            ),
            item(
                second,
                Handing::Settle(world.voucher(&all[1].0, second, 1_001)),
            ),
            item(third, Handing::Settle(world.voucher(&all[2].0, third, 50))),
        ];
        let refused = world.settle(&job(number + 1, items.clone())).await;
        assert!(
            matches!(&refused, Settled::Refused { culprits, .. } if *culprits == [1, 2]),
            "{refused:?}"
        );
        assert_eq!(world.balance(account(PAYEE)).await, before);
        let rest = vec![items[0].clone()];
        done(&world.settle(&job(number + 2, rest)).await);
        assert_eq!(world.balance(account(PAYEE)).await - before, 10);
        all.clear();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ours_to_settle_is_named_before_the_chain_is_asked() {
    let Some(world) = World::new("what is not ours").await else {
        return;
    };
    let buyer = Buyer::number(PAYER);
    let channel = world.open(Protocol::V1, 5_000).await;
    let good = item(
        &channel,
        Handing::Settle(world.voucher(&buyer, &channel, 10)),
    );
    // Of another signer, of another payee, and without the voucher that the first protocol always wants.
    let mut forged = good.clone();
    let raw = Buyer::number(PAYER).signed_by(3).raw(&channel.channel, 10);
    let voucher = farthing_core::intent::session::Voucher::new(Protocol::V1, Amount::new(10), raw);
    forged.how = Handing::Settle(voucher.unwrap());
    let mut strange = good.clone();
    let mut details = strange.terms.details.to_map();
    details["opened"]["payee"] = serde_json::json!(account(3));
    strange.terms.details = details.into();
    let capture = Amount::ZERO;
    let empty = item(
        &channel,
        Handing::Close {
            capture,
            voucher: None,
        },
    );
    for (number, bad) in [forged, strange, empty].into_iter().enumerate() {
        let number = u8::try_from(number).unwrap() + 1;
        let refused = world.settle(&job(number, vec![good.clone(), bad])).await;
        assert!(
            matches!(&refused, Settled::Refused { culprits, .. } if *culprits == [1]),
            "{number}: {refused:?}"
        );
    }
    let nothing = world.settle(&job(9, Vec::new())).await;
    assert!(matches!(nothing, Settled::Refused { .. }), "{nothing:?}");
    let many = vec![good; 51];
    let refused = world.settle(&job(9, many)).await;
    assert!(
        matches!(&refused, Settled::Refused { culprits, .. } if *culprits == [50]),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_settles_for_the_payee() {
    let test = "an operator";
    let change = |options: &mut farthing_tempo::session::TempoSessionOptions| {
        options.key = key(OPERATOR).into();
        options.escrows.retain(|it| it.protocol == Protocol::V2);
    };
    let Some(world) = World::with(test, change).await else {
        return;
    };
    let buyer = Buyer::number(PAYER);
    let channel = world.open(Protocol::V2, 5_000).await;
    let [payee, operator] = [
        world.balance(account(PAYEE)).await,
        world.balance(account(OPERATOR)).await,
    ];
    let settling = item(
        &channel,
        Handing::Settle(world.voucher(&buyer, &channel, 300)),
    );
    done(&world.settle(&job(1, vec![settling])).await);
    assert_eq!(world.balance(account(PAYEE)).await - payee, 300);
    assert_eq!(world.balance(account(OPERATOR)).await, operator);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_settlement_that_the_chain_dropped_is_made_anew_and_only_then() {
    let test = "dropped settlements";
    let quick = |o: &mut farthing_tempo::session::TempoSessionOptions| {
        o.patience = Duration::from_millis(300)
    };
    let Some(world) = World::mining(test, Mining::Manual, quick).await else {
        return;
    };
    world.chain.rpc("evm_setAutomine", "[true]").await;
    let buyer = Buyer::number(PAYER);
    let channel = world.open(Protocol::V2, 5_000).await;
    world.chain.rpc("evm_setAutomine", "[false]").await;
    let before = world.balance(account(PAYEE)).await;
    let settling = job(
        1,
        vec![item(
            &channel,
            Handing::Settle(world.voucher(&buyer, &channel, 300)),
        )],
    );
    let waiting = world.settle(&settling).await;
    assert!(matches!(waiting, Settled::Pending { .. }), "{waiting:?}");
    world.chain.rpc("anvil_dropAllTransactions", "[]").await;
    // While it could still come it is sent again as it is, and not a second one.
    let again = world.settle(&settling).await;
    assert!(matches!(again, Settled::Pending { .. }), "{again:?}");
    let pool = world.chain.rpc("txpool_status", "[]").await;
    assert_eq!(pool["pending"], "0x1");
    world.chain.rpc("anvil_dropAllTransactions", "[]").await;
    world.later(Duration::from_secs(60)).await;
    // It is dead by the chain's own time: the same job is signed anew.
    let anew = world.settle(&settling).await;
    assert!(matches!(anew, Settled::Pending { .. }), "{anew:?}");
    world.chain.mine(1).await;
    done(&world.settle(&settling).await);
    assert_eq!(world.balance(account(PAYEE)).await - before, 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_settlement_that_the_chain_reverts_names_who_changed() {
    let test = "reverted settlements";
    let quick = |o: &mut farthing_tempo::session::TempoSessionOptions| {
        o.patience = Duration::from_millis(300)
    };
    let Some(world) = World::mining(test, Mining::Manual, quick).await else {
        return;
    };
    world.chain.rpc("evm_setAutomine", "[true]").await;
    let all = channels(&world, Protocol::V2, 2).await;
    world.chain.rpc("evm_setAutomine", "[false]").await;
    let before = world.balance(account(PAYEE)).await;
    // Two jobs, of two processes, about one channel: both are tried while neither is in a block.
    let item = |at: usize, cumulative| {
        let (buyer, locked) = &all[at];
        let voucher = world.voucher(buyer, locked, cumulative);
        item(locked, Handing::Settle(voucher))
    };
    let first = job(1, vec![item(1, 20)]);
    let second = job(2, vec![item(0, 10), item(1, 15)]);
    let other = world.another(&world.node, quick);
    let waiting = other.settle(&second).await;
    assert!(matches!(waiting, Settled::Pending { .. }), "{waiting:?}");
    world.chain.rpc("anvil_dropAllTransactions", "[]").await;
    let waiting = world.settle(&first).await;
    assert!(matches!(waiting, Settled::Pending { .. }), "{waiting:?}");
    world.chain.mine(1).await;
    done(&world.settle(&first).await);
    let waiting = other.settle(&second).await;
    assert!(matches!(waiting, Settled::Pending { .. }), "{waiting:?}");
    world.chain.mine(1).await;
    let failed = other.settle(&second).await;
    let Settled::Refused {
        culprits,
        refusal,
        fee,
    } = failed
    else {
        panic!("{failed:?}");
    };
    assert_eq!(culprits, [1]);
    assert!(refusal.at_cost);
    assert!(
        fee.is_some_and(|fee| !fee.amount.is_zero()),
        "it cost something"
    );
    assert_eq!(world.balance(account(PAYEE)).await - before, 20);
    // The job is over: asked again, it says the same.
    let again = other.settle(&second).await;
    assert!(matches!(again, Settled::Refused { .. }), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_fees_settles_nothing_and_says_so() {
    let test = "fees of settlements";
    let dear =
        |o: &mut farthing_tempo::session::TempoSessionOptions| o.settling.max_fee = Amount::new(1);
    let Some(world) = World::with(test, |_| {}).await else {
        return;
    };
    let buyer = Buyer::number(PAYER);
    let channel = world.open(Protocol::V2, 5_000).await;
    let settling = job(
        1,
        vec![item(
            &channel,
            Handing::Settle(world.voucher(&buyer, &channel, 300)),
        )],
    );
    let refused = world.another(&world.node, dear).settle(&settling).await;
    assert!(
        matches!(refused, Settled::Unknown { refusal: Some(_) }),
        "{refused:?}"
    );
    // A bound on gas leaves the rest for another settlement.
    let all = channels(&world, Protocol::V2, 3).await;
    let items: Vec<_> = all
        .iter()
        .map(|(buyer, locked)| item(locked, Handing::Settle(world.voucher(buyer, locked, 10))))
        .collect();
    let tight = |o: &mut farthing_tempo::session::TempoSessionOptions| o.settling.gas = 900_000;
    let refused = world
        .another(&world.node, tight)
        .settle(&job(2, items))
        .await;
    assert!(
        matches!(&refused, Settled::Refused { culprits, .. } if !culprits.is_empty() && !culprits.contains(&0)),
        "{refused:?}"
    );
}
