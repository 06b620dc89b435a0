//! What was spent is settled when it is due, never more than that, and never twice.

use std::{sync::Arc, time::Duration};

use farthing_core::{
    domain::{channels::Step, settlements::Wish},
    intent::session::{Protocol, Standing},
    value::Amount,
};
use farthing_server::{What, session::HandedIn};
use farthing_testkit::method::{Answer, FakeSession, FakeStanding, FakeWork, Latch};

use crate::kit::{Buyer, InMemory, Kit, PRICE, of, options, rail};

/// Puts a channel on the agenda.
async fn want(kit: &Kit, buyer: &Buyer) {
    let (now, id) = (kit.now(), buyer.id());
    let wanted = kit.till.settlements();
    wanted
        .want(&rail(), &id, Wish::Settle, (now, now))
        .await
        .unwrap();
}

async fn settle(kit: &Kit) -> HandedIn {
    kit.till.settle(&rail()).await.unwrap()
}

/// A minute later.
async fn later(kit: &Kit) -> HandedIn {
    kit.clock.advance(Duration::from_secs(60));
    settle(kit).await
}

#[tokio::test]
async fn interim_settlement_takes_the_highest_voucher_that_was_spent_to_the_unit() {
    for protocol in [Protocol::V1, Protocol::V2] {
        let kit = Kit::new(protocol);
        let alice = kit.buyer("alice").await;
        for paid in 1..=5 {
            kit.serve(&alice, paid * PRICE, PRICE).await;
        }
        // Signed ahead, half of it spent: only what was spent by a voucher is taken.
        kit.serve(&alice, 9 * PRICE, PRICE / 2).await;
        want(&kit, &alice).await;
        let done = settle(&kit).await;
        assert_eq!((done.done, done.channels), (1, 1));
        assert_eq!((kit.paid_out(&alice), kit.shops()), (5 * PRICE, 5 * PRICE));
        let balance = kit.balance(&alice).await;
        assert_eq!(balance.settled, of(5 * PRICE));
        assert_eq!(balance.spent, of(5 * PRICE + PRICE / 2));
        assert_eq!(kit.counted().await, PRICE / 2, "the rest is still exposed");
        let told = kit.told();
        assert!(
            matches!(told.last(), Some(What::Settled { amount, .. }) if *amount == of(5 * PRICE)),
            "{told:?}"
        );
        // Nothing new is nothing to hand in.
        want(&kit, &alice).await;
        assert_eq!(later(&kit).await, HandedIn::default());
        assert_eq!(kit.reserve.truth().settlements(), 1);
    }
}

#[tokio::test]
async fn what_is_being_served_is_not_settled() {
    let kit = Kit::new(Protocol::V2);
    let alice = kit.buyer("alice").await;
    kit.serve(&alice, PRICE, PRICE).await;
    kit.pay(&alice, 2 * PRICE, PRICE).await.unwrap();
    want(&kit, &alice).await;
    settle(&kit).await;
    assert_eq!(kit.paid_out(&alice), PRICE);
    kit.served(&alice, PRICE).await;
    want(&kit, &alice).await;
    later(&kit).await;
    assert_eq!(kit.paid_out(&alice), 2 * PRICE);
}

#[tokio::test]
async fn what_a_dead_process_was_serving_is_settled_when_nobody_can_be_serving_it() {
    let kit = Kit::new(Protocol::V2);
    let alice = kit.buyer("alice").await;
    kit.pay(&alice, PRICE, PRICE).await.unwrap();
    let mut rounds = 0;
    while kit.paid_out(&alice) == 0 {
        rounds += 1;
        assert!(rounds < 60, "it is never settled");
        later(&kit).await;
    }
    let waited = Duration::from_secs(60) * rounds;
    assert!(waited >= options().settle.serve_within, "{waited:?}");
    assert_eq!(kit.balance(&alice).await.settled, of(PRICE));
}

/// How long a channel was unused is asked of what is there: another process may serve from it, and take
/// back what it charged, so that what is spent looks as if nothing had happened.
#[tokio::test]
async fn what_another_process_serves_is_not_taken_for_left_over() {
    let kit = Kit::new(Protocol::V2);
    let alice = kit.buyer("alice").await;
    kit.pay(&alice, 2 * PRICE, PRICE).await.unwrap();
    let longest = options().settle.serve_within;
    for _ in 0..4 {
        want(&kit, &alice).await;
        kit.till.settle(&rail()).await.unwrap();
        kit.clock.advance(longest / 2);
        // Elsewhere a request is charged and not served.
        kit.pay(&alice, 2 * PRICE, PRICE).await.unwrap();
        let channels = kit.channels();
        let mut held = channels.load(&alice.id()).await.unwrap().unwrap();
        let again = channels.update(&mut held, kit.now(), |channel| {
            assert_eq!(channel.unserved(of(PRICE)), of(PRICE));
            Ok(Step::to(()))
        });
        again.await.unwrap();
        kit.clock.advance(longest / 4);
    }
    want(&kit, &alice).await;
    kit.till.settle(&rail()).await.unwrap();
    assert_eq!(kit.paid_out(&alice), 0);
    assert_eq!(kit.balance(&alice).await.unsure, of(PRICE));
    // Nobody uses it any more.
    kit.clock.advance(longest);
    want(&kit, &alice).await;
    kit.till.settle(&rail()).await.unwrap();
    assert_eq!(kit.balance(&alice).await.unsure, of(0));
}

#[tokio::test]
async fn many_channels_go_into_few_settlements() {
    let kit = Kit::with(
        Protocol::V2,
        options(),
        |session| session.settling_at_most(16),
        None,
    );
    let mut buyers = Vec::new();
    for name in 0..40 {
        let buyer = kit.buyer(&format!("buyer-{name}")).await;
        kit.serve(&buyer, PRICE, PRICE).await;
        want(&kit, &buyer).await;
        buyers.push(buyer);
    }
    let done = settle(&kit).await;
    assert_eq!((done.done, done.channels), (3, 40));
    assert_eq!(kit.reserve.truth().settlements(), 3);
    assert_eq!(kit.shops(), 40 * PRICE);
    for buyer in &buyers {
        assert_eq!(kit.balance(buyer).await.settled, of(PRICE));
    }
    assert_eq!(kit.counted().await, 0);
}

/// The one that cannot be settled, because its payer took everything back behind us.
#[tokio::test]
async fn one_of_ten_that_the_rail_refuses_keeps_the_others_from_nothing() {
    let kit = Kit::new(Protocol::V2);
    let mut buyers = Vec::new();
    for name in 0..10 {
        let buyer = kit.buyer(&format!("buyer-{name}")).await;
        kit.serve(&buyer, PRICE, PRICE).await;
        want(&kit, &buyer).await;
        buyers.push(buyer);
    }
    let gone = &buyers[4];
    kit.reserve.request_close(&gone.id());
    kit.clock.advance(Duration::from_secs(16 * 60));
    assert!(kit.reserve.withdraw(&gone.id()));
    kit.told();
    let first = settle(&kit).await;
    assert_eq!((first.done, first.refused), (0, 1));
    // Looked at anew, it is known to be over, and what was served out of it is lost.
    assert_eq!(kit.standing(gone).await, Standing::Closed);
    let lost = What::Ended {
        settled: of(0),
        lost: of(PRICE),
        reference: None,
    };
    assert!(kit.told().contains(&lost));
    let second = settle(&kit).await;
    assert_eq!((second.done, second.channels), (1, 9));
    assert_eq!((kit.shops(), kit.counted().await), (9 * PRICE, 0));
}

#[tokio::test]
async fn a_refusal_that_names_nobody_is_found_by_smaller_settlements() {
    let kit = Kit::new(Protocol::V2);
    let mut buyers = Vec::new();
    for name in 0..10 {
        let buyer = kit.buyer(&format!("buyer-{name}")).await;
        kit.serve(&buyer, PRICE, PRICE).await;
        want(&kit, &buyer).await;
        buyers.push(buyer);
    }
    kit.reserve.script_settling([Answer::Refuse]);
    let first = settle(&kit).await;
    assert_eq!((first.done, first.refused), (0, 1));
    assert_eq!(kit.shops(), 0, "nothing of it happened");
    // Four together, as many as fit a fourth of the usual sixteen.
    let second = settle(&kit).await;
    assert_eq!((second.done, second.channels), (3, 10));
    assert_eq!(kit.shops(), 10 * PRICE);
    let truth = kit.reserve.truth();
    let sizes = truth.sent.values().filter_map(|sent| match &sent.work {
        FakeWork::Settle(items) => Some(items.len()),
        _ => None,
    });
    let mut sizes: Vec<usize> = sizes.collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [2, 4, 4, 10]);
}

#[tokio::test]
async fn a_channel_that_is_refused_alone_is_tried_ever_less_often() {
    let kit = Kit::new(Protocol::V2);
    let alice = kit.buyer("alice").await;
    kit.serve(&alice, PRICE, PRICE).await;
    want(&kit, &alice).await;
    kit.told();
    for (refused, wait) in [(1, 2), (2, 4), (3, 8)] {
        kit.reserve.script_settling([Answer::Refuse]);
        let done = settle(&kit).await;
        assert_eq!(done.refused, 1, "after {refused}");
        assert_eq!(kit.told(), [What::NotSettled]);
        kit.clock.advance(Duration::from_secs(wait - 1));
        assert_eq!(settle(&kit).await, HandedIn::default(), "too early");
        kit.clock.advance(Duration::from_secs(6));
    }
    kit.clock.advance(Duration::from_secs(60));
    assert_eq!(settle(&kit).await.done, 1);
    assert_eq!(kit.paid_out(&alice), PRICE);
}

#[tokio::test]
async fn a_settlement_whose_answer_is_lost_is_asked_about_under_its_own_name() {
    for answer in [
        || Answer::MovedButLost,
        || Answer::Lost,
        || Answer::Pending(Duration::from_secs(1)),
        || Answer::Never { moved: true },
        || Answer::Never { moved: false },
    ] {
        let kit = Kit::new(Protocol::V2);
        let alice = kit.buyer("alice").await;
        kit.serve(&alice, PRICE, PRICE).await;
        want(&kit, &alice).await;
        kit.reserve.script_settling([answer()]);
        let first = settle(&kit).await;
        assert_eq!((first.done, first.waiting), (0, 1));
        // More is spent meanwhile. Nothing of the channel is handed in beside what is under way.
        kit.serve(&alice, 3 * PRICE, 2 * PRICE).await;
        want(&kit, &alice).await;
        assert_eq!(settle(&kit).await.waiting, 1);
        let jobs = kit.till.settlements().jobs(&rail(), None).await.unwrap();
        assert_eq!(jobs.len(), 1);
        later(&kit).await;
        later(&kit).await;
        assert_eq!((kit.paid_out(&alice), kit.shops()), (3 * PRICE, 3 * PRICE));
        let truth = kit.reserve.truth();
        assert_eq!(truth.settlements(), 2);
        assert!(truth.sent.values().all(|sent| sent.mixed == 0));
        assert_eq!(kit.balance(&alice).await.settled, of(3 * PRICE));
        let totals = kit.till.settlements();
        let currency = farthing_testkit::method::currency().code;
        let totals = totals.totals(&rail(), &currency).await.unwrap();
        assert_eq!((totals.settled, totals.settlements), (of(3 * PRICE), 2));
    }
}

#[tokio::test]
async fn a_settlement_that_was_dropped_is_made_anew_once_the_rail_says_that_it_never_will_be() {
    let kit = Kit::new(Protocol::V2);
    let alice = kit.buyer("alice").await;
    kit.serve(&alice, PRICE, PRICE).await;
    want(&kit, &alice).await;
    kit.reserve
        .script_settling([Answer::Pending(Duration::from_secs(1)), Answer::Refuse]);
    assert_eq!(settle(&kit).await.waiting, 1);
    let first = later(&kit).await;
    assert_eq!((first.refused, first.done), (1, 0));
    assert_eq!(later(&kit).await.done, 1);
    assert_eq!((kit.paid_out(&alice), kit.shops()), (PRICE, PRICE));
}

#[tokio::test]
async fn a_rail_that_lies_about_what_it_did_is_asked_until_the_channel_shows_it() {
    let kit = Kit::new(Protocol::V2);
    let alice = kit.buyer("alice").await;
    kit.serve(&alice, PRICE, PRICE).await;
    want(&kit, &alice).await;
    // It is done, and the node that is looked at is down.
    kit.reserve
        .script_looking([farthing_testkit::method::Judgement::Down]);
    let first = settle(&kit).await;
    assert_eq!((first.done, first.waiting), (0, 1));
    assert_eq!(kit.balance(&alice).await.settled, of(0));
    assert_eq!(later(&kit).await.done, 1);
    assert_eq!(kit.balance(&alice).await.settled, of(PRICE));
    assert_eq!(kit.reserve.truth().settlements(), 1);
}

#[tokio::test]
async fn two_processes_settle_once_between_them() {
    let one = Arc::new(Kit::new(Protocol::V2));
    let alice = one.buyer("alice").await;
    one.serve(&alice, PRICE, PRICE).await;
    want(&one, &alice).await;
    let latch = Latch::default();
    one.reserve.script_settling([Answer::Hang(latch.clone())]);
    let first = tokio::spawn({
        let one = Arc::clone(&one);
        async move { settle(&one).await }
    });
    let two = one.beside(options());
    while one.reserve.with(|truth| truth.sent.len()) < 2 {
        tokio::task::yield_now().await;
    }
    assert!(settle(&two).await.is_elsewhere);
    latch.open();
    assert_eq!(first.await.unwrap().done, 1);
    // The first one dies with its lease; the second goes on when that is over.
    one.serve(&alice, 2 * PRICE, PRICE).await;
    want(&one, &alice).await;
    one.reserve.script_settling([Answer::Never { moved: true }]);
    let dying = tokio::spawn({
        let one = Arc::clone(&one);
        async move { settle(&one).await }
    });
    while one.paid_out(&alice) < 2 * PRICE {
        tokio::task::yield_now().await;
    }
    dying.abort();
    assert!(settle(&two).await.is_elsewhere);
    two.clock.advance(options().alive);
    assert_eq!(settle(&two).await.done, 1);
    assert_eq!(two.balance(&alice).await.settled, of(2 * PRICE));
    let truth = one.reserve.truth();
    assert_eq!(truth.settlements(), 2);
    assert!(truth.sent.values().all(|sent| sent.mixed == 0));
}

#[tokio::test]
async fn the_amount_the_age_and_the_idle_time_make_a_channel_due() {
    let memory = InMemory::new();
    let mut options = options();
    options.settle.amount = "$0.01".parse().unwrap();
    options.settle.age = Duration::from_secs(1_000);
    options.settle.idle = Duration::from_secs(200);
    let kit = Kit::with(Protocol::V2, options, |s| s, Some(memory.clone()));
    let alice = kit.buyer("alice").await;
    let scout = async || kit.till.scout(&rail()).await.unwrap();
    let balance = async || memory.show(&alice, kit.balance(&alice).await);
    // Nothing unsettled, and less than the amount.
    balance().await;
    assert_eq!(scout().await, 0);
    kit.serve(&alice, 9 * PRICE, 9 * PRICE).await;
    balance().await;
    assert_eq!(scout().await, 0);
    // The amount.
    kit.serve(&alice, 10 * PRICE, PRICE).await;
    balance().await;
    assert_eq!(scout().await, 1);
    assert_eq!(settle(&kit).await.done, 1);
    assert_eq!(kit.paid_out(&alice), 10 * PRICE);
    // Not used for a while.
    kit.clock.advance(Duration::from_secs(60));
    kit.serve(&alice, 11 * PRICE, PRICE).await;
    balance().await;
    assert_eq!(scout().await, 0);
    kit.clock.advance(Duration::from_secs(199));
    assert_eq!(scout().await, 0);
    kit.clock.advance(Duration::from_secs(1));
    assert_eq!(scout().await, 1);
    assert_eq!(settle(&kit).await.done, 1);
    balance().await;
    scout().await;
    // In use all the time, and little by little.
    let mut spent = 11 * PRICE;
    for round in 1.. {
        assert!(round < 20, "it never gets old");
        spent += 10;
        kit.serve(&alice, spent, 10).await;
        balance().await;
        if scout().await == 1 {
            assert_eq!(round, 11);
            break;
        }
        kit.clock.advance(Duration::from_secs(100));
    }
    assert_eq!(settle(&kit).await.done, 1);
    assert_eq!(kit.paid_out(&alice), spent);
}

#[tokio::test]
async fn what_is_in_no_memory_is_found_by_what_is_exposed() {
    let mut options = options();
    options.settle.age = Duration::from_secs(500);
    let kit = Kit::with(Protocol::V2, options, |s| s, None);
    let alice = kit.buyer("alice").await;
    kit.serve(&alice, PRICE, PRICE).await;
    kit.clock.advance(Duration::from_secs(499));
    kit.till.look_around(&rail()).await.unwrap();
    assert_eq!(settle(&kit).await, HandedIn::default());
    kit.clock.advance(Duration::from_secs(1));
    assert_eq!(settle(&kit).await.done, 1);
    assert_eq!((kit.paid_out(&alice), kit.counted().await), (PRICE, 0));
}

#[tokio::test]
async fn the_schedule_settles_all_of_it() {
    let mut options = options();
    options.settle.schedule = Some(Duration::from_secs(24 * 60 * 60));
    options.settle.age = Duration::from_secs(10 * 24 * 60 * 60);
    options.settle.idle = options.settle.age;
    let kit = Kit::with(Protocol::V2, options, |s| s, None);
    let alice = kit.buyer("alice").await;
    kit.serve(&alice, PRICE, PRICE).await;
    assert_eq!(settle(&kit).await, HandedIn::default());
    let day = 24 * 60 * 60;
    let left = day - kit.now().as_secs() % day;
    kit.clock.advance(Duration::from_secs(left - 1));
    kit.till.look_around(&rail()).await.unwrap();
    assert_eq!(settle(&kit).await, HandedIn::default());
    kit.clock.advance(Duration::from_secs(1));
    assert_eq!(settle(&kit).await.done, 1);
    kit.serve(&alice, 2 * PRICE, PRICE).await;
    assert_eq!(settle(&kit).await, HandedIn::default(), "once a day");
}

#[tokio::test]
async fn a_channel_that_nobody_uses_is_closed_and_one_in_use_is_not() {
    let mut options = options();
    options.settle.close_unused = Some(Duration::from_secs(10_000));
    let kit = Kit::with(Protocol::V2, options, |s| s, None);
    let (alice, bob) = (kit.buyer("alice").await, kit.buyer("bob").await);
    let hour = async || {
        kit.clock.advance(Duration::from_secs(10_001));
        kit.till.look_around(&rail()).await.unwrap();
        settle(&kit).await;
    };
    kit.serve(&alice, PRICE, PRICE).await;
    kit.serve(&bob, PRICE, PRICE).await;
    hour().await;
    assert_eq!(kit.standing(&alice).await, Standing::Open);
    kit.serve(&alice, 2 * PRICE, PRICE).await;
    hour().await;
    assert_eq!(kit.standing(&alice).await, Standing::Open);
    assert_eq!(kit.standing(&bob).await, Standing::Closed);
    hour().await;
    assert_eq!(kit.standing(&alice).await, Standing::Closed);
    assert_eq!(kit.shops(), 3 * PRICE);
    let truth = kit.reserve.truth();
    assert_eq!(truth.locked(), 0);
    assert_eq!(
        truth.total(),
        kit.shops() + 2 * crate::kit::FUNDS - 3 * PRICE
    );
}

#[tokio::test]
async fn nothing_that_was_handed_in_changes_under_its_name() {
    let kit = Kit::with(Protocol::V2, options(), |s: FakeSession| s, None);
    let alice = kit.buyer("alice").await;
    kit.serve(&alice, PRICE, PRICE).await;
    want(&kit, &alice).await;
    kit.reserve.set_blocks_by_hand(true);
    assert_eq!(settle(&kit).await.waiting, 1);
    kit.serve(&alice, 2 * PRICE, PRICE).await;
    for _ in 0..5 {
        kit.clock.advance(Duration::from_secs(2));
        settle(&kit).await;
    }
    kit.reserve.mine();
    kit.clock.advance(Duration::from_secs(2));
    settle(&kit).await;
    let truth = kit.reserve.truth();
    assert!(truth.sent.values().all(|sent| sent.mixed == 0));
    let done = truth.sent.values().filter(|sent| {
        matches!(sent.work, FakeWork::Settle(_)) && matches!(sent.standing, FakeStanding::Done(..))
    });
    assert_eq!(done.count(), 1);
    assert_eq!(kit.paid_out(&alice), PRICE);
    assert_eq!(
        Amount::new(kit.paid_out(&alice)),
        kit.balance(&alice).await.settled
    );
}
