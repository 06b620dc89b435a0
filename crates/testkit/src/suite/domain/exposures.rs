//! What channels may hold unsettled, and what is left when a process dies over it.

use std::sync::Arc;

use farthing_core::{
    domain::{
        channels::{Caps, ChannelError, Channels, Exposed, Held, Purchase, Step},
        claims::COUNTERS,
    },
    intent::session::Refused,
    port::backend::{Backend, Guard, Key, Partition, Write},
    value::{Amount, Worth},
};
use tokio::task::JoinSet;

use super::{
    NOW,
    channels::{ROWS, caps, id, load, of, opened, pay, pays, seen, voucher},
};
use crate::faulty::{Failure, Faulty};

/// To the unit: of one payer over all its channels, and of all payers; what is settled comes free.
pub async fn what_is_unsettled_stays_within_its_caps(store: Arc<dyn Backend>) {
    let channels = Channels::new(Arc::clone(&store));
    let alices = caps("alice", 50, 70, 7);
    let bobs = caps("bob", 50, 70, 7);
    let mut one = opened(&channels, "one", 1000).await;
    let mut two = opened(&channels, "two", 1000).await;
    let mut bob = opened(&channels, "bob", 1000).await;
    let all = || pays(Some(voucher(1000)), 30);
    assert!(
        pay(&channels, &mut one, &all(), &alices)
            .await
            .expect("there is room")
    );
    let full = channels
        .accept_and_charge(&mut two, NOW, &all(), &alices)
        .await;
    let full = full.expect("its voucher is good");
    assert_eq!(full.charge, Err(Refused::ExposureFull));
    // The voucher is kept, and twenty more are the most: seven of them were drawn ahead.
    assert_eq!(two.channel().balance().accepted, of(1000));
    assert!(
        !pay(&channels, &mut two, &pays(None, 14), &alices)
            .await
            .expect("it is answered")
    );
    assert!(
        pay(&channels, &mut two, &pays(None, 13), &alices)
            .await
            .expect("there is room")
    );
    assert_eq!(counted(&store, alices.counter()).await, alices.per_payer);
    assert!(
        !pay(&channels, &mut bob, &all(), &bobs)
            .await
            .expect("it is answered")
    );
    assert!(
        pay(&channels, &mut bob, &pays(None, 20), &bobs)
            .await
            .expect("there is room")
    );
    assert_eq!(
        counted(&store, alices.total_counter()).await,
        alices.in_total
    );
    let listed: Vec<Exposed> = channels
        .exposed(None, 10)
        .await
        .expect("a healthy store answers");
    assert_eq!(listed.len(), 3);
    let settled = channels
        .update(&mut one, NOW, |channel| {
            channel.observe(seen(2, 1000, 28)).map(Step::to)
        })
        .await;
    assert!(settled.is_ok(), "{settled:?}");
    let freed = channels
        .give_back(&mut one, &alices, Amount::ZERO, NOW)
        .await;
    assert_eq!(freed.expect("it is safe"), of(35));
    let again = channels
        .give_back(&mut one, &alices, Amount::ZERO, NOW)
        .await;
    assert_eq!(again.expect("it is safe"), Amount::ZERO);
    assert!(
        pay(&channels, &mut bob, &pays(None, 30), &bobs)
            .await
            .expect("it came free")
    );
    assert_eq!(counted(&store, bobs.counter()).await, bobs.per_payer);
}

/// Drawing and giving back from many sides at once: no channel ever holds more than is counted.
pub async fn no_channel_holds_more_than_is_counted(store: Arc<dyn Backend>) {
    let channels = Channels::new(Arc::clone(&store));
    opened(&channels, "one", 10_000).await;
    let mut tasks = JoinSet::new();
    for task in 0..8u128 {
        let channels = channels.clone();
        tasks.spawn(async move {
            let caps = caps("alice", 10_000, 10_000, 5);
            let mut held = load(&channels, "one").await;
            for round in 0..10 {
                if task % 3 == 0 {
                    let spent = held.channel().balance().spent.units();
                    let settled = channels
                        .update(&mut held, NOW, |channel| {
                            let to = channel.balance().spent.units().min(spent);
                            let to = to.max(channel.balance().settled.units());
                            channel.observe(seen(2, 10_000, to)).map(Step::to)
                        })
                        .await;
                    assert!(settled.is_ok(), "{settled:?}");
                    let freed = channels.give_back(&mut held, &caps, of(1), NOW).await;
                    assert!(freed.is_ok(), "{freed:?}");
                } else {
                    let voucher = (round == 0).then(|| voucher(10_000));
                    let paid = pay(&channels, &mut held, &pays(voucher, 7), &caps).await;
                    let is_refused = matches!(paid, Err(ChannelError::Refused(_)));
                    assert!(is_refused || paid.is_ok(), "{paid:?}");
                }
                let is = load(&channels, "one").await;
                assert!(is.channel().exposure() <= is.channel().granted());
            }
        });
    }
    tasks.join_all().await;
    let caps = caps("alice", 10_000, 10_000, 5);
    let held = load(&channels, "one").await;
    let drawn = channels
        .exposed(None, 1)
        .await
        .expect("a healthy store answers");
    let drawn = drawn.first().map_or(Amount::ZERO, |it| it.drawn);
    assert!(held.channel().granted() <= drawn);
    assert_eq!(
        caps.currency.worth(drawn),
        Some(counted(&store, caps.counter()).await)
    );
}

/// Whichever write is the last one of a process, made or not: nothing accepted is lost, a request
/// that is repeated is charged once, and no channel holds more than is counted for it.
pub async fn whichever_write_is_the_last_one(store: Arc<dyn Backend>) {
    let channels = Channels::new(Arc::clone(&store));
    let mut deaths = 0;
    for nth in 1..=8 {
        for is_made in [false, true] {
            let name = format!("{}-{nth}", if is_made { "doubt" } else { "failure" });
            let caps = caps(&name, 50, 10_000, 5);
            let mut held = opened(&channels, &name, 100).await;
            let (faulty, faults) = Faulty::over(Arc::clone(&store));
            match is_made {
                true => faults.doubt_commit(nth),
                false => faults.fail_commit(nth, Failure::Unavailable),
            }
            let mortal = Channels::new(Arc::new(faulty));
            deaths += usize::from(live((&mortal, &store), &mut held, &caps).await.is_err());
            counts_enough(&channels, &store, &name, &caps).await;
            let mut held = load(&channels, &name).await;
            let lived = live((&channels, &store), &mut held, &caps).await;
            assert!(lived.is_ok(), "{name}: {lived:?}");
            let balance = held.channel().balance();
            assert_eq!(
                (balance.spent, balance.accepted),
                (of(15), of(20)),
                "{name}"
            );
            let freed = channels
                .give_back(&mut held, &caps, Amount::ZERO, NOW)
                .await;
            assert!(freed.is_ok(), "{name}: {freed:?}");
            counts_enough(&channels, &store, &name, &caps).await;
            let left = caps.currency.worth(of(5)).expect("it can be counted");
            assert_eq!(counted(&store, caps.counter()).await, left, "{name}");
        }
    }
    assert_eq!(deaths, 14, "the first life has seven writes");
}

/// Two requests with a settlement between them.
async fn live(
    (channels, store): (&Channels, &Arc<dyn Backend>),
    held: &mut Held,
    caps: &Caps,
) -> Result<(), ChannelError> {
    let first = pays(Some(voucher(20)), 10);
    if !is_known(store, held, "first").await {
        once(channels, held, caps, ("first", first)).await?;
    }
    let settled = seen(2, 100, 10);
    channels
        .update(held, NOW, |channel| channel.observe(settled).map(Step::to))
        .await?;
    channels.give_back(held, caps, Amount::ZERO, NOW).await?;
    if is_known(store, held, "second").await {
        return Ok(());
    }
    once(channels, held, caps, ("second", pays(None, 5))).await
}

/// Whether a request was charged, by what was written with the charge.
async fn is_known(store: &Arc<dyn Backend>, held: &Held, name: &str) -> bool {
    let partition = Partition::Channel(held.id().to_key());
    let row = store.get(&partition, ROWS, &Key::from(name)).await;
    row.expect("a healthy store answers").is_some()
}

/// Pays for a request under its key.
async fn once(
    channels: &Channels,
    held: &mut Held,
    caps: &Caps,
    (name, purchase): (&str, Purchase),
) -> Result<(), ChannelError> {
    let (table, key) = (ROWS, Key::from(name));
    let purchase = Purchase {
        guards: vec![Guard::Absent {
            table,
            key: key.clone(),
        }],
        writes: vec![Write::Put {
            table,
            key,
            value: Vec::new(),
            fence: 0,
            place: None,
        }],
        ..purchase
    };
    let is_paid = pay(channels, held, &purchase, caps).await?;
    assert!(is_paid, "there is room and it is covered");
    Ok(())
}

async fn counts_enough(channels: &Channels, store: &Arc<dyn Backend>, name: &str, caps: &Caps) {
    let listed = channels
        .exposed(None, 100)
        .await
        .expect("a healthy store answers");
    let drawn = listed.into_iter().find(|it| it.id == id(name));
    let drawn = drawn.map_or(Amount::ZERO, |it| it.drawn);
    let is = load(channels, name).await;
    assert!(
        is.channel().granted() <= drawn,
        "{name} holds more than is counted"
    );
    assert!(is.channel().exposure() <= is.channel().granted(), "{name}");
    let counted = counted(store, caps.counter()).await;
    assert_eq!(caps.currency.worth(drawn), Some(counted), "{name}");
}

async fn counted(store: &Arc<dyn Backend>, key: Key) -> Worth {
    let row = store.get(&Partition::Store, COUNTERS, &key).await;
    let row = row.expect("a healthy store answers");
    let count = row.map_or(0, |row| row.counter().expect("a counter counts"));
    Worth::counted(u128::try_from(count).expect("nothing is below zero"))
}
