//! Several pieces of work on one channel in one write.

use std::sync::Arc;

use farthing_core::{
    domain::{
        calls::{Call, CallState, HeldCall},
        channels::{Buying, Caps, ChannelError, Channels, Held, Purchase, Step, Stepping, Work},
    },
    intent::session::{Balance, Channel, Refused},
    port::backend::{Backend, Key, Partition, StoreError, Table},
    value::{Amount, Fingerprint},
};

use super::{
    NOW, after,
    channels::{caps, id, load, of, opened, pay, pays, voucher},
};
use crate::faulty::{Failure, Faulty};

async fn apply(channels: &Channels, held: &mut Held, caps: &Caps, works: &mut [Buying]) {
    let works = works.iter_mut().map(|work| work as &mut dyn Work);
    let none = Amount::ZERO;
    channels.apply(held, NOW, none, works.collect(), caps).await;
}

/// How often the channel was written.
async fn writes(store: &Arc<dyn Backend>) -> u64 {
    let partition = Partition::Channel(id("one").to_key());
    let table = Table::new("core.channels");
    let row = store.get(&partition, table, &Key::from("state")).await;
    row.expect("a healthy store answers")
        .expect("the channel is there")
        .version
}

fn call(key: u8) -> Purchase {
    let call = Call {
        whole: Fingerprint([0; 32]),
        price: of(1),
        metered: Amount::ZERO,
        units: 1,
        attempts: 1,
        state: CallState::Charged { until: after(30) },
        forget_at: after(60),
    };
    let (_, (guards, writes)) = HeldCall::begin(&Fingerprint([key; 32]), call, NOW);
    Purchase {
        guards,
        writes,
        ..pays(None, 1)
    }
}

/// What sixty-four bring is one write, and each is answered by itself.
pub async fn what_many_bring_is_one_write(store: Arc<dyn Backend>) {
    let channels = Channels::new(Arc::clone(&store));
    let caps = caps("alice", 10_000, 10_000, 1000);
    let mut held = opened(&channels, "one", 1000).await;
    let paid = pay(&channels, &mut held, &pays(Some(voucher(500)), 3), &caps).await;
    assert!(paid.expect("it is covered"));
    let before = writes(&store).await;
    let mut works: Vec<Buying> = (0..64)
        .map(|number: u8| {
            Buying::new(match number {
                // One that falls, one that is above the deposit, and one that nothing covers.
                10 => pays(Some(voucher(499)), 1),
                20 => pays(Some(voucher(1001)), 1),
                30 => pays(None, 900),
                40 => pays(Some(voucher(600)), 1),
                _ => call(number),
            })
        })
        .collect();
    let mut stepping = Stepping::new(|channel: &mut Channel| {
        channel.served(of(1));
        Ok(Step::to(channel.balance()))
    });
    {
        let buying = works.iter_mut().map(|work| work as &mut dyn Work);
        let all = buying.chain([&mut stepping as &mut dyn Work]).collect();
        let written = channels.apply(&mut held, NOW, of(2), all, &caps).await;
        assert_eq!(written, of(2));
    }
    let seen = stepping.into_outcome().expect("it is taken");
    assert_eq!(writes(&store).await, before + 1);
    let mut spent = 3;
    for (number, work) in works.into_iter().enumerate() {
        let outcome = work.into_outcome();
        match number {
            10 => assert!(matches!(
                outcome,
                Err(ChannelError::Refused(Refused::Falls { .. }))
            )),
            20 => assert!(matches!(
                outcome,
                Err(ChannelError::Refused(Refused::ExceedsDeposit { .. }))
            )),
            30 => {
                let admitted = outcome.expect("its voucher is no bad one");
                assert!(matches!(admitted.charge, Err(Refused::Short(_))));
            }
            _ => {
                spent += 1;
                let balance: Balance = outcome
                    .expect("it is covered")
                    .charge
                    .expect("it is covered");
                assert_eq!(balance.spent, of(spent), "each is told what it left");
            }
        }
    }
    let balance = load(&channels, "one").await.channel().balance();
    assert_eq!((balance.spent, balance.accepted), (of(64), of(600)));
    // Three of them were served by then.
    assert_eq!((balance.unsure, seen), (of(61), balance));
}

/// One whose rows do not hold is the only one that learns of it, and of two that begin one call the
/// second finds the first.
pub async fn rows_that_do_not_hold_hurt_nobody_else(store: Arc<dyn Backend>) {
    let channels = Channels::new(Arc::clone(&store));
    let caps = caps("alice", 10_000, 10_000, 1000);
    let mut held = opened(&channels, "one", 1000).await;
    let paid = pay(&channels, &mut held, &call(7), &caps).await;
    assert!(!paid.expect("it is answered"), "nothing covers it");
    let first = Purchase {
        voucher: Some(voucher(900)),
        ..call(7)
    };
    let paid = pay(&channels, &mut held, &first, &caps).await;
    assert!(paid.expect("it is covered"));
    let before = writes(&store).await;
    let keys = [1, 7, 2, 2, 3, 7, 2];
    let mut works: Vec<Buying> = keys.iter().map(|key| Buying::new(call(*key))).collect();
    apply(&channels, &mut held, &caps, &mut works).await;
    let taken = works.into_iter().map(|work| match work.into_outcome() {
        Ok(admitted) => admitted.charge.is_ok(),
        Err(ChannelError::Guarded(0)) => false,
        Err(error) => unreachable!("it is there or it is not: {error:?}"),
    });
    let taken: Vec<bool> = taken.collect();
    assert_eq!(taken, [true, false, true, false, true, false, false]);
    let balance = load(&channels, "one").await.channel().balance();
    assert_eq!(balance.spent, of(4));
    assert_eq!(writes(&store).await, before + 1);
}

/// What is missing of the grant is drawn once for all of them, and who is beyond the caps is told so
/// without those whom there is room for.
pub async fn what_many_need_is_drawn_within_the_caps(store: Arc<dyn Backend>) {
    let channels = Channels::new(Arc::clone(&store));
    let caps = caps("alice", 40, 100, 10);
    let mut held = opened(&channels, "one", 1000).await;
    let prices = [10, 5, 30, 10, 5, 60, 20];
    let mut works: Vec<Buying> = prices
        .iter()
        .map(|price| Buying::new(pays(Some(voucher(1000)), *price)))
        .collect();
    apply(&channels, &mut held, &caps, &mut works).await;
    let charged = works.into_iter().map(|work| {
        let admitted = work.into_outcome().expect("its voucher is good");
        match admitted.charge {
            Ok(_) => true,
            Err(Refused::ExposureFull) => false,
            Err(refused) => unreachable!("there is room or there is none: {refused:?}"),
        }
    });
    let charged: Vec<bool> = charged.collect();
    let sum: u128 = prices
        .iter()
        .zip(&charged)
        .filter(|(_, charged)| **charged)
        .map(|(price, _)| price)
        .sum();
    let balance = load(&channels, "one").await.channel().balance();
    assert_eq!((balance.spent, balance.accepted), (of(sum), of(1000)));
    assert!(charged[0] && charged[1] && !charged[5], "{charged:?}");
    assert!((25..=40).contains(&sum), "{charged:?}");
}

/// When the store fails each of them learns of it. What was served stays to be written, and is not
/// written twice.
pub async fn a_store_that_fails_is_told_to_all(store: Arc<dyn Backend>) {
    let channels = Channels::new(Arc::clone(&store));
    let caps = caps("alice", 10_000, 10_000, 1000);
    let mut held = opened(&channels, "one", 1000).await;
    let paid = pay(&channels, &mut held, &pays(Some(voucher(900)), 3), &caps).await;
    assert!(paid.expect("it is covered"));
    let (faulty, faults) = Faulty::over(Arc::clone(&store));
    let faulty = Channels::new(Arc::new(faulty));
    faults.fail_commit(1, Failure::Unavailable);
    faults.doubt_commit(2);
    for in_doubt in [false, true] {
        let mut works = [Buying::new(pays(None, 1)), Buying::new(pays(None, 1))];
        let all = works.iter_mut().map(|work| work as &mut dyn Work);
        let written = faulty
            .apply(&mut held, NOW, of(3), all.collect(), &caps)
            .await;
        assert_eq!(written, if in_doubt { of(3) } else { of(0) });
        for work in works {
            let Err(ChannelError::Store(error)) = work.into_outcome() else {
                unreachable!("the store failed");
            };
            assert_eq!(error.in_doubt(), in_doubt);
            assert!(in_doubt || matches!(error, StoreError::Unavailable(_)));
        }
    }
    // The second was written all the same. What is there is read again.
    let mut works = [Buying::new(pays(None, 1))];
    apply(&channels, &mut held, &caps, &mut works).await;
    assert_eq!(held.channel().balance().spent, of(6));
    assert_eq!(load(&channels, "one").await.channel(), held.channel());
}
