//! A channel in memory, without a gate.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use farthing_core::{
    domain::channels::Opened,
    intent::session::{OnChain, Rule, Seen},
    memory::MemoryBackend,
    port::backend::{Backend, Guard, Key, StoreError, Table, Write},
    value::Worth,
};
use farthing_testkit::{
    clock::FakeClock,
    faulty::{Failure, Faults, Faulty, When},
    method::{self, FakeDescriptor, FakeReserve, FakeSession},
};

use super::*;

const ROWS: Table = Table::new("test.rows");

fn amount(units: u128) -> Amount {
    Amount::new(units)
}

fn descriptor(name: &str) -> FakeDescriptor {
    let (payer, payee) = (method::account(name), method::account("shop"));
    FakeDescriptor::new(&payer, &payee, Protocol::V2, name)
}

fn making(backend: Arc<dyn Backend>, cap: u128) -> Making {
    let clock: Arc<dyn Clock> = Arc::new(FakeClock::default());
    let reserve = Arc::new(FakeReserve::new(Arc::clone(&clock)));
    let number = |n| NonZeroU32::new(n).unwrap();
    Making {
        rail: Arc::new(FakeSession::new(
            reserve,
            &method::account("shop"),
            Protocol::V2,
        )),
        caps: Caps {
            payer: method::account("alice"),
            currency: method::currency(),
            per_payer: method::currency().worth(amount(cap)).unwrap(),
            in_total: Worth::UNLIMITED,
            slice: amount(10),
        },
        channels: Channels::new(backend),
        clock,
        allowance: Allowance::new(number(10), number(100)),
        events: Events::default(),
    }
}

async fn live(name: &str, making: Making) -> Live {
    let channel = descriptor(name);
    let state = OnChain::open(amount(1_000));
    let opened = Channel::open(Protocol::V2, Seen { block: 1, state }).unwrap();
    let terms = channel.terms(&"127.0.0.1".parse().unwrap());
    let now = making.clock.now();
    let id = channel.id();
    let opened = making.channels.open(&id, &terms, opened, now).await;
    let (Opened::New(held) | Opened::Known(held)) = opened.unwrap();
    Live::new(held, terms, making).unwrap()
}

fn purchase(name: &str, cumulative: u128, price: u128) -> Purchase {
    let signature = descriptor(name).sign(amount(cumulative));
    Purchase {
        voucher: Some(Voucher::new(Protocol::V2, amount(cumulative), signature).unwrap()),
        rule: Rule::ANY,
        price: amount(price),
        guards: Vec::new(),
        writes: Vec::new(),
    }
}

/// A channel that is written slowly: what controls its store, and the channel.
async fn slow(cap: u128) -> (Faults, Arc<Live>) {
    let (store, faults) = Faulty::new(MemoryBackend::new());
    let live = live("alice", making(Arc::new(store), cap)).await;
    // The first draws.
    live.pay(purchase("alice", 500, 1)).await.unwrap();
    (faults, Arc::new(live))
}

type Paying = tokio::task::JoinHandle<Result<Admitted, ChannelError>>;

fn pay(live: &Arc<Live>, purchase: Purchase) -> Paying {
    let live = Arc::clone(live);
    tokio::spawn(async move { live.pay(purchase).await })
}

/// Lets everything that can go on do so.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

fn spent(admitted: Result<Admitted, ChannelError>) -> u128 {
    admitted.unwrap().charge.unwrap().spent.units()
}

#[tokio::test]
async fn those_that_wait_are_written_together_in_the_order_they_came() {
    let (faults, live) = slow(1_000).await;
    let held = faults.hold_commit(1, When::Before);
    let before = faults.commits();
    let first = pay(&live, purchase("alice", 500, 1));
    held.reached().await;
    let others: Vec<Paying> = (0..5)
        .map(|_| pay(&live, purchase("alice", 500, 1)))
        .collect();
    settle().await;
    assert_eq!(
        live.last().balance.spent,
        amount(1),
        "nothing is told before it is durable"
    );
    held.release();
    assert_eq!(spent(first.await.unwrap()), 2);
    for (other, expect) in others.into_iter().zip(3..) {
        assert_eq!(spent(other.await.unwrap()), expect);
    }
    assert_eq!(faults.commits() - before, 2);
    assert_eq!(live.last().balance.spent, amount(7));
}

/// What is refused among them changes nothing for the others, and is refused on what they left.
#[tokio::test]
async fn one_that_is_refused_does_not_hold_up_the_others() {
    let (faults, live) = slow(2_000).await;
    let held = faults.hold_commit(1, When::Before);
    let first = pay(&live, purchase("alice", 500, 1));
    held.reached().await;
    let falls = pay(&live, purchase("alice", 400, 1));
    let raises = pay(&live, purchase("alice", 600, 1));
    let passed = pay(&live, purchase("alice", 550, 1));
    let high = pay(&live, purchase("alice", 1_001, 1));
    let short = pay(&live, purchase("alice", 600, 900));
    held.release();
    assert_eq!(spent(first.await.unwrap()), 2);
    let refused = |it: Result<Admitted, ChannelError>| match it {
        Err(ChannelError::Refused(refused)) => refused,
        other => panic!("{other:?}"),
    };
    assert!(matches!(
        refused(falls.await.unwrap()),
        Refused::Falls { .. }
    ));
    assert_eq!(spent(raises.await.unwrap()), 3);
    assert_eq!(
        refused(passed.await.unwrap()),
        Refused::Falls {
            accepted: amount(600)
        }
    );
    assert!(matches!(
        refused(high.await.unwrap()),
        Refused::ExceedsDeposit { .. }
    ));
    let short = short.await.unwrap().unwrap();
    assert!(matches!(short.charge, Err(Refused::Short(need)) if need.lacks == amount(303)));
    assert_eq!(live.last().balance.spent, amount(3));
}

/// Two requests under one key in one write: the second finds the row of the first.
#[tokio::test]
async fn two_with_one_row_are_not_written_together() {
    let (faults, live) = slow(1_000).await;
    let keyed = || {
        let (table, key) = (ROWS, Key::from("a"));
        let write = Write::Put {
            table,
            key: key.clone(),
            value: vec![1],
            fence: 0,
            place: None,
        };
        Purchase {
            guards: vec![Guard::Absent { table, key }],
            writes: vec![write],
            ..purchase("alice", 500, 1)
        }
    };
    let held = faults.hold_commit(1, When::Before);
    let first = pay(&live, purchase("alice", 500, 1));
    held.reached().await;
    let (one, other, third) = (
        pay(&live, keyed()),
        pay(&live, keyed()),
        pay(&live, purchase("alice", 500, 1)),
    );
    settle().await;
    held.release();
    assert_eq!(spent(first.await.unwrap()), 2);
    assert_eq!(spent(one.await.unwrap()), 3);
    assert!(matches!(
        other.await.unwrap(),
        Err(ChannelError::Guarded(0))
    ));
    assert_eq!(spent(third.await.unwrap()), 4);
    assert_eq!(live.last().balance.spent, amount(4));
}

/// Whoever leads and goes away leaves the lead to the next, and what it wrote is found.
#[tokio::test]
async fn a_leader_that_goes_away_leaves_nobody_waiting() {
    for when in [When::Before, When::After] {
        let (faults, live) = slow(1_000).await;
        let held = faults.hold_commit(1, when);
        let first = pay(&live, purchase("alice", 500, 1));
        held.reached().await;
        let others: Vec<Paying> = (0..3)
            .map(|_| pay(&live, purchase("alice", 500, 1)))
            .collect();
        settle().await;
        first.abort();
        let _ = first.await;
        let from = match when {
            When::Before => 2,
            When::After => 3,
        };
        for (other, expect) in others.into_iter().zip(from..) {
            assert_eq!(spent(other.await.unwrap()), expect, "{when:?}");
        }
        assert_eq!(spent(live.pay(purchase("alice", 500, 1)).await), from + 3);
    }
}

/// Who waits and goes away is passed over.
#[tokio::test]
async fn one_that_waits_and_goes_away_is_passed_over() {
    let (faults, live) = slow(1_000).await;
    let held = faults.hold_commit(1, When::Before);
    let first = pay(&live, purchase("alice", 500, 1));
    held.reached().await;
    let gone = pay(&live, purchase("alice", 500, 1));
    settle().await;
    gone.abort();
    let _ = gone.await;
    let stays = pay(&live, purchase("alice", 500, 1));
    settle().await;
    held.release();
    assert_eq!(spent(first.await.unwrap()), 2);
    let last = spent(stays.await.unwrap());
    assert_eq!(last, live.last().balance.spent.units());
}

#[tokio::test]
async fn a_store_that_fails_fails_all_that_were_in_the_write() {
    let (faults, live) = slow(1_000).await;
    let held = faults.hold_commit(1, When::Before);
    let first = pay(&live, purchase("alice", 500, 1));
    held.reached().await;
    let others: Vec<Paying> = (0..3)
        .map(|_| pay(&live, purchase("alice", 500, 1)))
        .collect();
    settle().await;
    faults.fail_commit(1, Failure::Full);
    held.release();
    assert_eq!(spent(first.await.unwrap()), 2);
    for other in others {
        let failed = other.await.unwrap();
        assert!(matches!(
            failed,
            Err(ChannelError::Store(StoreError::Full(_)))
        ));
    }
    assert_eq!(spent(live.pay(purchase("alice", 500, 1)).await), 3);
    // One that may have been written is found out by reading.
    faults.doubt_commit(1);
    let doubt = live.pay(purchase("alice", 500, 1)).await;
    assert!(matches!(
        doubt,
        Err(ChannelError::Store(StoreError::InDoubt(_)))
    ));
    assert_eq!(spent(live.pay(purchase("alice", 500, 1)).await), 5);
}

/// What is drawn is drawn in slices, and what no cap leaves room for is refused.
#[tokio::test]
async fn a_full_exposure_refuses_the_price_and_keeps_the_voucher() {
    let (_, live) = slow(30).await;
    let paying: Vec<Paying> = (0..40)
        .map(|_| pay(&live, purchase("alice", 500, 1)))
        .collect();
    let mut full = 0;
    for paid in paying {
        match paid.await.unwrap().unwrap().charge {
            Ok(_) => {}
            Err(Refused::ExposureFull) => full += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(full, 11);
    assert_eq!(live.last().balance.spent, amount(30));
    // A step of another kind draws too, and is told the same.
    let reserve = || live.step(|channel| Ok(Step::to(channel.reserve(amount(5), Timestamp::FAR)?)));
    assert!(matches!(
        reserve().await,
        Err(ChannelError::Refused(Refused::ExposureFull))
    ));
    live.step(|channel| {
        let _ = channel.unserved(amount(10));
        Ok(Step::to(()))
    })
    .await
    .unwrap();
    reserve().await.unwrap();
    assert_eq!(live.last().balance.reserved, amount(5));
}

/// What was delivered is written with the next step, whatever that is.
#[tokio::test]
async fn what_was_delivered_rides_along() {
    let (_, live) = slow(1_000).await;
    assert_eq!(live.last().balance.unsure, amount(1));
    live.served(amount(1));
    assert_eq!(live.last().balance.unsure, amount(1));
    assert_eq!(spent(live.pay(purchase("alice", 500, 3)).await), 4);
    assert_eq!(live.last().balance.unsure, amount(3));
    live.served(amount(3));
    let refused = live.pay(purchase("alice", 1, 1)).await;
    assert!(refused.is_err());
    assert_eq!(live.last().balance.unsure, Amount::ZERO);
}

#[tokio::test]
async fn a_change_is_told_and_a_stream_ends_the_older_one() {
    let (_, live) = slow(1_000).await;
    let mut changes = live.changes();
    assert!(!changes.has_changed().unwrap());
    live.pay(purchase("alice", 600, 1)).await.unwrap();
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    assert!(live.pay(purchase("alice", 500, 1)).await.is_err());
    assert!(!changes.has_changed().unwrap(), "nothing changed");

    let mut older = live.begin_stream();
    let ended = older.ended();
    tokio::pin!(ended);
    assert!(futures_util::poll!(&mut ended).is_pending());
    let mut newer = live.begin_stream();
    ended.await;
    let ended = newer.ended();
    tokio::pin!(ended);
    assert!(futures_util::poll!(&mut ended).is_pending());
}

/// The signature of the last good voucher is not checked again, and no other passes for it.
#[tokio::test]
async fn a_good_voucher_again_is_good_and_a_forged_one_is_not() {
    let (_, live) = slow(1_000).await;
    let said = |units: u128, by: &str| Said {
        channel: live.id().clone(),
        cumulative: amount(units),
        signature: descriptor("alice").sign_as(&method::account(by), amount(units)),
    };
    for _ in 0..2 {
        let voucher = live.check(&said(600, "alice")).unwrap();
        assert_eq!(voucher.cumulative(), amount(600));
    }
    assert!(live.check(&said(600, "mallory")).is_err());
    let mut moved = said(600, "alice");
    moved.cumulative = amount(601);
    assert!(live.check(&moved).is_err());
    assert!(live.check(&said(600, "alice")).is_ok());
}

#[tokio::test]
async fn a_channel_is_loaded_once_and_forgotten_when_nobody_has_it() {
    let store: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    let directory = Directory::new(64);
    let loads = AtomicUsize::new(0);
    let get = |name: String| {
        let (directory, loads, store) = (&directory, &loads, &store);
        async move {
            let id = descriptor(&name).id();
            let load = || async {
                loads.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(1)).await;
                Ok::<_, StoreError>(Some(live(&name, making(store.clone(), 1_000)).await))
            };
            directory.get(&id, load).await.unwrap().unwrap()
        }
    };
    let all = futures_util::future::join_all((0..20).map(|_| get("alice".to_owned()))).await;
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    assert!(all.iter().all(|live| Arc::ptr_eq(live, &all[0])));

    // Those that nobody holds make room; the one that is held stays the same.
    for n in 0..500 {
        drop(get(format!("buyer{n}")).await);
    }
    assert!(directory.len() <= 64 + 64, "{}", directory.len());
    assert!(Arc::ptr_eq(&get("alice".to_owned()).await, &all[0]));

    // What is not there is asked for again, and leaves nothing behind.
    let (before, nobody) = (directory.len(), descriptor("nobody").id());
    for _ in 0..2 {
        let none = directory.get(&nobody, || async { Ok::<_, StoreError>(None) });
        assert!(none.await.unwrap().is_none());
        let failed = directory.get(&nobody, || async {
            Err(StoreError::Unavailable("gone".into()))
        });
        assert!(failed.await.is_err());
    }
    assert_eq!(directory.len(), before);
}

/// A note that may have been written is not written again: it would end what is charged for others.
#[tokio::test]
async fn what_was_delivered_is_said_once_whatever_becomes_of_its_write() {
    let (faults, live) = slow(1_000).await;
    let unsure = |live: &Live| live.last().balance.unsure.units();
    // One is unsure from the beginning, and was delivered.
    live.served(amount(1));
    faults.doubt_commit(1);
    assert!(live.pay(purchase("alice", 500, 5)).await.is_err());
    live.pay(purchase("alice", 500, 3)).await.unwrap();
    assert_eq!(unsure(&live), 8);

    // One that leads and goes away may have written it, too.
    live.served(amount(5));
    let held = faults.hold_commit(1, When::After);
    let first = pay(&live, purchase("alice", 500, 1));
    held.reached().await;
    first.abort();
    let _ = first.await;
    live.pay(purchase("alice", 500, 2)).await.unwrap();
    assert_eq!(unsure(&live), 3 + 1 + 2);

    // What was surely not written is said with the next write.
    live.served(amount(3));
    faults.fail_commit(1, Failure::Full);
    assert!(live.pay(purchase("alice", 500, 1)).await.is_err());
    live.pay(purchase("alice", 500, 1)).await.unwrap();
    assert_eq!(unsure(&live), 1 + 2 + 1);
}
