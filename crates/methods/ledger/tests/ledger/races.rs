//! Many payments between two accounts at once.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use farthing_core::{
    payment::{Event, SettlePolicy},
    port::method::Booking,
};
use tokio::task::JoinSet;

use crate::{fixture::NOW, world::World};

const TASKS: u32 = 200;
const EACH: u128 = 500;

/// How many units a task moved from account 0 to account 1.
async fn work(world: World, id: u32) -> i128 {
    let payer = (id % 2) as usize;
    let amount = u128::from(id % 7) + 30;
    let moved = [1, -1][payer] * amount.cast_signed();
    let payment = world.payment(id, payer, amount);
    let settle = world.settle(&payment);
    match id % 4 {
        0 | 1 => {
            let Some(held) = world.claim(payment, Booking::Hold).await else {
                return 0;
            };
            tokio::task::yield_now().await;
            if id.is_multiple_of(3) {
                world
                    .step(held, [Event::Void], Booking::Release)
                    .await
                    .unwrap();
                return 0;
            }
            let events = [Event::Run, Event::Serve { stored: true }, settle];
            world.step(held, events, Booking::Capture).await.unwrap();
            moved
        }
        _ => {
            let mut payment = payment;
            payment.policy = SettlePolicy::First;
            payment.advance(settle, NOW).unwrap();
            let Some(held) = world.claim(payment, Booking::Transfer).await else {
                return 0;
            };
            tokio::task::yield_now().await;
            let back = id.is_multiple_of(3);
            let refunded = back
                && world
                    .step(held, [Event::Refund], Booking::Refund)
                    .await
                    .is_some();
            if refunded { 0 } else { moved }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_unit_is_lost_or_made_and_no_balance_falls_below_nothing() {
    let world = World::new([EACH, EACH]).await;
    let done = Arc::new(AtomicBool::new(false));
    let watcher = tokio::spawn({
        let (world, done) = (world.clone(), done.clone());
        async move {
            while !done.load(Ordering::Relaxed) {
                // Reading a balance below nothing is an error, which fails the test.
                for who in [0, 1] {
                    world.has(who).await;
                }
                tokio::task::yield_now().await;
            }
        }
    });
    let mut tasks = JoinSet::new();
    for id in 0..TASKS {
        tasks.spawn(work(world.clone(), id));
    }
    let moved = tasks.join_all().await;
    done.store(true, Ordering::Relaxed);
    watcher.await.unwrap();

    let sum: i128 = moved.iter().sum();
    let start = EACH.cast_signed();
    let expect = [start - sum, start + sum].map(|units| (units.unsigned_abs(), 0));
    assert_eq!([world.has(0).await, world.has(1).await], expect);
    assert_eq!(world.total().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_balance_is_spent_once() {
    let world = World::new([100, 0]).await;
    let mut tasks = JoinSet::new();
    for id in 0..TASKS {
        let world = world.clone();
        let booking = [Booking::Hold, Booking::Transfer][(id % 2) as usize];
        tasks.spawn(async move {
            world
                .claim(world.payment(id, 0, 10), booking)
                .await
                .is_some()
        });
    }
    let won = tasks
        .join_all()
        .await
        .into_iter()
        .filter(|won| *won)
        .count();
    assert_eq!(won, 10);
    let ((available, held), (earned, _)) = (world.has(0).await, world.has(1).await);
    assert_eq!((available, held + earned), (0, 100));
    assert_eq!(world.total().await, 0);
}
