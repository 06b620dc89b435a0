//! What a rail that is elsewhere can do to a payment. The rail is the testkit's fake, whose truth
//! is asserted on both sides.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by them")]

mod common;

use std::{sync::Arc, time::Duration};

use common::{PRICE, challenges, fake::FakeShop, problem};
use farthing_core::{
    memory::MemoryBackend,
    payment::{SettlePolicy, State},
    port::backend::Backend,
    value::Secret,
};
use farthing_testkit::{
    faulty::{Failure, Faulty},
    method::{Answer, FakePayer, Judgement, Latch, account},
};

const POLICIES: [SettlePolicy; 2] = [SettlePolicy::First, SettlePolicy::After];

#[tokio::test]
async fn a_rail_that_settles_is_paid_once() {
    for policy in POLICIES {
        let fake = FakeShop::open(policy).await;
        let credential = fake.credential().await;
        fake.served(&credential).await;
        fake.refused(&credential, 402, "invalid-challenge", Some(true))
            .await;
        assert_eq!(fake.rail.truth().settles, 1);
    }
}

#[tokio::test]
async fn a_proof_pays_once_whatever_challenge_it_comes_with() {
    for policy in POLICIES {
        let mut fake = FakeShop::open(policy).await;
        let first = fake.credential().await;
        fake.served(&first).await;
        // The same account counts its nonces anew: another challenge, the same proof key.
        fake.payer = FakePayer::new(Arc::clone(&fake.rail), account("buyer"));
        let second = fake.credential().await;
        fake.refused(&second, 402, "verification-failed", Some(false))
            .await;
        assert_eq!((fake.rail.truth().settles, fake.shop.runs()), (1, 1));
        fake.assert_moved(1);
    }
}

#[tokio::test]
async fn a_refusal_moves_nothing_and_withholds_the_answer() {
    let first = FakeShop::open(SettlePolicy::First).await;
    let credential = first.credential().await;
    first.rail.script([Answer::Refuse]);
    first
        .refused(&credential, 402, "verification-failed", Some(false))
        .await;
    first
        .refused(&credential, 402, "invalid-challenge", Some(false))
        .await;
    assert_eq!(first.shop.runs(), 0);
    first.assert_moved(0);

    let after = FakeShop::open(SettlePolicy::After).await;
    let credential = after.credential().await;
    after.rail.script([Answer::Refuse]);
    after
        .refused(&credential, 402, "verification-failed", Some(false))
        .await;
    assert_eq!(
        after.shop.runs(),
        1,
        "the handler ran, and its answer is held"
    );
    after.assert_moved(0);
}

#[tokio::test]
async fn a_pending_payment_is_served_when_the_rail_is_done() {
    for policy in POLICIES {
        let fake = FakeShop::open(policy).await;
        let credential = fake.credential().await;
        fake.rail.script([Answer::Pending(Duration::from_secs(3))]);
        fake.refused(&credential, 503, "payment-pending", None)
            .await;
        // The rail is not asked again before it said so.
        fake.refused(&credential, 503, "payment-pending", None)
            .await;
        assert_eq!(fake.rail.truth().resolves, 0);
        fake.shop.clock.advance(Duration::from_secs(4));
        fake.served(&credential).await;
    }
}

#[tokio::test]
async fn a_lost_answer_never_pays_twice() {
    for policy in POLICIES {
        for answer in [
            Answer::MovedButLost,
            Answer::Lost,
            Answer::Never { moved: true },
            Answer::Never { moved: false },
        ] {
            let fake = FakeShop::open(policy).await;
            let credential = fake.credential().await;
            fake.rail.script([answer]);
            fake.refused(&credential, 503, "payment-unresolved", None)
                .await;
            fake.shop.clock.advance(Duration::from_secs(60));
            fake.served(&credential).await;
        }
    }
}

#[tokio::test]
async fn the_reconciler_finishes_what_nobody_presents_again() {
    for policy in POLICIES {
        let fake = FakeShop::open(policy).await;
        let credential = fake.credential().await;
        fake.rail.script([Answer::MovedButLost]);
        fake.refused(&credential, 503, "payment-unresolved", None)
            .await;
        fake.shop.clock.advance(Duration::from_secs(60));
        fake.shop.gate.reconcile().await.unwrap();
        assert_eq!(fake.shop.states().last(), Some(&State::Settled));
        fake.assert_moved(1);
        // Long after its challenge expired it is still redeliverable.
        fake.shop.clock.advance(Duration::from_secs(10 * 60));
        fake.served(&credential).await;
    }
}

#[tokio::test]
async fn what_is_not_fetched_in_time_is_owed() {
    let fake = FakeShop::open(SettlePolicy::First).await;
    let credential = fake.credential().await;
    fake.rail.script([Answer::MovedButLost]);
    fake.refused(&credential, 503, "payment-unresolved", None)
        .await;
    fake.shop.clock.advance(Duration::from_secs(60));
    fake.shop.gate.reconcile().await.unwrap();
    fake.shop.clock.advance(Duration::from_secs(16 * 60));
    fake.shop.gate.reconcile().await.unwrap();
    assert_eq!(fake.shop.gate.payments().owed(10).await.unwrap().len(), 1);
    fake.refused(&credential, 410, "payment-owed", Some(true))
        .await;
    assert_eq!(fake.shop.runs(), 0);
    fake.assert_moved(1);
}

#[tokio::test]
async fn a_rail_that_is_down_is_nobodys_bad_proof() {
    let fake = FakeShop::open(SettlePolicy::First).await;
    let credential = fake.credential().await;
    fake.charge.script([Judgement::Down]);
    fake.refused(&credential, 503, "rail-unavailable", Some(false))
        .await;
    // Nothing was claimed: the credential is as good as before.
    fake.served(&credential).await;
}

#[tokio::test]
async fn a_slow_rail_blocks_nobody_else() {
    let fake = FakeShop::open(SettlePolicy::First).await;
    let (slow, quick) = (fake.credential().await, fake.credential().await);
    let latch = Latch::default();
    fake.rail.script([Answer::Hang(latch.clone())]);
    let request = fake.shop.get("/paid").header("authorization", slow);
    let waiting = tokio::spawn(async move { request.send().await.unwrap() });
    fake.shop.reached(State::Sent).await;
    fake.served(&quick).await;
    assert_eq!(fake.shop.get("/paid").send().await.unwrap().status(), 402);
    latch.open();
    assert_eq!(waiting.await.unwrap().status(), 200);
    fake.assert_moved(2);
}

#[tokio::test]
async fn what_is_in_flight_is_bounded_and_comes_free_when_it_is_final() {
    let fake = FakeShop::open_limited(SettlePolicy::First, Some(PRICE)).await;
    let (first, second) = (fake.credential().await, fake.credential().await);
    fake.rail.script([Answer::Pending(Duration::from_secs(3))]);
    fake.refused(&first, 503, "payment-pending", None).await;
    fake.refused(&second, 503, "overloaded", Some(false)).await;
    fake.assert_moved(0);
    fake.shop.clock.advance(Duration::from_secs(4));
    assert_eq!(fake.present(&first).await.status(), 200);
    assert_eq!(fake.present(&second).await.status(), 200);
    fake.assert_moved(2);
}

#[tokio::test]
async fn a_store_that_fails_after_the_rail_moved_says_that_it_moved() {
    for policy in POLICIES {
        let (backend, faults) = Faulty::new(MemoryBackend::new());
        let fake = FakeShop::open_on(Arc::new(backend), policy, None).await;
        let credential = fake.credential().await;
        // The claim, for `after` the held answer, then what the rail said.
        faults.fail_commit(
            if policy == SettlePolicy::First { 2 } else { 3 },
            Failure::Full,
        );
        fake.refused(&credential, 503, "store-unavailable", Some(true))
            .await;
        fake.assert_moved(1);
        fake.shop.clock.advance(Duration::from_secs(60));
        fake.served(&credential).await;
    }
}

#[tokio::test]
async fn a_402_offers_every_method_and_the_buyers_favourite_first() {
    let fake = FakeShop::open(SettlePolicy::First).await;
    for (accept, expect) in [
        ("*/*", vec!["ledger", "fake"]),
        ("ledger/charge;q=0.5, fake/*", vec!["fake", "ledger"]),
        ("ledger/charge;q=0, */*", vec!["fake"]),
        ("tempo/charge", vec!["ledger", "fake"]),
        (";;;", vec!["ledger", "fake"]),
    ] {
        let response = fake
            .shop
            .get("/paid")
            .header("accept-payment", accept)
            .send()
            .await
            .unwrap();
        let offered = challenges(&response);
        let methods: Vec<_> = offered
            .iter()
            .map(|challenge| challenge.method.as_str())
            .collect();
        assert_eq!(methods, expect, "{accept}");
        let problem = problem(response).await;
        assert_eq!(problem["challengeId"], offered[0].id.as_str());
        assert_eq!(problem["offers"].as_array().unwrap().len(), expect.len());
    }
}

#[tokio::test]
async fn a_rail_that_was_silent_has_not_used_up_the_buyers_time() {
    let fake = FakeShop::open(SettlePolicy::First).await;
    let credential = fake.credential().await;
    fake.rail.script([Answer::MovedButLost]);
    fake.refused(&credential, 503, "payment-unresolved", None)
        .await;
    // Value moved an hour before anybody learnt of it.
    fake.shop.clock.advance(Duration::from_secs(60 * 60));
    fake.shop.gate.reconcile().await.unwrap();
    assert_eq!(fake.shop.gate.payments().owed(10).await.unwrap().len(), 0);
    fake.served(&credential).await;
}

#[tokio::test]
async fn what_waits_to_be_sent_is_sealed_and_opens_with_a_retired_secret() {
    for policy in POLICIES {
        let backend = Arc::new(MemoryBackend::new());
        let fake = FakeShop::open_on(Arc::clone(&backend) as Arc<dyn Backend>, policy, None).await;
        let credential = fake.credential().await;
        fake.rail.script([Answer::Lost]);
        fake.refused(&credential, 503, "payment-unresolved", None)
            .await;
        fake.assert_moved(0);
        let far = farthing_core::value::Timestamp::FAR;
        let held = fake
            .shop
            .gate
            .payments()
            .due(far, 1)
            .await
            .unwrap()
            .remove(0);
        let journaled = fake
            .shop
            .gate
            .payments()
            .journaled(&held.record)
            .await
            .unwrap()
            .unwrap();
        let plain = journaled
            .expose()
            .windows(8)
            .any(|bytes| bytes == b"did:fake");
        assert!(!plain, "the effect can be read in the store");
        fake.shop.clock.advance(Duration::from_secs(60));
        // A gate with other secrets cannot send it; one that knows the former can.
        let gate = |secret: u8| {
            farthing_server::Gate::builder()
                .realm("127.0.0.1")
                .secret(Secret::new(vec![secret; 32]))
                .store(Arc::clone(&backend) as Arc<dyn Backend>)
                .clock(Arc::new(fake.shop.clock.clone()))
                .method(Arc::clone(&fake.charge) as Arc<dyn farthing_core::port::method::Charge>)
        };
        gate(9).build().unwrap().reconcile().await.unwrap();
        fake.assert_moved(0);
        fake.shop.clock.advance(Duration::from_secs(60));
        let long_over = common::start_time();
        let rotated = gate(9).retired_secret(Secret::new(vec![7; 32]), long_over);
        rotated.build().unwrap().reconcile().await.unwrap();
        fake.assert_moved(1);
    }
}
