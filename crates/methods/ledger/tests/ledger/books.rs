//! Each step of a payment, taken by hand through the claims of the core.

use farthing_core::{
    payment::{Event, State},
    port::method::{Booking, Books as _},
};
use farthing_ledger::{Kind, Side};

use crate::{fixture::dollar, world::World};

const SERVE: Event = Event::Serve { stored: true };

#[tokio::test]
async fn what_is_held_is_captured() {
    let world = World::new([1000, 0]).await;
    let payment = world.payment(1, 0, 300);
    let settle = world.settle(&payment);
    let held = world.claim(payment, Booking::Hold).await.unwrap();
    assert_eq!(
        (world.has(0).await, world.has(1).await),
        ((700, 300), (0, 0))
    );
    assert_eq!(world.total().await, 0);
    let held = world
        .step(held, [Event::Run, SERVE, settle], Booking::Capture)
        .await
        .unwrap();
    assert_eq!(held.record.state, State::Settled);
    assert_eq!(
        (world.has(0).await, world.has(1).await),
        ((700, 0), (300, 0))
    );
    assert_eq!(world.total().await, 0);
}

#[tokio::test]
async fn what_is_released_leaves_no_trace() {
    let world = World::new([1000, 0]).await;
    let held = world
        .claim(world.payment(1, 0, 300), Booking::Hold)
        .await
        .unwrap();
    world
        .step(held, [Event::Void], Booking::Release)
        .await
        .unwrap();
    assert_eq!(
        (world.has(0).await, world.has(1).await),
        ((1000, 0), (0, 0))
    );
    let payer = world
        .accounts
        .statement(&world.people[0], &dollar(), None, 10)
        .await
        .unwrap();
    assert_eq!(payer.len(), 1, "the deposit and nothing else: {payer:?}");
    let payee = world
        .accounts
        .statement(&world.people[1], &dollar(), None, 10)
        .await
        .unwrap();
    assert_eq!(payee, []);
}

#[tokio::test]
async fn a_transfer_is_a_hold_and_a_capture_at_once() {
    let world = World::new([1000, 0]).await;
    let payment = world.payment(1, 0, 300);
    assert_eq!(world.ledger.writes(Booking::Transfer, &payment).len(), 4);
    world.claim(payment, Booking::Transfer).await.unwrap();
    assert_eq!(
        (world.has(0).await, world.has(1).await),
        ((700, 0), (300, 0))
    );
    assert_eq!(world.total().await, 0);
}

#[tokio::test]
async fn a_refund_goes_back_while_the_payee_has_it() {
    let world = World::new([1000, 0]).await;
    let mut payment = world.payment(1, 0, 300);
    payment.policy = farthing_core::payment::SettlePolicy::First;
    let settle = world.settle(&payment);
    payment.advance(settle, crate::fixture::NOW).unwrap();
    let held = world.claim(payment, Booking::Transfer).await.unwrap();

    let withdrawal = world.funding("bank-1", 1, 1);
    world.accounts.withdraw(&withdrawal).await.unwrap();
    let refunded = world
        .step(held.clone(), [Event::Refund], Booking::Refund)
        .await;
    assert!(refunded.is_none(), "the payee has 299 of the 300");
    assert_eq!(
        (world.has(0).await, world.has(1).await),
        ((700, 0), (299, 0))
    );

    world
        .accounts
        .deposit(&world.funding("bank-2", 1, 1))
        .await
        .unwrap();
    let refunded = world
        .step(held, [Event::Refund], Booking::Refund)
        .await
        .unwrap();
    assert_eq!(refunded.record.state, State::Refunded);
    assert_eq!(
        (world.has(0).await, world.has(1).await),
        ((1000, 0), (0, 0))
    );
    assert_eq!(world.total().await, 0);
}

#[tokio::test]
async fn a_payer_with_too_little_holds_and_transfers_nothing() {
    let world = World::new([299, 0]).await;
    for (id, booking) in [(1, Booking::Hold), (2, Booking::Transfer)] {
        assert!(
            world
                .claim(world.payment(id, 0, 300), booking)
                .await
                .is_none()
        );
        assert_eq!((world.has(0).await, world.has(1).await), ((299, 0), (0, 0)));
    }
    let exactly = world.claim(world.payment(3, 0, 299), Booking::Hold).await;
    assert!(exactly.is_some());
}

#[tokio::test]
async fn what_is_held_cannot_be_spent_or_withdrawn() {
    let world = World::new([1000, 0]).await;
    world
        .claim(world.payment(1, 0, 900), Booking::Hold)
        .await
        .unwrap();
    assert!(
        world
            .claim(world.payment(2, 0, 101), Booking::Transfer)
            .await
            .is_none()
    );
    assert!(
        world
            .accounts
            .withdraw(&world.funding("bank", 0, 101))
            .await
            .is_err()
    );
    assert!(
        world
            .claim(world.payment(3, 0, 100), Booking::Transfer)
            .await
            .is_some()
    );
}

#[tokio::test]
async fn an_amount_that_no_balance_can_have_moves_nothing() {
    let world = World::new([1000, 0]).await;
    for (id, amount) in [(1, u128::MAX), (2, i128::MAX.unsigned_abs())] {
        for booking in [Booking::Hold, Booking::Transfer, Booking::Refund] {
            assert!(
                world
                    .claim(world.payment(id, 0, amount), booking)
                    .await
                    .is_none()
            );
        }
    }
    assert_eq!(
        (world.has(0).await, world.has(1).await),
        ((1000, 0), (0, 0))
    );
}

#[tokio::test]
async fn a_payment_between_nobodies_moves_nothing() {
    let world = World::new([1000, 0]).await;
    for booking in [
        Booking::Hold,
        Booking::Capture,
        Booking::Release,
        Booking::Transfer,
    ] {
        let mut payment = world.payment(1, 0, 300);
        payment.payer = None;
        assert!(world.claim(payment, booking).await.is_none(), "{booking:?}");
        let mut payment = world.payment(2, 0, 300);
        payment.payee = None;
        assert!(world.claim(payment, booking).await.is_none(), "{booking:?}");
    }
}

#[tokio::test]
async fn both_sides_of_a_payment_are_on_their_statements() {
    let world = World::new([1000, 0]).await;
    let payment = world.payment(1, 0, 300);
    let reference = world.ledger.reference(&payment);
    world
        .claim(payment.clone(), Booking::Transfer)
        .await
        .unwrap();
    for (who, side) in [(0, Side::Out), (1, Side::In)] {
        let statement = world
            .accounts
            .statement(&world.people[who], &dollar(), None, 10)
            .await;
        let statement = statement.unwrap();
        let entry = statement
            .iter()
            .find(|entry| entry.kind == Kind::Payment)
            .unwrap();
        assert_eq!(entry.transfer.as_str(), reference.as_str());
        assert_eq!(entry.transfer.as_str(), payment.id.to_string());
        assert_eq!(
            (entry.side, entry.amount, entry.at),
            (side, payment.amount, payment.claimed_at)
        );
        assert_eq!(
            entry.counterparty.as_ref(),
            Some(world.people[1 - who].did())
        );
    }
}

#[tokio::test]
async fn the_same_payment_gives_the_same_writes() {
    let world = World::new([0, 0]).await;
    let all = [
        Booking::Hold,
        Booking::Capture,
        Booking::Release,
        Booking::Transfer,
        Booking::Refund,
    ];
    for booking in all {
        let writes = || world.ledger.writes(booking, &world.payment(1, 0, 300));
        assert_eq!(writes(), writes(), "{booking:?}");
        assert_ne!(
            writes(),
            world.ledger.writes(booking, &world.payment(1, 0, 301))
        );
    }
}
